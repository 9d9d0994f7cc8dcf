"""A span for each change that a traced call makes: from its queueing to the commit of its batch."""

from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer, get_current_span, set_span_in_context

from tautwire.server.log.transaction import Transaction, Unit
from tautwire.server.log.writer import Done, Job, Outcome, Writer
from tautwire.server.store.engine import Engine
from tautwire.server.store.sqlite import SqliteEngine
from tautwire.server.traces.spans import fail


class TracedWriter(Writer):
    """A writer with traces. Changes that no traced call makes, such as scheduled messages, have no span.

    Args:
        stored: gets the context of each traced entry of the log; see ``TracedHub``.
    """

    def __init__(self, tracer: Tracer, stored: dict[int, Context], engine: Engine, **options: Any) -> None:
        self._tracer = tracer
        self._stored = stored
        self._system = {"db.system.name": "sqlite" if isinstance(engine, SqliteEngine) else "postgresql"}
        super().__init__(engine, **options)

    def post(self, unit: Unit[Any], done: Done) -> None:
        """Queue a unit, within a span if the caller has one that is recorded."""
        parent = get_current_span()
        if not parent.is_recording():
            super().post(unit, done)
            return
        span = self._tracer.start_span("commit", attributes=self._system)
        run = _Run(unit, done, span, self._stored, set_span_in_context(parent, Context()))
        try:
            super().post(run, run.done)
        except BaseException as error:
            fail(span, error)
            span.end()
            raise

    def _commit(self, batch: list[Job]) -> Outcome:
        size = len(batch)
        outcome = super()._commit(batch)
        now = time_ns()  # the results are reported behind the delivery, which is not part of the commit
        for unit, _ in batch:
            if type(unit) is _Run:
                unit.ended, unit.batch = now, size
        return outcome


class _Run:
    """One unit with its span."""

    __slots__ = ("_began", "_context", "_done", "_entries", "_span", "_stored", "_unit", "batch", "ended")

    def __init__(self, unit: Unit[Any], done: Done, span: Span, stored: dict[int, Context], context: Context) -> None:
        self._unit = unit
        self._done = done
        self._span = span
        self._stored = stored
        self._context = context
        self._began = 0
        self._entries = range(0)
        self.ended: int | None = None
        self.batch = 0

    def __call__(self, transaction: Transaction) -> Any:
        """Run the unit, in the writer's thread; more than once if the database was lost meanwhile."""
        self._began = time_ns()
        self._forget()
        first = transaction.next_position
        result = self._unit(transaction)
        self._entries = range(first, transaction.next_position)
        for position in self._entries:
            self._stored[position] = self._context
        return result

    def done(self, result: Any, error: BaseException | None) -> None:
        """Report the result, on the loop; the entries are delivered."""
        self._forget()
        span = self._span
        if self._began:
            span.add_event("batch began", timestamp=self._began)  # before it, the change waited
        if error is None:
            span.set_attribute("tautwire.log.entries", len(self._entries))
        else:
            fail(span, error)
        span.set_attribute("db.operation.batch.size", self.batch)
        span.end(self.ended)
        self._done(result, error)

    def _forget(self) -> None:
        for position in self._entries:
            self._stored.pop(position, None)
