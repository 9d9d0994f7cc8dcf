"""What is remembered of recent interactions, within bytes: the newest stays, the one used longest ago is dropped.

Ephemeral messages are in no table, yet people act in them, and apps replace them: ``Ephemerals`` follows the log, in
which they are events of one user. After a restart, earlier ones are forgotten, and clicks in them are refused; a
response_url still works.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tautwire.server.log.entry import Entry

MAX_BYTES: Final = 4_194_304
"""Bytes of each memory of a workspace (ours)."""
_OVERHEAD: Final = 300
"""Bytes that an element takes beside its own."""
_USERS: Final = ("U", "W")
"""The first letters of ids of users. Source: wire/ids-and-timestamps.md#ids."""
_MARK: Final = b'"is_ephemeral":true'

Key = tuple[str, ...]


class Recent:
    """Values of JSON by key, within bytes."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self._limit = limit
        self._values: OrderedDict[Key, bytes] = OrderedDict()  # used longest ago first
        self.size = 0
        """Bytes of all, with what they take beside their own."""

    def __len__(self) -> int:
        return len(self._values)

    def find(self, *key: str) -> Any:
        """Return a value; None if it is not remembered."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return msgspec.json.decode(found)

    def keep(self, value: Any, *key: str) -> None:
        """Remember a value in place of the one before; others are dropped if there is no room."""
        self.drop(*key)
        encoded = msgspec.json.encode(value)
        if len(encoded) + _OVERHEAD > self._limit:
            return
        self._values[key] = encoded
        self.size += len(encoded) + _OVERHEAD
        while self.size > self._limit:
            self.drop(*next(iter(self._values)))

    def drop(self, *key: str) -> None:
        """Forget a value."""
        found = self._values.pop(key, None)
        if found is not None:
            self.size -= len(found) + _OVERHEAD


class Ephemerals(Recent):
    """The recent ephemeral messages, by user, channel and ts."""

    def follow(self, entries: Sequence[Entry]) -> None:
        """Apply the entries of the log."""
        for entry in entries:
            if entry.kind == "event" and entry.topic.startswith(_USERS) and _MARK in entry.payload:
                self._apply(entry.topic, msgspec.json.decode(entry.payload, type=dict[str, Any]))

    def _apply(self, user: str, event: dict[str, Any]) -> None:
        if event.get("type") != "message" or event.get("is_ephemeral") is not True:
            return
        subtype = event.get("subtype")
        if subtype == "message_deleted":
            self.drop(user, event["channel"], event["deleted_ts"])
            return
        message = event["message"] if subtype == "message_changed" else event
        self.keep(message, user, event["channel"], message["ts"])
