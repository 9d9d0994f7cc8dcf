"""Reads off the loop: a few threads with a connection each, beside the writer.

A read sees every commit before its beginning. So a client that got an ack can read its message at once.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, TypeVar

from tautwire.server.store.engine import DamagedError, DisconnectedError, Engine, Query, ReadSession, StoreError

log = logging.getLogger("tautwire.server.store")

T = TypeVar("T")

LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines about failed reads."""


class Reader:
    """Runs read functions in threads of its own.

    Attributes:
        damage: what the database said when it was found damaged; None until then.
    """

    def __init__(self, engine: Engine, threads: int = 2) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(threads, "tautwire-reader")
        self._local = threading.local()
        self._sessions: set[ReadSession] = set()
        self._is_closed = False
        self._logged_at = -LOG_INTERVAL
        self.damage: str | None = None

    async def read(self, function: Callable[[Query], T]) -> T:
        """Return ``function(query)``, all of whose queries see the same state.

        A read whose connection breaks is made once more, with a new one: it changes nothing.

        Raises:
            StoreError: the database cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, function)

    def close(self) -> None:
        """Interrupt running reads, cancel waiting ones, and close the connections.

        No caller is left to answer: the doors are closed before the store.
        """
        self._is_closed = True
        for session in list(self._sessions):
            session.interrupt()
        self._pool.shutdown(cancel_futures=True)
        for session in list(self._sessions):
            self._drop(session)

    def _run(self, function: Callable[[Query], T]) -> T:
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
        session: ReadSession | None = getattr(self._local, "session", None)
        if session is None:
            # One for each thread: a database serializes the statements of a connection.
            session = self._local.session = self._engine.read_session()
            self._sessions.add(session)
        try:
            session.begin()
            try:
                return function(session)
            finally:
                session.end()
        except DisconnectedError:
            self._local.session = None
            self._drop(session)
            raise

    def _drop(self, session: ReadSession) -> None:
        self._sessions.discard(session)
        try:
            session.close()
        except StoreError as error:
            log.debug("a connection that reads was not closed: %s", error)
