"""The pictures of the page in the documentation can be taken again."""

import sys
from pathlib import Path

from needs import skip_for

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the tools package is not installed

from tools.page_pictures import find_chromium, take


async def test_pictures_are_taken_of_a_server_with_a_conversation(tmp_path: Path) -> None:
    chromium = find_chromium()
    skip_for("chromium was not found: install the Debian package chromium" if chromium is None else None)
    taken = await take(tmp_path, chromium or "")

    assert {path.name for path in taken} == {"page.png", "page-frames.png", "page-gateway.png"}
    for path in taken:
        assert path.read_bytes().startswith(b"\x89PNG")
