"""The workers of one handler: tasks or threads that run what waits, one conversation each at a time.

The items of a handler wait by conversation (``client/handlers/queue``, which bounds what waits). A worker takes a
conversation, runs its items in order and takes the next; while it holds one, no other touches it. So two items of one
conversation never run at once or out of order, and a slow conversation delays only itself until all workers are busy.
``TaskQueue`` works on the event loop, ``ThreadQueue`` in threads of its own.

``client/handlers/binding`` owns the queues; nothing here knows about events.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Sequence
from time import monotonic
from typing import Final, Protocol, TypeVar

from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.queue import KeyedQueue, Limits

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

HANDLER: Final[contextvars.ContextVar["asyncio.Task[None] | None"]] = contextvars.ContextVar("handler", default=None)
"""The task that runs a coroutine handler; known also in the tasks a handler makes, as ``asyncio.wait_for`` does."""

_TURN: Final = 0.001
"""Seconds a task runs items before it lets the loop read the socket again. About as long as it takes to read and decode
what one read brings: so a quick handler is done with it before the next one."""

_LOOK: Final = 16
"""Items a task runs between two looks at the clock."""

_CHUNK: Final = 256
"""Items a thread takes at once at most. They count as waiting until all of them ran."""

_IDLE_LIFE = 10.0
"""Seconds after which a thread without work ends."""

_LAST_WAIT = 0.5
"""Seconds given to cancelled tasks and to threads that have to stop."""


class Callers:
    """The tasks and threads that wait for the end of a client. A handler among them is not waited for by the end."""

    def __init__(self, *callers: object) -> None:
        self._known = set(callers)
        self._listeners: list[Callable[[], object]] = []

    def __contains__(self, worker: object) -> bool:
        return worker in self._known

    def add(self, caller: object) -> None:
        """Add one, also while queues are closed: its queue is not waited for any more. Called on the loop."""
        self._known.add(caller)
        for listener in self._listeners:
            listener()

    def are_among(self, workers: Collection[object]) -> bool:
        """Return whether one of these workers waits."""
        return not self._known.isdisjoint(workers)

    @contextlib.contextmanager
    def listening(self, listener: Callable[[], object]) -> Iterator[None]:
        """While this lasts, call ``listener`` after each that is added."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)


class HandlerQueue(Protocol[T_contra]):
    """What the owner of a queue needs to know of it."""

    waiting: int
    """Items that have not begun yet. Of those a thread took at once, all count until the last one ran."""

    size: int
    """Bytes of the frames they came in."""

    dropped: int
    """Items that gave way because the queue was full."""

    def put(self, item: T_contra) -> None:
        """Queue an item behind the others of its conversation. Once stopped, forget it. Called on the loop."""

    def abort(self) -> None:
        """Refuse new items and forget the waiting ones; what runs goes on."""

    async def close(self, grace: float, callers: Callers) -> bool:
        """Let waiting items finish for ``grace`` seconds, then end every worker; return False if one is stuck.

        Where a worker is among the callers, nothing is waited for: its handler waits for this.
        """


class TaskQueue(KeyedQueue[T]):
    """Runs a coroutine function on the event loop, with at most ``concurrency`` tasks that live as long as the queue.

    Args:
        run: the function.
        failed: called with what it raises. KeyboardInterrupt goes through: it is meant for the program.
        name, key_of, limits, flow, overflowed: see ``KeyedQueue``.
    """

    def __init__(
        self,
        run: Callable[[T], Awaitable[object]],
        failed: Callable[[BaseException, T], object],
        overflowed: Callable[[T, int], object],
        *,
        name: str,
        key_of: Callable[[T], Hashable],
        concurrency: int,
        limits: Limits,
        flow: Backpressure,
    ) -> None:
        super().__init__(name, key_of, limits, flow, overflowed)
        self._run = run
        self._failed = failed
        self._concurrency = concurrency
        self._idle: list[asyncio.Future[None]] = []
        self._is_waking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _awaken(self) -> None:
        if not self._is_waking:
            self._is_waking = True
            self._wake()

    def abort(self) -> None:
        """See ``HandlerQueue``."""
        self._refuse()
        if self._loop is None or self._loop.is_closed():
            return
        if self._loop is _running_loop():  # perhaps by the handler: no other item is to begin
            self._release()
        else:
            self._loop.call_soon_threadsafe(self._release)

    async def close(self, grace: float, callers: Callers) -> bool:
        """See ``HandlerQueue``."""
        if self._conversations and grace > 0 and not callers.are_among(self._tasks):
            self._empty = over = asyncio.Event()

            def look() -> None:
                if callers.are_among(self._tasks):
                    over.set()

            # the bound is the point: what is left gets cancelled
            with callers.listening(look), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await over.wait()
        self._release()
        tasks = {each for each in self._tasks if each not in callers}
        for task in tasks:
            task.cancel()
        if not tasks:
            return True
        _, stuck = await asyncio.wait(tasks, timeout=_LAST_WAIT)
        return not stuck

    def _release(self) -> None:
        self._forget()
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
        """Take note of a worker's end; if it was cancelled, another takes over what it left."""
        self._tasks.discard(task)
        self._is_waking = False  # it may be the one that was woken; to wake one too many does no harm
        if self._ready:
            self._awaken()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        HANDLER.set(me)
        run, look, turn = self._run, _LOOK, monotonic() + _TURN
        while True:
            self._is_waking = False
            while self._ready and not self._stopped:
                key = self._ready.popleft()
                items = self._conversations[key]
                if self._ready and not self._is_waking:  # runs as soon as a handler here has to wait
                    self._is_waking = True
                    loop.call_soon(self._wake)
                try:
                    while items and look:
                        look -= 1
                        item, size = items.popleft()
                        self.size -= size
                        self.waiting = waiting = self.waiting - 1
                        if waiting <= self._room_at:
                            self._look_for_room()
                        try:
                            await run(item)
                        except KeyboardInterrupt:
                            raise
                        except BaseException as error:
                            if _is_for(me, error):
                                raise
                            self._failed(error, item)
                finally:
                    if items:
                        self._ready.append(key)
                    else:
                        del self._conversations[key]
                if not look:
                    look = _LOOK
                    if monotonic() >= turn:
                        await asyncio.sleep(0)
                        turn = monotonic() + _TURN
            if self._empty is not None and not self._conversations:
                self._empty.set()
            if self._stopped:
                return
            idle: asyncio.Future[None] = loop.create_future()
            self._idle.append(idle)
            try:
                await idle
            finally:
                if idle.cancelled() and idle in self._idle:  # from outside: it cannot be woken any more
                    self._idle.remove(idle)
            turn = monotonic() + _TURN


