"""A span for the delivery of each event of a traced call: from its fan-out to the write on the last socket."""

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer

from tautwire.server.hub.hub import Connection, Hub
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.epochs import Epochs
from tautwire.server.traces.recent import Recent
from tautwire.session.traces import MESSAGE_ID, message_attributes

MAX_AWAITED: Final = 100_000
"""Writes that are awaited at a time, about 100 bytes each; a delivery beyond is not followed to its last socket."""


class _Delivery:
    """One event on its way to its connections."""

    __slots__ = ("lost", "rest", "span")

    def __init__(self, span: Span, rest: int) -> None:
        self.span = span
        self.rest = rest
        self.lost = 0

    def settle(self, *, is_written: bool) -> None:
        """Count a connection; the last one ends the span."""
        self.rest -= 1
        self.lost += not is_written
        if not self.rest:
            self.end()

    def end(self) -> None:
        """End the span."""
        if self.lost:
            self.span.set_attribute("tautwire.connections.lost", self.lost)
        self.span.end()


class TracedHub(Hub):
    """A hub with traces.

    Args:
        stored: the context of each traced entry of the log from its unit to its delivery, by position.
        recent: gets it then; see ``TracedTap``.

    A frame counts as written when the connection's queue has passed it on: to the kernel, or for a peer that reads
    slowly to the buffer of its socket.
    """

    def __init__(
        self, tracer: Tracer, stored: dict[int, Context], recent: Recent, channels: dict[str, set[Topic]],
        epochs: Epochs,
    ) -> None:  # fmt: skip
        super().__init__(channels, epochs)
        self._tracer = tracer
        self._stored = stored
        self._recent = recent
        self._awaited: dict[Connection, list[_Delivery]] = {}
        self._count = 0

    def detach(self, connection: Connection) -> None:
        """Detach it; what waited for it is lost, and is sent again when its client comes back."""
        super().detach(connection)
        self._settle(connection, is_written=False)

    def _fan_out(self, entry: Entry) -> None:
        context = self._stored.pop(entry.position, None)
        if context is None:
            super()._fan_out(entry)
            return
        self._recent.add(entry.position, context)
        receivers = [each for each in self._topics.get(entry.topic, ()) if each.number != entry.skip]
        span = self._tracer.start_span(
            "send rtm event",
            context,
            SpanKind.PRODUCER,
            {
                **message_attributes("event", "send", entry.topic),
                "messaging.message.body.size": len(entry.payload),
                "tautwire.connections": len(receivers),
                "tautwire.log.position": entry.position,
                **({MESSAGE_ID: entry.message} if entry.message else {}),
            },
        )
        delivery = _Delivery(span, len(receivers))
        is_followed = self._count + len(receivers) <= MAX_AWAITED
        if is_followed:
            for connection in receivers:
                self._awaited.setdefault(connection, []).append(delivery)
            self._count += len(receivers)
        super()._fan_out(entry)
        if not receivers or not is_followed:
            span.set_attribute("tautwire.followed", is_followed)
            delivery.end()

    def _write(self, connection: Connection) -> None:
        super()._write(connection)
        if connection in self._awaited and not connection.outbox:
            self._settle(connection, is_written=True)

    def _settle(self, connection: Connection, *, is_written: bool) -> None:
        deliveries = self._awaited.pop(connection, ())
        self._count -= len(deliveries)
        for delivery in deliveries:
            delivery.settle(is_written=is_written)
