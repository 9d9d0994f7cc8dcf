"""One handler's queue as plain data: what waits, in which conversation, and what happens when it is too much.

Items wait by conversation. A worker (``client/handlers/workers``) that runs the items of one takes its key from
``_ready``, and puts it back, or drops the conversation if it is empty, when it is done; so two items of one
conversation never run at once.

A queue is full when another item comes and ``limit`` items wait, or too many bytes: half of ``limit_bytes`` where
nothing is dropped, all of them else. It stays full until it is half empty. While it is full,

- ``"pause"`` still takes what comes, since it was read already, and asks the reader to stop (``client/backpressure``).
  The other half of ``limit_bytes`` is room for what comes before a reply that is awaited; without that, a
  handler that sends would wait for a reply behind the events that wait for the handler. With ``limit_bytes`` the queue
  is stuffed, and not even replies are read.
- ``"drop_newest"`` and ``"drop_oldest"`` drop one item for each that is too many. The first is reported at once, the
  others with the first of the next time.

Nothing here knows about events, tasks or threads.
"""

import sys
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from tautwire.client.backpressure import Backpressure

T = TypeVar("T")

Overflow = Literal["pause", "drop_newest", "drop_oldest"]
"""What a full queue does: let the reader stop, drop the item that comes, or drop the one that waits longest."""

_NEVER: Final = -1
_ALWAYS: Final = sys.maxsize


class Limits(NamedTuple):
    """How much may wait, and what happens to one too many."""

    items: int
    size: int
    """Bytes of the frames that the items came in."""
    overflow: Overflow = "pause"


class KeyedQueue(Generic[T]):
    """What waits for one handler.

    Args:
        name: the handler's.
        key_of: tells the conversation of an item.
        limits: how much may wait.
        flow: what tells the reader, and the size of the item that is put.
        overflowed: called with each item that is dropped, and with the number of items to report now: 0 for no report.
    """

    def __init__(
        self,
        name: str,
        key_of: Callable[[T], Hashable],
        limits: Limits,
        flow: Backpressure,
        overflowed: Callable[[T, int], object],
    ) -> None:
        self.name = name
        self.waiting = 0
        """Items that have not begun yet."""
        self.size = 0
        """Bytes of the frames they came in."""
        self.dropped = 0
        """Items that gave way because the queue was full."""
        self._key_of = key_of
        self._flow = flow
        self._overflowed = overflowed
        self._pauses = limits.overflow == "pause"
        self._drops_oldest = limits.overflow == "drop_oldest"
        self._stuffed_size = limits.size
        full_size = max(1, limits.size // 2) if self._pauses else limits.size
        self._limit, self._full_size = limits.items, full_size
        self._low, self._low_size = limits.items // 2, full_size // 2
        self._conversations: dict[Hashable, deque[tuple[T, int]]] = {}
        self._ready: deque[Hashable] = deque()
        self._stopped = False
        self._is_full = False
        self._is_stuffed = False
        self._reported = 0
        self._room_at = _NEVER
        """``_look_for_room`` is called at this number of waiting items and below."""

    def put(self, item: T) -> None:
        """Queue an item behind the others of its conversation. Once stopped, forget it. Called on the loop."""
        size = len(self._flow.frame)  # of the event that is delivered now: measuring the event itself would take longer
        if (self.waiting >= self._limit or self.size >= self._full_size) and not self._make_room(item):
            return
        self.waiting += 1
        self.size += size
        key = self._key_of(item)
        items = self._conversations.get(key)
        if items is not None:
            items.append((item, size))
            return
        self._conversations[key] = deque(((item, size),))
        self._ready.append(key)
        self._awaken()

    def _awaken(self) -> None:
        """Called when a conversation became ready: there is something to do for one worker more."""
        raise NotImplementedError

    def _make_room(self, item: T) -> bool:
        """Deal with an item too many; return False if it is the one that gives way, or if nothing is taken any more."""
        if self._stopped:
            return False
        if self._pauses:
            is_stuffed = self.size >= self._stuffed_size
            if not self._is_full or is_stuffed is not self._is_stuffed:
                self._mark(is_full=True, is_stuffed=is_stuffed)
            return True
        while self.waiting >= self._limit or self.size >= self._full_size:
            oldest = self._take_oldest() if self._drops_oldest else None
            self._drop(item if oldest is None else oldest)
            if oldest is None:
                return False
        return True

    def _drop(self, item: T) -> None:
        self.dropped += 1
        count = 0
        if not self._is_full:
            count, self._reported = self.dropped - self._reported, self.dropped
            self._mark(is_full=True, is_stuffed=False)
        self._overflowed(item, count)

    def _take_oldest(self) -> T | None:
        """Take out the item at the head of the conversation that has been there longest; None if workers hold all."""
        for items in self._conversations.values():
            if items:
                item, size = items.popleft()
                self.waiting -= 1
                self.size -= size
                return item
        return None

    def _look_for_room(self) -> None:
        """Look whether there is room again; called after an item was taken out while the queue was full."""
        is_stuffed = self.size >= self._stuffed_size and self._is_stuffed
        is_full = self.waiting > self._low or self.size > self._low_size
        if is_stuffed is not self._is_stuffed or is_full is not self._is_full:
            self._mark(is_full=is_full, is_stuffed=is_stuffed)

    def _mark(self, *, is_full: bool, is_stuffed: bool) -> None:
        self._is_full, self._is_stuffed = is_full, is_stuffed
        self._room_at = _ALWAYS if is_stuffed else self._low if is_full else _NEVER
        if self._pauses:
            self._flow.mark(self, self.name, is_full=is_full, is_stuffed=is_stuffed)

    def _refuse(self) -> None:
        """Take nothing any more. May be called from any thread."""
        self._stopped = True
        self._limit = _NEVER  # put() looks at nothing else: a flag for it would be read for each item

    def _forget(self) -> None:
        """Take nothing any more, and forget what waits."""
        self._refuse()
        for key in self._ready:  # a worker that holds a conversation removes it
            del self._conversations[key]
        self._ready.clear()
        for items in self._conversations.values():
            items.clear()
        self.waiting = self.size = 0
        self._mark(is_full=False, is_stuffed=False)
