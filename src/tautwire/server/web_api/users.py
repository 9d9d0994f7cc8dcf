"""The ``users`` family."""

from functools import partial
from typing import Any

from tautwire.protocol.ids import is_user_id
from tautwire.server.services.errors import MethodError
from tautwire.server.services.lists import users_page
from tautwire.server.services.presence import store_away
from tautwire.server.services.wire_objects import user_object
from tautwire.server.store.users import find_user
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method
from tautwire.server.web_api.pages import PAGE_ERRORS, check_limit, decode_cursor, page_metadata


class UsersInfo(Arguments, frozen=True, kw_only=True):
    """Arguments of users.info."""

    REQUIRED = ("user",)

    user: str = ""


class UsersList(Arguments, frozen=True, kw_only=True):
    """Arguments of users.list."""

    cursor: str = ""
    limit: int = 0


class UsersGetPresence(Arguments, frozen=True, kw_only=True):
    """Arguments of users.getPresence."""

    user: str = ""


class UsersSetPresence(Arguments, frozen=True, kw_only=True):
    """Arguments of users.setPresence."""

    REQUIRED = ("presence",)

    presence: str = ""


@method("users.info", UsersInfo, Tier.FOUR, users_and_bots("users:read"), errors=["user_not_found"])
async def info(call: Call, args: UsersInfo) -> Answer:
    """Return one user."""
    user = await call.read(lambda query: find_user(query, args.user))
    if user is None:
        raise MethodError("user_not_found")
    return {"user": user_object(user, call.team, shows_email=call.may_read_email)}


@method("users.list", UsersList, Tier.TWO, users_and_bots("users:read"), errors=PAGE_ERRORS)
async def list_(call: Call, args: UsersList) -> Answer:
    """List all users, including bots."""
    read = call.read if args.limit else call.read_long
    page = await read(
        partial(
            users_page, team=call.team, shows_email=call.may_read_email,
            after=decode_cursor(args.cursor, is_user_id) or "", limit=check_limit(args.limit),
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
