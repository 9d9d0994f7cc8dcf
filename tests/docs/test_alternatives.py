"""The figures of the comparison that change with the program."""

import re
from pathlib import Path

from tautwire.server import app  # noqa: F401 - imports the methods and the operations, which register themselves
from tautwire.server.control.operation import OPERATIONS
from tautwire.server.web_api.method import METHODS
from tautwire.server.web_api.methods.retired import ALIASES

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "explanation" / "alternatives.md").read_text()


def test_the_figures_of_this_version_are_those_of_its_tables() -> None:
    methods = {
        *re.findall(r"methods of the Web API \| (\d+) ", PAGE),
        *re.findall(r"number of methods \| (\d+) ", PAGE),
    }
    assert methods == {str(len(METHODS))}
    assert re.findall(r"with (\d+) operations", PAGE) == [str(len(OPERATIONS))]
    readme = (ROOT / "README.md").read_text()
    assert f"Of the {len(METHODS)} methods {len(ALIASES)} are the retired names" in readme
