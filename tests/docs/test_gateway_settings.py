"""The page about the settings of the gateway: its example is what the command takes."""

import re
from pathlib import Path

import pytest

from tautwire.cli.gateway import RUN_TABLE
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.places import TABLES, read_bots
from tautwire.server.sources import read_settings
from tautwire.server.table import Row, rows

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reference" / "gateway-settings.md"
GUIDE = DOCS / "how-to" / "gateway" / "run-the-gateway.md"


def examples() -> list[str]:
    found = [
        text
        for page in (PAGE, GUIDE)
        for text in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    assert len(found) >= 2
    return found


@pytest.mark.parametrize("text", examples())
def test_an_example_of_a_file_can_be_loaded(text: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    read_bots(read_settings(RUN_TABLE, {}, {}, file, tables={TABLES: rows(GatewaySettings)}))


def test_the_example_of_the_reference_has_two_bots(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(examples()[0])
    made = read_bots(read_settings(RUN_TABLE, {}, {}, file, tables={TABLES: rows(GatewaySettings)}))
    assert isinstance(made, dict)
    assert made.keys() == {"deploy", "oncall"}
    assert made["deploy"].programs == ("hubot", "nightly")
    assert (made["deploy"].legacy_bot_messages, made["oncall"].legacy_bot_messages) == (True, False)


@pytest.mark.parametrize("row", RUN_TABLE, ids=lambda row: row.name)
def test_every_setting_is_on_the_page(row: Row) -> None:
    assert [name for name in (row.name, row.variable) if f"`{name}`" not in PAGE.read_text()] == []
