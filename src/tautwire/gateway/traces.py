"""OpenTelemetry traces of a gateway: an event of the upstream until it is stored, and a bot's message until its ack.

Imported for gateways with traces alone; the parts of others have no check for it. From the log to the bots, and from a
frame or call of a bot to here, spans are those of the server (``server.traces``).
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer, get_current_span, use_span

from tautwire.gateway.intake import Arrival, Intake
from tautwire.gateway.sending import Job, Sending, Sent
from tautwire.gateway.upstream.api import Api
from tautwire.gateway.upstream.link import Acknowledge
from tautwire.server.traces.backend import TracedAnswer
from tautwire.server.traces.spans import PROPAGATOR, fail
from tautwire.session.traces import MESSAGE_ID, message_attributes


class TracedApi(Api):
    """The Web API of the upstream, with a span for each request that a traced message or call makes.

    What the gateway asks for by itself, such as presence, has no span.
    """

    def __init__(self, tracer: Tracer, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tracer = tracer

    @asynccontextmanager
    async def open(
        self,
        verb: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Make a request within a span, and have it carry the context of the trace."""
        if not get_current_span().is_recording():
            async with super().open(verb, url, headers=headers, **options) as response:
                yield response
            return
        # Addresses of files may be secrets.
        what = url.removeprefix(self.base_url) if url.startswith(self.base_url) and "?" not in url else "file"
        attributes = {"http.request.method": verb, "server.address": self.host}
        with self._tracer.start_as_current_span(
            f"{verb} {what}", kind=SpanKind.CLIENT, attributes=attributes, record_exception=False,
            set_status_on_exception=False,
        ) as span:  # fmt: skip
            carrier = dict(headers or {})
            PROPAGATOR.inject(carrier)
            try:
                async with super().open(verb, url, headers=carrier, **options) as response:
                    span.set_attribute("http.response.status_code", response.status)
                    yield response
            except BaseException as error:
                fail(span, error)
                raise


class TracedSending(Sending):
    """The messages of bots, each with a span from its turn to the answer of the upstream."""

    def __init__(self, tracer: Tracer, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tracer = tracer

    async def _send(self, job: Job) -> Sent | BaseException:
        # Not the context of the task: it is that of the first message of the channel.
        if not isinstance(job.answer, TracedAnswer):
            return await super()._send(job)
        with self._tracer.start_as_current_span(
            "send upstream message", job.answer.context, SpanKind.PRODUCER,
            message_attributes("message", "send", job.message.channel),
        ) as span:  # fmt: skip
            outcome = await super()._send(job)
            if isinstance(outcome, BaseException):
                fail(span, outcome)
            else:
                span.set_attribute(MESSAGE_ID, outcome.ts)
            return outcome


class TracedIntake(Intake):
    """The events of the upstream, each with a span from its coming in to its acknowledgement."""

    def __init__(self, tracer: Tracer, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tracer = tracer
        self._entered: dict[str, Span] = {}
        """The spans of events that are not with the writer yet, by id."""

    def receive(self, payload: bytes, acknowledge: Acknowledge) -> None:
        """Take an event within a span of its own, which begins a trace."""
        attributes = message_attributes("event", "process", None)
        span = self._tracer.start_span("process upstream event", Context(), SpanKind.CONSUMER, attributes)
        put_off = self.figures.put_off

        def acknowledged() -> None:
            acknowledge()
            span.end()

        with use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                super().receive(payload, acknowledged)
            except BaseException as error:
                _end(span, error)
                raise
        if self.figures.put_off > put_off:
            _end(span, None)

    def _enter(self, arrival: Arrival) -> None:
        span, event = get_current_span(), arrival.translated
        span.set_attributes(
            {
                **message_attributes("event", "process", event.channel),
                "tautwire.event.type": event.type[:64],
                **({MESSAGE_ID: event.ts} if event.ts else {}),
            }
        )
        self._entered[arrival.id] = span
        try:
            super()._enter(arrival)
        except BaseException:
            self._entered.pop(arrival.id, None)
            raise

    def _store(self, arrival: Arrival, before: list[bytes]) -> None:
        # Not the context of the task: it is that of the first event of the channel.
        with use_span(self._entered.pop(arrival.id), record_exception=False, set_status_on_exception=False):
            super()._store(arrival, before)

    def _done(self, arrival: Arrival) -> Callable[[Any, BaseException | None], None]:
        done, span = super()._done(arrival), get_current_span()

        def traced(result: Any, error: BaseException | None) -> None:
            if error is not None:
                _end(span, error)
            done(result, error)

        return traced


def _end(span: Span, error: BaseException | None) -> None:
    """End a span of an event that the upstream will send again; no effect if it has ended."""
    if span.is_recording():
        if error is not None:
            fail(span, error)
        span.set_attribute("tautwire.put_off", True)
        span.end()
