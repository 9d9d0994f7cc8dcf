"""What the page on security says is so: which doors are there, what they answer without a secret, and the numbers."""

from pathlib import Path

import aiohttp
import pytest

from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.events_api import addresses, receiver, verification
from tautwire.server.services.access import consents, logins
from tautwire.server.services.files import uploads
from tautwire.server.services.interactivity import requests, response_urls

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "security.md").read_text()

DOORS = [
    ("/api/METHOD", "POST", "/api/auth.test", "not_authed"),
    ("/hooks/…", "POST", "/hooks/services/T012345678/B012345678/secret", "no_team"),
    ("/files-upload/…", "POST", "/files-upload/T012345678-F012345678-secret", "404"),
    ("/files-pri/…", "GET", "/files-pri/T012345678-F012345678/name", "401"),
    ("/files-pub/…", "GET", "/files-pub/T012345678-F012345678-secret/name", "403"),
    ("/_control/v1/…", "POST", "/_control/v1/say", "401"),
    ("/_control/v1/workspaces.*", "POST", "/_control/v1/workspaces.list", "401"),
    ("/_page/…", "GET", "/_page/session", "401"),
    ("/oauth/v2/authorize", "POST", "/oauth/v2/authorize", "401"),
    ("/healthz", "GET", "/healthz", "200"),
    ("/readyz", "GET", "/readyz", "200"),
    ("/metrics", "GET", "/metrics", "200"),
]
"""How the page writes a door, a request without a secret to it, and its answer: a status or an error."""

OF_CONTROL = ("/_control/", "/_page/", "/oauth/")


@pytest.mark.parametrize("is_controlled", [False, True], ids=["control off", "control on"])
async def test_the_doors_answer_as_the_page_says(tmp_path: Path, *, is_controlled: bool) -> None:
    (tmp_path / "seed.yaml").write_text("users: [{name: alice}]\nchannels: [{name: general}]\n")
    settings = Settings(
        data=tmp_path / "data",
        seed=tmp_path / "seed.yaml",
        port=0,
        control=True if is_controlled else None,
        page=is_controlled,
    )
    async with Server(settings) as server, aiohttp.ClientSession(server.api_url.removesuffix("api/")) as http:
        for _, verb, path, wanted in DOORS:
            async with http.request(verb, path) as response:
                answer = f"{response.status} {await response.text()}"
            expected = wanted if is_controlled or not path.startswith(OF_CONTROL) else "404"
            assert expected in answer, (path, answer)
        names = {path.name for path in (tmp_path / "data").iterdir()}
        for name in (
            "control.json",
            "control.sock",
            "tokens.json",
            *(["host.json", "page.txt"] if is_controlled else []),
        ):
            assert name in names
            assert (tmp_path / "data" / name).stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
        assert is_controlled or "host.json" not in names
    assert not {"control.json", "control.sock", "host.json", "page.txt"} & {
        path.name for path in (tmp_path / "data").iterdir()
    }


def test_the_page_has_each_door() -> None:
    for shown, *_ in DOORS:
        assert f"`{shown}`" in PAGE


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{0} times in {1} minutes", (response_urls.MAX_USES, response_urls.LIFETIME // 60)),
        ("| secret of a response URL or webhook | {0} |", (response_urls.SECRET_BYTES * 8,)),
        ("store the announced bytes of one file, once, within an hour", (uploads.LIFETIME == 3_600,)),
        ("| code of a consent | 256 | SHA-256 in the database | once, ten minutes |", (consents.LIFETIME == 600,)),
        ("try {0} at once and then one a second", (logins.RATE.burst,)),
        ("| waits | {0:.0f} seconds |", (receiver.TIME_LIMIT,)),
        ("{0} KiB of the answer to a challenge, at most {1} KiB", (
            verification.MAX_ANSWER // 1024, requests.MAX_ANSWER // 1024,
        )),
        ("loopback if nothing is said", (addresses.LOOPBACK == "127.0.0.0/8,::1",)),
    ],
)  # fmt: skip
def test_the_numbers_on_the_page_are_those_of_the_code(text: str, values: tuple[float, ...]) -> None:
    assert all(values)
    assert text.format(*values) in PAGE
