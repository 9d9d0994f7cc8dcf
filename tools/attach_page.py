"""Writes docs/reference/attach-ways.md from the table by which ``tautwire gateway attach --explain`` decides.

Run with ``python -m tools.attach_page``; with ``--check`` it writes nothing and exits 1 if the page is out of date.
"""

import sys
from pathlib import Path
from typing import Final

from tautwire.attach.explain.ways import KNOWN, ROWS, WAYS, Row
from tools.docstrings import write_or_check

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "attach-ways.md"

INTRODUCTION: Final = """# Ways of attaching

Which way does a program take to us, library by library?

How programs that have `slack.com` written into them reach a gateway or a server, library by library.
`tautwire gateway attach --explain CMD` looks up here what a program is made of.
This page is written by `python -m tools.attach_page` from the table in the code.

How to: [the gateway cookbook](../how-to/gateway/gateway-cookbook.md).
"""


def _cells(row: Row) -> list[str]:
    title = row.title if row.package else f"*{row.title}*"
    setting = f"`{row.setting}`" if row.setting else "none"
    return [row.runtime, title, f"[{row.way}](#{row.way})", row.known, row.why, setting]


def page() -> str:
    """Return the page."""
    ways = [f"## {way}\n\n{text[0].upper()}{text[1:]}.\n" for way, text in WAYS.items()]
    table = [
        "## Libraries\n",
        "How a row is known:\n",
        *(f"- {known}: {text}" for known, text in KNOWN.items()),
        "",
        "| runtime | library | way | known | why | setting in the program |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(_cells(row))} |" for row in ROWS),
    ]
    return "\n".join([INTRODUCTION, *ways, *table]) + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check({PAGE: page()}, module="tools.attach_page", check="--check" in sys.argv[1:]))
