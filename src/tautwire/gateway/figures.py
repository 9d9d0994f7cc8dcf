"""The metrics of a gateway beside those of the server inside it, read from its parts at each scrape.

Each has the label ``bot``, with the name of a table of the settings: as many as there are tables.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tautwire.gateway.bots import Bots
from tautwire.gateway.relay import Relay

_BOT = "bot"


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
        yield self._gauge("tautwire_bot_connections", "RTM connections.", lambda relay: len(relay.workspace.hub))
        yield self._gauge(
            "tautwire_upstream_connected", "1 while events come from the upstream.", lambda relay: relay.link.is_up
        )
        yield self._counter(
            "tautwire_upstream_connects",
            "Connections to the upstream that got a hello.",
            lambda relay: relay.link.connects,
        )
        yield self._counters(
            "tautwire_upstream_ended",
            "Connections to the upstream that ended.",
            "reason",
            lambda relay: relay.link.endings,
        )
        yield self._counters(
            "tautwire_upstream_events", "Events of the upstream, by what became of them.", "as", _outcomes
        )
        yield self._gauge(
            "tautwire_upstream_events_waiting", "Events that are not stored yet.", lambda relay: relay.intake.waiting
        )
        yield self._counter(
            "tautwire_upstream_echoes_held",
            "Events that waited for the answer to a send.",
            lambda relay: relay.echoes.held,
        )
        yield self._gauge(
            "tautwire_sends_waiting", "Messages of bots without an answer yet.", lambda relay: relay.sending.waiting
        )
        yield self._counter(
            "tautwire_sends_accepted",
            "Messages that the upstream accepted.",
            lambda relay: relay.sending.figures.accepted,
        )
        yield self._counter(
            "tautwire_sends_limited", "Sends that the upstream put off.", lambda relay: relay.sending.figures.limited
        )
        yield self._counter(
            "tautwire_sends_unknown",
            "Messages whose outcome is not known.",
            lambda relay: relay.sending.figures.unknown,
        )
        yield self._counters(
            "tautwire_proxy_calls", "Web API calls passed on.", "outcome", lambda relay: relay.proxy.calls
        )
        yield self._counter(
            "tautwire_presence_calls", "Calls of users.getPresence.", lambda relay: relay.presence.calls
        )

        yield self._gauge(
            "tautwire_consumer_connections",
            "Socket Mode connections of programs.",
            lambda relay: len(relay.consumers.connections),
        )
        yield self._gauge(
            "tautwire_consumer_events_open",
            "Events that these have not acknowledged.",
            lambda relay: relay.consumers.open_events,
        )
        yield self._counter(
            "tautwire_consumer_events_sent", "Events sent to these.", lambda relay: relay.consumers.figures.sent
        )
        yield self._counter(
            "tautwire_consumer_events_repeated",
            "Of these, events that an earlier connection had not acknowledged.",
            lambda relay: relay.consumers.figures.repeated,
        )
        yield self._counter(
            "tautwire_consumer_events_acknowledged",
            "Events that these acknowledged.",
            lambda relay: relay.consumers.figures.acknowledged,
        )

    def _gauge(self, name: str, text: str, value: Callable[[Relay], float]) -> Metric:
        family = GaugeMetricFamily(name, text, labels=[_BOT])
        for relay in self._bots:
            family.add_metric([relay.name], float(value(relay)))
        return family

    def _counter(self, name: str, text: str, value: Callable[[Relay], float]) -> Metric:
        family = CounterMetricFamily(name, text, labels=[_BOT])
        for relay in self._bots:
            family.add_metric([relay.name], value(relay))
        return family

    def _counters(self, name: str, text: str, label: str, values: Callable[[Relay], Mapping[str, int]]) -> Metric:
        family = CounterMetricFamily(name, text, labels=[_BOT, label])
        for relay in self._bots:
            for key, count in values(relay).items():
                family.add_metric([relay.name, key], count)
        return family


def _outcomes(relay: Relay) -> dict[str, int]:
    events = relay.intake.figures
    return {
        "stored": events.stored, "repeated": events.repeated, "without_frame": events.without_frame,
        "unread": events.unread, "put_off": events.put_off,
    }  # fmt: skip