def _is_for(worker: "asyncio.Task[None] | None", error: BaseException) -> bool:
    """Return whether what came out of a handler is meant for the worker that awaits it: it was cancelled, or closed."""
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


class ThreadQueue(KeyedQueue[T]):
    """Runs a plain function in at most ``concurrency`` threads, started when needed and ended when idle.

    The threads are daemons: a handler that never returns cannot keep the program alive.

    Args:
        run: the function.
        failed: called with what it raises, in the thread that failed.
        name, key_of, limits, flow, overflowed: see ``KeyedQueue``.
    """

    def __init__(
        self,
        run: Callable[[T], object],
        failed: Callable[[BaseException, T], object],
        overflowed: Callable[[T, int], object],
        *,
        name: str,
        key_of: Callable[[T], Hashable],
        concurrency: int,
        limits: Limits,
        flow: Backpressure,
    ) -> None:
        self._drops: list[tuple[T, int]] = []
        super().__init__(name, key_of, limits, flow, lambda item, count: self._drops.append((item, count)))
        self._tell_drop = overflowed
        self._run = run
        self._failed = failed
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = 0
        self._threads: set[threading.Thread] = set()
        self._on_change: Callable[[], None] | None = None

    def put(self, item: T) -> None:
        """See ``HandlerQueue``."""
        with self._lock:
            KeyedQueue.put(self, item)  # super() takes longer
        if self._drops:
            drops, self._drops = self._drops, []
            for dropped, count in drops:
                self._tell_drop(dropped, count)

    def _awaken(self) -> None:
        if len(self._ready) <= self._idle:  # a thread that was notified counts as idle until it took its items
            self._changed.notify()
        elif len(self._threads) < self._concurrency:
            thread = threading.Thread(target=self._work, name=f"tautwire-handler-{self.name}", daemon=True)
            self._threads.add(thread)
            thread.start()

    def abort(self) -> None:
        """See ``HandlerQueue``."""
        with self._lock:
            self._forget()
            self._changed.notify_all()

    async def close(self, grace: float, callers: Callers) -> bool:
        """See ``HandlerQueue``."""
        with callers.listening(self._tell):
            if grace > 0:
                await self._until(lambda: not self._conversations or callers.are_among(self._threads), grace)
            self.abort()
            return await self._until(lambda: all(each in callers for each in self._threads), _LAST_WAIT)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait on the loop for something the threads do; return False if the time ran out."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self._lock:
            self._on_change = tell
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return condition()
        finally:
            with self._lock:
                self._on_change = None
        return True

    def _work(self) -> None:
        run, chunk = self._run, 1  # more for a quick handler: a slow one holds no more than it is at
        while (taken := self._take(chunk)) is not None:
            key, entries = taken
            began = monotonic()
            for item, _ in entries:
                if self._stopped:
                    break
                try:
                    run(item)
                except BaseException as error:  # noqa: BLE001 (all of them: they would end the worker unseen)
                    self._failed(error, item)
            self._put_back(key, entries)
            chunk = min(2 * chunk, _CHUNK) if monotonic() - began < _TURN else max(1, chunk // 2)

    def _take(self, chunk: int) -> tuple[Hashable, Sequence[tuple[T, int]]] | None:
        """Wait for a conversation and take so many items out of it; None when this thread should end."""
        with self._lock:
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
            items = self._conversations[key]
            if len(items) <= chunk:
                self._conversations[key] = deque()
                return key, items
            take = items.popleft
            return key, [take() for _ in range(chunk)]

    def _end(self) -> None:
        """Leave the count within the lock that found nothing to do, or a new item could wait for this thread."""
        self._threads.discard(threading.current_thread())
        self._tell()

    def _put_back(self, key: Hashable, done: Sequence[tuple[T, int]]) -> None:
        with self._lock:
            if not self._stopped:
                self.waiting -= len(done)
                self.size -= sum([size for _, size in done])
                if self.waiting <= self._room_at:
                    self._look_for_room()
            if self._conversations[key]:
                self._ready.append(key)
            else:
                del self._conversations[key]
                self._tell()

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change()
