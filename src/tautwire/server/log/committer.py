"""Carries out batches of units: one transaction each, on a connection to the database that may break.

It runs in the writer's thread and knows no loop: ``writer`` gathers the batches and reports what became of them.

A connection can break at any moment. Until COMMIT was sent nothing of the transaction is stored, so the batch runs
again on a new connection. If the answer to COMMIT was lost, the database is asked what became of the transaction: the
batch has its results, or it runs again. While the database stays away, a batch fails after ``RECONNECT_PATIENCE``, the
next ones at once. So nothing is stored twice, and no caller waits for ever.
"""

import logging
import time
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol

from tautwire.server.clock import Clock
from tautwire.server.log.entry import Entry
from tautwire.server.log.transaction import Transaction, Unit
from tautwire.server.store.engine import CommitLostError, DisconnectedError, Durability, Engine, StoreError

log = logging.getLogger("tautwire.server.log")

RECONNECT_PATIENCE: Final = 5.0
"""Seconds that a batch waits for a database that was reached before."""
SETTLE_PATIENCE: Final = 10.0
"""Seconds in which the database has to say what became of a transaction whose COMMIT was not answered."""
PAUSE: Final = 0.05
"""Seconds between two tries."""

Result = tuple[Any, BaseException | None]
"""What a unit returned, or what it raised."""


class Committed(NamedTuple):
    """A batch that is durable."""

    entries: list[Entry]
    """Its entries of the log."""
    results: list[Result]
    """One for each unit."""


class Deliver(Protocol):
    """Delivers the entries of other writers."""

    def __call__(self, entries: list[Entry], *, more_follow: bool) -> None:
        """Called in the writer's thread, before the batch that found the entries is carried out."""


class Committer:
    """Runs batches of units on a database.

    Args:
        deliver: called with the entries of other writers, which every batch looks for.

    Raises:
        StoreError: the database cannot be reached.
    """

    def __init__(self, engine: Engine, durability: Durability, clock: Clock, deliver: Deliver) -> None:
        self._engine = engine
        self._durability: Durability = durability
        self._deliver = deliver
        self._transaction = Transaction(engine.session(durability), clock)
        self._is_connected = True
        self._is_away = False  # a batch has failed because the database did not come back

    def commit(self, batch: Sequence[Unit[Any]]) -> Committed:
        """Run a batch in one transaction.

        Raises:
            StoreError: nothing of it is stored, or that is not known, which the text says. Call ``undo``.
        """
        deadline = monotonic() + (0 if self._is_away else RECONNECT_PATIENCE)
        while True:
            try:
                committed = self._attempt(batch)
            except DisconnectedError as error:
                self._lose_connection()
                if monotonic() >= deadline:
                    self._is_away = True
                    raise
                log.debug("the batch runs again: %s", error)
                time.sleep(PAUSE)
            else:
                self._is_away = False
                return committed

    def undo(self) -> None:
        """Undo a failed batch, with a new connection if the old one cannot.

        Raises:
            StoreError: there is no new connection either, and trying again would not help.
        """
        try:
            self._transaction.rollback()
        except Exception as stuck:  # noqa: BLE001 - the connection is replaced
            log.error("the rollback failed (%s); the database is opened again", stuck)  # noqa: TRY400
            self._lose_connection()
            try:
                self._connect()
            except DisconnectedError as error:
                log.debug("the database is not reached; the next batch tries again: %s", error)
            except Exception as error:
                raise StoreError(f"the database cannot be opened again: {error}; restart the server") from error

    def close(self) -> None:
        """Close the connection."""
        if self._is_connected:
            self._transaction.session.close()

    def _attempt(self, batch: Sequence[Unit[Any]]) -> Committed:
        problem = self._engine.problem()
        if problem is not None:
            raise StoreError(problem)
        self._connect()
        transaction = self._transaction
        is_all = False
        while not is_all:
            missed, is_all = transaction.begin()
            if missed:  # at once: they are to be delivered even if this batch fails
                self._deliver(missed, more_follow=not is_all)
        results: list[Result] = []
        # Units run in the order they were posted: a connection's messages keep their order.
        for unit in batch:
            try:
                results.append((transaction.attempt(unit), None))
            except StoreError:
                raise  # an error of the database, not of the unit
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                # SystemExit on the loop would end the program.
                kept = error if isinstance(error, Exception) else RuntimeError(f"a change ended with {error!r}")
                results.append((None, kept))
        try:
            own = transaction.commit()
        except CommitLostError as error:
            own = self._settle(error)
        return Committed(own, results)

    def _settle(self, lost: CommitLostError) -> list[Entry]:
        """Return the entries of a batch that is stored; raise ``DisconnectedError`` if it is not."""
        self._lose_connection(keep=True)
        deadline = monotonic() + SETTLE_PATIENCE
        while True:
            try:
                is_stored = self._engine.was_committed(lost.transaction)
                break
            except StoreError as error:
                if monotonic() >= deadline:
                    self._is_away = True
                    raise StoreError(
                        f"{lost}; the change may or may not be stored, since the database did not say so in "
                        f"{SETTLE_PATIENCE:.0f} s ({error})"
                    ) from error
                time.sleep(PAUSE)
        log.warning("%s; the database says that its changes are %sstored", lost, "" if is_stored else "not ")
        if is_stored:
            return self._transaction.committed()
        raise DisconnectedError(str(lost))

    def _connect(self) -> None:
        if not self._is_connected:
            self._transaction.session = self._engine.session(self._durability)
            self._is_connected = True

    def _lose_connection(self, *, keep: bool = False) -> None:
        """Close the connection, which undoes what is not committed; with ``keep`` the batch's entries stay."""
        if self._is_connected:
            self._is_connected = False
            try:
                self._transaction.session.close()
            except StoreError as error:
                log.debug("the old connection to the database was not closed: %s", error)
        if not keep:
            self._transaction.reset()
