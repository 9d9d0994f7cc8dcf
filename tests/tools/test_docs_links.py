"""What is checked of the pages: where links lead, and that a page begins with the question that it answers."""

from pathlib import Path

import pytest

from tools import docs_links


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(docs_links, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs" / "page.md"


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("# Run it\n\nHow do you run it?\n\nSo.\n", False),
        ("# Run it\n\nIt runs.\n\nHow?\n", True),
        ("# Run it\n", True),
    ],
)
def test_a_page_begins_with_the_question_that_it_answers(page: Path, text: str, lacks: bool) -> None:
    page.write_text(text)
    assert docs_links.lacks_question(page) is lacks


def test_pages_outside_the_documentation_need_none(page: Path) -> None:
    outside = page.parent.parent / "CHANGELOG.md"
    outside.write_text("# Changelog\n\nAll.\n")
    assert not docs_links.lacks_question(outside)


def test_a_link_that_leads_nowhere_is_named(page: Path) -> None:
    page.write_text("# A\n\nSee [b](b.md), [there](#there) and [gone](#gone).\n\n## There\n")
    assert docs_links.broken_links(page) == [
        "docs/page.md: b.md leads nowhere",
        "docs/page.md: page.md has no heading for #gone",
    ]
