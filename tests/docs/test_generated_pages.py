"""Pages written from the source are current, and notice what the source lacks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tautwire
from tautwire import testing
from tautwire.protocol import events
from tautwire.session.ratelimit import Rate
from tools import api_pages, client_settings, limits_page
from tools.docstrings import attributes, inline, markdown

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "tool", ["client_settings", "api_pages", "limits_page", "server_settings", "gateway_settings", "attach_page"]
)
def test_pages_written_from_the_source_are_current(tool: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_index_of_the_docs_leads_to_every_page() -> None:
    docs = ROOT / "docs"
    linked = set(re.findall(r"\]\(([^)#]+)", (docs / "README.md").read_text()))
    own_index = {"adr", "wire", "api"}
    pages = [page for page in docs.rglob("*.md") if page.parent.name not in own_index or page.name == "README.md"]

    missing = {str(page.relative_to(docs)) for page in pages} - linked - {"README.md", "from-other-sdks.md"}
    assert missing == set()


@pytest.mark.parametrize(
    ("number", "shown"), [(16_384, "16 KiB"), (4 * 1024 * 1024, "4 MiB"), (200_000, "200,000 bytes")]
)
def test_sizes_are_shown_as_a_reader_says_them(number: int, shown: str) -> None:
    assert limits_page.size(number) == shown


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (Rate(1.0, 10), "1 a second, 10 at once"),
        (Rate(100 / 60, 200), "100 a minute, 200 at once"),
        (Rate(1 / 60, 20), "1 a minute, 20 at once"),
    ],
)
def test_rates_are_shown_by_the_second_or_the_minute(rate: Rate, shown: str) -> None:
    assert limits_page.rate(rate) == shown


def test_an_option_without_a_description_stops_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_settings, "described", lambda: {"token": "t", "base_url": "b"})

    with pytest.raises(SystemExit, match="backfill"):
        client_settings.options()


def test_every_public_name_has_a_section() -> None:
    wanted = {*tautwire.__all__, *testing.__all__} - set(events.__all__)
    text = "".join(api_pages.pages().values())

    assert [name for name in sorted(wanted) if f"\n## {name}\n" not in text] == []


def test_a_method_shows_its_signature_and_docstring() -> None:
    text = api_pages.section("RTMClient", tautwire.RTMClient)

    assert "await typing(channel: str, *, thread_ts: str | None = None) -> None" in text
    assert "### RTMClient.add_error_handler" in text  # inherited
    assert "close_for" not in text


class Sample:
    """A sample."""

    size: int = 3
    """Bytes of ``x``."""
    _hidden: int = 4


def test_attributes_carry_their_docstrings() -> None:
    assert list(attributes(Sample)) == [("size", "int", "3", "Bytes of ``x``.")]


def test_a_cell_is_one_line_with_its_bars_escaped() -> None:
    assert inline("``a | b``\n  and more") == r"`a \| b` and more"


def test_sections_become_lists() -> None:
    text = """Do it.

    Args:
        channel: the id of
            the conversation.
        options: any of these:

            - ``a``: one.

    Returns:
        The ``Ack``.

    Afterwards.
    """

    assert markdown(text) == (
        "Do it.\n\nArgs:\n\n- `channel`: the id of the conversation.\n- `options`: any of these:\n  - `a`: one.\n\n"
        "Returns: The `Ack`.\n\nAfterwards."
    )
