"""How spans begin from a caller's trace, and how they fail."""

from typing import Final

from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tautwire.session.traces import error_type

# The context of a trace alone: baggage of callers must not reach others.
PROPAGATOR: Final = TraceContextTextMapPropagator()


def fail(span: Span, error: BaseException) -> None:
    """Mark a span as failed, with the code of the error or its class."""
    fail_with(span, error_type(error))


def fail_with(span: Span, code: str) -> None:
    """Mark a span as failed, with an error code."""
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, code))
