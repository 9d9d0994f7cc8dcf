"""``make mutants`` on a small project: who is killed, who survives, and that the work tree stays as it is."""

import subprocess
from pathlib import Path

import pytest

from tools.mutants import Unusable, run, sample, stages_for
from tools.mutations import changes

MODULE = Path("src/shop/server/prices.py")

SOURCE = """
def price(count):
    if count > 10:
        return count * 9
    return count * 10
"""

GOOD = """
from shop.server.prices import price

def test_prices():
    assert [price(n) for n in (1, 10, 11)] == [10, 100, 99]
"""

BLIND = """
from shop.server.prices import price

def test_prices():
    assert price(1) > 0
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one module and no tests."""
    for name in ("src/shop", "src/shop/server", "tests/server"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / MODULE).write_text(SOURCE)
    (tmp_path / "src/shop/__init__.py").touch()
    (tmp_path / "src/shop/server/__init__.py").touch()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def mutate(project: Path, test: str, **options: object) -> int:
    (project / "tests/server/test_prices.py").write_text(test)
    given: dict[str, object] = {"tests": ["tests/server"], "count": 4, "seed": "1", "threshold": 95.0}
    return run(MODULE, project, **(given | options))  # type: ignore[arg-type]


def test_good_tests_kill_every_change(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mutate(project, GOOD) == 0
    said = capsys.readouterr().out
    assert "SURVIVED" not in said
    assert "4 of 4 killed, 100 %" in said
    assert (project / MODULE).read_text() == SOURCE, "the work tree is not touched"


def test_survivors_are_named_and_make_it_fail(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mutate(project, BLIND, count=3) == 1
    said = capsys.readouterr().out
    survivors = [line for line in said.splitlines() if line.startswith("SURVIVED")]
    assert survivors
    assert all(line.startswith(f"SURVIVED {MODULE}:") and " -> " in line for line in survivors)
    assert mutate(project, BLIND, count=1, threshold=0.0) == 0


def test_the_tests_to_run_can_be_given(project: Path) -> None:
    (project / "tests/other.py").write_text(GOOD)
    assert mutate(project, BLIND, count=3, tests=["tests/other.py"]) == 0  # BLIND would let some live


def test_tests_that_fail_anyway_say_nothing(project: Path) -> None:
    with pytest.raises(Unusable, match="tests fail without a change"):
        mutate(project, "def test_no():\n    assert False", tests=())  # those found by name


def test_a_sample_is_repeated_by_its_seed_and_spread_over_the_lines() -> None:
    found = changes(SOURCE)
    assert sample(found, 4, "a") == sample(found, 4, "a") != sample(found, 4, "b")
    lines = [change.line for change in sample(found, 100, "a")]
    assert max(lines.count(line) for line in lines) == 2


def test_the_nearest_tests_are_asked_first(project: Path) -> None:
    for name in ("test_prices.py", "test_prices_of_old.py", "test_till.py", "test_shelf.py"):
        (project / "tests/server" / name).touch()
    (project / "tests/server/test_till.py").write_text("from shop.server.prices import price")

    near, rest = stages_for(MODULE, project)

    assert near == [f"tests/server/{name}.py" for name in ("test_prices", "test_prices_of_old", "test_till")]
    assert rest == ["tests/server"]
