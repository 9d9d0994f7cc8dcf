"""The settings of ``tautwire serve`` as an operator meets them: real processes, options, variables and a file."""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tautwire.cli.commands import app
from tautwire.cli.options import as_json, toml
from tautwire.cli.serve import TABLE
from tautwire.server.config import Settings
from tautwire.server.sources import read_settings

SECRET = "hunter2"
DATABASE = f"postgresql://tautwire:{SECRET}@db.example/chat"


@dataclass
class Finished:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TAUTWIRE_") or name == "FORWARDED_ALLOW_IPS"]:
        monkeypatch.delenv(name)


def serve(*arguments: str, **environment: str) -> Finished:
    """Run the command in this process; it must not come to the point where it serves."""
    result = CliRunner().invoke(app, ["serve", *arguments], env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Finished(result.exit_code, result.stdout, result.stderr)


def printed(*arguments: str, **environment: str) -> dict[str, Any]:
    finished = serve("--print-config", "--json", *arguments, **environment)
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def test_each_setting_is_an_option_with_its_default_and_its_help() -> None:
    command = typer.main.get_command(app).get_command(None, "serve")  # type: ignore[attr-defined]
    options = {each.name: each for each in command.params}

    assert [row.name for row in TABLE if row.option not in options[row.name].opts] == []
    assert [row.name for row in TABLE if row.help not in options[row.name].help] == []
    assert options["log_keep"].default == "7d"
    assert options["rate_limits"].default == "on"
    assert options["seed"].default is None
    assert options["new"].is_flag


def test_the_settings_in_force_are_printed_with_their_sources(tmp_path: Path) -> None:
    (tmp_path / "tautwire.toml").write_text('port = 1\nlog_keep = 3\nseed = "seed.yaml"\nhost = "::1"')

    found = printed("--port", "3", "--rate-limits", "off", TAUTWIRE_PORT="2", TAUTWIRE_LOG_KEEP="36h")

    assert found["port"] == {"value": 3, "source": "--port"}
    assert found["rate_limits"] == {"value": False, "source": "--rate-limits"}
    assert found["log_keep"] == {"value": "36h", "source": "TAUTWIRE_LOG_KEEP"}
    assert found["host"] == {"value": "::1", "source": "tautwire.toml"}
    assert found["drain"] == {"value": "0.5s", "source": "default"}
    assert found["database"] == {"value": None, "source": "default"}
    assert "new" not in found
    assert {each.name for each in tmp_path.iterdir()} == {"tautwire.toml"}, "nothing is made"


def test_an_option_with_the_value_of_the_default_counts_as_given(tmp_path: Path) -> None:
    assert printed("--port", "8065", TAUTWIRE_PORT="2")["port"] == {
        "value": 8065,
        "source": "--port",
    }


def test_what_is_printed_is_a_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    given = {"host": 'a"b\\c', "seed": "ü\x7f.yaml", "rate_limits": "off", "drain": "0.123456", "body_limit": "2001"}
    first = read_settings(TABLE, given, {})
    file = tmp_path / "printed.toml"
    file.write_text(toml(first), "utf-8")

    again = read_settings(TABLE, {}, {}, file).make(Settings)

    assert again == replace(first.make(Settings), data=tmp_path / "tautwire-data", seed=tmp_path / "ü\x7f.yaml")


def test_a_password_is_printed_nowhere(tmp_path: Path) -> None:
    configuration = read_settings(TABLE, {"database": DATABASE}, {})
    assert SECRET in str(configuration.make(Settings).database)

    for text in (toml(configuration), as_json(configuration)):
        assert "postgresql://tautwire:…@db.example/chat" in text
        assert SECRET not in text
    for source, environment in (([], {"TAUTWIRE_DATABASE": DATABASE}), (["--database", DATABASE], {})):
        for form in ([], ["--json"]):
            finished = serve("--print-config", *form, *source, **environment)
            assert "db.example" in finished.stdout
            assert SECRET not in finished.stdout + finished.stderr
    wrong = DATABASE.replace(SECRET, f"{SECRET}/{SECRET}")
    (tmp_path / "wrong.toml").write_text(f'database = "{wrong}"')
    for finished in (
        serve("--database", wrong),
        serve(TAUTWIRE_DATABASE=wrong),
        serve("--config", "wrong.toml"),
    ):
        assert finished.returncode == 2
        assert "must be a URL such as postgresql://" in finished.stderr
        assert SECRET not in finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--log-keep", "30m"], "tautwire: --log-keep must be at least 1h, got '30m'\n"),
        (["--metrics", "all"], "tautwire: --metrics must be local, public or off, got 'all'\n"),
        (["--config", "none.toml"], "tautwire: none.toml: the settings cannot be read: No such file or directory\n"),
        (["--silence-limit", "5"], "silence_limit must be at least ping_interval (30 seconds)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_served(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    for more in ([], ["--print-config"]):
        finished = serve(*arguments, *more)
        assert finished.returncode == 2
        assert words in finished.stderr
        assert finished.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_server_runs_with_settings_from_all_places(tmp_path: Path) -> None:
    """Started, asked what it serves, and stopped by the test."""
    (tmp_path / "etc").mkdir()
    config = tmp_path / "etc" / "chat.toml"
    config.write_text('data = "../data"\npublic_url = "https://chat.example.test"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "tautwire", "serve", "--json", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"TAUTWIRE_CONFIG": str(config), "TAUTWIRE_LOG_FORMAT": "json", "TAUTWIRE_PROT": "1"},
    )
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["team"]
        assert (tmp_path / "data" / "tautwire.db").exists()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
    messages = [json.loads(line)["message"] for line in errors.splitlines()]
    assert f"settings from {config}" in messages
    assert "the environment variable TAUTWIRE_PROT is not a setting; did you mean TAUTWIRE_PORT?" in messages


def test_the_printed_form_is_toml(tmp_path: Path) -> None:
    finished = serve("--print-config")

    assert tomllib.loads(finished.stdout)["log_keep"] == "7d"
    assert "# database is not set: SQLite in the data directory" in finished.stdout.splitlines()
    assert 'log_keep = "7d"  # default' in finished.stdout.splitlines()


@pytest.mark.parametrize("arguments", [["serve", "--json", DATABASE], [DATABASE]])
def test_a_password_in_the_wrong_place_is_not_repeated(arguments: list[str]) -> None:
    finished = CliRunner().invoke(app, arguments)

    assert finished.exit_code == 2
    assert "db.example" in finished.output
    assert SECRET not in finished.output


def test_a_word_that_is_no_program_starts_no_server(tmp_path: Path) -> None:
    finished = serve("--port", "0", "no-such-program-here")

    assert finished.returncode == 2
    assert "no-such-program-here cannot be started: it is not a program" in finished.stderr
    assert list(tmp_path.iterdir()) == []
