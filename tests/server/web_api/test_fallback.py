"""Methods that are not served here: a fallback answers them, or says that it does not serve them either."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlencode

import pytest

from scene import OpenScene, Scene
from tautwire.server.services.access.limits import RateLimited
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.app import Request, WebApi
from tautwire.server.web_api.fallback import BrokenStreamError, Fallback, Passed, Stream
from tautwire.server.web_api.method import Answer

FORM = "application/x-www-form-urlencoded"


def web_api_of(scene: Scene, fallback: Fallback) -> WebApi:
    """Return a door to the workspace with a fallback."""
    workspace = scene.server.workspace
    return WebApi(lambda _: workspace, workspace.settings, workspace.clock, workspace.counts, fallback=fallback)


class Elsewhere:
    """A fallback that keeps what it was asked, and answers or raises what the test wants."""

    open_sink = None

    def __init__(self, outcome: Answer | Stream | Exception | None) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []

    async def __call__(self, passed: Passed) -> Answer | Stream | None:
        self.asked.append((passed.name, passed.who.name if passed.who else None, dict(passed.given)))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def ask(
    scene: Scene, fallback: Fallback | None, name: str, *, bearer: str | None = None, **arguments: str
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Call a method of the workspace of the scene through a door with this fallback."""
    web_api = web_api_of(scene, fallback)
    body = urlencode(arguments).encode()
    headers = {"content-type": FORM} | ({"authorization": f"Bearer {bearer}"} if bearer is not None else {})

    async def read_body(*, is_known: bool) -> bytes:
        return body

    reply = await web_api.answer(Request(name, b"", headers, "http://127.0.0.1", "127.0.0.1"), read_body)
    sent = {name.decode(): value.decode() for name, value in reply.headers}
    return reply.status, sent, json.loads(b"".join(reply.body))


def errors_counted(scene: Scene) -> set[str]:
    return {error for _, error in scene.server.workspace.counts.answers}


async def test_a_fallback_answers_for_methods_that_are_not_served(scene: Scene) -> None:
    elsewhere = Elsewhere({"items": [1, 2]})
    status, _, body = await ask(
        scene, elsewhere, "reminders.list", bearer=scene.tokens["alice"], channel="C1", limit="2"
    )

    assert (status, body) == (200, {"ok": True, "items": [1, 2]})
    assert elsewhere.asked == [("reminders.list", "alice", {"channel": "C1", "limit": "2"})]


async def test_a_fallback_answers_for_retired_methods_too(scene: Scene) -> None:
    elsewhere = Elsewhere({"group": {}})
    _, _, body = await ask(scene, elsewhere, "groups.createChild", bearer=scene.tokens["alice"])

    assert body == {"ok": True, "group": {}}


async def test_a_fallback_is_not_asked_for_served_methods(scene: Scene) -> None:
    elsewhere = Elsewhere({})
    _, _, body = await ask(scene, elsewhere, "auth.test", bearer=scene.tokens["alice"])

    assert body["user"] == "alice"
    assert elsewhere.asked == []


@pytest.mark.parametrize("name", ["reminders.list", "channels.delete", "no.such"])
async def test_what_the_fallback_does_not_serve_is_unknown_as_without_one(scene: Scene, name: str) -> None:
    elsewhere = Elsewhere(None)
    answers = [await ask(scene, fallback, name, bearer=scene.tokens["alice"]) for fallback in (elsewhere, None)]

    assert answers[0] == answers[1]
    assert answers[0][2]["error"] in ("unknown_method", "method_deprecated")
    assert len(elsewhere.asked) == 1


