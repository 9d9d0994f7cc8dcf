"""The pages about the settings of the server: their examples are what the command takes and says."""

import re
from pathlib import Path

import pytest

from tautwire.cli.options import toml
from tautwire.cli.serve import TABLE
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.sources import read_settings
from tautwire.server.table import Row
from tautwire.server.values import DAY, MIB

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "server-settings.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[Path, str]]:
    return [
        (page, text) for page in sorted(DOCS.rglob("*.md")) for text in blocks(page, "toml") if "tautwire.toml" in text
    ]


@pytest.mark.parametrize(("page", "text"), examples(), ids=lambda value: value.stem if isinstance(value, Path) else "")
def test_an_example_of_a_file_can_be_loaded(page: Path, text: str, tmp_path: Path) -> None:
    file = tmp_path / "tautwire.toml"
    file.write_text(text, "utf-8")

    assert read_settings(TABLE, {}, {}, file).make(Settings).data == Path("/var/lib/tautwire")


def test_the_example_of_the_reference_means_what_it_seems_to(tmp_path: Path) -> None:
    (text,) = blocks(PAGE, "toml")
    file = tmp_path / "tautwire.toml"
    file.write_text(text, "utf-8")

    made = read_settings(TABLE, {}, {}, file).make(Settings)

    assert (made.log_keep, made.body_limit, made.enforce_scopes) == (30 * DAY, 2 * MIB, True)
    assert made.forwarded_allow_ips == "10.0.0.5"


def test_what_the_command_prints_is_what_the_page_shows() -> None:
    (text,) = blocks(PAGE, "console")
    printed = toml(read_settings(TABLE, {"port": "9000"}, {"TAUTWIRE_LOG_KEEP": "30d"})).splitlines()

    shown = [line for line in text.splitlines()[1:] if line != "..."]
    assert [line for line in shown if line not in printed] == []


def test_the_error_on_the_page_is_that_of_the_command(tmp_path: Path) -> None:
    (text,) = blocks(PAGE, "text")
    file = tmp_path / "tautwire.toml"
    file.write_text("log_keep = '30m'")

    with pytest.raises(ConfigError) as refused:
        read_settings(TABLE, {}, {}, file)

    assert f"tautwire: {refused.value}\n".replace(str(file), "/etc/tautwire.toml") == text


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_setting_is_on_the_page(row: Row) -> None:
    names = [row.option] if row.is_one_time else [row.name, row.variable]
    assert [name for name in names if f"`{name}`" not in PAGE.read_text()] == []
