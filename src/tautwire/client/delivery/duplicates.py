"""Events that may come twice because one connection takes over from another.

Two ways lead there. A successor is made before the old connection is gone, and both get what happens meanwhile. Or our
own server goes on from the last position it named, and events behind that position were delivered already. Either way
the old connection's events are remembered for a while, and the successor's copies of them are left out. So are our own
messages that got their ack: no connection tells its own, but a successor does not know them from others.

Nearly every event has a timestamp, and no other has the same. One without may happen twice with the same bytes, and
must not be taken for a copy then: it counts as one only where the order of events allows it, and not for long. When in
doubt an event comes twice rather than not at all.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from math import inf
from typing import Final, TypeAlias

import msgspec

LIFE: Final = 30.0
"""Seconds after a hello in which copies are looked for."""

UNSTAMPED_LIFE: Final = 5.0
"""The same for events without a timestamp."""

MAX_COUNT: Final = 10_000
"""Events that are remembered at most, then the oldest are forgotten. Our server repeats no more than that."""

MAX_SIZE: Final = 8 * 1024 * 1024
"""Bytes that are remembered at most, those of the last read left aside."""

MAX_OWN: Final = 2_000
"""Messages of our own that are remembered after their ack."""

_FOR_ONE: Final = frozenset(
    {
        "user_typing",
        "presence_change",
        "manual_presence_change",
        "hello",
        "goodbye",
        "team_migration_started",
        "reconnect_url",
        "error",
        "position",
    }
)
"""Types that concern one connection or are never sent again, but may look the same twice."""

_Stamp: TypeAlias = tuple[str, str | None, bytes, str | None, str | None]

_Place: TypeAlias = tuple[bytes, str | None]
"""The channel and ts of a message."""


class _Header(msgspec.Struct):
    """What tells one event from another."""

    type: str = ""
    subtype: str | None = None
    channel: msgspec.Raw = msgspec.Raw(b"")
    user: msgspec.Raw = msgspec.Raw(b"")
    ts: str | None = None
    event_ts: str | None = None

    @property
    def stamp(self) -> _Stamp | None:
        """What two copies share and no two events do; None without a timestamp."""
        if self.ts is None and self.event_ts is None:
            return None
        return self.type, self.subtype, bytes(self.channel), self.ts, self.event_ts

    def is_said_by(self, user: str) -> bool:
        """Return whether it is a user's message."""
        return self.type == "message" and bytes(self.user) == b'"%s"' % user.encode()

    @property
    def place(self) -> _Place:
        """Where it stands, if it is a message."""
        return bytes(self.channel), self.ts


