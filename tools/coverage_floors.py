"""``make coverage``: prints the branch coverage of each room, and fails where it is below its floor.

Reads the data that ``coverage combine`` leaves in ``.coverage``. The floors are in pyproject.toml, in per cent of lines
and branches together. ``protocol`` and ``session`` hold at 100; the others may rise, and are raised with it.
"""

import io
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import coverage

ROOT: Final = Path(__file__).resolve().parents[1]


def floors() -> dict[str, float]:
    """Return the floor of each room, by the path below ``src/tautwire``."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {room: float(floor) for room, floor in settings["tool"]["tautwire"]["coverage"].items()}


def measured(data: coverage.Coverage, room: str) -> float:
    """Return the coverage of a room in per cent."""
    return data.report(include=[f"*/src/tautwire/{room}/*", f"*/src/tautwire/{room}.py"], file=io.StringIO())


def below(found: Mapping[str, float], wanted: Mapping[str, float]) -> list[str]:
    """Return the rooms whose coverage is below its floor."""
    return [room for room, floor in wanted.items() if found[room] < floor]


def main() -> None:
    """Print the table; exit with status 1 if a room is below its floor."""
    data = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    data.load()
    wanted = floors()
    found = {room: measured(data, room) for room in wanted}
    for room, percent in found.items():
        print(f"{room:<22} {percent:6.2f} %   floor {wanted[room]:g} %")
    if missed := below(found, wanted):
        print(f"below the floor: {', '.join(missed)}; `coverage report --show-missing` names the lines")
        sys.exit(1)


if __name__ == "__main__":
    main()
