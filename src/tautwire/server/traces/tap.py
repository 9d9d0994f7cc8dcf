"""A span for each event of a traced call on its way to an app: from the sending to the acknowledgement.

An event that is sent again has another span, in the same trace. Both have its id.
"""

import asyncio
from typing import Any, Final, NamedTuple

from opentelemetry.trace import Span, SpanKind, Tracer

from tautwire.server.taps.envelope import Envelope
from tautwire.server.taps.tap import Link, Tap
from tautwire.server.taps.window import LOST, TIMEOUT, Open
from tautwire.server.traces.recent import Recent
from tautwire.server.traces.spans import fail_with
from tautwire.session.traces import message_attributes

GIVEN_UP: Final = "given_up"
"""``error.type`` of an event that ran out of tries, or that is not sent any more."""


class _Sent(NamedTuple):
    span: Span
    event: Open
    connection: int


class TracedTap(Tap):
    """A tap with traces.

    Args:
        recent: the contexts of the newest traced entries.
    """

    def __init__(self, tracer: Tracer, recent: Recent, *args: Any) -> None:
        self._tracer = tracer
        self._recent = recent
        self._spans: dict[str, _Sent] = {}  # by the id of the envelope
        super().__init__(*args)

    def acknowledged(self, envelope_id: str) -> bool:
        """Settle an event, and end its span."""
        is_new = super().acknowledged(envelope_id)
        self._end(envelope_id)
        return is_new

    def failed(self, envelope_id: str, reason: str, *, may_retry: bool, tries: int = 1) -> None:
        """Send an event again later, or give it up; its span has the reason."""
        super().failed(envelope_id, reason, may_retry=may_retry, tries=tries)
        self._end(envelope_id, reason)

    def lost(self, connection: int) -> None:
        """Send again what a connection has that ended."""
        super().lost(connection)
        for envelope_id in [each for each, sent in self._spans.items() if sent.connection == connection]:
            self._end(envelope_id, LOST)

    def stop(self) -> "asyncio.Task[None] | None":
        """Stop sending; what has no acknowledgement is sent again when the app returns."""
        task = super().stop()
        for envelope_id in [*self._spans]:
            self._end(envelope_id, LOST)
        return task

    def sweep(self, now: float) -> None:
        """Look whether events are late, or were given up."""
        super().sweep(now)
        for envelope_id in [each for each, sent in self._spans.items() if not self._window.is_open(sent.event)]:
            self._end(envelope_id, GIVEN_UP)

    def _pass_on(self, link: Link, event: Open, envelope: Envelope) -> None:
        self._end(envelope.envelope_id, TIMEOUT)  # it was sent before, and is late
        # A composed event is in no log: its place is behind that of an entry, whose trace is not its own.
        is_logged = self._composed.find(event.place) is None
        context = self._recent.find(event.place[0]) if is_logged else None
        if context is None:
            super()._pass_on(link, event, envelope)
            return
        span = self._tracer.start_span(
            "send app event",
            context,
            SpanKind.PRODUCER,
            {
                **message_attributes("event", "send", envelope.about),
                "messaging.message.body.size": len(envelope.payload),
                "tautwire.app.id": self.app,
                "tautwire.event.id": envelope.id,
                "tautwire.event.attempt": event.attempt,
                "tautwire.log.position": event.place[0],
            },
        )
        super()._pass_on(link, event, envelope)
        self._spans[envelope.envelope_id] = _Sent(span, event, event.connection)

    def _end(self, envelope_id: str, reason: str = "") -> None:
        sent = self._spans.pop(envelope_id, None)
        if sent is None:
            return
        if reason:
            fail_with(sent.span, reason)
        sent.span.end()
