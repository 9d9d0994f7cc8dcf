"""Fresh virtual environments with what pip would put there, made without a network.

The package itself is installed by pip, from the wheel. What it requires is linked from the environment of the tests:
exactly the distributions that its metadata ask for, with what those require, and nothing else.
"""

import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


class Environment(NamedTuple):
    """A virtual environment."""

    folder: Path
    requirements: set[str]
    """The names of the distributions beside tautwire."""

    @property
    def site(self) -> Path:
        """Where its packages are."""
        (found,) = (self.folder / "lib").glob("python*/site-packages")
        return found

    def run(self, program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, away from any checkout."""
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=cwd or self.folder,
            env={"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


def install(wheel: Path, extra: str, folder: Path) -> Environment:
    """Make an environment in which ``tautwire[extra]`` is installed."""
    venv.create(folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    subprocess.run([*pip, "install", "-q", "--no-index", "--no-deps", "--no-compile", str(wheel)], check=True)
    environment = Environment(folder, set())
    (info,) = environment.site.glob("tautwire-*.dist-info")
    for name in required(Distribution.at(info).requires or [], {extra}):
        _link(distribution(name), environment.site)
        environment.requirements.add(name)
    return environment


def required(requirements: Iterable[str], extras: Iterable[str]) -> set[str]:
    """Return the names of all distributions that these requirements lead to, with the versions looked at."""
    found: set[str] = set()
    waiting = [(line, frozenset(extras) or frozenset({""})) for line in requirements]
    seen = set(waiting)
    while waiting:
        line, asked = waiting.pop()
        requirement = Requirement(line)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in asked | {""}):
            continue
        there = distribution(requirement.name)
        assert requirement.specifier.contains(there.version, prereleases=True), f"{line}, but {there.version} is here"
        found.add(canonicalize_name(requirement.name))
        more = {(line, frozenset(requirement.extras)) for line in there.requires or []}
        waiting += more - seen
        seen |= more
    return found


def _link(there: Distribution, site: Path) -> None:
    """Link the top-level files and folders of a distribution."""
    assert there.files is not None
    for name in {file.parts[0] for file in there.files} - {"..", "__pycache__"}:
        link = site / name
        if not link.exists():
            link.symlink_to(Path(str(there.locate_file(name))))
