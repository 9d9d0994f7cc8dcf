"""How a running server is, for its operator."""

from typing import Literal

import msgspec

from tautwire.server.counts import Counts


class Commits(msgspec.Struct, frozen=True):
    """The commits since the start of the process, of all its workspaces.

    ``p50`` and ``p99`` are estimates in seconds, of the kind that Prometheus makes from a histogram; null without a
    commit. ``changes`` counts what they stored, ``failures`` the batches that could not be stored.
    """

    count: int
    changes: int
    failures: int
    p50: float | None
    p99: float | None


class Connections(msgspec.Struct, frozen=True):
    """The live connections of one workspace by door, and the apps that are served over HTTP.

    ``slow`` counts the RTM connections that do not read fast enough, ``queued`` the bytes that wait for them.
    """

    rtm: int
    socket_mode: int
    http_apps: int
    slow: int
    queued: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the server and one workspace of it are.

    Times are in seconds, ``started`` since 1970. ``faults`` has the reasons by name, as ``/readyz`` has them, those of
    other workspaces included. ``head`` is the position of the newest entry of the log, ``waiting`` counts the changes
    that wait to be stored, ``oldest_wait`` is the age of the oldest. ``events_open`` counts the events that apps have
    not acknowledged. ``metrics`` says who may read ``/metrics``: programs on the same machine, all, or none.
    """

    version: str
    started: int
    uptime: float
    api_url: str
    team: dict[str, str]
    database: str
    data: str
    ready: bool
    faults: dict[str, str]
    connections: Connections
    commits: Commits
    head: int
    waiting: int
    oldest_wait: float
    events_open: int
    metrics: Literal["local", "public", "off"]


def commits_of(counts: Counts) -> Commits:
    """Return the commits that were counted."""
    seconds = counts.commit_seconds
    return Commits(
        count=sum(seconds.counts),
        changes=round(counts.commit_changes.sum),
        failures=counts.commit_failures,
        p50=seconds.quantile(0.5),
        p99=seconds.quantile(0.99),
    )
