"""Anything at all as a request, or as the arguments of a method: no answer is an internal error."""

import asyncio
import json
import re
import time
from functools import partial
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from odd_requests import streams
from samples import VIEW, stream
from scene import PATIENCE, Scene
from tautwire.server.app import FAMILIES
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.arguments import convert, read_arguments
from tautwire.server.web_api.bodies import Bodies, TooBig
from tautwire.server.web_api.method import METHODS
from uploader import store

assert FAMILIES
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

ODDITIES = (
    *("", " ", "0", "1", "-1", "true", "null", "[]", "{}", "[1,", '["U1"]', "1e3", "9" * 5_000, "x" * 5_000),
    *("1700000000.000001", "0000000000.000000", "9999999999.999999", "now", "general", "#general", "@bob", "ops"),
    *("C1", "D1", "U1", "USLACKBOT", "bmV4dDo1", "bmV4dDotNQ==", "\x00", "\ud83d", "\U0001f600", "away", "tada"),
    *("public_channel,im", "<@U1> <https://x.test|y> & <", "invalid", "ratelimited", "[" * 2_000, "[" * 99 + "]" * 99),
)
KINDS = (
    *("application/json", "application/json; charset=utf-8", "application/json; charset=", "text/plain", "", ";"),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data"),
)

TEXTS = st.text(max_size=20) | st.sampled_from(ODDITIES)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A served method and arguments for it; names in braces stand for what exists."""
    name = draw(st.sampled_from(sorted(METHODS)))
    arguments: dict[str, Any] = {}
    for field in METHODS[name].arguments.__struct_fields__:
        real = {
            "channel": st.sampled_from(["{general}", "{ops}", "{direct}", "{bob}"]),
            "channel_id": st.sampled_from(["{general}", "{direct}", "{apps}"]),
            "ts": st.sampled_from(["{parent}", "{reply}", "{stream}"]),
            "timestamp": st.just("{parent}"),
            "message_ts": st.just("{parent}"),
            "post_at": st.integers(1, 9).map(lambda days: int(time.time()) + days * 86_400),
            "chunks": st.just([{"type": "markdown_text", "text": "*x*"}, {"type": "task_update", "id": "1"}]),
            "recipient_user_id": st.just("{alice}"),
            "recipient_team_id": st.just("{team}"),
            "unfurls": st.just({"https://x.test": {"text": "x"}}),
            "thread_ts": st.sampled_from(["{parent}", "{reply}"]),
            "file": st.sampled_from(["{file}", "F0"]),
            "files": st.just([{"id": "{file}"}]),
            "view": st.sampled_from([VIEW, {"type": "home", "blocks": []}]),
            "view_id": st.just("{view}"),
            "user_id": st.just("{alice}"),
            "bot": st.just("{bot}"),
            "app_id": st.just("{app}"),
            "attachments": st.just([{"text": "x", "blocks": [{"type": "divider"}]}]),
            "user": st.sampled_from(["{alice}", "{bob}"]),
            "users": st.sampled_from(["{alice}", "{bob}", "{alice},{bob}", ["{bob}", "{carol}"]]),
        }.get(field, st.nothing())
        if draw(st.booleans()):
            arguments[field] = draw(real | real | VALUES)
    if name == "auth.revoke":
        arguments["test"] = True  # or the next calls would all be refused
    return name, arguments


def filled_in(value: Any, facts: dict[str, str]) -> Any:
    match value:
        case str() if "{" in value:
            for name, fact in facts.items():
                value = value.replace("{" + name + "}", fact)
            return value
        case list():
            return [filled_in(item, facts) for item in value]
        case dict():
            return {name: filled_in(item, facts) for name, item in value.items()}
        case _:
            return value


async def facts_of(scene: Scene) -> dict[str, str]:
    parent = await scene.post("alice", scene.general, "parent https://x.test")
    reply = await scene.post("bob", scene.general, "reply", thread_ts=parent)
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    apps = (await scene.ok("alice", "conversations.open", users=scene.users["relaybot"]))["channel"]["id"]
    growing = await stream(scene, "relaybot", scene.general)
    facts = {"general": scene.general, "ops": scene.ops, "direct": direct, "parent": parent, "reply": reply}
    bot = (await scene.ok("relaybot", "auth.test"))["bot_id"]
    app = (await scene.ok("relaybot", "bots.info", bot=bot))["bot"]["app_id"]
    trigger = scene.server.workspace.triggers.issue(app, scene.users["alice"])
    view = (await scene.ok("relaybot", "views.open", trigger_id=trigger, view=VIEW))["view"]["id"]
    facts |= {"bot": bot, "app": app, "view": view, "file": await store(scene, "alice", b"hello")}
    facts |= {"apps": apps, "stream": growing, "team": str(scene.directory.team["id"])}
    return facts | scene.users


@settings(SETTINGS, max_examples=250)
@given(call=calls(), who=st.sampled_from(["alice", "relaybot"]), in_json=st.booleans())
async def test_no_arguments_break_a_method(
    scene: Scene, call: tuple[str, dict[str, Any]], who: str, in_json: bool
) -> None:
    """``Scene.call`` and the socket's reading check every answer and every event."""
    method, arguments = call
    arguments = {name: filled_in(value, await facts_of(scene)) for name, value in arguments.items()}
    alice = await scene.connect("alice")
    if in_json:
        body = json.dumps(arguments).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", **scene.bearer(who)}
        answer = await scene.request("POST", method, data=body, headers=headers)
        assert answer.status == 200
        assert method == "api.test" or answer.body.get("error") not in ("internal_error", "service_unavailable")
    else:
        form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in arguments.items()}
        form = {name: value.encode(errors="replace").decode() for name, value in form.items()}
        await scene.call(who, method, **form)
    await alice.fence()
    await alice.close()


