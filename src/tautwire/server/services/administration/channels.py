"""Channels and their members, as an operator sees and changes them."""

from collections.abc import Sequence

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import identity_of
from tautwire.server.services.administration.people import let_in
from tautwire.server.services.administration.refusals import Refused, explained
from tautwire.server.services.channels.conversations import create, expel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channel, find_general, list_channels
from tautwire.server.store.queries.membership import count_members
from tautwire.server.store.records import SLACKBOT_ID, ChannelKind, ChannelRecord, UserRecord


class Channel(msgspec.Struct, kw_only=True):
    """A public or private channel. ``created`` is in seconds since 1970."""

    id: str
    name: str
    private: bool
    archived: bool
    general: bool
    topic: str
    purpose: str
    creator: str
    created: int
    member_count: int


def add(tx: Transaction, team: Team, name: str, members: Sequence[UserRecord], *, private: bool) -> ChannelRecord:
    """Create a channel (a unit); the first of the members is its creator."""
    if not members:
        raise Refused("no_members", f"the channel {name!r} needs a member, who is its creator: name one")
    for member in members:
        if member.deleted:
            raise Refused("user_deactivated", f"{member.name} is deactivated: reactivate the user first")
    first, *others = members
    creator = identity_of(first)
    general = not private and find_general(tx) is None
    try:
        room = create(tx, team, creator, name, private=private, general=general)
        for other in others:
            let_in(tx, team, room.id, other.id, inviter=first.id)
    except MethodError as error:
        raise explained(error, f"the channel {name[:100]!r} cannot be added") from None
    return room.channel


def invite(tx: Transaction, team: Team, channel: ChannelRecord, users: Sequence[UserRecord]) -> None:
    """Add users to a channel (a unit); those who are members stay as they are."""
    for user in users:
        try:
            let_in(tx, team, channel.id, user.id, inviter=None)
        except MethodError as error:
            raise explained(error, f"{user.name} cannot be added to {channel.name or channel.id}") from None


def remove(tx: Transaction, team: Team, channel: ChannelRecord, user: UserRecord) -> None:
    """Remove a member from a channel (a unit)."""
    try:
        expel(tx, team, channel.id, user.id, actor=SLACKBOT_ID)
    except MethodError as error:
        raise explained(error, f"{user.name} cannot be removed from {channel.name or channel.id}") from None


def list_all(query: Query, *, after: str, count: int) -> list[Channel]:
    """Return public and private channels behind a name, in the order of names."""
    records = list_channels(query, after=after, count=count)
    counts = count_members(query, [record.id for record in records])
    return [_channel(record, counts.get(record.id, 0)) for record in records]


def show(query: Query, channel: ChannelRecord) -> Channel:
    """Return a channel as it is now."""
    record = find_channel(query, channel.id) or channel
    if record.kind not in (ChannelKind.PUBLIC, ChannelKind.PRIVATE):
        raise Refused("not_a_channel", f"{record.id} is a direct message: give the name or id of a channel")
    return _channel(record, count_members(query, [record.id]).get(record.id, 0))


def _channel(record: ChannelRecord, member_count: int) -> Channel:
    return Channel(
        id=record.id, name=record.name or "", private=record.kind is ChannelKind.PRIVATE, archived=record.archived,
        general=record.general, topic=record.topic, purpose=record.purpose, creator=record.creator,
        created=record.created, member_count=member_count,
    )  # fmt: skip
