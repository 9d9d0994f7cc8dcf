"""A span for each call of the Web API, in the trace that the caller names in ``traceparent`` (W3C Trace Context)."""

from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, get_current_span, use_span

from tautwire.server.traces.spans import PROPAGATOR, fail
from tautwire.server.web_api.app import PATH, ReadBody, Request, WebApi
from tautwire.server.web_api.arguments import Given
from tautwire.server.web_api.fallback import Stream
from tautwire.server.web_api.method import Answer, Caller, Method
from tautwire.server.web_api.replies import Draft, Reply

UNKNOWN: Final = "{method}"
"""Stands for the names of methods that are not in the registry: callers must not make names of spans without end."""


class TracedWebApi(WebApi):
    """The Web API with traces."""

    def __init__(self, tracer: Tracer, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tracer = tracer

    async def answer(self, request: Request, read_body: ReadBody) -> Reply:
        """Answer a call within a span of its own."""
        route = PATH + (request.method if request.method in self._methods else UNKNOWN)
        span = self._tracer.start_span(
            f"{request.verb} {route}",
            PROPAGATOR.extract(request.headers, Context()),
            SpanKind.SERVER,
            {"http.request.method": request.verb, "http.route": route, "url.scheme": request.base_url.split(":")[0]},
        )
        with use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                reply = await super().answer(request, read_body)
            except GeneratorExit:  # the front makes the call again, with a span of its own: this one is not ended
                raise
            except BaseException as error:
                fail(span, error)
                span.end()
                raise
        span.set_attribute("http.response.status_code", reply.status)
        if reply.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()
        return reply

    async def _answer(self, request: Request, read_body: ReadBody, draft: Draft) -> Answer | Stream:
        try:
            return await super()._answer(request, read_body, draft)
        except Exception as error:
            fail(get_current_span(), error)
            raise

    async def _run(
        self, method: Method, request: Request, caller: Caller, given: Given, draft: Draft, file: str | None = None
    ) -> Answer:
        who = caller.who.user or caller.who.app_id
        if who:
            get_current_span().set_attribute("user.id", who)
        return await super()._run(method, request, caller, given, draft, file)
