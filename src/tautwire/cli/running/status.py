"""``tautwire status``: how a running server is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from tautwire.cli.control import FILE
from tautwire.cli.operator import DATA, AsJson, Data, Operator, facts

status_commands = typer.Typer(add_completion=False)

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@status_commands.command()
def status(data: Data = DATA, as_json: AsJson = False) -> None:
    """Show version, uptime, connections, commits, log and faults. Status 1 if there is a fault, 3 if no server runs."""
    operator = Operator(data, as_json=as_json)
    found = [Operator(each, as_json=as_json).read("status") for each in workspaces_in(data)]
    operator.show({"workspaces": found}, lambda: _lines(found))
    if any(each["faults"] for each in found):
        raise typer.Exit(1)


def workspaces_in(data: Path) -> list[Path]:
    """Return the data directories of the server: the one that is named, or those in it that are served."""
    if not (data / FILE).exists():
        inner = sorted(path.parent for path in data.glob(f"*/{FILE}"))
        if inner:
            return inner
    return [data]


def _lines(found: list[dict[str, Any]]) -> Iterator[str]:
    for place, each in enumerate(found):
        if place:
            yield ""
        yield from facts(_facts(each))
    for name, reason in found[0]["faults"].items():
        yield f"FAULT {name}: {reason}"


def _facts(status: dict[str, Any]) -> list[tuple[str, str]]:
    team, connections, commits = status["team"], status["connections"], status["commits"]
    apps = connections["http_apps"]
    slow = f", {connections['slow']} slow" if connections["slow"] else ""
    return [
        ("workspace", f"{team['name']} ({team['id']})"),
        ("state", "ready" if status["ready"] else "NOT READY"),
        ("version", f"{status['version']}, up {duration(status['uptime'])}"),
        ("Web API", status["api_url"]),
        ("database", status["database"]),
        ("connections", f"{connections['rtm']} RTM{slow}, {connections['socket_mode']} Socket Mode"),
        ("apps over HTTP", str(apps) if apps else ""),
        ("log", f"head {status['head']:,}"),
        ("commits", _commits(commits)),
        ("waiting", f"{status['waiting']} changes, the oldest for {status['oldest_wait']:.1f} s" if status["waiting"]
         else ""),
        ("unsettled", f"{status['events_open']} events to apps" if status["events_open"] else ""),
    ]  # fmt: skip


def _commits(commits: dict[str, Any]) -> str:
    if not commits["count"]:
        return "0"
    times = f"p50 {1000 * commits['p50']:.1f} ms, p99 {1000 * commits['p99']:.1f} ms"
    failed = f", {commits['failures']} FAILED" if commits["failures"] else ""
    return f"{commits['count']:,} with {commits['changes']:,} changes, {times}{failed}"


def duration(seconds: float) -> str:
    """Return a time in its two largest units."""
    left = int(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
