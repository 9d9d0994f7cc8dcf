"""The units of ``deploy/systemd``: systemd reads them, and finds them closed enough."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from needs import need
from typer.testing import CliRunner

from tautwire.cli.commands import app

FILES = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(path.name for path in FILES.iterdir() if path.suffix != ".toml")
SERVICES = [name for name in UNITS if name.endswith(".service")]
THRESHOLD = 20
"""Tenths of the exposure that systemd-analyze allows; 100 is a service without any protection."""


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = need("systemd-analyze", "the Debian package systemd")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong_in_a_unit(name: str, tmp_path: Path) -> None:
    for unit in UNITS:  # they name each other
        text = (
            (FILES / unit).read_text().replace("/opt/tautwire/bin/tautwire", f"{Path(sys.executable).parent}/tautwire")
        )
        (tmp_path / unit).write_text(text)

    finished = analyze("verify", "--man=no", str(tmp_path / name))

    ours = [line for line in (finished.stdout + finished.stderr).splitlines() if "tautwire" in line]
    assert (finished.returncode, ours) == (0, [])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_little_beside_its_work(name: str) -> None:
    finished = analyze("security", "--offline=true", f"--threshold={THRESHOLD}", str(FILES / name))

    assert finished.returncode == 0, finished.stdout[-200:]


@pytest.mark.parametrize("name", ["tautwire.service", "tautwire-gateway.service"])
def test_a_server_is_watched(name: str) -> None:
    text = (FILES / name).read_text()

    assert "\nType=notify\n" in text
    assert "\nWatchdogSec=" in text
    assert "\nRestart=on-failure\n" in text


def test_the_backup_may_read_what_the_server_writes() -> None:
    for key in ("User", "DynamicUser", "EnvironmentFile"):
        server, backup = (
            re.findall(rf"^{key}=(.*)$", (FILES / name).read_text(), re.MULTILINE)
            for name in ("tautwire.service", "tautwire-backup.service")
        )
        assert server == backup, key


def test_the_settings_beside_the_units_can_be_used() -> None:
    result = CliRunner().invoke(app, ["serve", "--print-config", "--config", str(FILES / "tautwire.toml")])

    assert result.exit_code == 0, result.stderr
    assert 'public_url = "https://chat.example.com"' in result.stdout
