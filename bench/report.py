"""Tables for people and JSON for machines."""

import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).with_name("results")

Cell = str | float | int | None


def report(name: str, title: str, rows: Sequence[Mapping[str, Cell]], **facts: Any) -> None:
    """Print rows (all with the same columns) as a table and write them to results/NAME.json, with what they mean."""
    columns = list(rows[0])
    texts = [[_text(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(columns, *texts, strict=True)]
    print(f"\n{title}")
    for cells in (columns, ["-" * width for width in widths], *texts):
        first, *rest = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *rest]))
    for fact, value in facts.items():
        print(f"{fact.replace('_', ' ')}: {_text(value)}")
    RESULTS.mkdir(exist_ok=True)
    result = {"name": name, "title": title, "rows": rows, "facts": facts, "machine": machine()}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Return how many times ours theirs is: the median over rounds. What costs too little for the clock is infinite."""
    return median(their / our if our else math.inf for their, our in zip(theirs, ours, strict=True))


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "cpu": next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("msgspec", "picows", "uvicorn", "uvloop")},
        "commit": commit.stdout.strip(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_before": os.getloadavg()[1],
    }


def _text(value: Cell) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 10 else f"{value:.1f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
