"""The ``users`` family: profiles."""

from functools import partial
from typing import Any

from tautwire.server.services.errors import MethodError
from tautwire.server.services.people import profiles
from tautwire.server.services.wire_objects import user_object
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import UserRecord
from tautwire.server.web_api.access import access, users_and_bots
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method


class UsersProfileGet(Arguments, frozen=True, kw_only=True):
    """Arguments of users.profile.get."""

    user: str = ""


class UsersProfileSet(Arguments, frozen=True, kw_only=True):
    """Arguments of users.profile.set: ``profile``, or ``name`` and ``value`` for one member of it."""

    ONE_OF = ("profile", "name")

    profile: Json = None
    name: str = ""
    value: str = ""
    user: str = ""


@method(
    "users.profile.get", UsersProfileGet, Tier.FOUR, users_and_bots("users.profile:read"), errors=["user_not_found"],
)  # fmt: skip
async def get_profile(call: Call, args: UsersProfileGet) -> Answer:
    """Return the profile of a user; of the caller if none is named."""
    user = await call.read(lambda query: find_user(query, args.user or call.who.user))
    if user is None:
        raise MethodError("user_not_found")
    return {"profile": _profile(call, user)}


@method(
    "users.profile.set", UsersProfileSet, Tier.THREE, access(user=["users.profile:write"]),
    errors=[
        "email_taken", "invalid_profile", "invalid_starts_with_at", "must_clear_both_status_text_and_status_emoji",
        "not_admin", "reserved_name", "too_long",
    ],
)  # fmt: skip
async def set_profile(call: Call, args: UsersProfileSet) -> Answer:
    """Set members of the caller's profile: names, address, title, status and the like."""
    if args.user not in ("", call.who.user):
        raise MethodError("not_admin")
    given = args.profile if args.profile is not None else {args.name: args.value}
    if not isinstance(given, dict):
        raise MethodError("invalid_profile")
    user = await call.write(partial(profiles.set_own_profile, team=call.team, who=call.who, given=given))
    profile = _profile(call, user)
    if profile.get("status_expiration"):
        call.workspace.status_ends.expect(profile["status_expiration"])
    return {"username": user.name, "profile": profile}


def _profile(call: Call, user: UserRecord) -> dict[str, Any]:
    profile: dict[str, Any] = user_object(user, call.team, shows_email=call.may_read_email)["profile"]
    return profile
