"""Writes docs/reference/api/ from the docstrings of the public names of ``tautwire`` and ``tautwire.testing``.

Run with ``python -m tools.api_pages``; with ``--check`` it writes nothing and exits 1 if a page is out of date.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import tautwire
from tautwire import testing
from tautwire.protocol import events
from tools.docstrings import attributes, definition, inline, markdown, write_or_check

HOME: Final = Path(__file__).parent.parent / "docs" / "reference" / "api"

NOTE: Final = "This page is written by `python -m tools.api_pages`: change the docstrings, not the page.\n"

PAGES: Final = {
    "clients": (
        "Clients",
        "How do you connect? The two clients: `RTMClient` for asyncio, `BlockingRTMClient` for everything else.",
    ),
    "handlers": ("Handlers", "How do events reach your code? What is between events and your functions."),
    "frames": (
        "Frames and replies",
        "What can you send, and what comes back? What `send` takes and returns. The client makes most of them for you.",
    ),
    "text": ("Text", "How do you write and read texts? Escaping, mentions, links, dates, and long texts in pieces."),
    "settings": (
        "Settings",
        "What are the values of options? All options: [settings of the client](../client-settings.md).",
    ),
    "values": (
        "Values",
        "What do you get back? What properties return and what handlers of the client's own news are called with.",
    ),
    "errors": (
        "Errors",
        (
            "What can go wrong? What methods raise and error handlers get. "
            "What to do: [troubleshooting]({up}bots/troubleshooting.md)."
        ),
    ),
    "testing": (
        "tautwire.testing",
        "How do you put a workspace into a test? How to: [test your bot]({up}bots/test-your-bot.md).",
    ),
}
"""Title and first sentence of each page."""

PLACES: Final = (
    ("tautwire.client.rtm_client", "clients"),
    ("tautwire.client.blocking", "clients"),
    ("tautwire.client.handlers", "handlers"),
    ("tautwire.protocol.frames", "frames"),
    ("tautwire.protocol.text", "text"),
    ("tautwire.protocol.split", "text"),
    ("tautwire.protocol.tokens", "settings"),
    ("tautwire.client.metrics", "settings"),
    ("tautwire.client.backfill.options", "settings"),
    ("tautwire.client.view.options", "settings"),
    ("tautwire.session.governor", "settings"),
    ("tautwire.session.ratelimit", "settings"),
    ("", "values"),
)
"""Which page the names of a module are on; the first that fits counts."""

MOVED: Final = {"Timeouts": "settings", "Context": "handlers", "BlockingContext": "handlers"}
"""Names that are not on the page of their module."""

INTERNAL: Final = frozenset({"close_for", "close_handlers", "of"})
"""Public between modules of ours, not for users."""


def public() -> dict[str, dict[str, Any]]:
    """Return the public things by page and name; event classes have a page of their own."""
    found: dict[str, dict[str, Any]] = {page: {} for page in PAGES}
    for name in sorted(set(tautwire.__all__) - set(events.__all__)):
        thing = getattr(tautwire, name)
        is_error = isinstance(thing, type) and issubclass(thing, Exception)
        place = next(page for module, page in PLACES if thing.__module__.startswith(module))
        found["errors" if is_error else MOVED.get(name, place)][name] = thing
    for name in sorted(testing.__all__):
        found["testing"][name] = getattr(testing, name)
    for name, thing in _reached(found["testing"]):
        found["testing"].setdefault(name, thing)
    return found


def _reached(known: dict[str, Any]) -> Iterator[tuple[str, type]]:
    """Yield the classes that methods of a workspace return, such as ``Person``."""
    for thing in list(known.values()):
        for _, method in _methods(thing) if isinstance(thing, type) else ():
            cls = method.__annotations__.get("return")
            if isinstance(cls, type) and cls.__module__.startswith("tautwire.testing"):
                yield cls.__name__, cls


def _methods(cls: type) -> Iterator[tuple[str, FunctionType]]:
    """Yield the public methods and properties of a class, its own first, then those of its bases."""
    seen = {"count", "index"} if issubclass(cls, tuple) else set()
    for base in cls.__mro__:
        if not base.__module__.startswith("tautwire"):
            continue
        for name, value in vars(base).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if name.startswith("_") or name in seen | INTERNAL or not isinstance(function, FunctionType):
                continue
            if _is_written(function):
                seen.add(name)
                yield name, function


def section(name: str, thing: Any) -> str:
    """Return what a page says about a thing."""
    if isinstance(thing, FunctionType):
        return f"\n## {name}\n\n{_code(_signature(name, thing))}\n\n{markdown(inspect.getdoc(thing))}\n"
    if not isinstance(thing, type):
        value = f" = {thing!r}" if isinstance(thing, int | float | str) else ""
        return (
            f"\n## {name}\n\n{_code(f'{name}: {type(thing).__name__}{value}')}\n\n{markdown(_about_constant(name))}\n"
        )
    parts = [f"\n## {name}\n", markdown(thing.__doc__), *_members(thing)]
    if issubclass(thing, Exception):
        parts.insert(1, "A " + ", ".join(f"`{base.__name__}`" for base in thing.__bases__) + ".")
    properties = _properties(thing)
    init = inspect.getattr_static(thing, "__init__", None)
    if isinstance(init, FunctionType) and _is_written(init) and not issubclass(thing, Exception | Enum):
        parts.insert(1, _code(_signature(name, init).removesuffix(" -> None")))
    for each, function in _methods(thing):
        shown = f"{each}: {_returned(function)}" if each in properties else _signature(each, function)
        parts.append(f"### {name}.{each}\n\n{_code(shown)}\n\n{markdown(_docstring(thing, each))}")
    return "\n" + "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _about_constant(name: str) -> str:
    """Return the docstring of a constant, from the module that the packages import it from."""
    homes = (
        statement.module or ""
        for package in (tautwire, testing)
        for statement in ast.walk(ast.parse(inspect.getsource(package)))
        if isinstance(statement, ast.ImportFrom) and name in (alias.name for alias in statement.names)
    )
    return next(about for each, _, _, about in attributes(import_module(next(homes))) if each == name)


def _is_written(function: FunctionType) -> bool:
    """Whether a function stands in our source; that of a dataclass is made, and its fields are listed."""
    return function.__module__.startswith("tautwire") and not function.__code__.co_filename.startswith("<")


def _properties(cls: type) -> set[str]:
    return {name for base in cls.__mro__ for name, value in vars(base).items() if isinstance(value, property)}


def _docstring(cls: type, name: str) -> str | None:
    return inspect.getdoc(inspect.getattr_static(cls, name))


def _members(cls: type) -> list[str]:
    """Return a table of the fields of a class, those of its bases first."""
    rows = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("tautwire") or issubclass(base, Exception):
            continue
        for name, kind, value, about in attributes(base):
            shown = kind or value
            rows[name] = f"| `{name}` | {f'`{inline(shown)}`' if shown else ''} | {inline(about)} |"
    if not rows:
        return []
    head = "| member | value | |" if issubclass(cls, Enum) else "| field | type | |"
    return ["\n".join([head, "|---|---|---|", *rows.values()])]


def _signature(name: str, function: FunctionType) -> str:
    node = definition(function)
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101 - the source of a function is one
    arguments = node.args
    if arguments.args and arguments.args[0].arg in ("self", "cls"):
        arguments.args.pop(0)
    returned = "" if node.returns is None else f" -> {ast.unparse(node.returns).replace(chr(39), '')}"
    asks = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    spaced = re.sub(r"(?<=[^ =])=(?=[^ =])", " = ", ast.unparse(arguments))
    return f"{asks}{name}({spaced}){returned}"


def _returned(function: FunctionType) -> str:
    return _signature("", function).partition(" -> ")[2]


def _code(text: str) -> str:
    return f"```\n{text}\n```"


def pages() -> dict[Path, str]:
    """Return the text of each page."""
    texts = {}
    rows = []
    for page, things in public().items():
        title, about = PAGES[page]
        about = about.format(up="../../how-to/")
        names = " · ".join(f"[`{name}`]({page}.md#{name.lower()})" for name in things)
        rows.append(f"| [{title}]({page}.md) | {names} |")
        body = "".join(section(name, thing) for name, thing in things.items())
        texts[HOME / f"{page}.md"] = f"# {title}\n\n{about}\n{NOTE}{body}"
    about = (
        "What can you import? Everything that `tautwire` and `tautwire.testing` export, but the [events](../events.md)."
    )
    texts[HOME / "README.md"] = (
        f"# Public names\n\n{about}\n{NOTE}\n| page | names |\n|---|---|\n" + "\n".join(rows) + "\n"
    )
    return texts


if __name__ == "__main__":
    sys.exit(write_or_check(pages(), module="tools.api_pages", check="--check" in sys.argv[1:]))
