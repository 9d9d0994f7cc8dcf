"""The SDK of OpenTelemetry as its standard variables set it up."""

import os
from collections.abc import Mapping
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from tautwire.protocol.errors import ConfigError

PROTOCOL: Final = "http/protobuf"


def make_provider(environment: Mapping[str, str] = os.environ) -> TracerProvider:
    """Return a provider whose spans go to the collector that ``OTEL_EXPORTER_OTLP_*`` names.

    The SDK reads the sampler, its limits and the attributes of the resource from the environment by itself.

    Raises:
        ConfigError: ``OTEL_TRACES_EXPORTER`` or the protocol is one that is not there.
    """
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    # An attribute given here would win over the environment.
    resource = Resource.create({} if named else {SERVICE_NAME: "tautwire"})
    exporter = _exporter(environment)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # Tracing.close does it, in bounded time
    if exporter is not None:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _exporter(environment: Mapping[str, str]) -> SpanExporter | None:
    name = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    if name == "none":
        return None
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        raise ConfigError(f"OTEL_TRACES_EXPORTER is {name!r}: it can be otlp, console or none")
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environment.get(variable)
        if protocol and protocol != PROTOCOL:
            raise ConfigError(f"{variable} is {protocol!r}: only {PROTOCOL} is there, on port 4318 of most collectors")
    return OTLPSpanExporter()
