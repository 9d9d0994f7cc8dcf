"""Writes the tables of docs/how-to/server/monitor-a-server.md: the metrics as they are served, the faults by name.

Run with ``python -m tools.monitor_page``; with ``--check`` it writes nothing and exits 1 if the page is out of date.
"""

import re
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Final, get_args

from prometheus_client.parser import text_string_to_metric_families

from tautwire.server.counts import Counts
from tautwire.server.health import FaultName, Health
from tautwire.server.metrics import Levels, Metrics
from tautwire.server.sockets.endings import Ending
from tools.docstrings import write_or_check

PAGE: Final = Path(__file__).parent.parent / "docs" / "how-to" / "server" / "monitor-a-server.md"

FAULTS: Final[dict[FaultName, tuple[str, str]]] = {
    "store": (
        (
            "Changes cannot be stored: the last one failed, and the reason is the database's. Posts get errors; "
            "reading goes on. While nothing is posted the server tries once a second, so the fault ends by itself."
        ),
        (
            "Read the reason. Make room on a full disk; look at the disk after `disk I/O error`. If its file was "
            "removed, replaced or cut short, put it back, or stop the server and restore a backup. If another process "
            "writes to the database, the server ends with status 1: stop the other one."
        ),
    ),
    "writer": (
        "The database has not answered for more than 1.5 seconds, or the thread that writes has ended.",
        (
            "Look for what else uses the disk, such as a backup that locks the database. Restart the server if the "
            "reason says so."
        ),
    ),
    "disk": (
        "Less than 32 MiB are free where the data directory is, or it is gone.",
        "Make room. A lower `--log-keep` has the database grow more slowly; its file does not shrink by itself.",
    ),
    "database": (
        (
            "The database cannot be read, or a read has found it damaged; reads get errors. Of damage the fault stays "
            "until the server is started again."
        ),
        "Read the reason. Stop the server and [restore a backup](back-up-a-server.md).",
    ),
    "descriptors": (
        "More than 90 % of the connections that are possible are open; it ends below 80 %.",
        "Raise `--max-connections` and the limit of open files, see [limits](run-a-server.md#limits).",
    ),
    "upstream": (
        "Of a [gateway](../../explanation/gateway.md): no event comes from the upstream. Bots stay connected.",
        "Read the reason: it names the token, switch or host to look at. `tautwire gateway doctor` checks them all.",
    ),
    "token": (
        "Of a gateway: the upstream refuses the bot token. Calls and messages of bots get errors.",
        (
            "Install the app again, write its new token to its file, and send the gateway SIGHUP: "
            "[change a token](../gateway/run-the-gateway.md#change-a-token). A token that is taken again ends the "
            "fault by itself with the next call."
        ),
    ),
    "bot": (
        "Of a gateway of several bots: one is not served. The others are.",
        (
            "Read the reason: it names the bot. What is mended is found within half a minute, but a mended file of "
            "settings with SIGHUP."
        ),
    ),
}
WITHOUT_SAMPLE: Final = {"tautwire_fault": ["fault"], "tautwire_database_bytes": ["file"]}
"""Labels of metrics that have no sample here."""


def faults() -> str:
    """Return the table of faults."""
    rows = [
        f"| `{name}` | {means} | {advice} |"
        for name, (means, advice) in ((name, FAULTS[name]) for name in get_args(FaultName))
    ]
    return "\n".join(["| fault | means | what to do |", "|---|---|---|", *rows])


def metrics() -> str:
    """Return the table of metrics, from a scrape in which each has a sample."""
    counts = Counts()
    counts.rtm.endings = Counter(dict.fromkeys(get_args(Ending), 1))
    counts.answers[200, ""] = counts.rtm_errors[0] = 1
    levels = Levels(0, 0, 0, 0, 0.0, 0, 0)
    text = Metrics(counts, Health(), lambda: levels, PAGE.parent).render().decode()
    rows = ["| metric | type | labels | what it is |", "|---|---|---|---|"]
    for family in text_string_to_metric_families(text):
        total = "_total" if family.type == "counter" else ""
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        shown = ", ".join(f"`{label}`" for label in WITHOUT_SAMPLE.get(family.name, labels))
        rows.append(f"| `{family.name}{total}` | {family.type} | {shown} | {family.documentation} |")
    return "\n".join(rows)


def _fill(table: str, match: re.Match[str]) -> str:
    return f"{match[1]}{table}\n{match[2]}"


def page() -> str:
    """Return the page with its tables made anew."""
    text = PAGE.read_text()
    reasons = ", ".join(f"`{reason}`" for reason in get_args(Ending))
    tables = {
        "faults": faults(),
        "metrics": metrics(),
        "endings": f"The reasons of `tautwire_rtm_ended_total`: {reasons}.",
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        text, count = re.subn(f"(?s)({begin}).*?({end})", partial(_fill, table), text)
        if count != 1:
            raise SystemExit(f"{PAGE.name} must have {begin.strip()} and {end} once, has them {count} times")
    return text


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    return write_or_check({PAGE: page()}, module="tools.monitor_page", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
