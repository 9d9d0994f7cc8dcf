"""Ordered work: one handler's queue, in order within a conversation, concurrent across conversations.

Each conversation with something to do has a mailbox. A worker takes a mailbox, empties it in order and takes the next;
while it holds one, nobody else touches it. So two items of one conversation never run at once or out of order, and a
slow conversation delays only itself until all workers are busy. ``TaskLanes`` works on the event loop, ``ThreadLanes``
in threads of its own. The number of waiting items is bounded: one too many, or another for it, is dropped and counted,
because the reader of the socket must never wait for a handler.

``tautwire.client.handlers`` owns the lanes; nothing here knows about events.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, Literal, Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Overflow = Literal["drop_newest", "drop_oldest"]
"""Which item gives way when the queue is full: the one that comes, or the one that waits longest."""

_TURN = 128
"""Items a task runs before it lets the loop read the socket again."""

_IDLE_LIFE = 10.0
"""Seconds after which a thread without work ends."""

_LAST_WAIT = 0.5
"""Seconds given to cancelled tasks and to threads that were told to stop."""


class Lanes(Protocol[T_contra]):
    """What the owner of a queue needs to know of it."""

    dropped: int
    """Items that gave way because the queue was full."""

    @property
    def waiting(self) -> int:
        """Items that have not begun yet."""

    def put(self, item: T_contra) -> None:
        """Queue an item behind the others of its conversation. Once stopped, forget it."""

    def stop(self) -> None:
        """Refuse new items and forget the waiting ones; what runs goes on."""

    async def close(self, grace: float, *, caller: object = None) -> bool:
        """Let waiting items finish for ``grace`` seconds, then end every worker; return False if one is stuck.

        ``caller`` is the task or thread that wants it: a handler that closes its client is not waited for.
        """


class TaskLanes(Generic[T]):
    """Runs a coroutine function on the event loop, with at most ``concurrency`` tasks that live as long as the queue.

    ``key_of`` tells the conversation of an item. ``failed`` hears of what ``run`` raises, ``overflowed`` of each item
    that is dropped, and whether it is the first since the queue is full. ``put`` is called on the loop.
    """

    def __init__(
        self,
        run: Callable[[T], Awaitable[object]],
        failed: Callable[[BaseException, T], object],
        overflowed: Callable[[T, bool], object],
        *,
        key_of: Callable[[T], Hashable],
        concurrency: int,
        limit: int,
        overflow: Overflow = "drop_newest",
    ) -> None:
        self.dropped = 0
        self._run = run
        self._failed = failed
        self._overflowed = overflowed
        self._key_of = key_of
        self._concurrency = concurrency
        self._limit = limit
        self._drops_oldest = overflow == "drop_oldest"
        self._waiting = 0
        self._is_full = False
        self._boxes: dict[Hashable, deque[T]] = {}
        self._ready: deque[Hashable] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._is_waking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._empty: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        """See ``Lanes``."""
        return self._waiting

    def put(self, item: T) -> None:
        """See ``Lanes``."""
        if self._stopped:
            return
        if self._waiting >= self._limit:
            self.dropped += 1
            is_first, self._is_full = not self._is_full, True
            oldest = _oldest(self._boxes) if self._drops_oldest else None
            self._overflowed(item if oldest is None else oldest, is_first)
            if oldest is None:
                return
            self._waiting -= 1
        else:
            self._is_full = False
        self._waiting += 1
        key = self._key_of(item)
        box = self._boxes.get(key)
        if box is not None:
            box.append(item)
            return
        self._boxes[key] = deque((item,))
        self._ready.append(key)
        if not self._is_waking:
            self._is_waking = True
            self._wake()

    def stop(self) -> None:
        """See ``Lanes``."""
        self._stopped = True
        if self._loop is not None and not self._loop.is_closed():  # may be called from another thread
            self._loop.call_soon_threadsafe(self._release)

    async def close(self, grace: float, *, caller: object = None) -> bool:
        """See ``Lanes``."""
        if self._boxes and grace > 0 and caller not in self._tasks:
            self._empty = asyncio.Event()
            with contextlib.suppress(TimeoutError):  # the bound is the point: what is left gets cancelled
                async with asyncio.timeout(grace):
                    await self._empty.wait()
        self._stopped = True
        self._release()
        tasks = {each for each in self._tasks if each is not caller}
        for task in tasks:
            task.cancel()
        if not tasks:
            return True
        _, stuck = await asyncio.wait(tasks, timeout=_LAST_WAIT)
        return not stuck

    def _release(self) -> None:
        for box in self._boxes.values():
            box.clear()
        self._waiting = 0
        for idle in self._idle:
            idle.cancel()
        self._idle.clear()

    def _wake(self) -> None:
        """Set one more worker to work, if there is work left: one worker may well do a whole burst without waiting."""
        if self._ready and self._idle and not self._stopped:
            self._idle.pop().set_result(None)
        elif self._ready and len(self._tasks) < self._concurrency and not self._stopped:
            self._loop = asyncio.get_running_loop()
            task = self._loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        else:
            self._is_waking = False

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Take note of a worker's end; if somebody cancelled it, another takes over what it left."""
        self._tasks.discard(task)
        if self._ready and not self._is_waking:
            self._wake()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        done = 0
        while True:
            self._is_waking = False
            while self._ready and not self._stopped:
                key = self._ready.popleft()
                box = self._boxes[key]
                if self._ready and not self._is_waking:  # comes about as soon as a handler here has to wait
                    self._is_waking = True
                    loop.call_soon(self._wake)
                try:
                    while box and done < _TURN and not self._stopped:
                        self._waiting -= 1
                        done += 1
                        item = box.popleft()
                        try:
                            await self._run(item)
                        except KeyboardInterrupt:
                            raise
                        except BaseException as error:
                            if _is_for(me, error):
                                raise
                            self._failed(error, item)
                finally:
                    if box:
                        self._ready.append(key)
                    else:
                        del self._boxes[key]
                if done >= _TURN:
                    done = 0
                    await asyncio.sleep(0)
            if self._stopped:
                return
            if self._empty is not None and not self._boxes:
                self._empty.set()
            idle: asyncio.Future[None] = loop.create_future()
            self._idle.append(idle)
            await idle


