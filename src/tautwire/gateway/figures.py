"""The metrics of a gateway beside those of the server inside it, read from its parts at each scrape."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tautwire.gateway.relay import Relay
from tautwire.server.metrics import histogram


class GatewayFigures(Collector):
    """Collects the metrics of one bot."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def describe(self) -> list[Metric]:
        """Return nothing: the parts are not read when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return every metric."""
        relay = self._relay
        link, events, sends = relay.link, relay.intake.figures, relay.sending.figures
        yield _gauge("tautwire_upstream_connected", "1 while events come from the upstream.", float(link.is_up))
        yield _counter("tautwire_upstream_connects", "Connections to the upstream that got a hello.", link.connects)
        yield _counters("tautwire_upstream_ended", "Connections to the upstream that ended.", "reason", link.endings)
        outcomes = {
            "stored": events.stored, "repeated": events.repeated, "without_frame": events.without_frame,
            "unread": events.unread, "put_off": events.put_off,
        }  # fmt: skip
        yield _counters("tautwire_upstream_events", "Events of the upstream, by what became of them.", "as", outcomes)
        yield _gauge("tautwire_upstream_events_waiting", "Events that are not stored yet.", relay.intake.waiting)
        yield _counter(
            "tautwire_upstream_echoes_held", "Events that waited for the answer to a send.", relay.echoes.held
        )
        yield _gauge("tautwire_sends_waiting", "Messages of bots without an answer yet.", relay.sending.waiting)
        yield _counter("tautwire_sends_accepted", "Messages that the upstream accepted.", sends.accepted)
        yield _counter("tautwire_sends_limited", "Sends that the upstream put off.", sends.limited)
        yield _counter("tautwire_sends_unknown", "Messages whose outcome is not known.", sends.unknown)
        yield histogram("tautwire_send_seconds", "From a message of a bot to its answer.", sends.seconds)
        yield _counters("tautwire_send_errors", "Messages that were not accepted.", "error", sends.errors)
        yield _counters("tautwire_upstream_limited", "Calls that came too early.", "method", relay.api.limited)
        yield _counter(
            "tautwire_proxy_cache_hits", "Web API calls answered without one of the upstream.", relay.cache.hits
        )
        yield _counters("tautwire_proxy_files", "Files that bots fetched.", "outcome", relay.files)
        yield _counters("tautwire_proxy_calls", "Web API calls passed on.", "outcome", relay.proxy.calls.outcomes)
        yield _counter("tautwire_presence_calls", "Calls of users.getPresence.", relay.presence.calls)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _counters(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in values.items():
        family.add_metric([key], count)
    return family