@settings(SETTINGS, max_examples=300)
@given(call=calls())
@example(call=("chat.postEphemeral", {"reply_broadcast": "\ud83d"}))
def test_converting_arguments_raises_nothing_but_refusals(call: tuple[str, dict[str, Any]]) -> None:
    method, arguments = call
    try:
        converted = convert(arguments, METHODS[method].arguments)
    except MethodError as refusal:
        code = refusal.code
    else:
        assert isinstance(converted, METHODS[method].arguments)
        return
    assert code.startswith("invalid_")


@settings(SETTINGS, max_examples=300)
@given(
    query=st.binary(max_size=30),
    parts=st.lists(st.binary(max_size=60), min_size=1, max_size=3),
    kind=st.sampled_from(KINDS) | st.text(st.characters(max_codepoint=255), max_size=20),
    is_multipart=st.booleans(),
)
async def test_reading_arguments_raises_nothing_but_refusals(
    query: bytes, parts: list[bytes], kind: str, is_multipart: bool
) -> None:
    if is_multipart:
        parts = [b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n', *parts, b"\r\n--x--\r\n"]
    waiting = list(parts)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    read_body = partial(Bodies(150).read, receive, is_known=True)
    try:
        found, warnings = await read_arguments(query, {"content-type": kind} if kind else {}, read_body)
    except (MethodError, TooBig) as refusal:
        code = getattr(refusal, "code", "request_too_large")
    else:
        assert all(isinstance(name, str) for name in found)
        assert warnings in ([], ["missing_charset"])
        return
    assert code.startswith(("invalid_", "json_not_object", "missing_post_type", "request_too_large"))


@settings(SETTINGS, max_examples=250)
@given(requests=streams() | st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4))
async def test_no_bytes_break_the_http_server(scene: Scene, requests: list[bytes]) -> None:
    """The errors that a server logs are looked at by the fixture."""
    token = scene.tokens["alice"].encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    received = b""
    async with asyncio.timeout(PATIENCE):
        try:
            for chunk in requests:
                writer.write(chunk.replace(b"{token}", token))
                await asyncio.sleep(0.002)
            writer.write_eof()
        except (OSError, RuntimeError):
            pass  # ended by the server while the test writes; uvloop has RuntimeError for that
        try:
            received = await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
    if received:
        assert received.startswith(b"HTTP/1.1 ")
    for status in re.findall(rb"(?:^|})HTTP/1.1 (\d+)", received):
        assert int(status) < 500
    assert b"internal_error" not in received
    await scene.ok("alice", "auth.test")
