"""An entry of the journal. It keeps bytes as they came, and becomes a line of JSON when it is first read."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.server.journal.masking import clean, masked

KINDS: Final = ("frame", "envelope", "ack", "connection", "call", "delivery", "control")
"""``frame`` a message of RTM, or one of Socket Mode that is no envelope; ``envelope`` and ``ack`` of Socket Mode;
``connection`` a connection that opened or ended; ``call`` a method of the Web API; ``delivery`` a request to an app
over HTTP, with an event or with what a person asks for; ``control`` an operation of the control API."""

MAX_PART: Final = 32_768
"""Bytes of a payload, of arguments or of an answer that are kept."""
OVERHEAD: Final = 512
"""Bytes that an entry counts beside its parts: its objects, and the other members of its line."""
_WHOLE: Final[Mapping[str, int]] = {}


class Origin(NamedTuple):
    """Where something happened; made once for a connection."""

    door: str
    """``rtm``, ``socket_mode``, ``web_api``, ``events_api``, ``interactivity`` or ``control``."""
    connection: int | None = None
    app: str | None = None
    user: str | None = None


class Line(NamedTuple):
    """An entry as it is read."""

    text: bytes
    """JSON."""
    channel: str | None


class Entry:
    """One entry.

    Args:
        details: members of the line, of plain values.
        parts: members that are JSON or text as it came.
    """

    __slots__ = ("_cut", "_line", "_parts", "details", "kind", "micros", "number", "origin", "size")

    def __init__(
        self,
        number: int,
        micros: int,
        kind: str,
        origin: Origin,
        details: Mapping[str, Any],
        parts: Mapping[str, bytes],
    ) -> None:
        self.number = number
        self.micros = micros
        self.kind = kind
        self.origin = origin
        self.details = details
        self._line: Line | None = None
        size, is_cut = OVERHEAD, False
        for data in parts.values():  # one in nearly all cases, and this runs for every frame
            size += len(data)
            is_cut = is_cut or len(data) > MAX_PART
        self._parts = parts
        self._cut: Mapping[str, int] = _WHOLE
        self.size = size
        if is_cut:
            self._cut = {name: len(data) for name, data in parts.items() if len(data) > MAX_PART}
            self._parts = {name: data[:MAX_PART] for name, data in parts.items()}
            self.size = OVERHEAD + sum(map(len, self._parts.values()))

    @property
    def is_read(self) -> bool:
        """Whether its line was made."""
        return self._line is not None

    def line(self, run: str) -> Line:
        """Return its line, without secrets. ``run`` names the run of the server."""
        if self._line is None:
            members: dict[str, Any] = {
                "id": f"{run}.{self.number}",
                "time": f"{self.micros // 1_000_000}.{self.micros % 1_000_000:06d}",
                "kind": self.kind,
                **{name: value for name, value in zip(Origin._fields, self.origin, strict=True) if value is not None},
                **clean(dict(self.details)),
                **{name: masked(data) for name, data in self._parts.items()},
            }
            if self._cut:
                members["bytes"] = self._cut
            self._line = Line(msgspec.json.encode(members), _channel(members))
            self._parts = {}
            self.size = OVERHEAD + len(self._line.text)
        return self._line


def _channel(members: Mapping[str, Any]) -> str | None:
    """Return the id of the channel that an entry is about."""
    for name in ("payload", "arguments"):
        outer = _object(members.get(name))
        inner = _object(outer.get("payload")) or outer
        event = _object(inner.get("event")) or inner
        for place in (event, _object(event.get("item"))):
            channel = place.get("channel") or place.get("channel_id")
            channel = _object(channel).get("id") or channel
            if isinstance(channel, str):
                return channel
    return None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