class Duplicates:
    """Remembers what was delivered, and recognises it when it comes again.

    Without positions there is something to remember only while a successor is being made. With positions it is
    everything behind the last one, always. What is remembered is bounded: the oldest is forgotten, and may come twice.
    """

    def __init__(self) -> None:
        self.is_expecting = False
        """Whether copies may come: then each event has to be shown to ``is_copy``."""
        self.is_remembering = False
        """Whether what is delivered has to be handed to ``remember``."""
        self._positions = False
        self._is_held = False
        self._delivered: deque[Sequence[bytes]] = deque()  # the frames of one read each
        self._count = 0
        self._size = 0
        self._own: dict[_Place, None] = {}  # oldest first
        self._unmeasured: Sequence[bytes] = ()
        """The newest of them, whose bytes are counted when more come. Mostly a position comes first."""
        self._copies: _Copies | None = None
        self._began = 0.0

    def sent(self, payload: bytes, ts: str) -> None:
        """Remember a message of ours that got its ack, as the frame it went out in."""
        header = _read(payload)
        if header is not None:
            self._own[header.place[0], ts] = None
            if len(self._own) > MAX_OWN:
                del self._own[next(iter(self._own))]

    def hold(self, *, overlaps: bool) -> None:
        """Keep what is remembered, for a successor is asked to go on from here; the old connection may still live."""
        self._is_held = True
        if overlaps:
            self.is_remembering = True

    def release(self) -> None:
        """Called when the attempt to make a successor failed."""
        self._is_held = False
        if not self._positions:
            self._forget()

    def take_over(self, now: float, *, positions: bool) -> None:
        """Expect the new connection to repeat what is remembered."""
        self._is_held = False
        self._positions = positions
        copies = _Copies((raw for frames in self._delivered for raw in frames), self._own)
        self._expect(None if copies.is_over else copies)
        self._began = now
        if not positions:
            self._forget()
        self.is_remembering = positions

    def positioned(self) -> None:
        """Forget what stands before a new position: all that is remembered, but for copies that are still to come."""
        if self._delivered and not self._is_held:
            self._clear()
            if self._copies is not None:
                self.remember(list(self._copies.left.values()))

    def remember(self, frames: Sequence[bytes]) -> None:
        """Remember events that came together, copies among them: they may all come once more.

        Frames that are no events, or never sent again, may stand among them.
        """
        if not frames:
            return
        frames = frames[-MAX_COUNT:]
        self._delivered.append(frames)
        self._count += len(frames)
        self._size += sum(map(len, self._unmeasured))
        self._unmeasured = frames
        while (self._size > MAX_SIZE or self._count > MAX_COUNT) and self._delivered:
            oldest = self._delivered.popleft()
            self._count -= len(oldest)
            self._size -= sum(map(len, oldest))

    def is_copy(self, raw: bytes, now: float, me: str = "") -> bool:
        """Return whether an event is a copy of one delivered before.

        The messages of the user ``me`` prove nothing about the order: the connection that sent one gets no event.
        """
        copies = self._copies
        if copies is None:
            return False
        if now > self._began + UNSTAMPED_LIFE:
            copies.forget_unstamped()
        header = _read(raw)
        found = header is not None and now <= self._began + LIFE and copies.take(raw, header, me)
        if copies.is_over or now > self._began + LIFE:
            self._expect(None)
        return found

    def _expect(self, copies: "_Copies | None") -> None:
        self._copies = copies
        self.is_expecting = copies is not None

    def _forget(self) -> None:
        self.is_remembering = False
        self._clear()

    def _clear(self) -> None:
        self._delivered.clear()
        self._count = self._size = 0
        self._unmeasured = ()


class _Copies:
    """Events that may come again, in the order in which they came first, and our own messages, which did not come."""

    def __init__(self, raws: Iterable[bytes], own: dict[_Place, None]) -> None:
        self._own = own
        self.left: dict[int, bytes] = {}
        """Those that did not come yet, by place."""
        self._stamped: dict[_Stamp, list[int]] = {}
        self._unstamped: deque[int] = deque()
        for place, raw in enumerate(raws):
            header = _read(raw)
            if header is None:
                continue
            self.left[place] = raw
            if header.stamp is None:
                self._unstamped.append(place)
            else:
                self._stamped.setdefault(header.stamp, []).append(place)

    @property
    def is_over(self) -> bool:
        """Whether nothing can come again."""
        return not self.left and not self._own

    def take(self, raw: bytes, header: _Header, me: str) -> bool:
        """Return whether an event is expected, and expect it no more."""
        if header.subtype is None and header.is_said_by(me) and header.place in self._own:
            del self._own[header.place]
            return True
        stamp = header.stamp
        if stamp is None:
            while self._unstamped:
                if self.left.pop(self._unstamped.popleft()) == raw:
                    return True
            return False
        places = self._stamped.get(stamp)
        place = places.pop(0) if places else None
        if not header.is_said_by(me):
            self.forget_unstamped(inf if place is None else place)
        if place is None:
            return False
        del self.left[place]
        return True

    def forget_unstamped(self, before: float = inf) -> None:
        """Expect no more what has no timestamp and came before a place."""
        while self._unstamped and self._unstamped[0] < before:
            del self.left[self._unstamped.popleft()]


_decode = msgspec.json.Decoder(_Header).decode


def is_stamped(raw: bytes) -> bool:
    """Return whether no other event can have the same bytes, since a timestamp is among them."""
    header = _read(raw)
    return header is not None and header.stamp is not None


def _read(raw: bytes) -> _Header | None:
    """Return the header of an event; None for what concerns one connection only or is never sent again."""
    try:
        header = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if header.type in _FOR_ONE else header
