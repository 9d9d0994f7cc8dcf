"""``make mutants MODULE=src/tautwire/…``: change a module a little, many times, and see whether the tests notice.

A seeded sample of all small changes (``tools/mutations.py``) is tried one by one, in a scratch copy of the work tree;
the work tree itself is never touched. A change that no test notices is printed as SURVIVED with its place: either a
test is missing, or the change makes no difference that anybody could see. The exit status is 1 if too many survive.

Which tests: ``TESTS``, if it is given. Otherwise first the files that are named for the module or name it in an import,
then the folder of ``tests`` that is named like the module's part of the package (``tests/server`` for
``tautwire/server/log/writer.py``). A hang counts as noticed.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.mutations import Change, changes

ROOT: Final = Path(__file__).resolve().parents[1]
PER_LINE: Final = 2
"""Changes of one line in a sample: a long line is not all that there is to test."""
SLACK: Final = 30.0
"""Seconds that a run may take beyond three times what it takes without a change."""


class Unusable(Exception):  # noqa: N818 - an outcome
    """The module or its tests cannot be used; the text says why."""


@dataclass(frozen=True)
class Stage:
    """Tests that are run together, and how long they may take."""

    tests: Sequence[str]
    limit: float


def sample(found: Sequence[Change], count: int, seed: str) -> list[Change]:
    """Choose ``count`` changes, at most two of one line, in the order of their lines."""
    shuffled = list(found)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a sample, not a secret
    chosen: list[Change] = []
    lines: dict[int, int] = {}
    for change in shuffled:
        if len(chosen) < count and lines.get(change.line, 0) < PER_LINE:
            chosen.append(change)
            lines[change.line] = lines.get(change.line, 0) + 1
    return sorted(chosen)


def stages_for(module: Path, root: Path) -> list[list[str]]:
    """Return the tests of a module in the order in which they are asked: those nearest to it, then their folder.

    Raises:
        Unusable: there are none.
    """
    parts = module.relative_to("src").with_suffix("").parts
    dotted, stem = re.escape(".".join(parts)), parts[-1]
    parent = re.escape(".".join(parts[:-1]))
    names_it = re.compile(rf"\bfrom {dotted} import\b|\bimport {dotted}\b|\bfrom {parent} import .*\b{stem}\b")
    folder = root / "tests" / parts[1] if len(parts) > 2 else root / "tests"
    files = sorted(folder.rglob("test_*.py"))
    near = [file for file in files if _is_named_for(file, stem) or names_it.search(file.read_text())]
    stages = [[str(file.relative_to(root)) for file in near], [str(folder.relative_to(root))]]
    found = [stage for stage in stages if stage]
    if not files:
        raise Unusable(f"there are no tests in {folder}: give them with TESTS=")
    return found


def _is_named_for(file: Path, stem: str) -> bool:
    return stem in file.stem.removeprefix("test_").split("_") or file.stem == f"test_{stem}"


def copy_tree(root: Path, target: Path) -> None:
    """Copy what git tracks or would track, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def passes(scratch: Path, tests: Sequence[str], limit: float | None) -> bool:
    """Run tests in the scratch copy until the first one fails; a run over its limit has failed."""
    environment = os.environ | {"PYTHONPATH": str(scratch / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=scratch, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            return False
        finally:
            _end_all(process)
        if code not in (0, 1, 2, 5):  # pytest itself did not run: that says nothing of the change
            output.seek(0)
            raise Unusable(f"{' '.join(command)} ended with {code}:\n{output.read().decode()[-3_000:]}")
        return code == 0


def _end_all(process: "subprocess.Popen[bytes]") -> None:
    """End a run and all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def run(module: Path, root: Path, *, tests: Sequence[str], count: int, seed: str, threshold: float) -> int:
    """Try a sample of changes; print each with what became of it; return the exit status.

    Raises:
        Unusable: the module cannot be changed, or its tests do not pass without a change.
    """
    source = (root / module).read_text()
    chosen = sample(changes(source), count, f"{seed}:{module}")
    if not chosen:
        raise Unusable(f"there is nothing to change in {module}")
    with tempfile.TemporaryDirectory(prefix="tautwire-mutants-") as directory:
        scratch = Path(directory)
        copy_tree(root, scratch)
        stages = []
        for stage in [list(tests)] if tests else stages_for(module, root):
            began = time.monotonic()
            if not passes(scratch, stage, None):
                raise Unusable(f"the tests fail without a change: {' '.join(stage)}")
            stages.append(Stage(stage, 3 * (time.monotonic() - began) + SLACK))
        print(f"{len(chosen)} changes to {module}, SEED={seed}, {' then '.join(' '.join(s.tests) for s in stages)}")
        survived = 0
        for change in chosen:
            (scratch / module).write_text(change.apply(source))
            lives = all(passes(scratch, stage.tests, stage.limit) for stage in stages)
            survived += lives
            print(f"{'SURVIVED' if lives else 'killed  '} {module}:{change.line}: {change}", flush=True)
    share = 100 * (1 - survived / len(chosen))
    print(f"{len(chosen) - survived} of {len(chosen)} killed, {share:.0f} %; wanted are {threshold:g} %")
    return 0 if share >= threshold else 1


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tools.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("module", type=Path, help="the module's file, such as src/tautwire/session/outbox.py")
    parser.add_argument("tests", nargs="*", help="the tests to run; found by name if there are none")
    parser.add_argument("--count", type=int, default=20, help="how many changes (default 20)")
    parser.add_argument("--seed", default="1", help="chooses them (default 1)")
    parser.add_argument("--threshold", type=float, default=95.0, help="per cent that has to be noticed (default 95)")
    given = parser.parse_args()
    module = given.module.resolve()
    if not module.is_relative_to(ROOT / "src") or not module.is_file():
        parser.error(f"{given.module} is not a module in src")
    try:
        return run(
            module.relative_to(ROOT), ROOT, tests=given.tests, count=given.count, seed=given.seed,
            threshold=given.threshold,
        )  # fmt: skip
    except Unusable as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
