"""Makes a release and checks it: ``make release``, or ``make release VERSION=1.2.3`` to set the version first.

In dist/ are then the wheel, the source distribution, the bill of materials of what the server needs (CycloneDX, from
requirements/app.txt) and the sums of all three. Nothing is published; the last lines say which commands do that.

Both packages are built twice, and must be the same bytes: anybody can build them again and compare. They are checked by
twine, and each extra is installed from the wheel into an environment of its own.
"""

import argparse
import datetime
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
DIST: Final = ROOT / "dist"
MOST_BYTES: Final = {".whl": 1_600_000, ".gz": 1_200_000}
"""Sizes of the packages, so that nothing else comes in unseen: source alone has 1.3 and 1.0 MB in November 2026."""
_VERSION_LINE: Final = re.compile(r'^version = "(.+)"$', re.MULTILINE)
_HEADING: Final = "## [Unreleased]\n"
_IMPORT: Final = (
    "import time; began = time.perf_counter(); import tautwire; print(f'{time.perf_counter() - began:.3f}')"
)


class ReleaseError(Exception):
    """Why there is no release."""


def main() -> int:
    """Make the release; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("version", nargs="?", help="the version to set in pyproject.toml and CHANGELOG.md")
    asked = parser.parse_args().version
    try:
        if asked is not None:
            set_version(asked)
        version = current_version()
        made = build()
        with tempfile.TemporaryDirectory() as scratch:
            tools = environment(Path(scratch) / "tools", "--require-hashes", "-r", "requirements/release.txt")
            run(tools / "twine", "check", "--strict", *made)
            made.append(bill_of_materials(tools, version))
            (wheel,) = (each for each in made if each.suffix == ".whl")
            for extra in extras():
                print(f"[{extra}]".ljust(12), try_out(Path(scratch) / extra, wheel, extra))
        write_sums(made)
    except ReleaseError as error:
        print(f"no release: {error}", file=sys.stderr)
        return 1
    for each in sorted(DIST.iterdir()):
        print(f"{each.stat().st_size:>9,} bytes  dist/{each.name}")
    print(f"To publish: git commit -am 'release: {version}.' && git tag v{version} && git push --tags && twine upload")
    return 0


def set_version(version: str) -> None:
    """Write the version into pyproject.toml, and the section of the changelog."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError(f"{version} is not a version like 1.2.3")
    if output("git", "status", "--porcelain", "--untracked-files=no"):
        raise ReleaseError("the working tree has changes: commit them first")
    project, changelog = ROOT / "pyproject.toml", ROOT / "CHANGELOG.md"
    changed = with_section(changelog.read_text(), version, datetime.datetime.now(datetime.UTC).date())
    project.write_text(_VERSION_LINE.sub(f'version = "{version}"', project.read_text(), count=1))
    changelog.write_text(changed)


def with_section(changelog: str, version: str, day: datetime.date) -> str:
    """Return a changelog in which the unreleased changes are those of a version.

    Raises:
        ReleaseError: there are none, or the version has a section already.
    """
    if f"## [{version}]" in changelog:
        raise ReleaseError(f"CHANGELOG.md has the heading {version} already")
    before, heading, after = changelog.partition(_HEADING)
    if not heading or not re.match(r"\s*(?:###|-)", after):
        raise ReleaseError("CHANGELOG.md has nothing under Unreleased")
    return f"{before}{_HEADING}\n## [{version}] - {day.isoformat()}\n{after}"


def current_version() -> str:
    """Return the version in pyproject.toml."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def extras() -> Iterator[str]:
    """Yield the extras; the empty one is the bare package."""
    yield ""
    yield from tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def build() -> list[Path]:
    """Build both packages twice; return their paths in dist/."""
    # The time in the archives is that of the last commit, wherever and whenever they are built.
    epoch = {**os.environ, "SOURCE_DATE_EPOCH": output("git", "log", "-1", "--format=%ct")}
    DIST.mkdir(exist_ok=True)
    for each in DIST.iterdir():
        each.unlink()
    with tempfile.TemporaryDirectory() as again:
        for target in (str(DIST), again):
            run(sys.executable, "-m", "hatchling", "build", "-d", target, environment=epoch)
        made = sorted(DIST.iterdir())
        for each in made:
            if each.read_bytes() != (Path(again) / each.name).read_bytes():
                raise ReleaseError(f"{each.name} is not the same when it is built again")
            if each.stat().st_size > MOST_BYTES[each.suffix]:
                raise ReleaseError(f"{each.name} has {each.stat().st_size:,} bytes, over {MOST_BYTES[each.suffix]:,}")
    return made


def bill_of_materials(tools: Path, version: str) -> Path:
    """Write what the server is made of, with versions and hashes; return the path."""
    target = DIST / f"tautwire-{version}.cdx.json"
    run(
        *(tools / "cyclonedx-py", "requirements", "requirements/app.txt", "--pyproject", "pyproject.toml"),
        *("--output-reproducible", "-o", target),
    )
    return target


def try_out(folder: Path, wheel: Path, extra: str) -> str:
    """Install the wheel with an extra into a fresh environment and use it; return a line of what was seen."""
    programs = environment(folder, "-c", pins(folder.parent), f"{wheel}[{extra}]" if extra else str(wheel))
    seconds = output(programs / "python", "-c", _IMPORT)
    version = output(programs / "tautwire", "--version")
    if version != current_version():
        raise ReleaseError(f"the wheel says that it is {version}")
    installed = len(output(programs / "python", "-m", "pip", "list", "--format=freeze").splitlines())
    return f"{installed} distributions, import in {seconds} s"


def pins(folder: Path) -> str:
    """Return a file with the pinned versions of all that the extras need, for pip as constraints."""
    file = folder / "constraints.txt"
    lines = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    file.write_text("\n".join(line.removesuffix("\\") for line in lines if re.match(r"[\w.-]+==", line)) + "\n")
    return str(file)


def environment(folder: Path, *arguments: str) -> Path:
    """Make a virtual environment with what pip installs for the arguments; return where its programs are."""
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install", *arguments)
    return folder / "bin"


def write_sums(files: list[Path]) -> None:
    """Write SHA256SUMS beside the files, as sha256sum does."""
    sums = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in sorted(files)]
    (DIST / "SHA256SUMS").write_text("".join(sums))


def run(*command: str | Path, environment: dict[str, str] | None = None) -> None:
    """Run a command in the checkout, its output only if it fails."""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def output(*command: str | Path) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
