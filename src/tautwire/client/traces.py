"""OpenTelemetry traces of a client: a message from the call to its ack, calls of the Web API, and connecting.

Imported for clients with a ``tracer_provider`` alone; the parts of others have no check for it.
"""

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.connection.connection import Connection
from tautwire.client.connection.replies import Reply
from tautwire.client.connection.supervisor import Supervisor
from tautwire.client.sending.sending import Sending
from tautwire.protocol.frames import Ack, ClientFrame
from tautwire.session.members import member
from tautwire.session.outgoing import Prepared, type_of
from tautwire.session.traces import MESSAGE_ID, error_type, message_attributes

Open = Callable[[Supervisor], Awaitable[Connection]]
T = TypeVar("T")

# The context of a trace alone: baggage is not for servers of others.
_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Makes the traced parts of one client."""

    def __init__(self, provider: TracerProvider) -> None:
        self.tracer = provider.get_tracer("tautwire", version("tautwire"))

    def sending(self, *args: Any, **options: Any) -> Sending:
        """Return a sending half with a span for each message; the arguments are those of ``Sending``."""
        return TracedSending(self, *args, **options)

    def opening(self, open_connection: Open) -> Open:
        """Return a function that opens a connection within a span of its own, which begins a trace."""

        async def traced(supervisor: Supervisor) -> Connection:
            # The task that connects again runs in the context of the call that connected first.
            return await self.run("connect", open_connection(supervisor), SpanKind.CLIENT, context=Context())

        return traced

    def trace_calls(self, web: AsyncWebClient) -> None:
        """Give each call of a Web API client a span, and have it carry the context of the trace."""
        call = web.api_call

        async def api_call(
            api_method: str, *, http_verb: str = "POST", headers: Mapping[str, str] | None = None, **options: Any
        ) -> Any:
            async def made() -> Any:
                carrier: dict[str, str] = {}
                _PROPAGATOR.inject(carrier)
                response = await call(
                    api_method, http_verb=http_verb, headers={**(headers or {}), **carrier}, **options
                )
                get_current_span().set_attribute("http.response.status_code", response.status_code)
                return response

            attributes = {"http.request.method": http_verb}
            return await self.run(f"{http_verb} {api_method}", made(), SpanKind.CLIENT, attributes=attributes)

        web.api_call = api_call  # type: ignore[method-assign]

    async def run(self, name: str, work: Awaitable[T], kind: SpanKind, **options: Any) -> T:
        """Return what ``work`` does, within a span; an error is noted by its code or class."""
        with self.tracer.start_as_current_span(
            name, kind=kind, record_exception=False, set_status_on_exception=False, **options
        ) as span:
            try:
                return await work
            except BaseException as error:
                _fail(span, error)
                raise


class TracedSending(Sending):
    """A sending half with traces. Other frames than messages have no span."""

    def __init__(self, tracing: Tracing, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tracing = tracing

    async def _send(self, frame: ClientFrame | Mapping[str, Any], timeout: float | None) -> Reply | None:  # noqa: ASYNC109 (as in send)
        if type_of(frame) != "message":
            return await super()._send(frame, timeout)
        attributes = message_attributes("message", "send", member(frame, "channel"))
        return await self._tracing.run(
            "send rtm message", self._noted(frame, timeout), SpanKind.PRODUCER, attributes=attributes
        )

    async def _noted(self, frame: ClientFrame | Mapping[str, Any], timeout: float | None) -> Reply | None:  # noqa: ASYNC109 (as in send)
        reply = await super()._send(frame, timeout)
        if isinstance(reply, Ack):
            get_current_span().set_attribute(MESSAGE_ID, reply.ts)
        return reply

    def _post(self, connection: Connection, frame: Prepared) -> Any:
        if frame.kind == "message":
            get_current_span().add_event("sent")  # before it, the message waited for a connection or its turn
        return super()._post(connection, frame)


def _fail(span: Span, error: BaseException) -> None:
    code = error_type(error)
    if isinstance(error, SlackApiError) and isinstance(error.response.get("error"), str):
        code = error.response["error"]
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, code))
