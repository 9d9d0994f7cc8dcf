"""Reads off the loop: a few threads with a connection each, beside the writer.

A read sees every commit before its beginning. So a client that got an ack can read its message at once.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from time import monotonic
from typing import Any, Final, TypeVar

from tautwire.server.store.engine import DamagedError, DisconnectedError, Engine, Query, ReadSession, StoreError

log = logging.getLogger("tautwire.server.store")

T = TypeVar("T")

LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines about failed reads."""

_CLOSED: Final = "the database is closed: the workspace is being stopped, reset or deleted"


class Reader:
    """Runs read functions in threads: of its own, or of a pool that the readers of many databases share.

    Args:
        pool: the shared threads; without them it has ``threads`` of its own.

    Attributes:
        damage: what the database said when it was found damaged; None until then.
    """

    def __init__(self, engine: Engine, threads: int = 2, *, pool: ThreadPoolExecutor | None = None) -> None:
        self._engine = engine
        self._owns_pool = pool is None
        self._pool = pool if pool is not None else ThreadPoolExecutor(threads, "tautwire-reader")
        self._sessions: set[ReadSession] = set()
        # Any thread takes the session that was used last: so a database has no more connections than reads at once.
        self._idle: list[ReadSession] = []
        # Connections cost descriptors and caches: readers that share their threads keep one each.
        self._max_idle = threads if pool is None else 1
        self._running: set[Future[Any]] = set()
        # ``close`` may run in a thread: it must know every read, or it would close a connection that one uses.
        self._lock = threading.Lock()
        self._is_closed = False
        self._logged_at = -LOG_INTERVAL
        self.damage: str | None = None

    async def read(self, function: Callable[[Query], T]) -> T:
        """Return ``function(query)``, all of whose queries see the same state.

        A read whose connection breaks is made once more, with a new one: it changes nothing.

        Raises:
            StoreError: the database cannot be read, or it is closed.
        """
        with self._lock:
            if self._is_closed:
                raise StoreError(_CLOSED)
            future = self._pool.submit(self._run, function)
            self._running.add(future)
        future.add_done_callback(self._forget)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Interrupt running reads, refuse waiting ones, and close the connections."""
        with self._lock:
            self._is_closed = True
            running = list(self._running)
        for session in list(self._sessions):
            session.interrupt()
        wait(running)  # those that wait for a thread end as soon as they begin
        if self._owns_pool:
            self._pool.shutdown()
        for session in list(self._sessions):
            self._drop(session)

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._running.discard(future)

    def _run(self, function: Callable[[Query], T]) -> T:
        if self._is_closed:
            raise StoreError(_CLOSED)
        try:
            try:
                return self._read(function)
            except DisconnectedError:
                if self._is_closed:  # it was closed under this read
                    raise
                return self._read(function)
        except StoreError as error:
            if not self._is_closed:
                self._note(error)
            raise StoreError(f"the database cannot be read: {error}") from error

    def _note(self, error: StoreError) -> None:
        if isinstance(error, DamagedError):
            self.damage = str(error)
        if monotonic() - self._logged_at >= LOG_INTERVAL:
            self._logged_at = monotonic()
            log.error("the database cannot be read: %s", error)

    def _read(self, function: Callable[[Query], T]) -> T:
        session = self._take()
        try:
            session.begin()
            try:
                return function(session)
            finally:
                session.end()
        except DisconnectedError:
            self._drop(session)
            raise
        finally:
            self._give_back(session)

    def _take(self) -> ReadSession:
        """Return a session for one read alone: a database serializes the statements of a connection."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        session = self._engine.read_session()
        self._sessions.add(session)
        return session

    def _give_back(self, session: ReadSession) -> None:
        """Keep a session for the next read, unless it is dropped already or there are enough."""
        if session in self._sessions:
            if len(self._idle) < self._max_idle:
                self._idle.append(session)
            else:
                self._drop(session)

    def _drop(self, session: ReadSession) -> None:
        self._sessions.discard(session)
        try:
            session.close()
        except StoreError as error:
            log.debug("a connection that reads was not closed: %s", error)
