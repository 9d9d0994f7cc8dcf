"""The libraries that are installed for a program, with their versions: read from files, without running the program."""

import importlib.metadata
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tautwire.attach.explain.program import Program
from tautwire.attach.explain.ways import packages_of

PATIENCE: Final = 20.0
"""Seconds that an interpreter has to say where its packages are."""

_JAR: Final = re.compile(r"(?P<name>[a-z][a-z0-9-]*?)-(?P<version>\d[\w.]*)\.jar", re.IGNORECASE)
_GEM: Final = re.compile(r"^    (?P<name>[\w-]+) \((?P<version>[\w.]+)\)$", re.MULTILINE)
_MODULE: Final = re.compile(rb"(?:dep|=>)\t(?P<name>[\w./-]+)\t(?P<version>v[\w.+-]+)")


class Package(NamedTuple):
    """A library of the table that is installed."""

    name: str
    version: str


def installed(program: Program, directory: Path) -> list[Package]:
    """Return the libraries of the table that are installed for a program.

    Args:
        directory: in which it would run.
    """
    wanted = packages_of(program.runtime)
    found = {
        "Python": _of_python,
        "Node.js": _of_node,
        "Ruby": _of_ruby,
        "Java": _of_java,
        "Go": _of_go,
    }.get(program.runtime)
    if found is None:
        return []
    packages = {package.name: package for package in found(program, directory) if package.name in wanted}
    return sorted(packages.values())


def _of_python(program: Program, directory: Path) -> Iterator[Package]:
    """Ask the interpreter for its folders; it runs without the program and without site customisations of ours."""
    command = (str(program.executable), "-I", "-c", "import json, sys; print(json.dumps(sys.path))")
    try:
        answer = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE, cwd=directory)  # noqa: S603
        folders = [folder for folder in json.loads(answer.stdout) if folder]
    except (OSError, subprocess.SubprocessError, ValueError):
        return
    for found in importlib.metadata.distributions(path=folders):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"] or "").lower()
        yield Package(name, found.version)


def _of_node(program: Program, directory: Path) -> Iterator[Package]:
    starts = [directory] if program.target is None else [program.target.resolve().parent, directory]
    for start in starts:
        for folder in (start, *start.parents):
            for name in packages_of("Node.js"):
                about = folder / "node_modules" / name / "package.json"
                if name and about.is_file():
                    yield Package(name, str(_json(about).get("version", "")))


def _json(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _of_ruby(program: Program, directory: Path) -> Iterator[Package]:
    """Read the lock file of Bundler; gems of the machine without one are not seen."""
    starts = [directory] if program.target is None else [program.target.resolve().parent, directory]
    for folder in starts:
        lock = folder / "Gemfile.lock"
        if lock.is_file():
            for match in _GEM.finditer(lock.read_text(errors="replace")):
                yield Package(match["name"], match["version"])


def _of_java(program: Program, directory: Path) -> Iterator[Package]:
    jars = list(_class_path(program, directory))
    if program.target is not None:
        jars.append(program.target)
    for jar in jars:
        if match := _JAR.fullmatch(jar.name):
            yield Package(match["name"], match["version"])
        yield from _inside(jar)


def _class_path(program: Program, directory: Path) -> Iterator[Path]:
    for option, value in zip(program.options, program.options[1:], strict=False):
        if option in {"-cp", "-classpath", "--class-path"}:
            for entry in value.split(":"):
                path = directory / entry
                if entry.endswith("*"):
                    yield from sorted(path.parent.glob("*.jar"))
                elif entry.endswith(".jar"):
                    yield path


def _inside(jar: Path) -> Iterator[Package]:
    """Yield what Maven notes in a jar, of the jar itself and of those packed into it."""
    try:
        with zipfile.ZipFile(jar) as files:
            for name in files.namelist():
                if match := re.fullmatch(r"META-INF/maven/[^/]+/([^/]+)/pom\.properties", name):
                    about = files.read(name).decode(errors="replace")
                    version = re.search(r"^version=(.*)$", about, re.MULTILINE)
                    yield Package(match[1], version[1].strip() if version else "")
                elif match := _JAR.fullmatch(name.rpartition("/")[2]):  # a jar of jars, as Spring Boot makes them
                    yield Package(match["name"], match["version"])
    except (OSError, zipfile.BadZipFile):
        return


def _of_go(program: Program, directory: Path) -> Iterator[Package]:
    """Read the list of modules that the Go linker leaves in a program."""
    for match in _MODULE.finditer(program.executable.read_bytes()):
        yield Package(match["name"].decode(), match["version"].decode())
