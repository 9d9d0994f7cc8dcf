"""Writes deploy/monitoring/grafana-dashboard.json from the table of its panels: ``python -m tools.dashboard``.

With ``--check`` it writes nothing and exits 1 if the file is out of date.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from tools.docstrings import write_or_check

FILE: Final = Path(__file__).parent.parent / "deploy" / "monitoring" / "grafana-dashboard.json"

WIDTH: Final = 24
"""Columns of Grafana's grid."""


class Panel(NamedTuple):
    """A plot, or with ``stat`` a number."""

    title: str
    unit: str
    queries: dict[str, str]
    """Expressions by their legend."""
    about: str = ""
    stat: bool = False


_I: Final = '{job=~"$job", instance=~"$instance"}'


def _where(more: str) -> str:
    return _I.replace("}", f", {more}}}")


def _rate(name: str, by: str = "instance", more: str = "") -> str:
    return f"sum by ({by}) (rate({name}{_where(more) if more else _I}[$__rate_interval]))"


def _quantile(share: float) -> str:
    inner = f"sum by (instance, le) (rate(tautwire_commit_seconds_bucket{_I}[$__rate_interval]))"
    return f"histogram_quantile({share}, {inner})"


ROWS: Final[dict[str, list[Panel]]] = {
    "Now": [
        Panel("Ready", "bool_yes_no", {"{{instance}}": f"tautwire_ready{_I}"}, stat=True),
        Panel("Faults", "short", {"{{instance}} {{fault}}": f"tautwire_fault{_I}"}, "What /readyz names.", stat=True),
        Panel("RTM connections", "short", {"{{instance}}": f"tautwire_rtm_connections{_I}"}, stat=True),
        Panel("Socket Mode connections", "short", {"{{instance}}": f"tautwire_socket_mode_connections{_I}"}, stat=True),
        Panel("Free disk", "bytes", {"{{instance}}": f"tautwire_disk_free_bytes{_I}"}, stat=True),
        Panel("Version", "short", {"{{version}}": f"tautwire_info{_I}"}, stat=True),
    ],
    "Messages and their storage": [
        Panel(
            "Messages and calls", "ops",
            {
                "acks over RTM": _rate("tautwire_rtm_acks_total"),
                "Web API answers": _rate("tautwire_web_api_answers_total"),
                "log entries": f"rate(tautwire_log_head{_I}[$__rate_interval])",
            },
        ),
        Panel("Commit", "s", {"p50": _quantile(0.5), "p99": _quantile(0.99)}, "From BEGIN to the end of COMMIT."),
        Panel(
            "Changes that wait", "short",
            {"changes": f"tautwire_waiting_changes{_I}", "oldest, s": f"tautwire_oldest_change_seconds{_I}"},
        ),
        Panel("Commits that failed", "short", {"{{instance}}": f"increase(tautwire_commit_failures_total{_I}[5m])"}),
    ],
    "Connections": [
        Panel(
            "RTM", "short",
            {"live": f"tautwire_rtm_connections{_I}", "slow": f"tautwire_rtm_slow_connections{_I}"},
        ),
        Panel("Ends of RTM connections", "ops", {"{{reason}}": _rate("tautwire_rtm_ended_total", "reason")}),
        Panel(
            "Frames", "ops",
            {"in": _rate("tautwire_rtm_received_frames_total"), "out": _rate("tautwire_rtm_sent_frames_total")},
        ),
        Panel(
            "Bytes", "Bps",
            {"sent": _rate("tautwire_rtm_sent_bytes_total"), "queued": f"tautwire_rtm_queued_bytes{_I}"},
        ),
    ],
    "Errors": [
        Panel(
            "Web API errors", "ops",
            {"{{status}} {{error}}": _rate("tautwire_web_api_answers_total", "status, error", 'error!=""')},
        ),
        Panel("RTM errors", "ops", {"{{code}}": _rate("tautwire_rtm_errors_total", "code")}),
    ],
    "Apps": [
        Panel(
            "Events to apps", "ops",
            {
                "sent": _rate("tautwire_app_events_sent_total"),
                "acknowledged": _rate("tautwire_app_events_acknowledged_total"),
                "repeated": _rate("tautwire_app_events_repeated_total"),
                "given up": _rate("tautwire_app_events_given_up_total"),
                "dropped": _rate("tautwire_app_events_dropped_total"),
            },
        ),
        Panel("Events that are not settled", "short", {"{{instance}}": f"tautwire_app_events_open{_I}"}),
    ],
    "Process": [
        Panel("CPU", "percentunit", {"{{instance}}": f"rate(process_cpu_seconds_total{_I}[$__rate_interval])"}),
        Panel(
            "Memory", "bytes",
            {"resident": f"process_resident_memory_bytes{_I}", "end of the log": f"tautwire_log_tail_bytes{_I}"},
        ),
        Panel("Open descriptors", "short", {"{{instance}}": f"process_open_fds{_I}"}),
        Panel("Database", "bytes", {"{{file}}": f"tautwire_database_bytes{_I}"}),
    ],
    "Gateway": [
        Panel("Connected to the upstream", "bool_yes_no", {"{{instance}}": f"tautwire_upstream_connected{_I}"}),
        Panel("Events of the upstream", "ops", {"{{as}}": _rate("tautwire_upstream_events_total", "as")}),
        Panel(
            "Messages of bots", "ops",
            {
                "accepted": _rate("tautwire_sends_accepted_total"),
                "put off": _rate("tautwire_sends_limited_total"),
                "unknown": _rate("tautwire_sends_unknown_total"),
            },
        ),
        Panel(
            "Waiting", "short",
            {"events": f"tautwire_upstream_events_waiting{_I}", "messages": f"tautwire_sends_waiting{_I}"},
        ),
    ],
}  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append({"type": "row", "title": title, "collapsed": False, "gridPos": _place(0, top, WIDTH, 1)})
        top += 1
        width, height = WIDTH // len(row), 4 if row[0].stat else 8
        panels += [_panel(each, _place(width * place, top, width, height)) for place, each in enumerate(row)]
        top += height
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "uid": "tautwire",
        "title": "tautwire",
        "tags": ["tautwire"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [
            {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
            _variable("job", 'label_values({__name__=~"tautwire_ready"}, job)'),
            _variable("instance", 'label_values(tautwire_ready{job=~"$job"}, instance)'),
        ]},
        "panels": panels,
    }  # fmt: skip


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "gridPos": place,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + number), "expr": expression, "legendFormat": legend}
            for number, (legend, expression) in enumerate(panel.queries.items())
        ],
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name, "label": name, "type": "query", "query": query, "refresh": 2, "multi": True, "includeAll": True,
        "allValue": ".+", "current": {"text": "All", "value": "$__all"},
        "datasource": {"type": "prometheus", "uid": "${source}"},
    }  # fmt: skip


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def main(arguments: list[str]) -> int:
    """Write the file, or check it."""
    return write_or_check(
        {FILE: json.dumps(dashboard(), indent=1) + "\n"}, module="tools.dashboard", check="--check" in arguments
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
