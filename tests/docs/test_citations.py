"""Citations are true: each page that a file names exists, and so does the heading behind its ``#``.

``wire/limits.md#rate`` in a comment stands for ``docs/reference/wire/limits.md``; every other page is named by its path
from the root of the repository, or from the file that names it.
"""

import json
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from tautwire.protocol.codec import decode_command, decode_event
from tautwire.protocol.events import MalformedEvent, UnknownEvent
from tautwire.protocol.frames import InvalidFrame, UnknownCommand
from tools.docs_links import anchors

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
WIRE = REFERENCE / "wire"

CITATION = re.compile(r"(?<![\w./:-])((?:[\w.-]+/)*[\w.-]+\.md)\b(?:#([\w-]+))?")
SECTION = re.compile(r"(?<!RFC \d{4} )(?:\bsections?|§) ?\d", re.IGNORECASE)
JSON_BLOCK = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
NO_CITATION = re.compile(r'"[\w.-]+\.md"|\]\([^)]*\)')
"""A part of a path that code puts together; a Markdown link, which ``tools.docs_links`` checks on its page."""


def find_page(name: str, citing: Path) -> Path | None:
    places = [ROOT / name, citing.parent / name]
    if name.startswith("wire/"):
        places.append(REFERENCE / name)
    return next((place for place in places if place.is_file()), None)


def false_citations(text: str, citing: Path) -> list[str]:
    faults = []
    for name, heading in CITATION.findall(NO_CITATION.sub("", text)):
        page = find_page(name, citing)
        if page is None:
            faults.append(f"{name} is no page of the repository")
        elif heading and heading not in anchors(page.read_text()):
            faults.append(f"{name} has no heading #{heading}")
    return faults + [f"{found!r}: cite a page and a heading" for found in SECTION.findall(text)]


def citing_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", "src", "tests", "docs", "tools", "bench", "examples"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    files = [ROOT / name for name in listed if name.endswith((".py", ".md", ".json"))]
    # They name pages that are invented, or are only on the site.
    invented = {Path(__file__), ROOT / "tools" / "docs_site.py", *(ROOT / "tests" / "tools").glob("test_docs_*.py")}
    return [file for file in files if file.is_file() and file not in invented]


def wire_blocks() -> dict[str, str]:
    return {
        f"{page.name}:{number}": block
        for page in sorted(WIRE.glob("*.md"))
        for number, block in enumerate(JSON_BLOCK.findall(page.read_text()), start=1)
    }


BLOCKS = wire_blocks()

PAGES_OF_APPS = {
    "apps.md",
    "assistants.md",
    "events-api.md",
    "interactivity-vectors.md",
    "search.md",
    "socket-mode.md",
}
"""Pages whose blocks are payloads and answers, not frames of RTM."""


def test_every_cited_page_and_heading_exists() -> None:
    faults = {
        str(file.relative_to(ROOT)): found
        for file in citing_files()
        if (found := false_citations(file.read_text(), file))
    }

    assert faults == {}


@pytest.mark.parametrize(
    "text",
    [
        "Source: rtm.md 8.4.",
        "Source: wire/limit.md.",
        "Source: wire/limits.md#speed.",
        "see docs/reference/no-such-page.md",
        '{"source": "ids.md 6"}',
        "Source: the protocol, section 8.4.",
        "as in § 4",
    ],
)
def test_a_false_citation_is_found(text: str) -> None:
    assert false_citations(text, ROOT / "src" / "tautwire" / "__init__.py")


@pytest.mark.parametrize(
    "text",
    [
        "Source: wire/limits.md#rate (documented).",
        "Source: wire/limits.md.",
        "see docs/reference/seed.md, and README.md",
        'PAGE = ROOT / "docs" / "generated.md"',
        "https://docs.slack.dev/apis/page.md",
        "Source: RFC 6455 section 5.2",
    ],
)
def test_a_true_citation_passes(text: str) -> None:
    assert false_citations(text, ROOT / "src" / "tautwire" / "__init__.py") == []


def test_the_index_lists_every_page() -> None:
    index = (WIRE / "README.md").read_text()

    assert [
        page.name for page in WIRE.glob("*.md") if f"]({page.name})" not in index and page.name != "README.md"
    ] == []


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_of_json_is_an_object(name: str) -> None:
    assert isinstance(json.loads(BLOCKS[name]), dict)


@pytest.mark.parametrize("name", [name for name in BLOCKS if name.partition(":")[0] not in PAGES_OF_APPS])
def test_frames_on_the_pages_are_frames(name: str) -> None:
    """What a server sends is an event or reply that the client knows; an answer of the Web API has ``url``."""
    frame = json.loads(BLOCKS[name])

    if "url" not in frame:
        assert not isinstance(decode_event(msgspec.json.encode(frame)), UnknownEvent | MalformedEvent)


def test_each_vector_has_its_test_and_its_frames_are_frames() -> None:
    rows = [line.split(" | ") for line in (WIRE / "vectors.md").read_text().splitlines() if re.match(r"\| \d", line)]
    tests = (ROOT / "tests" / "conformance" / "test_vectors.py").read_text()

    numbers = [row[0].removeprefix("| ") for row in rows]
    assert numbers == re.findall(r"def test_vector_(\d+)_", tests)

    sent = [frame for row in rows for frame in re.findall(r"`(\{\".*?\})`", row[1])]
    got = [frame for row in rows for frame in re.findall(r"`(\{\".*?\})`", row[2])]
    assert len(sent) > 6
    assert len(got) > 6
    for frame in sent:
        assert not isinstance(decode_command(frame.encode()), InvalidFrame | UnknownCommand), frame
    for frame in got:
        assert not isinstance(decode_event(frame.encode()), UnknownEvent | MalformedEvent), frame
