"""Events that may come twice because one connection takes over from another.

Two ways lead there. A successor is made before the old connection is gone, and both get what happens meanwhile. Or our
own server goes on from the last position it named, and events behind that position were delivered already. Either way
the old connection's events are remembered for a while, and the successor's copies of them are left out.
"""

from collections import Counter
from typing import Final

import msgspec

LIFE: Final = 30.0
"""Seconds after a hello in which copies are looked for."""

_LOSSY: Final = frozenset(
    {"user_typing", "presence_change", "manual_presence_change", "hello", "goodbye", "team_migration_started"}
)
"""Types that are never sent again, but look the same twice."""


class _Header(msgspec.Struct):
    """What tells one event from another."""

    type: str = ""
    subtype: str | None = None
    channel: msgspec.Raw = msgspec.Raw(b"")
    ts: str | None = None
    event_ts: str | None = None


class Repeats:
    """Remembers what was delivered, and recognises it when it comes again.

    Without positions there is something to remember only while a successor is being made. With positions it is
    everything behind the last one, always. Remembering more than needed does no harm: two events never look alike.
    """

    def __init__(self) -> None:
        self.is_watching = False
        """Whether events have to be shown to this object at all."""
        self._positions = False
        self._is_held = False
        self._delivered: list[bytes] | None = None
        self._expected: Counter[object] = Counter()
        self._until = 0.0

    def hold(self, *, overlaps: bool) -> None:
        """Keep what is remembered, for a successor is asked to go on from here; the old connection may still live."""
        self._is_held = True
        if overlaps and self._delivered is None:
            self._delivered = []
        self._update()

    def release(self) -> None:
        """The attempt to make a successor came to nothing."""
        self._is_held = False
        if not self._positions:
            self._delivered = None
        self._update()

    def take_over(self, now: float, *, positions: bool) -> None:
        """Expect the new connection to repeat what is remembered."""
        self._is_held = False
        self._positions = positions
        self._expected = Counter(_key(raw) for raw in self._delivered or ())
        del self._expected[None]
        self._until = now + LIFE
        self._delivered = (self._delivered or []) if positions else None
        self._update()

    def positioned(self) -> None:
        """Forget what stands before a new position: all that is remembered, but for copies that are still to come."""
        if self._delivered and not self._is_held:
            self._delivered = [raw for raw in self._delivered if self._expected[_key(raw)]] if self._expected else []

    def is_repeat(self, raw: bytes, now: float) -> bool:
        """Tell whether an event is a copy of one delivered before; remember it if it is not."""
        if self._expected:
            key = _key(raw)
            if now > self._until:
                self._expected.clear()
            elif self._expected[key]:
                self._expected[key] -= 1
                self._expected += Counter()  # drops what has come to zero
                self._update()
                return True
        if self._delivered is not None:
            self._delivered.append(raw)
        return False

    def _update(self) -> None:
        self.is_watching = self._delivered is not None or bool(self._expected)


_decode = msgspec.json.Decoder(_Header).decode


def is_stamped(raw: bytes) -> bool:
    """Tell whether no other event can have the same bytes, since a timestamp is among them."""
    return isinstance(_key(raw), tuple)


def _key(raw: bytes) -> object:
    """Return what two copies of an event share and no two events do; None for what is never sent again."""
    try:
        header = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if header.type in _LOSSY:
        return None
    if header.ts is None and header.event_ts is None:
        return raw
    return header.type, header.subtype, bytes(header.channel), header.ts, header.event_ts
