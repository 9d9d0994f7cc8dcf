"""The ``users`` family."""

from functools import partial
from typing import Any, Final

from tautwire.protocol.ids import is_channel_id, is_user_id
from tautwire.server.services.arrays import Page
from tautwire.server.services.errors import MethodError
from tautwire.server.services.lists import conversations_of_page, users_page
from tautwire.server.services.people.presence import ACTIVE, AWAY, store_away
from tautwire.server.services.wire_objects import LOCALE, user_object
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.users import find_user, find_user_by_email, find_users_by_ids
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method
from tautwire.server.web_api.methods.conversations import READS, kinds_of
from tautwire.server.web_api.pages import PAGE_ERRORS, check_limit, decode_cursor, page_metadata

MAX_USERS: Final = 1_000
"""Users in one call of users.info (ours)."""
_EXTRAS: Final = {
    (with_locale, state): b"%b%b" % (
        b',"locale":"%b"' % LOCALE.encode() if with_locale else b"",
        b',"presence":"%b"' % state.encode() if state else b"",
    )
    for with_locale in (False, True)
    for state in ("", ACTIVE, AWAY)
}  # fmt: skip


class UsersInfo(Arguments, frozen=True, kw_only=True):
    """Arguments of users.info. ``users``, a list, is an old form that wee-slack uses."""

    ONE_OF = ("user", "users")

    user: str = ""
    users: tuple[str, ...] = ()
    include_locale: bool = False


class UsersConversations(Arguments, frozen=True, kw_only=True):
    """Arguments of users.conversations."""

    user: str = ""
    types: tuple[str, ...] = ("public_channel",)
    exclude_archived: bool = False
    cursor: str = ""
    limit: int = 100


class UsersLookupByEmail(Arguments, frozen=True, kw_only=True):
    """Arguments of users.lookupByEmail."""

    REQUIRED = ("email",)

    email: str = ""


class UsersSetActive(Arguments, frozen=True, kw_only=True):
    """Arguments of users.setActive."""


class UsersPrefsGet(Arguments, frozen=True, kw_only=True):
    """Arguments of users.prefs.get."""


class UsersList(Arguments, frozen=True, kw_only=True):
    """Arguments of users.list."""

    cursor: str = ""
    limit: int = 0
    presence: bool = False
    include_locale: bool = False


class UsersGetPresence(Arguments, frozen=True, kw_only=True):
    """Arguments of users.getPresence."""

    user: str = ""


class UsersSetPresence(Arguments, frozen=True, kw_only=True):
    """Arguments of users.setPresence."""

    REQUIRED = ("presence",)

    presence: str = ""


@method(
    "users.info", UsersInfo, Tier.FOUR, users_and_bots("users:read"), errors=["too_many_users", "user_not_found"],
)  # fmt: skip
async def info(call: Call, args: UsersInfo) -> Answer:
    """Return one user, or several with ``users``."""
    wanted = args.users or (args.user,)
    if len(wanted) > MAX_USERS:
        raise MethodError("too_many_users")
    found = await call.read(lambda query: find_users_by_ids(query, wanted))
    if any(user not in found for user in wanted):
        raise MethodError("user_not_found")
    extra = {"locale": LOCALE} if args.include_locale else {}
    seen = [user_object(found[user], call.team, shows_email=call.may_read_email) | extra for user in wanted]
    return {"users": seen} if args.users else {"user": seen[0]}


@method("users.list", UsersList, Tier.TWO, users_and_bots("users:read"), errors=PAGE_ERRORS)
async def list_(call: Call, args: UsersList) -> Answer:
    """List all users, including bots."""
    state = call.workspace.presence.state

    def extra(user: str) -> bytes:
        return _EXTRAS[args.include_locale, state(user) if args.presence else ""]

    read = call.read if args.limit else call.read_long
    page = await read(
        partial(
            users_page, team=call.team, shows_email=call.may_read_email,
            after=decode_cursor(args.cursor, is_user_id) or "", limit=check_limit(args.limit),
            extra=extra if args.presence or args.include_locale else None,
        )
    )  # fmt: skip
    return {
        "members": page.items,
        "cache_ts": call.workspace.clock.seconds(),
        "response_metadata": page_metadata(page),
    }


