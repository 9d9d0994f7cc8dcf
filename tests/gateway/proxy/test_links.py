"""URLs of files in JSON: those of members change, wherever an answer is cut into pieces; texts do not."""

import json
from collections.abc import AsyncIterator

import pytest

from tautwire.gateway.translate.links import Links
from tautwire.gateway.upstream.hosts import Hosts

SLACK = Hosts("https://slack.com/api/")
BASE = "http://127.0.0.1:8066"
HERE = f"{BASE}/files-pri/files.slack.com/files-pri/T1-F1/a.png"
THERE = "https://files.slack.com/files-pri/T1-F1/a.png"


@pytest.fixture
def links() -> Links:
    return Links(SLACK.scheme, SLACK.pattern, BASE)


@pytest.mark.parametrize(
    "name", ["url_private", "url_private_download", "thumb_360", "thumb_pdf", "mp4", "thumb_360_gif"]
)
@pytest.mark.parametrize("slash", ["/", "\\/"])
def test_members_with_a_url_of_a_file_are_changed(links: Links, name: str, slash: str) -> None:
    data = json.dumps({name: THERE}).replace("/", slash)
    assert json.loads(links.localize(data.encode())) == {name: HERE}


@pytest.mark.parametrize(
    "members",
    [
        {"text": THERE},
        {"text": f'"url_private":"{THERE}"'},
        {"permalink": "https://acme.slack.com/files/U1/F1/a.png"},
        {"url_private": "https://docs.example.test/a.png"},
        {"url_private": "https://files.slack.com.example.test/a.png"},
        {"url_private": "https://user@files.slack.com/a.png"},
        {"url_private": "http://files.slack.com/a.png"},
    ],
)
def test_all_else_stays(links: Links, members: dict[str, str]) -> None:
    data = json.dumps(members).encode()
    assert links.localize(data) == data


@pytest.mark.parametrize("size", [1, 7, 64, 513, 5_000])
async def test_a_url_may_be_cut_anywhere(links: Links, size: int) -> None:
    files = [{"id": f"F{number}", "url_private": THERE, "text": f'"url_private":"{THERE}"'} for number in range(40)]
    data = json.dumps({"ok": True, "files": files}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    found = b"".join([piece async for piece in links.localize_stream(pieces(), BASE)])
    assert found == links.localize(data)
    assert {each["url_private"] for each in json.loads(found)["files"]} == {HERE}


def test_what_bots_send_is_changed_back(links: Links) -> None:
    given = {"text": f"see {HERE}", "blocks": [{"image_url": HERE}], "count": 3}
    assert links.restore(given, BASE) == {"text": f"see {THERE}", "blocks": [{"image_url": THERE}], "count": 3}


def test_a_strange_host_header_breaks_no_json(links: Links) -> None:
    data = json.dumps({"url_private": THERE}).encode()
    assert json.loads(links.localize(data, 'http://x"\\1'))


@pytest.mark.parametrize(
    ("base", "url", "is_own"),
    [
        ("https://slack.com/api/", "https://files.slack.com/x", True),
        ("https://slack.com/api/", "https://slack.com/x", True),
        ("https://www.slack.com/api/", "https://files.slack.com/x", True),
        ("https://slack.com/api/", "http://files.slack.com/x", False),
        ("https://slack.com/api/", "https://files.slack.com:444/x", False),
        ("https://slack.com/api/", "https://notslack.com/x", False),
        ("https://slack.com/api/", "https://a@slack.com/x", False),
        ("https://slack.com/api/", "https://[::1/x", False),
        ("http://127.0.0.1:8065/api/", "http://127.0.0.1:8065/x", True),
        ("http://127.0.0.1:8065/api/", "http://127.0.0.1:8066/x", False),
        ("http://127.0.0.1:8065/api/", "http://x.127.0.0.1:8065/x", False),
        ("http://upstream:8065/api/", "http://x.upstream:8065/x", False),
        ("https://chat.example.test:8443/api/", "https://files.chat.example.test:8443/x", True),
        ("https://chat.example.test:8443/api/", "https://example.test:8443/x", False),
    ],
)
def test_hosts_of_an_upstream(base: str, url: str, is_own: bool) -> None:
    assert Hosts(base).has(url) is is_own
