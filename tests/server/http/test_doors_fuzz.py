"""Odd requests at the doors beside the Web API: webhooks, files, and the page of consents. No answer is a 5xx."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from controlled import SECRET, operate, root
from installing import URL, Desk
from scene import OpenScene, Scene
from uploader import reserve, share

Request = tuple[str, str, dict[str, str], bytes]

VERBS = st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS"])
PATHS = st.sampled_from(
    [
        *("{hook}", "{hook}x", "{hook}/..", "/hooks/", "/hooks/services/{team}/B0/x", "/hooks/commands/{team}/x/y"),
        *(
            "{upload}",
            "{upload}x",
            "/files-upload/",
            "/files-upload/{team}",
            "{file}",
            "{file}x",
            "/files-pri/",
            "/files-pri/x",
        ),
        *("/files-pri/{team}-F0/x.txt", "/files-pub/{team}-F0-0/x", "/files-pub/", "{download}"),
        *("/oauth/v2/authorize", "/oauth/v2_user/authorize", "/oauth/v2/authorize/x", "/oauth/"),
    ]
)
WORDS = st.sampled_from(
    [
        "",
        "{client}",
        "1.2",
        "chat:write",
        "chat:write,odd:scope",
        "{redirect}",
        "http://[",
        "\x00",
        "x" * 3_000,
        "%ff",
        "🙂",
    ]
)
QUERIES = st.lists(
    st.tuples(st.sampled_from(["client_id", "scope", "user_scope", "redirect_uri", "state", "user", "x"]), WORDS),
    max_size=5,
)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "Authorization", "Range", "If-None-Match", "If-Range", "Accept-Encoding"]),
    st.sampled_from(
        [
            *(
                "application/json",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                ";",
                "text/plain",
            ),
            *(
                "Bearer {token}",
                "Bearer {secret}",
                "Basic x",
                "bytes=0-",
                "bytes=5-1",
                "bytes=-0",
                "bytes=0-1,3-4",
                "*",
            ),
            "bytes=99999999999999999999-",
        ]
    ),
    max_size=3,
)
BODIES = st.sampled_from(
    [
        *(b"", b"{", b'{"text":"x"}', b'{"text":1}', b"payload=%7B%7D", b'{"blocks":[{}]}', b"[" * 5_000, b"\xff" * 50),
        *(b'{"text":"\\ud83d"}', b'{"attachments":[{"blocks":[{"type":7}]}]}', b"hello", b"x" * 300_000),
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhello\r\n--x--\r\n',
        b"client_id={client}&scope=chat:write&secret={secret}&user=alice&redirect_uri={redirect}",
    ]
)
PARTS = st.tuples(VERBS, PATHS, QUERIES, HEADERS, BODIES)


def gathered(number: int, count: int) -> list[Any]:
    found: list[Any] = []

    @seed(number)
    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(PARTS)
    def gather(parts: Any) -> None:
        found.append(parts)

    gather()
    return found


async def facts_of(scene: Scene) -> dict[str, str]:
    base = root(scene)
    desk = await Desk.made_in(scene)
    hook = (await operate(scene, "webhooks.create", app="relaybot", channel="general"))["url"]
    file = await share(scene, "alice", scene.general)
    return {
        "{hook}": hook.removeprefix(base), "{team}": str(scene.directory.team["id"]),
        "{upload}": (await reserve(scene, "alice", 5))["upload_url"].removeprefix(base),
        "{file}": file["url_private"].removeprefix(base), "{download}": file["url_private_download"].removeprefix(base),
        "{client}": desk.made.secrets.client_id, "{redirect}": URL, "{token}": scene.tokens["alice"],
        "{secret}": SECRET,
    }  # fmt: skip


def filled(text: str, facts: dict[str, str]) -> str:
    for name, fact in facts.items():
        text = text.replace(name, fact)
    return text


@pytest.mark.parametrize("part", range(3))
async def test_no_request_makes_a_door_fail(open_scene: OpenScene, part: int) -> None:
    scene = await open_scene(control=True, control_secret=SECRET)
    facts = await facts_of(scene)
    statuses = set()
    for verb, path, query, headers, body in gathered(part, 250):
        text = "&".join(f"{name}={quote(filled(value, facts))}" for name, value in query)
        given_headers = {name: filled(value, facts) for name, value in headers.items()}
        data = body
        for name, fact in facts.items():
            data = data.replace(name.encode(), fact.encode())
        url = f"{root(scene)}{filled(path, facts)}?{text}"
        async with scene.http.request(
            verb, url, data=data or None, headers=given_headers, allow_redirects=False
        ) as response:
            await response.read()
            assert response.status < 500, (verb, url, headers, body)
            statuses.add(response.status)
    assert len(statuses) > 3
    async with scene.http.post(root(scene) + facts["{hook}"], json={"text": "x"}) as response:
        assert response.status == 200
    async with scene.http.get(root(scene) + facts["{file}"], headers=scene.bearer("alice")) as response:
        assert (response.status, await response.read()) == (200, b"hello")
