"""What commands print to stderr: text or JSON, one record a line, no secret in either."""

import json
import logging

import pytest

from tautwire.cli.logs import LogFormat, LogLevel, set_up_logging

SECRET = "xoxb-12345-67890-abcdefghijkl"
log = logging.getLogger("tautwire.test")


def fail() -> None:
    try:
        int(SECRET)
    except ValueError:
        log.exception("it failed for %s", SECRET)


@pytest.mark.parametrize("form", LogFormat)
def test_no_secret_is_printed_neither_in_text_nor_in_traceback(
    form: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(LogLevel.INFO, form)

    fail()

    printed = capsys.readouterr().err
    assert "it failed for xoxb-…" in printed
    assert "ValueError: invalid literal" in printed
    assert SECRET not in printed


def test_a_record_is_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogLevel.INFO, LogFormat.JSON)

    log.info("first\nwith a line break and %s", "ünïcode")
    fail()

    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["message"] == "first\nwith a line break and ünïcode"
    assert (first["level"], first["logger"]) == ("info", "tautwire.test")
    assert first["time"].endswith("Z")
    assert "traceback" not in first
    assert second["level"] == "error"
    assert "ValueError" in second["traceback"]


def test_the_level_decides_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogLevel.WARNING, LogFormat.TEXT)

    log.info("too small")
    log.warning("large enough")

    printed = capsys.readouterr().err
    assert "too small" not in printed
    assert "WARNING tautwire.test: large enough" in printed


def test_the_time_is_utc(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogLevel.INFO, LogFormat.JSON)
    record = logging.LogRecord("tautwire.test", logging.INFO, "", 0, "now", (), None)
    record.created, record.msecs = 1_700_000_000.25, 250.0

    logging.getLogger().handle(record)

    assert json.loads(capsys.readouterr().err)["time"] == "2023-11-14T22:13:20.250Z"
