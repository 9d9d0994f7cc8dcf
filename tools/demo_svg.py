"""Draws what ``tautwire demo`` prints: docs/pictures/demo.txt from a run, docs/pictures/demo.svg from that text.

Run with ``python -m tools.demo_svg`` or ``make picture``. Ids, timestamps and the port, which differ in each run, are
replaced by fixed ones. With ``--check`` it writes nothing and exits 1 if a new run says something else than the text
(frames of one paragraph may come in any order), or if the picture is not that of the text.
"""

import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

FOLDER: Final = Path(__file__).parent.parent / "docs" / "pictures"
TEXT: Final = FOLDER / "demo.txt"
PICTURE: Final = FOLDER / "demo.svg"

WIDTH: Final = 118
"""Columns of the picture; longer frames are cut there."""
FAREWELL: Final = "\nThat was RTM"
"""Begins what the demo says to those who have a terminal."""

_PORT: Final = re.compile(r"(?<=http://127\.0\.0\.1:)\d+")
_ID: Final = re.compile(r"\b[UTCBA][0-9A-Z]{10}\b")
_TS: Final = re.compile(r"\b\d{10}\.\d{6}\b")
_SECONDS: Final = re.compile(r"(?<=:)\d{10}\b(?!\.)")


def run_demo() -> str:
    """Run the demo; return what it printed, with fixed ids and times."""
    command = [sys.executable, "-m", "tautwire", "demo"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    return normalise(printed.partition(FAREWELL)[0])


def normalise(text: str) -> str:
    """Replace the port, ids and timestamps: what was equal stays equal."""
    text = _PORT.sub("8065", text)
    text = _ID.sub(_renamed(lambda old, number: f"{old[0]}0EX{number:05}"), text)
    text = _TS.sub(_renamed(lambda _, number: f"1700000000.{number * 100:06}"), text)
    return _SECONDS.sub("1700000000", text)


def _renamed(name: Callable[[str, int], str]) -> Callable[[re.Match[str]], str]:
    """Return a replacement that numbers the different texts in the order in which it meets them."""
    names: dict[str, str] = {}
    return lambda match: names.setdefault(match[0], name(match[0], len(names) + 1))


def same(one: str, other: str) -> bool:
    """Compare two transcripts; within a paragraph the frames of two connections may come in any order."""
    return [sorted(part.splitlines()) for part in one.split("\n\n")] == [
        sorted(part.splitlines()) for part in other.split("\n\n")
    ]


def draw(text: str) -> str:
    """Return the picture of a transcript as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ tautwire demo", style="bold"))
    for line in text.splitlines():
        console.print(_styled(line), no_wrap=True, overflow="ellipsis", crop=True)
    return console.export_svg(title="tautwire demo", unique_id="demo")


def _styled(line: str) -> Text:
    frame = re.fullmatch(r"( +\w+) ([<>]) (.*)", line)
    if frame is None:
        return Text(line, style="bold")
    who, arrow, json = frame.groups()
    colour = "green" if arrow == "<" else "yellow"
    return Text.assemble((who, "cyan"), f" {arrow} ", (json, colour))


def main(arguments: list[str]) -> int:
    """Write the text and the picture, or check them."""
    text = run_demo()
    if "--check" not in arguments:
        TEXT.write_text(text)
        PICTURE.write_text(draw(text))
        return 0
    if not same(text, TEXT.read_text()):
        print(f"{TEXT.name} is out of date: run make picture. The demo printed:\n{text}")
        return 1
    if draw(TEXT.read_text()) != PICTURE.read_text():
        print(f"{PICTURE.name} is not the picture of {TEXT.name}: run make picture")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
