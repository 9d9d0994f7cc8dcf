"""The spans of a test, kept in memory by OpenTelemetry's SDK."""

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from scene import eventually


class Spans:
    """What a provider has exported."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    async def one(self, name: str) -> ReadableSpan:
        """Return the only span of a name, once it has ended."""
        await eventually(lambda: bool(self.named(name)))
        (span,) = self.named(name)
        return span

    def clear(self) -> None:
        self._exporter.clear()


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def id_of(span: ReadableSpan) -> int:
    return span.context.span_id


def trace_of(span: ReadableSpan) -> int:
    return span.context.trace_id


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def everything_said(spans: Spans) -> str:
    """Return all that the spans would send to a collector."""
    return "\n".join(span.to_json() for span in spans.all)
