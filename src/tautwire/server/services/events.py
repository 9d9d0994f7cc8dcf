"""Making the events of the log.

Events are plain objects on the wire; their types are the classes of ``tautwire.protocol.events``, and a test decodes
everything the server emits with them.
"""

from typing import Final

import msgspec

from tautwire.protocol.ids import NEVER, Ts, ts_from_micros, ts_to_micros
from tautwire.server.log.transaction import Transaction

_LOOK_BACK: Final = 100
"""Entries looked through for the last ``event_ts``: messages have their own, which is not always the newest."""


def event(kind: str, **members: object) -> bytes:
    """Return the JSON of an event; members that are None are left out."""
    return msgspec.json.encode({"type": kind, **{k: v for k, v in members.items() if v is not None}})


def next_event_ts(tx: Transaction) -> Ts:
    """Return the next ``event_ts``: grows over the whole workspace.

    Source: wire/delivery.md#rules-for-every-event (captured).
    """
    last: int | None = tx.cache.get("event_ts")
    if last is None:
        last = _last_event_ts(tx)
    tx.cache["event_ts"] = now = max(tx.now, last + 1)
    return ts_from_micros(now)


class _Stamp(msgspec.Struct):
    event_ts: Ts = NEVER


def _last_event_ts(tx: Transaction) -> int:
    """Return the newest ``event_ts`` of the end of the log: the clock may have been set back since."""
    rows = tx.all(
        "SELECT kind, payload FROM log WHERE kind IN ('event', 'message') ORDER BY position DESC LIMIT ?", _LOOK_BACK
    )
    return max((ts_to_micros(_event_ts(kind, payload)) for kind, payload in rows), default=0)


def _event_ts(kind: str, payload: str | bytes) -> Ts:
    """Return the ``event_ts`` of a stored event; that of a message is its ts, by which the log refers to it."""
    return Ts(str(payload)) if kind == "message" else msgspec.json.decode(payload, type=_Stamp).event_ts
