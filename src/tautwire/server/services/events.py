"""The JSON of events, their timestamps, and the list of those that the server sends.

The server makes events as plain objects. ``tautwire.protocol.events`` has their types, and a test decodes every event
of the server with them.
"""

from typing import Final

import msgspec

from tautwire.protocol.ids import NEVER, Ts, ts_from_micros, ts_to_micros
from tautwire.server.log.entry import WORKSPACE
from tautwire.server.log.transaction import Transaction
from tautwire.server.store.queries.log import find_newest_events

SENT: Final = frozenset(
    {"ai_assistant_status", "bot_added", "bot_changed", "channel_archive", "channel_created", "channel_joined"}
    | {"channel_left"}
    | {"channel_marked", "channel_rename", "channel_unarchive", "error", "file_change", "file_created", "file_deleted"}
    | {"file_public", "file_shared", "file_unshared", "goodbye", "group_close", "group_joined", "group_left"}
    | {"group_marked", "group_open", "hello", "im_close", "im_created", "im_marked", "im_open"}
    | {"manual_presence_change", "member_joined_channel", "member_left_channel", "message", "mpim_close"}
    | {"mpim_joined", "mpim_marked", "mpim_open", "pin_added", "pin_removed", "presence_change", "reaction_added"}
    | {"reaction_removed", "team_domain_change", "team_join", "team_rename", "user_change", "user_profile_changed"}
    | {"user_status_changed", "user_typing"}
)
"""The types of events that the server sends over RTM, those of the session included. A test hears each, and every test
that hears another one fails."""

SENT_TO_APPS: Final = frozenset({"app_home_opened", "app_mention", "app_uninstalled", "tokens_revoked"})
"""The types that the server sends to apps alone: those of ``ONLY_EVENTS_API`` that happen here."""

_LOOK_BACK: Final = 100
"""Entries searched for the newest ``event_ts``: the last entry may be a message, whose ``event_ts`` is its ts."""


def event(kind: str, **members: object) -> bytes:
    """Return the JSON of an event; members that are None are left out."""
    return msgspec.json.encode({"type": kind, **{k: v for k, v in members.items() if v is not None}})


def next_event_ts(tx: Transaction) -> Ts:
    """Return the next ``event_ts``, larger than every earlier one of the workspace.

    Source: wire/delivery.md#rules-for-every-event (captured).
    """
    return ts_from_micros(next_moment(tx))


def next_moment(tx: Transaction, after: int = 0) -> int:
    """Return the time of the next event in microseconds: the clock, or one microsecond after the newest event of the
    workspace, and later than ``after``.

    The clock alone would not do: it may stand, or be set back, and readers put events in order by these times.
    """
    last: int | None = tx.recall("event_ts", WORKSPACE)
    if last is None:
        last = _last_event_ts(tx)
    moment = max(tx.now, last + 1, after + 1)
    tx.remember("event_ts", WORKSPACE, moment)
    return moment


class _Stamp(msgspec.Struct):
    event_ts: Ts = NEVER


def _last_event_ts(tx: Transaction) -> int:
    """Return the newest ``event_ts`` at the end of the log, from which to go on if the clock was set back."""
    rows = find_newest_events(tx, _LOOK_BACK)
    return max((ts_to_micros(_event_ts(message_ts, payload)) for message_ts, payload in rows), default=0)


def _event_ts(message_ts: str | None, payload: bytes) -> Ts:
    """Return the ``event_ts`` of a log entry; for a message it is the ts."""
    return Ts(message_ts) if message_ts is not None else msgspec.json.decode(payload, type=_Stamp).event_ts