async def test_a_fallback_that_raises_costs_its_call_and_no_other(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = Elsewhere(RuntimeError("a defect"))
    status, _, body = await ask(scene, elsewhere, "reminders.list", bearer=scene.tokens["alice"])

    assert (status, body) == (200, {"ok": False, "error": "internal_error"})
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "reminders.list failed"
    assert scene.tokens["alice"] not in caplog.text
    caplog.clear()
    elsewhere.outcome = {"items": []}
    assert (await ask(scene, elsewhere, "reminders.list", bearer=scene.tokens["alice"]))[2]["ok"]
    assert (await ask(scene, elsewhere, "auth.test", bearer=scene.tokens["alice"]))[2]["ok"]
    assert "internal_error" in errors_counted(scene)


@pytest.mark.parametrize("answer", [{"item": object()}, {"when": {("a", "b"): 1}}, ["no", "members"]])
async def test_an_answer_that_json_does_not_have_is_an_internal_error(
    scene: Scene, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    status, _, body = await ask(scene, Elsewhere(answer), "reminders.list", bearer=scene.tokens["alice"])

    assert (status, body) == (200, {"ok": False, "error": "internal_error"})
    assert [record.levelname for record in caplog.records if "reminders.list" in record.getMessage()] == ["ERROR"]
    assert "internal_error" in errors_counted(scene)
    caplog.clear()


async def test_a_fallback_may_refuse(scene: Scene) -> None:
    elsewhere = Elsewhere(MethodError("no_pin", detail="not pinned"))
    _, _, body = await ask(scene, elsewhere, "reminders.delete", bearer=scene.tokens["alice"])

    assert body == {"ok": False, "error": "no_pin", "detail": "not pinned"}


async def test_an_answer_that_failed_elsewhere_is_passed_on(scene: Scene) -> None:
    elsewhere = Elsewhere({"ok": False, "error": "no_pin"})
    _, _, body = await ask(scene, elsewhere, "reminders.delete", bearer=scene.tokens["alice"])

    assert body == {"ok": False, "error": "no_pin"}


async def test_a_rate_limit_elsewhere_has_its_status_and_header(scene: Scene) -> None:
    status, headers, body = await ask(scene, Elsewhere(RateLimited(7)), "reminders.list", bearer=scene.tokens["alice"])

    assert (status, headers["retry-after"], body["error"]) == (429, "7", "ratelimited")


async def test_errors_from_elsewhere_make_one_counter(scene: Scene) -> None:
    for number in range(5):
        await ask(scene, Elsewhere(MethodError(f"odd_{number}")), "reminders.list")

    assert not {error for error in errors_counted(scene) if error.startswith("odd")}
    assert "fallback" in errors_counted(scene)


@pytest.mark.parametrize("in_header", [True, False])
async def test_a_fallback_learns_who_calls_and_never_the_token(scene: Scene, in_header: bool) -> None:
    elsewhere = Elsewhere({})
    token = scene.tokens["bob"]
    await ask(scene, elsewhere, "reminders.list", **({"bearer": token} if in_header else {"token": token}))

    assert elsewhere.asked == [("reminders.list", "bob", {})]


async def test_a_call_without_a_token_reaches_the_fallback_as_one(scene: Scene) -> None:
    elsewhere = Elsewhere({})
    await ask(scene, elsewhere, "oauth.v2.exchange", code="x")

    assert elsewhere.asked == [("oauth.v2.exchange", None, {"code": "x"})]


@pytest.mark.parametrize("place", ["bearer", "token"])
async def test_a_wrong_token_is_refused_before_the_fallback(scene: Scene, place: str) -> None:
    elsewhere = Elsewhere({})
    _, _, body = await ask(scene, elsewhere, "reminders.list", **{place: "xoxb-wrong"})

    assert body == {"ok": False, "error": "invalid_auth"}
    assert elsewhere.asked == []


async def test_guesses_of_tokens_are_limited_there_too(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    web_api = web_api_of(scene, Elsewhere({}))

    async def read_body(*, is_known: bool) -> bytes:
        return b""

    request = Request("reminders.list", b"", {"authorization": "Bearer xoxb-wrong"}, "http://127.0.0.1", "127.0.0.1")
    answers = {json.loads((await web_api.answer(request, read_body)).body[0])["error"] for _ in range(100)}
    assert answers == {"invalid_auth", "ratelimited"}


@pytest.mark.parametrize("name", ["", "a/b", "reminders.list\n", "x" * 101, "pins list", "pïns.list"])
async def test_a_fallback_is_asked_for_plain_names_only(scene: Scene, name: str) -> None:
    elsewhere = Elsewhere({})
    _, _, body = await ask(scene, elsewhere, name)

    assert body["error"] == "unknown_method"
    assert elsewhere.asked == []


@pytest.mark.parametrize("breaks", [True, False])
async def test_an_answer_may_come_as_a_stream(scene: Scene, breaks: bool, caplog: pytest.LogCaptureFixture) -> None:
    closed: list[bool] = []

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b'{"ok":true,'
        if breaks:
            raise BrokenStreamError("it ends here")
        yield b'"items":[]}'

    async def close() -> None:
        closed.append(True)

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "path": "/api/reminders.list", "method": "POST", "query_string": b"", "client": None,
        "scheme": "http", "server": ("127.0.0.1", 80),
        "headers": [(b"authorization", f"Bearer {scene.tokens['alice']}".encode())],
    }  # fmt: skip
    await web_api_of(scene, Elsewhere(Stream(pieces(), close)))(scope, receive, send)
    headers = dict(sent[0]["headers"])
    assert b"content-length" not in headers
    assert b"identify" in headers[b"x-oauth-scopes"]
    assert b"".join(each["body"] for each in sent[1:]) == b'{"ok":true,' + (b"" if breaks else b'"items":[]}')
    assert sent[-1].get("more_body", False) is breaks, "a broken answer has no end"
    assert closed == [True]
    assert ("broke off" in caplog.text) is breaks
