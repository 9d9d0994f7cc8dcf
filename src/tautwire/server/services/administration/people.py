"""Users and bots, as an operator sees and adds them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from tautwire.protocol.tokens import Token
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.administration.refusals import Refused, explained
from tautwire.server.services.channels.conversations import admit
from tautwire.server.services.channels.room import enter
from tautwire.server.services.errors import MethodError
from tautwire.server.services.people.accounts import announce, deactivate, reactivate
from tautwire.server.services.planting import plant_user
from tautwire.server.services.seed import Name, SeedUser
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import channels_of, find_general
from tautwire.server.store.queries.users import find_user, find_user_by_name, list_users
from tautwire.server.store.records import ChannelRecord, UserRecord

MAX_LINE: Final = 250
"""Characters of a full name or an e-mail address."""


class Person(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A person or bot. Times are seconds since 1970."""

    id: str
    name: str
    real_name: str
    email: str | None
    is_bot: bool
    deactivated: bool
    created: int
    bot_id: str | None = None
    app_id: str | None = None
    channels: list[str] | None = None
    """The names of the public and private channels; None in lists."""


class NewPerson(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A person or bot to add."""

    name: str
    real_name: str = ""
    email: str | None = None
    channels: list[str] = []


class Added(NamedTuple):
    """A new person or bot, and the token, which cannot be read again."""

    user: UserRecord
    token: Token


def set_active(tx: Transaction, team: Team, user: UserRecord, *, active: bool) -> UserRecord:
    """Deactivate or reactivate a person or bot (a unit); return the user as it is then."""
    try:
        return (reactivate if active else deactivate)(tx, team, user.id)
    except MethodError as error:
        raise explained(error, f"{user.name} stays as it is") from None


def add(tx: Transaction, team: Team, wanted: NewPerson, channels: Sequence[ChannelRecord], *, is_bot: bool) -> Added:
    """Add a person or bot (a unit), and put it into channels; people are in the general one too.

    Args:
        channels: those of ``wanted``.

    Events: wire/delivery.md#what-a-call-produces.
    """
    _check(wanted)
    taken = find_user_by_name(tx, wanted.name)
    if taken is not None:
        what = "bot" if taken.bot_id is not None else "user"
        raise Refused("name_taken", f"the name {wanted.name!r} belongs to the {what} {taken.id}: choose another")
    seeded = SeedUser(wanted.name, wanted.real_name, wanted.email)
    try:
        token = plant_user(tx, seeded, "issued", is_bot=is_bot)
    except MethodError as error:
        raise explained(error, f"the app of the bot {wanted.name!r} cannot be added") from None
    user = find_user_by_name(tx, wanted.name)
    if user is None:
        raise MethodError("user_not_found")
    announce(tx, team, user, is_new=True)
    general = None if is_bot else find_general(tx)
    if general is not None:
        let_in(tx, team, general, user.id, inviter=None)
    for channel in channels:
        try:
            let_in(tx, team, channel.id, user.id, inviter=None)
        except MethodError as error:
            raise explained(error, f"{wanted.name} cannot be added to {channel.name or channel.id}") from None
    return Added(user, Token(token))


def let_in(tx: Transaction, team: Team, channel: str, user: str, *, inviter: str | None) -> None:
    """Add a user to a channel; no effect if the user is a member.

    Raises:
        MethodError: the channel takes no members, or the user is deactivated.
    """
    room = enter(tx, channel)
    record = find_user(tx, user)
    if room is None:
        raise MethodError("channel_not_found")
    if room.channel.is_direct:
        raise MethodError("method_not_supported_for_channel_type")
    if room.channel.archived:
        raise MethodError("is_archived")
    if record is None or record.deleted:
        raise MethodError("user_not_found")
    if user not in room.members:
        admit(tx, team, room, user, inviter=inviter)


def list_people(query: Query, *, bots: bool, after: str, count: int) -> list[Person]:
    """Return people or bots behind a name, in the order of names."""
    return [person(user) for user in list_users(query, bots=bots, after=after, count=count)]


def show(query: Query, user: UserRecord) -> Person:
    """Return a person or bot with the channels."""
    return person(user, channels_of(query, user.id))


def person(user: UserRecord, channels: list[str] | None = None) -> Person:
    """Return what an operator sees of a user."""
    return Person(
        id=user.id, name=user.name, real_name=user.real_name, email=user.email, is_bot=user.bot_id is not None,
        deactivated=user.deleted, created=user.created, bot_id=user.bot_id, app_id=user.app_id, channels=channels,
    )  # fmt: skip


def checked_line(text: str, what: str) -> str:
    """Return the text if it is a short line of printable characters.

    Raises:
        Refused: it is not.
    """
    if len(text) > MAX_LINE or not text.isprintable():
        raise Refused(
            "invalid_text",
            f"{what} must be at most {MAX_LINE} printable characters, got {text[:MAX_LINE]!r}: shorten it",
        )
    return text


def checked_name(name: str) -> str:
    """Return the name if a user or app can have it.

    Raises:
        Refused: it cannot.
    """
    try:
        return msgspec.convert(name, Name)
    except msgspec.ValidationError:
        raise Refused(
            "invalid_name",
            f"a name must be 1 to 80 letters, digits, '.', '_' or '-', got {name[:MAX_LINE]!r}: choose another",
        ) from None


def _check(wanted: NewPerson) -> None:
    checked_name(wanted.name)
    checked_line(wanted.real_name, "the full name")
    if wanted.email is not None and "@" not in checked_line(wanted.email, "the e-mail address"):
        raise Refused("invalid_email", f"an e-mail address must have an @, got {wanted.email!r}: correct it")