@method(
    "users.getPresence", UsersGetPresence, Tier.THREE, users_and_bots("users:read"), errors=["user_not_found"],
)  # fmt: skip
async def get_presence(call: Call, args: UsersGetPresence) -> Answer:
    """Return the presence of a user; with details if the user is the caller."""
    user = args.user or call.who.user
    if await call.read(lambda query: find_user(query, user)) is None:
        raise MethodError("user_not_found")
    presence = call.workspace.presence.state(user)
    answer: dict[str, Any] = {"presence": presence}
    if user == call.who.user:
        connections = len(call.workspace.hub.connections_of(user))
        away = call.workspace.presence.is_away_by_hand(user)
        answer |= {
            "online": connections > 0,
            "auto_away": connections > 0 and presence == "away" and not away,
            "manual_away": away,
            "connection_count": connections,
        }
        last = call.workspace.presence.last_activity(user)
        if last is not None:
            clock = call.workspace.clock
            answer["last_activity"] = int(clock.seconds() - (clock.monotonic() - last))
    return answer


@method(
    "users.setPresence", UsersSetPresence, Tier.TWO, users_and_bots("users:write"), errors=["invalid_presence"],
)  # fmt: skip
async def set_presence(call: Call, args: UsersSetPresence) -> Answer:
    """Set or end the manual away of the caller. ``active`` is the old name of ``auto``.

    Source: wire/presence-and-typing.md#away-by-hand.
    """
    if args.presence not in ("away", "auto", "active"):
        raise MethodError("invalid_presence")
    away = args.presence == "away"
    await call.write(partial(store_away, user=call.who.user, away=away))
    call.workspace.presence.set_away(call.who.user, away=away)
    return {}


@method(
    "users.conversations", UsersConversations, Tier.THREE, READS,
    errors=[*PAGE_ERRORS, "invalid_types", "user_not_found"],
)  # fmt: skip
async def conversations(call: Call, args: UsersConversations) -> Answer:
    """List the conversations of a user that the caller may see; of the caller if none is named."""
    user, kinds, limit = args.user or call.who.user, kinds_of(args.types), check_limit(args.limit)
    after = decode_cursor(args.cursor, is_channel_id) or ""

    def find(query: Query) -> Page:
        if find_user(query, user) is None:
            raise MethodError("user_not_found")
        return conversations_of_page(
            query, kinds, user=user, viewer=call.who.user, archived=not args.exclude_archived, after=after, limit=limit
        )

    page = await (call.read if limit else call.read_long)(find)
    return {"channels": page.items, "response_metadata": page_metadata(page)}


@method(
    "users.lookupByEmail", UsersLookupByEmail, Tier.THREE, users_and_bots("users:read.email"),
    errors=["users_not_found"],
)  # fmt: skip
async def lookup_by_email(call: Call, args: UsersLookupByEmail) -> Answer:
    """Return the user with an address."""
    user = await call.read(lambda query: find_user_by_email(query, args.email.strip()))
    if user is None:
        raise MethodError("users_not_found")
    return {"user": user_object(user, call.team, shows_email=True)}


@method("users.setActive", UsersSetActive, Tier.TWO, users_and_bots("users:write"), successor="users.setPresence")
async def set_active(call: Call, args: UsersSetActive) -> Answer:
    """Do nothing: activity is what connections do. Source: wire/presence-and-typing.md#states."""
    return {}


@method("users.prefs.get", UsersPrefsGet, Tier.THREE, users_and_bots("users:read"))
async def prefs_get(call: Call, args: UsersPrefsGet) -> Answer:
    """Return the preferences of the caller, which are all at their defaults: wee-slack reads them at its start."""
    prefs = {"muted_channels": "", "highlight_words": "", "all_notifications_prefs": '{"channels":{}}'}
    return {"prefs": prefs}
