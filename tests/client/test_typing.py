"""The public face has the types it promises, for both checkers, and exports what it says."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tautwire

PROMISES = sorted(str(each) for each in (Path(__file__).parent / "typing").glob("*.py"))
ROOT = Path(__file__).parents[2]


def run(*command: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_mypy_agrees() -> None:
    run("mypy", "--strict", "--no-error-summary", *PROMISES)


@pytest.mark.skipif(shutil.which("node") is None, reason="pyright: install Node.js")
def test_pyright_agrees() -> None:
    run("pyright", "--pythonversion", "3.11", *PROMISES)


def test_every_name_checkers_see_is_there_at_run_time_and_the_other_way_round() -> None:
    tree = ast.parse(Path(tautwire.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname for node in imports for alias in node.names if alias.asname}
    assert seen == set(tautwire._HOME_OF)
    for name in dir(tautwire):
        assert getattr(tautwire, name) is not None or name.startswith("__")


def test_a_star_import_brings_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from tautwire import *", names)  # noqa: S102
    assert {"RTMClient", "BlockingRTMClient", "MessageEvent", "Message", "SendUnknown"} <= set(names)


def test_unknown_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = tautwire.Nothing  # type: ignore[attr-defined]


def test_the_server_does_not_load_the_client() -> None:
    """Its libraries would cost a third of a second and 20 MB."""
    code = "import sys, tautwire, tautwire.server.app; sys.exit('tautwire.client' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], check=False, env=os.environ, timeout=60)
    assert finished.returncode == 0
