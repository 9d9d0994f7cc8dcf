"""Puts together what a command runs, what is installed for it, and what the table says."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tautwire.attach.explain.packages import installed
from tautwire.attach.explain.program import Program, find_program
from tautwire.attach.explain.ways import KNOWN, WAYS, Known, Way, default_of, row_of

_NEED: Final[dict[Way, int]] = {"preload": 0, "proxy": 0, "names": 1}
"""What asks for more decides, where several libraries are installed."""
_ISOLATING: Final = frozenset("IES")
"""Options of Python by which it ignores its environment, and so the preload."""


class Found(msgspec.Struct, frozen=True):
    """A library, and what carries it to us."""

    library: str
    version: str
    way: Way
    why: str
    setting: str
    """How it could be given another address instead; empty if it cannot."""
    known: Known
    """How the way is known."""


class Explanation(msgspec.Struct, frozen=True):
    """Which way a program takes, and why."""

    command: list[str]
    runtime: str
    way: Way
    seen: list[str]
    """How the program was found, one step each."""
    libraries: list[Found]
    warnings: list[str]

    def lines(self) -> Iterator[str]:
        """Yield the explanation for people."""
        yield f"{shlex.join(self.command)}: {self.runtime}"
        yield from (f"  {step}" for step in self.seen)
        for found in self.libraries:
            yield f"{found.library} {found.version}".rstrip() + f": {found.way}"
            yield f"  {found.why}."
            if found.known != "run":
                yield f"  Known {KNOWN[found.known]}."
            if found.setting:
                yield f"  Without being attached, by a change of the program: {found.setting}"
        yield from (f"warning: {text}" for text in self.warnings)
        yield f"way: {self.way}: {WAYS[self.way]}"
        options = "--attach-by names " if self.way == "names" else ""
        yield f"run: tautwire gateway run {options}-- {shlex.join(self.command)}"


def explain(command: Sequence[str], environment: Mapping[str, str], directory: Path) -> Explanation:
    """Say which way a program takes to us.

    Args:
        environment: in which it would run.
        directory: in which it would run.

    Raises:
        ConfigError: there is no such program.
    """
    program = find_program(command, environment, directory)
    rows = [(package, row_of(program.runtime, *package)) for package in installed(program, directory)]
    libraries = [
        Found(package.name, package.version, row.way, row.why, row.setting, row.known)
        for package, row in rows
        if row is not None
    ]
    if not libraries:
        libraries = [_unknown(program)]
    way: Way = max((found.way for found in libraries), key=_NEED.__getitem__)
    warnings = list(_warnings(program))
    if way == "preload" and _is_isolated(program):
        way = "names"
    return Explanation(list(command), program.runtime, way, list(program.seen), libraries, warnings)


def _unknown(program: Program) -> Found:
    row = default_of(program.runtime)
    return Found("no library that the table has", "", row.way, row.why, row.setting, row.known)


def _is_isolated(program: Program) -> bool:
    return program.runtime == "Python" and any(
        not option.startswith("--") and set(option[1:]) & _ISOLATING
        for option in program.options
        if option.startswith("-") and option[1:2] not in {"W", "X", "c", "m"}
    )


def _warnings(program: Program) -> Iterator[str]:
    if _is_isolated(program):
        yield "Python with -I, -E or -S ignores the preload"
