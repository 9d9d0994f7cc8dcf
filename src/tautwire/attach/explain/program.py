"""What a command runs: its runtime, and the file that the runtime is given. Files are read; nothing is run."""

import mmap
import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tautwire.attach.explain.ways import Runtime
from tautwire.protocol.errors import ConfigError

HEAD: Final = 4096
"""Bytes of a file that are read to see what it is."""
GO_MARK: Final = b"\xff Go buildinf:"
"""What the Go linker leaves in a program. Source: the package debug/buildinfo of Go (read)."""
DEPTH: Final = 8
"""Scripts that start scripts, and wrappers, that are followed."""

_RUNTIMES: Final[tuple[tuple[str, Runtime], ...]] = (
    (r"python[0-9.]*|pypy[0-9.]*", "Python"),
    (r"node|nodejs|coffee", "Node.js"),
    (r"j?ruby[0-9.]*", "Ruby"),
    (r"java", "Java"),
)
_RUNNERS: Final[dict[str, Runtime]] = {"npm": "Node.js", "npx": "Node.js", "yarn": "Node.js", "bundle": "Ruby"}
"""Commands that start a program of their runtime; the command alone does not say which."""
_WRAPPERS: Final = frozenset({"env", "exec", "nice", "nohup", "setsid", "stdbuf", "time"})
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_WITH_VALUE: Final[dict[Runtime, frozenset[str]]] = {
    "Python": frozenset({"-W", "-X"}),
    "Node.js": frozenset({"-r", "--require", "--import", "--loader"}),
    "Ruby": frozenset({"-r", "-I", "-C", "-E"}),
    "Java": frozenset({"-cp", "-classpath", "--class-path", "-p", "--module-path"}),
}
"""Options that are followed by a value."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a command runs.

    Args:
        executable: the file that the system starts: an interpreter, or the program itself.
        options: what the interpreter is given before the program.
        target: the program that the interpreter runs; None if there is none, or it is not known.
        seen: how it was found, one step a line.
    """

    runtime: Runtime
    executable: Path
    options: tuple[str, ...] = ()
    target: Path | None = None
    seen: tuple[str, ...] = ()


def find_program(command: Sequence[str], environment: Mapping[str, str], directory: Path) -> Program:
    """Return what a command runs.

    Args:
        environment: in which it would run.
        directory: in which it would run.

    Raises:
        ConfigError: there is no such program.
    """
    seen: list[str] = []
    words = list(command)
    for _ in range(DEPTH):
        words = _unwrapped(words)
        if not words:
            break
        name = Path(words[0]).name
        executable = _which(words[0], environment, directory, known=_runtime_of(name) is not None)
        if (runtime := _runtime_of(name) or _runtime_of(executable.resolve().name)) is not None:
            options, target = _split(runtime, words[1:])
            found = None if target is None else directory / target
            return Program(runtime, executable, options, found, (*seen, f"{words[0]} is {runtime}"))
        if name in _RUNNERS:
            return Program(
                _RUNNERS[name], executable, (), None, (*seen, f"{name} starts a program of {_RUNNERS[name]}")
            )
        if name in _SHELLS:
            script = next((word for word in words[1:] if not word.startswith("-")), None)
            if script is None or "-c" in words:
                return Program("other", executable, (), None, (*seen, f"{name} runs commands that are not looked at"))
            words, executable = [script, *words[words.index(script) + 1 :]], directory / script
        head = _head(executable)
        if not head.startswith(b"#!"):
            return _binary(executable, head, seen)
        interpreter = head[2:].split(b"\n")[0].decode(errors="replace").split()
        seen.append(f"{executable} is a script for {' '.join(interpreter)}")
        if interpreter and Path(interpreter[0]).name in _SHELLS:
            started = _started_by(executable)
            if started is None:
                return Program("other", executable, (), None, (*seen, "what it starts was not found in it"))
            words = started
        else:
            words = [*interpreter, str(executable), *words[1:]]
    raise ConfigError(f"what {shlex.join(command)} runs could not be found: name the program itself")


def _unwrapped(words: list[str]) -> list[str]:
    """Leave out ``env``, ``nice`` and the like, with their options and variables."""
    while words and Path(words[0]).name in _WRAPPERS:
        words = words[1:]
        while words and (words[0].startswith("-") or re.fullmatch(r"\w+=.*", words[0], re.DOTALL)):
            words = words[1:]
    return words


def _which(word: str, environment: Mapping[str, str], directory: Path, *, known: bool) -> Path:
    """Return the file of a command; the script of a known interpreter may set a PATH that has it."""
    if "/" in word:
        path = directory / word
        if path.is_file():
            return path
    elif (found := shutil.which(word, path=environment.get("PATH", os.defpath))) is not None:
        return Path(found)
    if known:
        return Path(word)
    raise ConfigError(f"{word} was not found: give the command as it would be run, in the directory where it is run")


def _runtime_of(name: str) -> Runtime | None:
    return next((runtime for pattern, runtime in _RUNTIMES if re.fullmatch(pattern, name)), None)


def _split(runtime: Runtime, words: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Return the options of an interpreter, and the file of the program; None if it is given another way."""
    taking = _WITH_VALUE.get(runtime, frozenset())
    position = 0
    while position < len(words) and words[position].startswith("-"):
        word = words[position]
        if runtime == "Java" and word == "-jar":
            return tuple(words[:position]), words[position + 1] if position + 1 < len(words) else None
        if (runtime == "Python" and word in {"-m", "-c"}) or (runtime != "Java" and word in {"-e", "--eval"}):
            return tuple(words[: position + 2]), None
        position += 2 if word in taking else 1
    options = tuple(words[:position])
    if runtime == "Java":  # a class, not a file
        return options, None
    return options, words[position] if position < len(words) else None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None


def _binary(path: Path, head: bytes, seen: Sequence[str]) -> Program:
    if not head.startswith(b"\x7fELF"):
        return Program("other", path, (), None, (*seen, f"{path} is neither a script nor a program of Linux"))
    if occurs(GO_MARK, path):
        return Program("Go", path, (), None, (*seen, f"{path} was made by Go"))
    return Program("other", path, (), None, (*seen, f"{path} was made by another compiler than those known here"))


def occurs(text: bytes, path: Path) -> bool:
    """Whether a file has some bytes in it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(text) >= 0


def _started_by(script: Path) -> list[str] | None:
    """Return what a shell script starts in its place, by ``exec``; None if that is not plain to see."""
    for line in _head(script).decode(errors="replace").splitlines():
        if line.strip().startswith("exec "):
            try:
                words = shlex.split(line, comments=True)[1:]
            except ValueError:
                return None
            plain = [word for word in words if word not in {"$@", "${@}", "$*"}]
            return None if not plain or any("$" in word for word in plain[:1]) else plain
    return None
