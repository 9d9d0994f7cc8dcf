"""Making the events of the log.

Events are plain objects on the wire; their types are the classes of ``tautwire.protocol.events``, and a test decodes
everything the server emits with them.
"""

import msgspec

from tautwire.protocol.ids import Ts, ts_from_micros
from tautwire.server.log.writer import Transaction


def event(kind: str, **members: object) -> bytes:
    """Return the JSON of an event; members that are None are left out."""
    return msgspec.json.encode({"type": kind, **{k: v for k, v in members.items() if v is not None}})


def next_event_ts(tx: Transaction) -> Ts:
    """Return the next ``event_ts``: grows over the whole workspace. Source: events.md section 2 (captured)."""
    last: int = tx.cache.get("event_ts", 0)
    tx.cache["event_ts"] = now = max(tx.now, last + 1)
    return ts_from_micros(now)
