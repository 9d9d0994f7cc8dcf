"""The tracer of a process, and the parts that have traces. What its spans may say: ``session.traces``."""

import asyncio
import threading
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.trace import Tracer, TracerProvider

from tautwire.server.hub.hub import Hub
from tautwire.server.log.entry import Topic
from tautwire.server.log.epochs import Epochs
from tautwire.server.log.writer import Writer
from tautwire.server.rtm.backend import Backend
from tautwire.server.services.access.subscriptions import Subscription
from tautwire.server.store.engine import Engine
from tautwire.server.taps.tap import Surroundings, Tap
from tautwire.server.taps.window import Progress
from tautwire.server.traces.backend import TracedBackend
from tautwire.server.traces.hub import TracedHub
from tautwire.server.traces.recent import Recent
from tautwire.server.traces.tap import TracedTap
from tautwire.server.traces.web_api import TracedWebApi
from tautwire.server.traces.writer import TracedWriter
from tautwire.server.web_api.app import WebApi

LAST_PATIENCE: Final = 3.0
"""Seconds that a stop waits for the collector."""


class Tracing:
    """The traces of one process. To be closed.

    Args:
        is_own: whether the provider, one of the SDK, is shut down at the end.
    """

    def __init__(self, provider: TracerProvider, *, is_own: bool = False) -> None:
        self.tracer: Tracer = provider.get_tracer("tautwire", version("tautwire"))
        self._own = provider if is_own and isinstance(provider, SdkProvider) else None

    def of_workspace(self) -> "WorkspaceTracing":
        """Return the traced parts for one workspace, or one bot of a gateway."""
        return WorkspaceTracing(self.tracer)

    def web_api(self, *args: Any, **options: Any) -> WebApi:
        """Return a Web API with a span for each call; the arguments are those of ``WebApi``."""
        return TracedWebApi(self.tracer, *args, **options)

    async def close(self) -> None:
        """Send the last spans, for some seconds at most: a collector that does not answer must not hold up a stop."""
        if self._own is not None:
            thread = threading.Thread(target=self._own.shutdown, name="tautwire-traces", daemon=True)
            thread.start()
            await asyncio.to_thread(thread.join, LAST_PATIENCE)


class WorkspaceTracing:
    """Makes the traced parts of one workspace, which share the spans of what is being stored."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._stored: dict[int, Context] = {}
        """The context of each traced entry of the log from its unit to its delivery, by position."""
        self._recent = Recent()

    def writer(self, engine: Engine, **options: Any) -> Writer:
        """Return a writer with a span for each change that a traced call makes."""
        return TracedWriter(self._tracer, self._stored, engine, **options)

    def hub(self, channels: dict[str, set[Topic]], epochs: Epochs) -> Hub:
        """Return a hub with a span for the delivery of each event of a traced call."""
        return TracedHub(self._tracer, self._stored, self._recent, channels, epochs)

    def tap(self, around: Surroundings, subscription: Subscription, progress: Progress) -> Tap:
        """Return the tap of an app with a span for each event of a traced call that it is sent."""
        return TracedTap(self._tracer, self._recent, around, subscription, progress)

    def backend(self, backend: Backend) -> Backend:
        """Return a backend with a span for each message of an RTM connection."""
        return TracedBackend(self._tracer, backend)
