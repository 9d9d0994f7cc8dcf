"""The metrics of a gateway beside those of its server: the links, the events, the sends, the calls and the programs.

They are read from the parts when a scrape comes. Each has the label ``bot``; names and labels are covered by the
promises of docs/explanation/versions.md.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tautwire.gateway.bots import Bots
from tautwire.gateway.relay import Relay
from tautwire.server.counts import Distribution
from tautwire.server.metrics import buckets_of

_BOT: Final = "bot"


def _outcomes(relay: Relay) -> dict[str, int]:
    events = relay.intake.figures
    return {
        "stored": events.stored, "repeated": events.repeated, "caught_up": events.caught_up, "gone": events.gone,
        "without_frame": events.without_frame, "unread": events.unread, "put_off": events.put_off,
    }  # fmt: skip


_GAUGES: Final[Mapping[str, tuple[str, Callable[[Relay], float]]]] = {
    "tautwire_bot_connections": ("RTM connections.", lambda relay: len(relay.workspace.hub)),
    "tautwire_upstream_connected": ("1 while events come from the upstream.", lambda relay: relay.link.is_up),
    "tautwire_upstream_events_waiting": ("Events that are not stored yet.", lambda relay: relay.intake.waiting),
    "tautwire_catchup_running": (
        "1 while missed messages are looked up.", lambda relay: relay.catch_up.is_running
    ),
    "tautwire_sends_waiting": ("Messages of bots without an answer yet.", lambda relay: relay.sending.waiting),
    "tautwire_presence_poll_age_seconds": (
        "Seconds since the watched user was asked for whose turn is next.", lambda relay: relay.presence.age
    ),
    "tautwire_consumer_connections": (
        "Socket Mode connections of programs.", lambda relay: len(relay.consumers.connections)
    ),
    "tautwire_consumer_events_open": (
        "Events that these have not acknowledged.", lambda relay: relay.consumers.open_events
    ),
}  # fmt: skip

_COUNTERS: Final[Mapping[str, tuple[str, Callable[[Relay], float]]]] = {
    "tautwire_upstream_connects": (
        "Connections to the upstream that got a hello.", lambda relay: relay.link.connects
    ),
    "tautwire_upstream_limited_minutes": (
        "Minutes in which the upstream left events out.", lambda relay: relay.intake.figures.left_out
    ),
    "tautwire_catchup_messages": (
        "Messages that were read from the history.", lambda relay: relay.catch_up.messages
    ),
    "tautwire_catchup_calls": ("Calls to the history.", lambda relay: relay.catch_up.calls),
    "tautwire_upstream_echoes_held": (
        "Events that waited for the answer to a send.", lambda relay: relay.echoes.held
    ),
    "tautwire_sends_accepted": (
        "Messages that the upstream accepted.", lambda relay: relay.sending.figures.accepted
    ),
    "tautwire_sends_limited": ("Sends that the upstream put off.", lambda relay: relay.sending.figures.limited),
    "tautwire_sends_unknown": (
        "Messages whose outcome is not known.", lambda relay: relay.sending.figures.unknown
    ),
    "tautwire_proxy_cache_hits": (
        "Web API calls answered without one of the upstream.", lambda relay: relay.cache.hits
    ),
    "tautwire_presence_calls": ("Calls of users.getPresence.", lambda relay: relay.presence.calls),
    "tautwire_consumer_events_sent": (
        "Events sent to Socket Mode connections of programs.", lambda relay: relay.consumers.figures.sent
    ),
    "tautwire_consumer_events_repeated": (
        "Of these, events that an earlier connection had not acknowledged.",
        lambda relay: relay.consumers.figures.repeated,
    ),
    "tautwire_consumer_events_acknowledged": (
        "Events that these acknowledged.", lambda relay: relay.consumers.figures.acknowledged
    ),
}  # fmt: skip

_COUNTED: Final[Mapping[str, tuple[str, str, Callable[[Relay], Mapping[str, int]]]]] = {
    "tautwire_upstream_reconnects": (
        "Connections that were replaced.", "reason", lambda relay: relay.link.endings
    ),
    "tautwire_upstream_failures": (
        "Connections that were not opened.", "reason", lambda relay: relay.link.failures
    ),
    "tautwire_upstream_requests": ("Requests of the upstream.", "status",
        lambda relay: {str(status): count for status, count in relay.link.requests.items()},
    ),
    "tautwire_upstream_events": (
        "Events of the upstream, by what became of them.", "as", _outcomes
    ),
    "tautwire_dedup_hits": (
        "Events that were stored before, by what they are known.", "by",
        lambda relay: {"event": relay.intake.figures.repeated, "message": relay.intake.figures.caught_up},
    ),
    "tautwire_catchup_gaps": ("Gaps that remain.", "reason", lambda relay: relay.catch_up.gaps),
    "tautwire_proxy_calls": ("Web API calls passed on.", "outcome", lambda relay: relay.proxy.calls.outcomes),
    "tautwire_proxy_files": ("Files that bots fetched.", "outcome", lambda relay: relay.files),
    "tautwire_send_errors": (
        "Messages that were not accepted.", "error", lambda relay: relay.sending.figures.errors
    ),
    "tautwire_upstream_limited": ("Calls that came too early.", "method", lambda relay: relay.api.limited),
}  # fmt: skip

_DISTRIBUTIONS: Final[Mapping[str, tuple[str, Callable[[Relay], Distribution]]]] = {
    "tautwire_upstream_event_lag_seconds": (
        "Seconds from an event at the upstream until it is stored.", lambda relay: relay.intake.figures.lag
    ),
    "tautwire_upstream_ack_seconds": (
        "Seconds from the arrival of an event to its acknowledgement.", lambda relay: relay.intake.figures.ack
    ),
    "tautwire_send_seconds": (
        "Seconds from a message of a bot to its answer.", lambda relay: relay.sending.figures.seconds
    ),
}  # fmt: skip


class GatewayFigures(Collector):
    """Collects the metrics of all bots."""

    def __init__(self, bots: Bots) -> None:
        self._bots = bots

    def describe(self) -> list[Metric]:
        """Return nothing: the parts are not read when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return every metric."""
        served = GaugeMetricFamily("tautwire_bot_served", "1 while the bot is served.", labels=[_BOT])
        for name in self._bots.names:
            served.add_metric([name], float(self._bots.get(name) is not None))
        yield served
        for name, (text, read) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=[_BOT])
            for relay in self._bots:
                gauge.add_metric([relay.name], float(read(relay)))
            yield gauge
        for name, (text, read) in _COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=[_BOT])
            for relay in self._bots:
                counter.add_metric([relay.name], read(relay))
            yield counter
        for name, (text, label, read_all) in _COUNTED.items():
            counter = CounterMetricFamily(name, text, labels=[_BOT, label])
            for relay in self._bots:
                for key, count in read_all(relay).items():
                    counter.add_metric([relay.name, key], count)
            yield counter
        for name, (text, read_values) in _DISTRIBUTIONS.items():
            histogram = HistogramMetricFamily(name, text, labels=[_BOT])
            for relay in self._bots:
                values = read_values(relay)
                histogram.add_metric([relay.name], buckets_of(values), sum_value=values.sum)
            yield histogram
