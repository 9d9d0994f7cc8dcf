"""Events that come on two connections at once, in one order. Pure.

While the upstream has two connections of an app, it sends each event on either of them, so neither has the order. From
the hello of the next connection to the end of the old one, what comes is held here, unacknowledged. When the old one
has ended in order, so that nothing is on its way on it any more, the events are merged by their times. If it ends
otherwise, some may be lost and come again; then all that is held is dropped, and comes again with them, in the order of
the upstream.
"""

from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

Ack = TypeVar("Ack")

MAX_HELD: Final = 16 * 1_048_576
"""Bytes of events that are held."""


class _Event(msgspec.Struct, frozen=True, gc=False):
    event_ts: str = ""


class _Payload(msgspec.Struct, gc=False):
    event: _Event = _Event()


class _Held(NamedTuple, Generic[Ack]):
    stamp: str
    payload: bytes
    acknowledge: Ack


_decode: Final = msgspec.json.Decoder(_Payload).decode


class Merge(Generic[Ack]):
    """Passes payloads on: at once, or while it holds, at ``release`` and in the order of their times.

    Args:
        receive: called with each payload, and what acknowledges it.
    """

    def __init__(self, receive: Callable[[bytes, Ack], None]) -> None:
        self._receive = receive
        self._held: dict[int, list[_Held[Ack]]] = {}
        self._size = 0
        self.is_holding = False

    @property
    def is_full(self) -> bool:
        """Whether more is held than should be."""
        return self._size > MAX_HELD

    def hold(self) -> None:
        """Hold what comes from now on."""
        self.is_holding = True

    def take(self, connection: int, payload: bytes, acknowledge: Ack) -> None:
        """Take a payload; the order of those of one connection is kept."""
        if not self.is_holding:
            self._receive(payload, acknowledge)
            return
        self._size += len(payload)
        before = self._held.setdefault(connection, [])
        stamp = _stamp_of(payload) or (before[-1].stamp if before else "")
        before.append(_Held(stamp, payload, acknowledge))

    def release(self) -> None:
        """Pass on what is held, and hold no longer."""
        held = sorted((each for all_ in self._held.values() for each in all_), key=lambda each: each.stamp)
        self.drop()
        for each in held:
            self._receive(each.payload, each.acknowledge)

    def drop(self) -> None:
        """Forget what is held, which is not acknowledged and comes again, and hold no longer."""
        self._held.clear()
        self._size = 0
        self.is_holding = False


def _stamp_of(payload: bytes) -> str:
    """Return the time of the event, seconds with ten digits before the point; empty if it cannot be read."""
    try:
        return _decode(payload).event.event_ts
    except (msgspec.MsgspecError, RecursionError):
        return ""
