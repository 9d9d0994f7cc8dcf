"""Calls of the upstream's Web API: bounds, repetitions, and what is known after a failure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from crooked import limited, refused
from tautwire.gateway.upstream import api as module
from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError, form
from tautwire.protocol.tokens import Token

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Upstream:
    """A server that answers as a test says."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.bodies: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.text())
        return self.answers.pop(0)


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[Upstream, Api]]:
    found = Upstream()
    application = web.Application()
    application.router.add_post("/api/{method}", found.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = Api(f"http://127.0.0.1:{runner.addresses[0][1]}/api/", Token("xoxb-secret-secret-secret"))
    yield found, api
    await api.close()
    await runner.cleanup()


def good(**members: object) -> web.Response:
    return web.json_response({"ok": True, **members})


async def test_a_reading_call_is_repeated(upstream: tuple[Upstream, Api], monkeypatch: pytest.MonkeyPatch) -> None:
    server, api = upstream
    monkeypatch.setattr(asyncio, "sleep", _no_sleep)
    server.answers = [limited(3), web.Response(status=503), good(value=7)]
    assert (await api.read("x", a="b")).get("value") == 7
    assert server.bodies == ["a=b"] * 3


async def _no_sleep(delay: float) -> None:
    assert delay <= 60


async def test_a_reading_call_fails_in_the_end(upstream: tuple[Upstream, Api], monkeypatch: pytest.MonkeyPatch) -> None:
    server, api = upstream
    monkeypatch.setattr(asyncio, "sleep", _no_sleep)
    server.answers = [web.Response(status=503) for _ in range(3)]
    with pytest.raises(UpstreamError):
        await api.read("x")
    server.answers = [limited(1) for _ in range(3)]
    with pytest.raises(RefusedError, match="ratelimited"):
        await api.read("x")
    server.answers = [limited(3_000)]
    with pytest.raises(RefusedError, match="ratelimited"):
        await api.read("x")
    server.answers = [refused("missing_scope", needed="chat:write")]
    with pytest.raises(RefusedError, match="the scope chat:write is missing") as caught:
        await api.read("x")
    assert caught.value.code == "missing_scope"


@pytest.mark.parametrize("header", ["soon", "", "-5"])
async def test_a_limit_that_says_no_time_is_waited_for(upstream: tuple[Upstream, Api], header: str) -> None:
    server, api = upstream
    server.answers = [web.Response(status=429, text="slow down", headers={"Retry-After": header})]
    answer = await api.call("x", {})
    assert answer.retry_after == (0.0 if header == "-5" else module.DEFAULT_RETRY_AFTER)
    assert not answer.is_ok


async def test_an_answer_is_bounded(upstream: tuple[Upstream, Api], monkeypatch: pytest.MonkeyPatch) -> None:
    server, api = upstream
    monkeypatch.setattr(module, "MAX_ANSWER", 1_000)
    server.answers = [good(text="x" * 2_000)]
    with pytest.raises(UpstreamError, match="more than 1000 bytes") as caught:
        await api.call("x", {})
    assert caught.value.was_sent


@pytest.mark.parametrize("body", ["[]", "{", "<html>", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")])
async def test_an_answer_that_is_no_object_is_none(upstream: tuple[Upstream, Api], body: str | bytes) -> None:
    server, api = upstream
    server.answers = [web.Response(body=body.encode() if isinstance(body, str) else body)]
    with pytest.raises(UpstreamError):
        await api.call("x", {})


async def test_a_list_does_not_go_on_for_ever(upstream: tuple[Upstream, Api], monkeypatch: pytest.MonkeyPatch) -> None:
    server, api = upstream
    monkeypatch.setattr(module, "MAX_PAGES", 3)
    server.answers = [good(items=[number], response_metadata={"next_cursor": "more"}) for number in range(3)]
    with pytest.raises(UpstreamError, match="more than 3 pages"):
        await pages(api)
    assert server.bodies == ["limit=200", *["limit=200&cursor=more"] * 2]
    server.answers = [good(items=7)]
    assert await pages(api) == [[]]


async def pages(api: Api) -> list[list[object]]:
    return [page async for page in api.pages("x", "items")]


async def test_a_host_that_is_not_there_got_nothing() -> None:
    api = Api("http://127.0.0.1:1/api/", Token("xoxb-secret-secret-secret"))
    with pytest.raises(UpstreamError, match=r"127\.0\.0\.1 cannot be reached") as caught:
        await api.call("x", {})
    assert not caught.value.was_sent
    await api.close()


def test_arguments_are_a_form() -> None:
    given = {"text": "a", "flag": True, "count": 7, "blocks": [{"a": 1}], "nothing": None}
    assert form(given) == {"text": "a", "flag": "true", "count": "7", "blocks": '[{"a":1}]'}
