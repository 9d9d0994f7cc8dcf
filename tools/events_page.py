"""Writes docs/reference/events.md from the event classes: ``python -m tools.events_page``.

Which types are documented says docs/reference/wire/event-sources.md, and which of them the server sends
``services.events.SENT``.

With ``--check`` it writes nothing and exits 1 if the page is not what it would write.
"""

import ast
import inspect
import re
import sys
from functools import cache
from pathlib import Path

import msgspec

from tautwire.protocol.events import CATALOGUE, Event
from tautwire.server.services.events import SENT
from tools.docstrings import write_or_check

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "events.md"
SOURCES = PAGE.parent / "wire" / "event-sources.md"
REPLIES = frozenset({"pong"})
"""Documented among the events, and sent as replies to frames."""
INTRODUCTION = f"""# Events

Which events are there, and which fields has each?

Every event a server may send, as a class of `tautwire.protocol.events`.
This page is written by `python -m tools.events_page`: change the classes, not the page.

A field marked *optional* is `None` when the frame does not have it; one of type `OpenData` is `UNSET` then, and
`tautwire.protocol.opendata.to_python` reads it.
Members that no field names are left out; handlers of raw text see them.
A frame of a type that no class is written for is an `UnknownEvent`, one that cannot be read at all a `MalformedEvent`.
What a class needs and a frame lacks, or has in another type, is empty: `""`, 0, False or an empty list.

"You" is the user of the connection. There are {len(CATALOGUE)} classes.
Rules for all events, and which call produces which: [Delivery of events](wire/delivery.md).
What the words behind "Source" mean: [Markers](wire/README.md#markers).
"""


def documented() -> dict[str, list[str]]:
    """Return the types of events that Slack documents for RTM, by the family of the page of sources."""
    families: dict[str, list[str]] = {}
    title = ""
    for line in SOURCES.read_text().splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        row = re.match(r"\| `(\w+)` \|[^|]*\|(?:[^|]|\\\|)*\|([^|]*)\|", line)
        if row is not None and re.search(r"events/|RTM page", row[2]):
            families.setdefault(title, []).append(row[1])
    return families


def counts() -> tuple[int, int]:
    """Return how many documented types the server sends, and how many there are."""
    names = {name for family in documented().values() for name in family}
    return len(names & (SENT | REPLIES)), len(names)


def _served() -> str:
    sent, total = counts()
    rows = []
    for title, names in documented().items():
        known = [name for name in names if name in SENT | REPLIES]
        others = [name for name in names if name not in known]
        rows.append(f"| {title} | {_codes(known)} | {_codes(others)} |")
    more = sorted(SENT - {name for family in documented().values() for name in family})
    return (
        f"\n## What the server sends\n\nOf {total} types of events that Slack documents for RTM, the server sends "
        f"{sent}. Besides it sends {_codes(more)}: captured and not documented.\n"
        "Where each is known from: [Sources of events](wire/event-sources.md).\n\n"
        "| family | sent | not sent |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _codes(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def page() -> str:
    """Return the whole page."""
    families: dict[str, list[type[Event]]] = {}
    for cls in CATALOGUE.values():
        families.setdefault(cls.__module__, []).append(cls)
    return INTRODUCTION + _served() + "".join(_family(module, families[module]) for module in sorted(families))


def _family(module: str, classes: list[type[Event]]) -> str:
    title = module.rpartition(".")[2].replace("_", " ").capitalize()
    about = _markdown(inspect.getdoc(sys.modules[module]) or "")
    return f"\n## {title}\n\n{about}\n" + "".join(_event(cls) for cls in classes)


def _event(cls: type[Event]) -> str:
    wire = f"`{cls.TYPE}`" + (f", subtype `{cls.SUBTYPE}`" if cls.SUBTYPE else "")
    text = f"\n### {cls.__name__}\n\n{wire}: {_markdown(inspect.getdoc(cls) or '')}\n"
    rows = [_row(cls, field) for field in msgspec.structs.fields(cls) if field.name != "subtype" or not cls.SUBTYPE]
    return text + ("\n| field | type | |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else "")


def _row(cls: type[Event], field: msgspec.structs.FieldInfo) -> str:
    annotation, about = next(docs[field.name] for base in cls.__mro__ if field.name in (docs := _documented(base)))
    kind = annotation.removesuffix(" | None").replace("|", "or")
    name = field.name if field.name == field.encode_name else f"{field.name}` (on the wire `{field.encode_name}"
    notes = [] if field.required or field.default_factory is not msgspec.NODEFAULT else ["optional"]
    return f"| `{name}` | `{kind}` | {'. '.join([*notes, *([_markdown(about)] if about else [])])} |"


@cache
def _documented(cls: type) -> dict[str, tuple[str, str]]:
    """Return the annotation and the docstring of each field that a class itself declares."""
    if not issubclass(cls, msgspec.Struct) or cls is msgspec.Struct:
        return {}
    node = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(node, ast.ClassDef)  # noqa: S101 - the source of a class is one
    found = {}
    for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            about = after.value if isinstance(after, ast.Expr) else None
            text = about.value if isinstance(about, ast.Constant) and isinstance(about.value, str) else ""
            found[statement.target.id] = (ast.unparse(statement.annotation), " ".join(text.split()))
    return found


def _markdown(text: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    return write_or_check({PAGE: page()}, module="tools.events_page", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
