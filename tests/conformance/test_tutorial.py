"""The tutorial of an app, followed to the letter: its files in one folder, and its tests with pytest."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from conformance.programs import BOLT

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "first-app.md"


@pytest.mark.timeout(900)  # the first build downloads packages
def test_the_tests_of_the_tutorial_pass(tmp_path: Path) -> None:
    BOLT.prepare()
    files = re.findall(r"Save this as `([\w.]+)`.*?\n```\w+\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for name, content in files:
        (tmp_path / name).write_text(content)
    (bolt,) = BOLT.directory.glob("lib/python*/site-packages")
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {
        "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": str(bolt),  # Bolt is not among the packages of this environment
    }

    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert [name for name, _ in files] == ["workspace.yaml", "app.py", "conftest.py", "test_app.py"]
    assert "2 passed" in finished.stdout, finished.stdout
