"""Profiles: what users set about themselves. Source: wire/web-api-methods.md#usersprofileset and wire/objects.md#user.

The row of a user has the real name, the address and, as JSON, what is set beside these. No cache holds a profile: the
JSON of a user object is kept by its row.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from tautwire.server.log.entry import WORKSPACE
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.due import Duty
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.wire_objects import stored_profile, user_object
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.statuses import find_ended, find_next_end, set_status_end
from tautwire.server.store.queries.users import find_user, find_user_by_email, set_profile
from tautwire.server.store.records import UserRecord

TEXTS: Final = {
    "real_name": 80, "first_name": 35, "last_name": 35, "display_name": 80, "email": 254, "title": 255, "phone": 255,
    "pronouns": 255, "skype": 255, "status_text": 100, "status_emoji": 100,
}  # fmt: skip
"""The members that are texts, with their characters at most: of a status documented, the others ours."""
MAX_FIELDS: Final = 2_000
"""Bytes of JSON in ``fields`` (ours)."""
_STATUS: Final = ("status_text", "status_emoji", "status_expiration")
_RESERVED: Final = ("slackbot", "channel", "here", "everyone", "group")
_BUBBLE: Final = ":speech_balloon:"
"""The emoji of a status that is set without one. Source: wire/web-api-methods.md#usersprofileset (uncertain)."""


def set_own_profile(tx: Transaction, team: Team, who: Identity, given: Mapping[str, Any]) -> UserRecord:
    """Set members of the caller's profile; those that are not given stay. Return the user as it is then (a unit).

    Emits user_change and user_profile_changed to all, and user_status_changed if the status has changed.

    Raises:
        MethodError: invalid_profile, too_long, email_taken, reserved_name, invalid_starts_with_at or
            must_clear_both_status_text_and_status_emoji.
    """
    user = find_user(tx, who.user)
    if user is None:
        raise MethodError("invalid_profile")
    before = stored_profile(user)
    changes = _checked(given)
    _check_address(tx, user, changes)
    _complete_status(changes, before)
    after = before | changes
    real_name, email = after.pop("real_name", user.real_name), after.pop("email", user.email)
    if "real_name" in changes:
        for part in ("first_name", "last_name"):
            after.pop(part, None)  # they come from the real name again, unless they are given too
        after |= {part: changes[part] for part in ("first_name", "last_name") if part in changes}
    elif {"first_name", "last_name"} & changes.keys():
        seen = user_object(user, team, shows_email=False)["profile"] | changes
        real_name = f"{seen['first_name']} {seen['last_name']}".strip()
    changed = msgspec.structs.replace(
        user, real_name=real_name, email=email or None, profile=msgspec.json.encode(after).decode(),
        updated=tx.now // 1_000_000,
    )  # fmt: skip
    has_status = any(before.get(name) != after.get(name) for name in _STATUS)
    if has_status:
        set_status_end(tx, user.id, after.get("status_expiration", 0))
    _store(tx, team, changed, with_status=has_status)
    return changed


def duty_of(team: Team) -> Duty:
    """Return the duty to clear the statuses that end."""
    return Duty(
        find_ended, find_next_end, do=lambda user: partial(end_status, team=team, user=user),
        drop=lambda user: partial(set_status_end, user=user, due=0),
    )  # fmt: skip


def end_status(tx: Transaction, team: Team, user: str) -> None:
    """Clear a status that has ended; no effect if it has another end meanwhile (a unit).

    Emits what a change of the status emits. Source: wire/objects.md#user.
    """
    record, now = find_user(tx, user), tx.now // 1_000_000
    profile = stored_profile(record) if record is not None else {}
    end = profile.get("status_expiration", 0)
    if not end:
        set_status_end(tx, user, 0)
    if record is None or not 0 < end <= now:
        return
    set_status_end(tx, user, 0)
    cleared = profile | {"status_text": "", "status_emoji": "", "status_expiration": 0}
    changed = msgspec.structs.replace(record, profile=msgspec.json.encode(cleared).decode(), updated=now)
    _store(tx, team, changed, with_status=True)


def _store(tx: Transaction, team: Team, changed: UserRecord, *, with_status: bool) -> None:
    """Store a changed profile and emit its events to all."""
    set_profile(tx, changed)
    seen = user_object(changed, team, shows_email=False)
    for name in ("user_change", "user_profile_changed", *(["user_status_changed"] if with_status else [])):
        tx.emit(WORKSPACE, event(name, user=seen, cache_ts=changed.updated, event_ts=next_event_ts(tx)))


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that may be set; others are ignored, as photos are that a client sends back."""
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name in TEXTS:
            changes[name] = _text(name, value)
        elif name == "status_expiration":
            changes[name] = _expiration(value)
        elif name == "fields":
            changes[name] = _fields(value)
    if not changes:
        raise MethodError("invalid_profile")
    if changes.get("display_name", "").startswith("@"):
        raise MethodError("invalid_starts_with_at")
    if changes.get("display_name", "").lower() in _RESERVED:
        raise MethodError("reserved_name")
    return changes


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise MethodError("invalid_profile")
    if len(value) > TEXTS[name]:
        raise MethodError("too_long")
    if name == "status_emoji" and value and not (len(value) > 2 and value[0] == value[-1] == ":"):
        raise MethodError("invalid_profile")
    return value


def _expiration(value: object) -> int:
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 12:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**11:
        raise MethodError("invalid_profile")
    return value


def _fields(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MethodError("invalid_profile")
    if len(msgspec.json.encode(value)) > MAX_FIELDS:
        raise MethodError("too_long")
    return value


def _check_address(tx: Transaction, user: UserRecord, changes: Mapping[str, Any]) -> None:
    address = changes.get("email")
    if not address:
        return
    name, _, host = address.rpartition("@")
    if not name or not host or not address.isprintable() or " " in address:
        raise MethodError("invalid_profile")
    found = find_user_by_email(tx, address)
    if found is not None and found.id != user.id:
        raise MethodError("email_taken")


def _complete_status(changes: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Add to the changes what the rest of the status becomes. A status has a text, an emoji, or both."""
    for one, other in (("status_text", "status_emoji"), ("status_emoji", "status_text")):
        if changes.get(one) == "" and other not in changes and before.get(other) and before.get(one):
            raise MethodError("must_clear_both_status_text_and_status_emoji")
    if not changes.keys() & {"status_text", "status_emoji"}:
        return
    after = {**before, **changes}
    if not after.get("status_text") and not after.get("status_emoji"):
        changes["status_expiration"] = 0
    else:
        changes.setdefault("status_expiration", 0)
        if not after.get("status_emoji"):
            changes["status_emoji"] = _BUBBLE
