"""The runbook has every warning and error of the server, and nothing else."""

from tools import runbook_page
from tools.log_lines import LINES, logged


def test_each_warning_and_error_of_the_server_is_explained() -> None:
    assert sorted(set(logged()) - set(LINES)) == [], "add them to tools/log_lines.py"


def test_no_line_is_explained_that_the_server_does_not_log() -> None:
    assert sorted(set(LINES) - set(logged())) == []


def test_the_page_is_current() -> None:
    assert runbook_page.main(["--check"]) == 0
