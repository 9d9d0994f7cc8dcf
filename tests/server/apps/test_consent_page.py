"""The page on which a browser installs an app: nothing without the operator's secret."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from controlled import SECRET, root
from installing import URL, Desk
from scene import OpenScene, Scene
from tautwire.server.control.consent_page import PATHS
from tautwire.server.services.access.logins import RATE


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def ask(
    scene: Scene, verb: str = "POST", path: str = PATHS[0], headers: dict[str, str] | None = None, **options: Any
) -> tuple[int, str, str]:
    """Make a request; return status, Location and body."""
    async with scene.http.request(
        verb, root(scene) + path, headers=headers, allow_redirects=False, **options
    ) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        return response.status, response.headers.get("Location", ""), await response.text()


def wish(desk: Desk, **more: str) -> dict[str, str]:
    return {
        "client_id": desk.made.secrets.client_id, "scope": "chat:write,channels:history", "user_scope": "",
        "redirect_uri": URL, "state": 'a"<b>&c', "person": "alice", "secret": SECRET, **more,
    }  # fmt: skip


async def test_a_browser_is_sent_back_with_a_code(scene: Scene) -> None:
    desk = await Desk.made_in(scene)
    status, location, _ = await ask(scene, data=wish(desk))
    assert status == 303
    assert location.startswith(f"{URL}?")
    found = dict(parse_qsl(urlsplit(location).query))
    assert found["state"] == 'a"<b>&c'
    answer = await desk.exchange(found["code"], redirect_uri=URL)
    assert answer["scope"] == "channels:history,chat:write"
    assert answer["authed_user"] == {"id": scene.users["alice"]}


async def test_the_form_carries_what_the_app_asks_for_and_shows_nothing_else(scene: Scene) -> None:
    desk = await Desk.made_in(scene)
    asked = {name: value for name, value in wish(desk).items() if name not in ("secret", "person")}
    status, _, page = await ask(scene, "GET", params=asked)
    assert status == 200
    assert 'value="a&quot;&lt;b&gt;&amp;c"' in page
    assert "<b>" not in page
    assert "Desk" not in page
    _, _, unknown = await ask(scene, "GET", params=asked | {"client_id": "1.2"})
    assert unknown == page.replace(asked["client_id"], "1.2"), "a stranger cannot ask which apps there are"


@pytest.mark.parametrize("secret", ["", "a guess", SECRET[:-1], f"{SECRET} ", "\ud800"])
async def test_without_the_secret_there_is_no_code(scene: Scene, secret: str) -> None:
    desk = await Desk.made_in(scene)
    data = "&".join(f"{k}={v}" for k, v in {"client_id": desk.made.secrets.client_id, "person": "alice"}.items())
    body = f"{data}&redirect_uri={URL}&scope=chat:write&secret=".encode() + secret.encode(errors="surrogatepass")
    status, location, page = await ask(scene, data=body)
    assert (status, location) == (401, "")
    assert not secret.strip() or secret not in page


async def test_a_person_alone_authorises_at_the_second_path(scene: Scene) -> None:
    desk = await Desk.made_in(scene)
    _, location, _ = await ask(scene, path=PATHS[1], data=wish(desk, scope="reactions:read"))
    answer = await desk.exchange(dict(parse_qsl(urlsplit(location).query))["code"], redirect_uri=URL)
    assert answer["authed_user"]["scope"] == "reactions:read"
    assert "access_token" not in answer


@pytest.mark.parametrize(
    "more",
    [
        {"client_id": "1.2"},
        {"person": "nobody"},
        {"person": "relaybot"},
        {"redirect_uri": "https://evil.test/"},
        {"scope": "admin"},
        {"scope": ""},
        {"scope": "!"},
    ],
)
async def test_what_cannot_be_consented_to_is_refused_with_the_reason(scene: Scene, more: dict[str, str]) -> None:
    desk = await Desk.made_in(scene)
    status, location, page = await ask(scene, data=wish(desk, **more))
    assert (status, location) == (400, "")
    assert "<form" in page
    assert SECRET not in page


async def test_forms_of_other_sites_and_odd_requests_are_refused(scene: Scene) -> None:
    desk = await Desk.made_in(scene)
    other = {"Origin": "https://evil.test"}
    assert (await ask(scene, data=wish(desk), headers=other))[0] == 403
    own = {"Origin": root(scene)}
    assert (await ask(scene, data=wish(desk), headers=own))[0] == 303
    assert (await ask(scene, "PUT"))[0] == 405
    assert (await ask(scene, data=b"x" * 70_000))[0] == 413
    assert (await ask(scene, data=b"\xff&=&" * 100))[0] == 401
    assert (await ask(scene, "GET", params={"state": "x" * 5_000}))[0] == 200


async def test_who_guesses_has_to_wait(open_scene: OpenScene) -> None:
    scene = await open_scene(control=True, control_secret=SECRET, rate_limits=True)
    statuses = [(await ask(scene, data={"secret": "wrong"}))[0] for _ in range(RATE.burst + 5)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


async def test_without_the_control_api_there_is_no_page(open_scene: OpenScene) -> None:
    scene = await open_scene(control=False)
    for verb in ("GET", "POST"):
        async with scene.http.request(verb, root(scene) + PATHS[0]) as response:
            assert response.status == 404


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "\\"])
async def test_an_origin_that_is_no_url_is_refused(scene: Scene, origin: str) -> None:
    status, _, _ = await ask(scene, data={"secret": SECRET}, headers={"Origin": origin})
    assert status == 403
