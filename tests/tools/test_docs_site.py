"""The documentation site: its navigation, its links, and that it loads nothing from elsewhere."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tools.docs_site import OUTSIDE, REPOSITORY, ROOT, adapt, navigation


def test_the_navigation_has_every_page_once() -> None:
    def pages(nav: list[object]) -> list[str]:
        found: list[str] = []
        for entry in nav:
            for value in entry.values() if isinstance(entry, dict) else [entry]:
                found += pages(value) if isinstance(value, list) else [str(value)]
        return found

    docs = ROOT / "docs"
    wanted = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")} | set(OUTSIDE.values())
    found = pages(navigation(docs))
    assert (set(found), len(found)) == (wanted, len(wanted))


def test_a_page_that_no_index_links_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Docs\n\n## Room: for something\n\n- [One](one.md)\n")
    (tmp_path / "one.md").write_text("# One\n")
    (tmp_path / "two.md").write_text("# Two\n")
    with pytest.raises(SystemExit, match=r"must link to two\.md"):
        navigation(tmp_path)


@pytest.mark.parametrize(
    ("origin", "target", "wanted"),
    [
        ("docs/how-to/install.md", "../client.md#handlers", "../client.md#handlers"),
        ("docs/how-to/install.md", "../../CHANGELOG.md", "../changelog.md"),
        ("docs/client.md", "../examples/echo.py", f"{REPOSITORY}/blob/main/examples/echo.py"),
        ("docs/client.md", "#handlers", "#handlers"),
        ("docs/client.md", "https://example.test/a#b", "https://example.test/a#b"),
        ("CONTRIBUTING.md", "docs/client.md", "client.md"),
        ("conformance/README.md", "../docs/reference/conformance.md", "conformance.md"),
    ],
)
def test_a_link_leads_to_the_same_place_on_the_site(origin: str, target: str, wanted: str) -> None:
    place = OUTSIDE.get(origin, origin.removeprefix("docs/"))
    assert adapt(f"See [this]({target}).", origin, place) == f"See [this]({wanted})."


def test_a_list_after_a_paragraph_gets_its_empty_line_and_a_block_of_code_stays() -> None:
    code = "```\nsome:\n- [text](../x.py)\n```\n"
    assert adapt(f"Some:\n- one\n- two\n\n{code}", "docs/a.md", "a.md") == f"Some:\n\n- one\n- two\n\n{code}"


def test_the_site_is_built_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [f"{sysconfig.get_path('scripts')}/mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    loaded = re.compile(r"""<(?:script|img|iframe)[^>]*src=["']?(?:https?:)?//|<link[^>]*stylesheet[^>]*https?://""")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 100
    assert [page.name for page in pages if loaded.search(page.read_text())] == []
