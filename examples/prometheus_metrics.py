"""A bot whose life Prometheus can watch: every hook of ``tautwire.Metrics`` as a metric.

Needs ``pip install prometheus-client``. Set SLACK_API_URL and SLACK_BOT_TOKEN, start this, and look at
http://127.0.0.1:9108/metrics (METRICS_PORT for another port). Ctrl-C ends it.
"""

import asyncio
import os
from collections import Counter as Count
from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Enum, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tautwire import ClientState, Closed, ConnectError, Event, MessageEvent, Metrics, RTMClient, Run

STATE = Enum("rtm_client_state", "Where the client is in its life", states=[each.value for each in ClientState])
FAILED = Counter("rtm_attempts_failed", "Attempts to connect that came to nothing", ["kind"])
CONNECTED = Histogram("rtm_connect_seconds", "From rtm.connect to the hello")
ENDED = Counter("rtm_connections_ended", "Connections that ended", ["cause"])
ROUND_TRIP = Gauge("rtm_round_trip_seconds", "The last ping")
EVENTS = Counter("rtm_events", "Events that came in", ["type"])
LAG = Histogram("rtm_handler_lag_seconds", "From an event's coming in to its handler's start", ["handler"])
HANDLED = Histogram("rtm_handler_seconds", "How long handlers took", ["handler"])
ERRORS = Counter("rtm_handler_errors", "Runs that raised", ["handler"])
REPLIES = Histogram("rtm_reply_seconds", "From a frame to its reply", ["kind", "outcome"])


class PrometheusMetrics(Metrics):
    """Counts what the client tells."""

    def state_changed(self, state: ClientState) -> None:
        """Show the state."""
        STATE.state(state.value)

    def attempt_failed(self, error: ConnectError) -> None:
        """Count by the kind of failure: ConnectError, RateLimited or ConnectRefused."""
        FAILED.labels(type(error).__name__).inc()

    def connected(self, seconds: float) -> None:
        """Note how long it took."""
        CONNECTED.observe(seconds)

    def disconnected(self, closed: Closed) -> None:
        """Count by cause: silence, dropped, goodbye and so on. Reasons are too many for a label."""
        ENDED.labels(closed.cause.value).inc()

    def pinged(self, round_trip: float) -> None:
        """Show the last round trip."""
        ROUND_TRIP.set(round_trip)

    def event_received(self, event: Event) -> None:
        """Count by class: a server may think up any type, and labels must stay few."""
        EVENTS.labels(type(event).__name__).inc()

    def handler_ran(self, run: Run) -> None:
        """Note lag and duration."""
        LAG.labels(run.handler).observe(max(0.0, run.lag))
        HANDLED.labels(run.handler).observe(run.seconds)
        if run.error is not None:
            ERRORS.labels(run.handler).inc()

    def reply_received(self, kind: str, outcome: str, seconds: float) -> None:
        """Note how long it took, by what became of it."""
        REPLIES.labels(kind, outcome).observe(seconds)


class Queues:
    """Asks the client for its queues whenever Prometheus asks us."""

    def __init__(self, client: RTMClient) -> None:
        self._client = client

    def collect(self) -> Iterator[Metric]:
        """Add up the handlers of one name."""
        waiting, dropped = Count[str](), Count[str]()
        for queue in self._client.queues():
            waiting[queue.handler] += queue.waiting
            dropped[queue.handler] += queue.dropped
        depth = GaugeMetricFamily("rtm_queue_depth", "Events that wait for a handler", labels=["handler"])
        lost = CounterMetricFamily("rtm_events_dropped", "Events a full queue refused", labels=["handler"])
        for handler in waiting:
            depth.add_metric([handler], waiting[handler])
            lost.add_metric([handler], dropped[handler])
        yield from (depth, lost)


async def main() -> None:
    """Serve metrics and a bot that answers."""
    client = RTMClient(metrics=PrometheusMetrics())

    @client.on(MessageEvent)
    async def answer(event: MessageEvent) -> None:
        if event.text == "ping" and event.user != client.identity.user.id:
            await client.say(event.channel, "pong")

    REGISTRY.register(Queues(client))
    start_http_server(int(os.environ.get("METRICS_PORT", "9108")), addr="127.0.0.1")
    await client.run()


if __name__ == "__main__":
    asyncio.run(main())
