"""The figures for Prometheus: each part's numbers arrive under the documented names."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scene import Scene
from tautwire import __version__
from tautwire.server.counts import Counts, Distribution
from tautwire.server.health import Health
from tautwire.server.metrics import Levels, Metrics

LEVELS = Levels(
    connections=3,
    slow_connections=1,
    queued_bytes=1_000,
    waiting_changes=2,
    oldest_change_seconds=0.5,
    log_head=77,
    log_tail_bytes=4_096,
)


def scraped(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the samples of a scrape by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def metrics(counts: Counts, health: Health, tmp_path: Path) -> Metrics:
    return Metrics(counts, health, lambda: LEVELS, tmp_path)


def test_what_the_parts_count_is_served(metrics: Metrics, counts: Counts) -> None:
    traffic = counts.rtm
    traffic.frames_in, traffic.frames_out, traffic.bytes_out, counts.acks, traffic.opened = 1, 2, 3, 4, 5
    counts.rtm_errors[-1] += 6
    traffic.endings["slow"] += 7
    counts.answers[200, "invalid_auth"] += 8
    counts.answers[429, "ratelimited"] += 9
    counts.commit_failures = 10

    samples = scraped(metrics)

    assert samples["tautwire_rtm_received_frames_total", frozenset()] == 1
    assert samples["tautwire_rtm_sent_frames_total", frozenset()] == 2
    assert samples["tautwire_rtm_sent_bytes_total", frozenset()] == 3
    assert samples["tautwire_rtm_acks_total", frozenset()] == 4
    assert samples["tautwire_rtm_opened_total", frozenset()] == 5
    assert samples["tautwire_rtm_errors_total", frozenset({("code", "-1")})] == 6
    assert samples["tautwire_rtm_ended_total", frozenset({("reason", "slow")})] == 7
    assert samples["tautwire_web_api_answers_total", frozenset({("status", "200"), ("error", "invalid_auth")})] == 8
    assert samples["tautwire_web_api_answers_total", frozenset({("status", "429"), ("error", "ratelimited")})] == 9
    assert samples["tautwire_commit_failures_total", frozenset()] == 10


def test_what_is_looked_at_is_served(metrics: Metrics, tmp_path: Path) -> None:
    (tmp_path / "tautwire.db").write_bytes(b"x" * 123)

    samples = scraped(metrics)

    assert samples["tautwire_rtm_connections", frozenset()] == 3
    assert samples["tautwire_rtm_slow_connections", frozenset()] == 1
    assert samples["tautwire_rtm_queued_bytes", frozenset()] == 1_000
    assert samples["tautwire_waiting_changes", frozenset()] == 2
    assert samples["tautwire_oldest_change_seconds", frozenset()] == 0.5
    assert samples["tautwire_log_head", frozenset()] == 77
    assert samples["tautwire_log_tail_bytes", frozenset()] == 4_096
    assert samples["tautwire_database_bytes", frozenset({("file", "tautwire.db")})] == 123
    assert samples["tautwire_disk_free_bytes", frozenset()] > 0
    assert samples["process_resident_memory_bytes", frozenset()] > 1_000_000
    assert samples["process_open_fds", frozenset()] > 2
    assert samples["tautwire_info", frozenset({("version", __version__)})] == 1


def test_faults_are_served_while_they_last(metrics: Metrics, health: Health) -> None:
    assert scraped(metrics)["tautwire_ready", frozenset()] == 1

    health.fault("disk", "no space left")

    assert scraped(metrics)["tautwire_ready", frozenset()] == 0
    assert scraped(metrics)["tautwire_fault", frozenset({("fault", "disk")})] == 1

    health.clear("disk")

    assert ("tautwire_fault", frozenset({("fault", "disk")})) not in scraped(metrics)


def test_commits_are_served_as_histograms(metrics: Metrics, counts: Counts) -> None:
    for seconds in (0.0004, 0.0005, 0.003, 60.0):
        counts.commit_seconds.observe(seconds)

    samples = scraped(metrics)

    assert samples["tautwire_commit_seconds_bucket", frozenset({("le", "0.0005")})] == 2
    assert samples["tautwire_commit_seconds_bucket", frozenset({("le", "0.005")})] == 3
    assert samples["tautwire_commit_seconds_bucket", frozenset({("le", "+Inf")})] == 4
    assert samples["tautwire_commit_seconds_count", frozenset()] == 4
    assert samples["tautwire_commit_seconds_sum", frozenset()] == pytest.approx(60.0039)


def test_a_value_on_a_bound_belongs_below_it() -> None:
    values = Distribution((1, 2))
    for value in (0, 1, 1.5, 2, 3):
        values.observe(value)

    assert values.counts == [2, 2, 1]
    assert values.sum == 7.5


async def test_what_callers_make_up_is_no_label(scene: Scene) -> None:
    counts = scene.server._running.counts
    for number in range(100):
        answer = await scene.request("POST", "api.test", json={"error": f"made up {number}"})
        assert answer.body["error"] == f"made up {number}"
    assert {error for _, error in counts.answers} <= {"", "as_asked"}
    assert counts.answers[200, "as_asked"] == 100