def _is_for(worker: "asyncio.Task[None] | None", error: BaseException) -> bool:
    """Tell whether what came out of a handler is meant for the worker that awaits it: it was cancelled, or closed."""
    if isinstance(error, asyncio.CancelledError):
        return worker is None or bool(worker.cancelling())
    return isinstance(error, GeneratorExit) and _running() is not worker


def _running() -> "asyncio.Task[None] | None":
    return None if _running_loop() is None else asyncio.current_task()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class ThreadLanes(Generic[T]):
    """Runs a plain function in at most ``concurrency`` threads, started when needed and ended when idle.

    ``key_of`` and ``overflowed`` as for ``TaskLanes``; ``failed`` is called in the thread that failed. The threads are
    daemons: a handler that never returns cannot keep the program alive.
    """

    def __init__(
        self,
        run: Callable[[T], object],
        failed: Callable[[BaseException, T], object],
        overflowed: Callable[[T, bool], object],
        *,
        key_of: Callable[[T], Hashable],
        concurrency: int,
        limit: int,
        name: str,
        overflow: Overflow = "drop_newest",
    ) -> None:
        self.dropped = 0
        self._run = run
        self._failed = failed
        self._overflowed = overflowed
        self._key_of = key_of
        self._concurrency = concurrency
        self._limit = limit
        self._drops_oldest = overflow == "drop_oldest"
        self._name = name
        self._waiting = 0
        self._is_full = False
        self._boxes: dict[Hashable, deque[T]] = {}
        self._ready: deque[Hashable] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._threads: set[threading.Thread] = set()
        self._stopped = False
        self._on_change: Callable[[], None] | None = None

    @property
    def waiting(self) -> int:
        """See ``Lanes``."""
        return self._waiting

    def put(self, item: T) -> None:
        """See ``Lanes``."""
        with self._changed:
            was_full = self._is_full
            dropped = self._put(item)
            self._is_full = dropped is not None
        if dropped is not None:
            self._overflowed(dropped, not was_full)

    def _put(self, item: T) -> T | None:
        """Queue an item; return the one that is dropped for it, which may be itself."""
        if self._stopped:
            return None
        dropped: T | None = None
        if self._waiting >= self._limit:
            self.dropped += 1
            dropped = _oldest(self._boxes) if self._drops_oldest else None
            if dropped is None:
                return item
            self._waiting -= 1
        self._waiting += 1
        key = self._key_of(item)
        box = self._boxes.get(key)
        if box is not None:
            box.append(item)
            return dropped
        self._boxes[key] = deque((item,))
        self._ready.append(key)
        if len(self._ready) <= self._idle:  # a thread that was notified counts as idle until it took its box
            self._changed.notify()
        elif len(self._threads) < self._concurrency:
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._threads.add(thread)
            thread.start()
        return dropped

    def stop(self) -> None:
        """See ``Lanes``."""
        with self._changed:
            self._stopped = True
            for box in self._boxes.values():
                box.clear()
            self._waiting = 0
            self._changed.notify_all()

    async def close(self, grace: float, *, caller: object = None) -> bool:
        """See ``Lanes``."""
        if grace > 0 and caller not in self._threads:
            await self._until(lambda: not self._boxes, grace)
        self.stop()
        return await self._until(lambda: all(each is caller for each in self._threads), _LAST_WAIT)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait on the loop for something the threads do; return False if the time ran out."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self._changed:
            self._on_change = tell
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return condition()
        finally:
            with self._changed:
                self._on_change = None
        return True

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            key, box = taken
            for item in box:
                if self._stopped:
                    break
                try:
                    self._run(item)
                except BaseException as error:  # noqa: BLE001 (also SystemExit: it would end the worker unseen)
                    self._failed(error, item)
            self._put_back(key, len(box))

    def _take(self) -> tuple[Hashable, deque[T]] | None:
        """Wait for a mailbox and empty it; None when this thread should end."""
        with self._changed:
            while not self._ready:
                if self._stopped:
                    self._end()
                    return None
                self._idle += 1
                notified = self._changed.wait(_IDLE_LIFE)
                self._idle -= 1
                if not notified and not self._ready:
                    self._end()
                    return None
            key = self._ready.popleft()
            box = self._boxes[key]
            self._boxes[key] = deque()
            return key, box

    def _end(self) -> None:
        """Leave the count within the lock that found nothing to do, or a new item could wait for this thread."""
        self._threads.discard(threading.current_thread())
        self._tell()

    def _put_back(self, key: Hashable, done: int) -> None:
        with self._changed:
            self._waiting = max(0, self._waiting - done)
            if self._boxes[key]:
                self._ready.append(key)
            else:
                del self._boxes[key]
                self._tell()

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change()


def _oldest(boxes: dict[Hashable, deque[T]]) -> T | None:
    """Take out the item at the head of the mailbox that has been there longest; None if workers hold all there is."""
    for box in boxes.values():
        if box:
            return box.popleft()
    return None
