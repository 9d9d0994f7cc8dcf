"""Files of the upstream for bots: with the local token, from the upstream's hosts alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web

from stage import OpenStage, Stage
from uploading import PICTURE, upload


class Elsewhere:
    """Another host, which gets no token."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, str]] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.Response:
        self.requests.append(request.headers)
        return web.Response(body=b"not yours")


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    found, application = Elsewhere(), web.Application()
    application.router.add_route("*", "/{path:.*}", found.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def fetch(
    stage: Stage, url: str, *, token: str | None = None, verb: str = "GET", **headers: str
) -> tuple[int, bytes, Mapping[str, str]]:
    secret = stage.gateway.local_token.reveal() if token is None else token
    given = {**({"Authorization": f"Bearer {secret}"} if secret else {}), **headers}
    async with stage.upstream.http.request(verb, url, headers=given) as response:
        return response.status, await response.read(), response.headers


async def file_of(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = (await upload(stage, channels=stage.general))["file"]
    return found


async def test_a_bot_fetches_a_file_of_an_event_with_its_token(stage: Stage) -> None:
    socket = await stage.connect()
    await file_of(stage)
    frame = await socket.until(lambda frame: frame.get("subtype") == "file_share")
    (file,) = frame["files"]
    base = stage.gateway.api_url.removesuffix("api/")
    assert file["url_private"].startswith(base + "files-pri/")
    status, body, headers = await fetch(stage, file["url_private"])
    assert (status, body) == (200, PICTURE)
    assert (headers["Content-Type"], headers["Content-Length"]) == ("image/png", str(len(PICTURE)))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "attachment" in (await fetch(stage, file["url_private_download"]))[2]["Content-Disposition"]


async def test_answers_name_the_gateway_as_the_bot_reached_it(stage: Stage) -> None:
    file = await file_of(stage)
    port = stage.gateway.port
    for method, arguments in (("files.info", {"file": file["id"]}), ("conversations.history", {})):
        headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
        async with stage.upstream.http.post(
            f"http://localhost:{port}/api/{method}", headers=headers, data={"channel": stage.general, **arguments}
        ) as response:
            text = await response.text()
        assert f'"url_private":"http://localhost:{port}/files-pri/' in text


async def test_a_part_and_the_head_of_a_file(stage: Stage) -> None:
    url = (await file_of(stage))["url_private"]
    status, body, headers = await fetch(stage, url, Range="bytes=10-19")
    assert (status, body, headers["Content-Range"]) == (206, PICTURE[10:20], f"bytes 10-19/{len(PICTURE)}")
    status, body, headers = await fetch(stage, url, verb="HEAD")
    assert (status, body, headers["Content-Type"]) == (200, b"", "image/png")


@pytest.mark.parametrize("token", ["", "xoxb-wrong-wrong-wrong"])
async def test_without_the_local_token_nothing_is_asked(stage: Stage, token: str) -> None:
    url = (await file_of(stage))["url_private"]
    stage.line.calls.clear()
    assert (await fetch(stage, url, token=token))[0] == 401
    assert stage.line.calls == []


async def test_without_the_setting_urls_are_the_upstream_s(open_stage: OpenStage) -> None:
    stage = await open_stage(file_links=False)
    file = await file_of(stage)
    assert file["url_private"].startswith(stage.line.api_url.removesuffix("api/"))


@pytest.mark.parametrize(
    "path",
    [
        "{host}/api/auth.revoke",
        "{host}/files-pri/../api/auth.revoke",
        "{host}/files-pri/%2e%2e/api/auth.revoke",
        "{host}/files-pri/%252e%252e/api/auth.revoke",
        "{host}/files-pri/..%2fapi/auth.revoke",
        "{host}/files-pri/..%5capi/auth.revoke",
        "user@{host}/files-pri/T1-F1/x",
        "{other}/files-pri/T1-F1/x",
        "files.slack.com/files-pri/T1-F1/x",
        "{host}",
        "",
        "/",
    ],
)
async def test_the_token_of_the_app_goes_to_files_of_the_upstream_alone(
    stage: Stage, elsewhere: Elsewhere, path: str
) -> None:
    places = {"host": stage.line.api_url.split("/")[2], "other": elsewhere.url.removeprefix("http://")}
    seen: list[str] = []
    stage.line.sees = lambda request, _: seen.append(request.raw_path)
    # By hand: a client would make the path plain before it is sent.
    raw = "/files-pri/" + path.format(**places)
    assert await ask_raw(stage, raw) in (403, 404)
    assert (seen, elsewhere.requests) == ([], [])


async def ask_raw(stage: Stage, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port)
    token = stage.gateway.local_token.reveal()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
    )
    head = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return int(head.split()[1])


async def test_a_redirect_to_another_host_is_not_followed(stage: Stage, elsewhere: Elsewhere) -> None:
    url = (await file_of(stage))["url_private"]

    async def lead_away(_: str, __: dict[str, str]) -> web.Response | None:
        return web.Response(status=302, headers={"Location": f"{elsewhere.url}/files-pri/T1-F1/x"})

    stage.line.before = lead_away
    assert (await fetch(stage, url))[0] == 403
    assert elsewhere.requests == []


async def test_a_redirect_to_a_file_of_the_upstream_is_followed(stage: Stage) -> None:
    url = (await file_of(stage))["url_private"]

    async def lead_on(path: str, _: dict[str, str]) -> web.Response | None:
        real = path.replace("/old/", "/files-pri/", 1)
        if path.startswith("/files-pri/moved/"):
            return web.Response(status=302, headers={"Location": path.replace("moved/", "", 1)})
        return None if real == path else web.Response(status=500)

    stage.line.before = lead_on
    moved = url.replace("/files-pri/T", "/files-pri/moved/T")
    assert (await fetch(stage, moved))[1] == PICTURE


async def test_redirects_without_end_are_an_error(stage: Stage) -> None:
    url = (await file_of(stage))["url_private"]

    async def turn(path: str, _: dict[str, str]) -> web.Response | None:
        return web.Response(status=302, headers={"Location": path})

    stage.line.before = turn
    assert (await fetch(stage, url))[0] == 502


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": 302, "headers": {"Location": "/signin?redir=x"}}, 403),
        ({"status": 200, "text": "<html>sign in", "content_type": "text/html"}, 403),
        ({"status": 401}, 403),
        ({"status": 404}, 404),
        ({"status": 503}, 502),
    ],
)
async def test_what_is_no_file_is_an_error(stage: Stage, answer: dict[str, Any], status: int) -> None:
    url = (await file_of(stage))["url_private"]

    async def fail(_: str, __: dict[str, str]) -> web.Response | None:
        return web.Response(**answer)

    stage.line.before = fail
    code, body, _ = await fetch(stage, url)
    assert code == status
    assert b"<html>" not in body


async def test_only_reading_is_served(stage: Stage) -> None:
    url = (await file_of(stage))["url_private"]
    assert (await fetch(stage, url, verb="POST"))[0] == 405


async def test_what_a_bot_sends_has_the_urls_of_the_upstream(stage: Stage) -> None:
    file = await file_of(stage)
    native = (await stage.upstream.ok("alice", "files.info", file=file["id"]))["file"]["url_private"]
    await stage.ok("chat.postMessage", channel=stage.general, text=f"see <{file['url_private']}>")
    (stored,) = await stage.upstream.history("alice", stage.general, limit=1)
    assert stored["text"].partition("/files-pri/")[2] == native.partition("/files-pri/")[2] + ">"
    assert str(stage.gateway.port) not in stored["text"]
