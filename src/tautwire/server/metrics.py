"""The metrics of the server in the format of Prometheus, read from its parts at each scrape.

Names follow the conventions of Prometheus: base units, ``_total`` for counters. docs/how-to/server/monitor-a-server.md
lists them, and a test compares that list with a scrape.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from tautwire.server.counts import Counts, Distribution
from tautwire.server.health import Health

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True, slots=True)
class Levels:
    """Values that are read at a scrape, not counted: connections, queues and the ends of the log."""

    connections: int
    slow_connections: int
    queued_bytes: int
    """Bytes queued for RTM clients."""
    waiting_changes: int
    oldest_change_seconds: float
    """Waiting time of the oldest change that is not committed, 0 without one."""
    log_head: int
    log_tail_bytes: int
    """Bytes of the end of the log in memory."""
    socket_mode_connections: int = 0
    open_deliveries: int = 0
    """Events to apps that are not settled."""


class Metrics:
    """Renders the metrics of one server.

    Args:
        levels: reads the parts; called on the loop at each scrape.
        data: the data directory.
        more: further collectors, whose metrics have other names.
    """

    def __init__(
        self,
        counts: Counts,
        health: Health,
        levels: Callable[[], Levels],
        data: Path,
        *,
        more: Sequence[Collector] = (),
    ) -> None:
        self._registry = CollectorRegistry()
        for each in (_Figures(counts, health, levels, data), *more):
            self._registry.register(each)

    def render(self) -> bytes:
        """Return the body of a scrape."""
        return generate_latest(self._registry)


class _Figures(Collector):
    def __init__(self, counts: Counts, health: Health, levels: Callable[[], Levels], data: Path) -> None:
        self._counts = counts
        self._health = health
        self._levels = levels
        self._data = data

    def describe(self) -> list[Metric]:
        """Return nothing: the parts are not read when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return every metric."""
        yield InfoMetricFamily("tautwire", "The version that serves.", {"version": version("tautwire")})
        yield _gauge("tautwire_ready", "1 while the server has no fault.", float(self._health.is_ready))
        faults = GaugeMetricFamily("tautwire_fault", "1 for each present fault.", labels=["fault"])
        for name in self._health.faults:
            faults.add_metric([name], 1)
        yield faults
        yield from self._connections()
        yield from self._changes()
        yield from self._machine()

    def _connections(self) -> Iterator[Metric]:
        counts, levels = self._counts, self._levels()
        yield _gauge("tautwire_rtm_connections", "Live RTM connections.", levels.connections)
        yield _gauge("tautwire_rtm_slow_connections", "Of these, slow to read.", levels.slow_connections)
        yield _gauge("tautwire_rtm_queued_bytes", "Bytes that wait for RTM clients to read.", levels.queued_bytes)
        yield _counter("tautwire_rtm_opened", "RTM connections that got a hello.", counts.rtm.opened)
        yield _counters("tautwire_rtm_ended", "RTM connections that ended.", "reason", counts.rtm.endings)
        yield _counter("tautwire_rtm_received_frames", "Text frames from RTM clients.", counts.rtm.frames_in)
        yield _counter("tautwire_rtm_sent_frames", "Text frames to RTM clients.", counts.rtm.frames_out)
        yield _counter("tautwire_rtm_sent_bytes", "Bytes of the frames to RTM clients.", counts.rtm.bytes_out)
        yield from self._apps(levels)
        yield _counter("tautwire_rtm_acks", "Messages acknowledged over RTM: each is on disk.", counts.acks)
        yield _counters("tautwire_rtm_errors", "Error replies over RTM.", "code", counts.rtm_errors)
        answers = CounterMetricFamily("tautwire_web_api_answers", "Web API answers.", labels=["status", "error"])
        for (status, error), count in sorted(counts.answers.items()):
            answers.add_metric([str(status), error], count)
        yield answers
        yield _gauge("tautwire_log_head", "Position of the newest log entry delivered.", levels.log_head)
        yield _gauge("tautwire_log_tail_bytes", "Bytes of the log kept in memory.", levels.log_tail_bytes)
        yield _gauge("tautwire_waiting_changes", "Changes that wait to be committed.", levels.waiting_changes)
        yield _gauge(
            "tautwire_oldest_change_seconds", "Wait of the oldest of these, in seconds.", levels.oldest_change_seconds
        )

    def _apps(self, levels: Levels) -> Iterator[Metric]:
        traffic, events = self._counts.socket_mode, self._counts.deliveries
        yield _gauge(
            "tautwire_socket_mode_connections", "Live Socket Mode connections.", levels.socket_mode_connections
        )
        yield _counter("tautwire_socket_mode_opened", "Socket Mode connections that got a hello.", traffic.opened)
        yield _counters("tautwire_socket_mode_ended", "Socket Mode connections that ended.", "reason", traffic.endings)
        yield _gauge("tautwire_app_events_open", "Events to apps that are not settled.", levels.open_deliveries)
        yield _counter("tautwire_app_events_sent", "Events sent to apps, repetitions included.", events.sent)
        yield _counter("tautwire_app_events_repeated", "Of these, repetitions.", events.repeated)
        yield _counter("tautwire_app_events_acknowledged", "Events that apps acknowledged.", events.acknowledged)
        yield _counter("tautwire_app_events_given_up", "Events that ran out of tries.", events.given_up)
        yield _counter("tautwire_app_events_dropped", "Events beyond the limit of their app.", events.dropped)

    def _changes(self) -> Iterator[Metric]:
        counts = self._counts
        yield _histogram("tautwire_commit_seconds", "Seconds from BEGIN to the end of COMMIT.", counts.commit_seconds)
        yield _histogram("tautwire_commit_changes", "Changes committed together.", counts.commit_changes)
        yield _counter("tautwire_commit_failures", "Batches that could not be stored.", counts.commit_failures)

    def _machine(self) -> Iterator[Metric]:
        files = GaugeMetricFamily("tautwire_database_bytes", "Size of the database's files.", labels=["file"])
        for name in ("tautwire.db", "tautwire.db-wal"):
            path = self._data / name
            if path.exists():
                files.add_metric([name], path.stat().st_size)
        yield files
        if self._data.exists():
            free = shutil.disk_usage(self._data).free
            yield _gauge("tautwire_disk_free_bytes", "Free space where the data directory is.", free)
        statm = Path("/proc/self/statm")
        if statm.exists():  # Linux
            resident = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            yield _gauge("process_resident_memory_bytes", "Resident memory of the process.", resident)
            yield _gauge("process_open_fds", "Open descriptors.", len(os.listdir("/proc/self/fd")))  # noqa: PTH208
        used = os.times()
        yield _counter("process_cpu_seconds", "CPU time of the process, in seconds.", used.user + used.system)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _counters(name: str, text: str, label: str, values: "dict[str, int] | dict[int, int]") -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in values.items():
        family.add_metric([str(key)], count)
    return family


def _histogram(name: str, text: str, values: Distribution) -> Metric:
    return HistogramMetricFamily(name, text, buckets=buckets_of(values), sum_value=values.sum)


def buckets_of(values: Distribution) -> list[tuple[str, float]]:
    """Return the buckets of a distribution as a histogram has them: upper bound, and the count up to it."""
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip([*map(float, values.bounds), float("inf")], values.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", total))
    return buckets
