"""The Web API at the gateway: the upstream's, as old bots call it."""

import asyncio
import json
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from crooked import limited, refused
from scene import TurnedClock, eventually
from stage import OpenStage, Stage
from tautwire.gateway.proxy import calls
from tautwire.gateway.translate import retired
from tautwire.server.web_api.methods.retired import ALIASES


async def test_a_call_is_passed_on_with_its_arguments_and_its_answer(stage: Stage) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*hi*"}}]
    answer = await stage.ok("chat.postMessage", channel=stage.general, text="hi", blocks=blocks, as_user="true")
    (stored,) = await stage.upstream.history("alice", stage.general, limit=1)
    assert answer["message"]["text"] == "hi"
    assert answer["ts"] == stored["ts"]
    assert stored["blocks"][0]["text"]["text"] == "*hi*"
    method, arguments = stage.line.calls[-1]
    assert method == "chat.postMessage"
    assert "as_user" not in arguments
    assert "token" not in arguments


@pytest.mark.parametrize("way", ["header", "form", "query", "json"])
async def test_the_local_token_may_be_where_old_bots_put_it(stage: Stage, way: str) -> None:
    token, url = stage.gateway.local_token.reveal(), stage.gateway.api_url + "auth.test"
    options: dict[str, Any] = {
        "header": {"headers": {"Authorization": f"Bearer {token}"}},
        "form": {"data": {"token": token}},
        "query": {"params": {"token": token}},
        "json": {"json": {"token": token}},
    }[way]
    async with stage.upstream.http.post(url, **options) as response:
        answer = json.loads(await response.read())
        assert response.headers["X-OAuth-Scopes"] == "identify,bot:basic"
    assert (answer["ok"], answer["user_id"], answer["user"]) == (True, stage.bot, "desk")
    assert all(token not in str(call) for call in stage.line.calls)


async def test_a_refusal_is_passed_on_with_its_members(stage: Stage) -> None:
    async def refuse(method: str, _: dict[str, str]) -> web.Response:
        body = {"ok": False, "error": "missing_scope", "needed": "pins:write", "self": "s", "code": 1}
        return web.json_response(body)

    stage.line.before = refuse
    answer = await stage.request("pins.add", channel=stage.general)
    assert answer == {"ok": False, "error": "missing_scope", "needed": "pins:write", "self": "s", "code": 1}


async def test_retry_after_is_passed_on(stage: Stage) -> None:
    async def limit(method: str, _: dict[str, str]) -> web.Response:
        return limited(7)

    stage.line.before = limit
    headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
    async with stage.upstream.http.post(stage.gateway.api_url + "users.list", headers=headers) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize("status", [500, 302])
async def test_an_upstream_without_an_answer_is_service_unavailable(stage: Stage, status: int) -> None:
    async def fail(method: str, _: dict[str, str]) -> web.Response:
        return web.Response(status=status, text="<html>", headers={"Location": "http://127.0.0.1:9/api/"})

    stage.line.before = fail
    assert (await stage.request("users.list"))["error"] == "service_unavailable"


@pytest.mark.parametrize("method", ["auth.revoke", "apps.uninstall"])
async def test_a_bot_cannot_end_the_app(stage: Stage, method: str) -> None:
    assert (await stage.request(method))["error"] == "not_allowed_token_type"
    assert stage.line.count(method) == 0


async def test_without_a_token_only_api_test_is_answered(stage: Stage) -> None:
    async with stage.upstream.http.post(stage.gateway.api_url + "api.test", data={"foo": "1"}) as response:
        assert json.loads(await response.read()) == {"ok": True, "args": {"foo": "1"}}
    async with stage.upstream.http.post(stage.gateway.api_url + "users.list") as response:
        assert json.loads(await response.read())["error"] == "not_authed"


async def test_retired_methods_are_answered_as_they_were(stage: Stage) -> None:
    """The upstream would serve them too; here it gets today's methods only."""
    alice = stage.upstream.users["alice"]
    channels = (await stage.ok("channels.list"))["channels"]
    assert {each["name"] for each in channels} == {"general", "lounge"}
    assert [each["name"] for each in (await stage.ok("groups.list"))["groups"]] == ["ops"]
    opened = await stage.ok("im.open", user=alice)
    assert [each["id"] for each in (await stage.ok("im.list"))["ims"]] == [opened["channel"]["id"]]
    ts = (await stage.ok("chat.postMessage", channel=opened["channel"]["id"], text="psst"))["ts"]
    history = await stage.ok("im.history", channel=opened["channel"]["id"], count="1")
    assert ([each["ts"] for each in history["messages"]], history["has_more"]) == ([ts], False)
    assert (await stage.ok("channels.info", channel=stage.general))["channel"]["name"] == "general"
    assert (await stage.ok("groups.info", channel=stage.ops))["group"]["name"] == "ops"
    assert (await stage.ok("channels.join", name="#lounge"))["channel"]["name"] == "lounge"
    assert (await stage.ok("channels.join", name="fresh"))["channel"]["name"] == "fresh"
    assert (await stage.ok("groups.create", name="secret"))["group"]["is_private"]
    assert (await stage.ok("channels.setTopic", channel=stage.general, topic="tea"))["topic"] == "tea"
    assert (await stage.request("channels.info", channel="C0000000000"))["error"] == "channel_not_found"
    assert (await stage.ok("presence.set", presence="active"))["ok"]
    families = {method.partition(".")[0] for method, _ in stage.line.calls}
    assert families.isdisjoint({"channels", "groups", "im", "mpim", "presence"})


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: alias.name)
def test_every_retired_method_has_a_plan(alias: Any) -> None:
    given = dict.fromkeys((*alias.needs, *alias.takes), "x")
    if alias.name == retired.BY_NAME:
        return
    plan = retired.plan(alias.name, given)
    assert plan is not None
    assert plan.method == alias.successor
    if alias.function is None and alias.name not in retired.FEW:
        assert plan.arguments.keys() == {alias.sends.get(each, each) for each in given}
        assert plan.gives == alias.gives
    answer = {name: msgspec.Raw(b"1") for name in plan.gives}
    assert retired.answer(plan, answer).keys() == set(plan.gives.values())


def test_a_method_of_today_has_no_plan() -> None:
    assert retired.plan("conversations.list", {}) is None


async def test_rtm_start_describes_the_whole_workspace(stage: Stage) -> None:
    await stage.ok("conversations.open", users=f"{stage.upstream.users['alice']},{stage.upstream.users['bob']}")
    await stage.ok("conversations.open", users=stage.upstream.users["alice"])
    answer = await stage.ok("rtm.start", mpim_aware="1")
    native = await stage.upstream.ok("desk", "rtm.start", mpim_aware="1")
    assert answer["self"]["id"] == native["self"]["id"]
    assert answer["team"]["domain"] == "acme"
    for name in ("users", "channels", "groups", "ims", "mpims"):
        assert {each["id"] for each in answer[name]} == {each["id"] for each in native[name]}, name
    general = next(each for each in answer["channels"] if each["name"] == "general")
    assert stage.bot in general["members"]
    assert {each["name"] for each in answer["bots"]} == {"desk", "relaybot"}
    assert {each["id"] for each in answer["bots"]} <= {each["id"] for each in native["bots"]}
    assert native.keys() <= answer.keys()
    socket = await stage.dial(answer)
    assert (await socket.frame())["type"] == "hello"
    calls = stage.line.count("users.list")
    unaware = await stage.ok("rtm.start")
    assert stage.line.count("users.list") == calls, "the lists are kept for a while"
    assert "mpims" not in unaware
    assert {each["id"] for each in unaware["groups"]} >= {each["id"] for each in answer["mpims"]}


async def test_presence_is_asked_of_the_upstream(stage: Stage) -> None:
    alice = stage.upstream.users["alice"]
    socket = await stage.connect()
    await socket.send(type="presence_query", ids=[alice])
    frame = await socket.until("presence_change")
    assert (frame["user"], frame["presence"]) == (alice, "away")
    batching = await stage.connect(batch_presence_aware="1")
    await batching.send(type="presence_sub", ids=[alice])
    frame = await batching.until("presence_change")
    assert (frame["users"], frame["presence"]) == ([alice], "away")


async def test_metrics_of_the_upstream(stage: Stage) -> None:
    await stage.ok("auth.test")
    async with stage.upstream.http.get(stage.gateway.api_url.replace("/api/", "/metrics")) as response:
        text = await response.text()
    assert 'tautwire_upstream_connected{bot="bot"} 1.0' in text
    assert 'tautwire_proxy_calls_total{bot="bot",outcome="ok"} 1.0' in text
    assert 'tautwire_upstream_events_total{as="stored",bot="bot"} 0.0' in text


async def test_a_long_answer_is_passed_on_as_it_comes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the answer is held back, and the bot has its beginning."""
    monkeypatch.setattr("tautwire.gateway.proxy.calls.HEAD", 1_000)
    body, gate = json.dumps({"ok": True, "items": ["x" * 1_000] * 400}).encode(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(body[:200_000])
        await gate.wait()
        await response.write(body[200_000:])
        return response

    stage.line.streams = {"stars.list": slow}
    headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
    async with stage.upstream.http.post(stage.gateway.api_url + "stars.list", headers=headers) as response:
        found = await response.content.readexactly(150_000)
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        gate.set()
        found += await response.content.read()
    assert found == body


async def test_a_long_answer_that_breaks_off_is_not_whole_for_the_bot(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tautwire.gateway.proxy.calls.HEAD", 1_000)

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500000"})
        await response.prepare(request)
        await response.write(b'{"ok":true,"items":["' + b"x" * 100_000)
        assert request.transport is not None
        request.transport.close()
        return response

    stage.line.streams = {"stars.list": broken}
    headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
    with pytest.raises(aiohttp.ClientError):
        async with stage.upstream.http.post(stage.gateway.api_url + "stars.list", headers=headers) as response:
            await response.read()
    assert "broke off" in caplog.text
    caplog.clear()  # uvicorn says that the response has no end
    assert (await stage.ok("auth.test"))["user"] == "desk"
    assert stage.gateway.relay.proxy.calls._places._value == calls.MAX_CALLS


async def test_a_bot_that_leaves_ends_the_call(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.proxy.calls.HEAD", 1_000)
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 10_000)
                await asyncio.sleep(0)
        except ConnectionError:
            return response
        finally:
            ended.set()

    stage.line.streams = {"stars.list": endless}
    headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
    response = await stage.upstream.http.post(stage.gateway.api_url + "stars.list", headers=headers)
    await response.content.readexactly(100_000)
    response.close()
    await asyncio.wait_for(ended.wait(), 10)
    await eventually(lambda: stage.gateway.relay.proxy.calls._places._value == calls.MAX_CALLS)


async def test_a_long_list_that_is_changed_is_read_to_its_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.proxy.calls.HEAD", 100)
    assert {each["name"] for each in (await stage.ok("channels.list"))["channels"]} == {"general", "lounge"}
    monkeypatch.setattr("tautwire.gateway.proxy.calls.MAX_ANSWER", 200)
    assert (await stage.request("channels.list"))["error"] == "service_unavailable"


async def test_users_have_their_presence_if_it_is_asked_for(open_stage: OpenStage) -> None:
    stage = await open_stage(presence_budget=1_000)
    person = await stage.upstream.connect("alice")
    first = await stage.ok("users.list", presence="1")
    assert {each["presence"] for each in first["members"]} == {"away"}, "nothing is known yet"
    await eventually(lambda: stage.line.count("users.getPresence") >= len(first["members"]))
    await eventually(lambda: len(stage.gateway.relay.presence._seen) >= len(first["members"]))
    second = await stage.ok("users.list", presence="true")
    states = {each["name"]: each["presence"] for each in second["members"]}
    assert (states["alice"], states["bob"]) == ("active", "away")
    assert all("presence" not in each for each in (await stage.ok("users.list", presence="0"))["members"])
    await person.close()


@pytest.mark.parametrize("has_scope", [True, False])
async def test_a_name_of_its_own_needs_the_scope(
    stage: Stage, caplog: pytest.LogCaptureFixture, has_scope: bool
) -> None:
    stage.line.scopes = "chat:write" + (",chat:write.customize" if has_scope else "")
    await stage.ok("auth.test")
    for _ in range(2):
        await stage.ok("chat.postMessage", channel=stage.general, text="hi", username="Old Bot", icon_emoji=":robot:")
    given = stage.line.calls[-1][1]
    assert ("username" in given, "icon_emoji" in given) == (has_scope, has_scope)
    lines = [record.getMessage() for record in caplog.records if "chat:write.customize" in record.getMessage()]
    assert len(lines) == (0 if has_scope else 1)
    if not has_scope:
        assert "oauth_config.scopes.bot" in lines[0]


async def test_a_name_that_is_refused_is_left_out(stage: Stage) -> None:
    """No answer has named the scopes yet."""
    stage.line.scopes = None
    stage.gateway.relay.proxy.calls.api.scopes._granted = None

    async def refuse(method: str, arguments: dict[str, str]) -> web.Response | None:
        return refused("missing_scope", needed="chat:write.customize") if "username" in arguments else None

    stage.line.before = refuse
    await stage.ok("chat.postMessage", channel=stage.general, text="hi", username="Old Bot")
    (stored,) = await stage.upstream.history("alice", stage.general, limit=1)
    assert stored["text"] == "hi"


async def test_names_are_linked_and_parse_is_today_s(stage: Stage) -> None:
    await stage.ok("chat.postMessage", channel=stage.general, text="@alice", link_names="1", parse="client")
    (stored,) = await stage.upstream.history("alice", stage.general, limit=1)
    assert stored["text"] == f"<@{stage.upstream.users['alice']}>"
    await stage.ok("chat.postMessage", channel=stage.general, text="#general", parse="full")
    (stored,) = await stage.upstream.history("alice", stage.general, limit=1)
    assert stored["text"].startswith(f"<#{stage.general}")


async def test_a_missing_scope_is_logged_with_the_change_once_an_hour(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        if method in ("pins.add", "pins.remove"):
            return refused("missing_scope", needed="pins:write")
        return refused("missing_scope", needed="chat:write") if method == "chat.postMessage" else None

    stage.line.before = refuse
    scopes = stage.gateway.relay.proxy.calls.api.scopes
    clock = scopes._clock = TurnedClock()

    def lines(scope: str) -> int:
        return sum(f"add {scope} to oauth_config.scopes.bot" in record.getMessage() for record in caplog.records)

    for method in ("pins.add", "pins.remove", "pins.add"):
        assert (await stage.request(method, channel=stage.general))["error"] == "missing_scope"
    assert lines("pins:write") == 1
    socket = await stage.connect()
    assert not (await socket.say(stage.general, "hi"))["ok"]
    assert lines("chat:write") == 1, "frames need scopes too"
    clock.offset = 3_601
    await stage.request("pins.add", channel=stage.general)
    assert (lines("pins:write"), lines("chat:write")) == (2, 1)


async def test_metrics_of_calls_and_sends(stage: Stage) -> None:
    answers = [limited(0.01), refused("not_in_channel")]

    async def fail(method: str, _: dict[str, str]) -> web.Response | None:
        if method == "chat.postMessage" and answers:
            return answers.pop(0)
        return limited(1) if method in ("pins.list", "no.such") else None

    stage.line.before = fail
    socket = await stage.connect()
    assert not (await socket.say(stage.general, "refused"))["ok"]
    assert (await socket.say(stage.general, "accepted"))["ok"]
    for method in ("pins.list", "no.such"):
        assert (await stage.request(method))["error"] == "ratelimited"
    async with stage.upstream.http.get(stage.gateway.api_url.replace("/api/", "/metrics")) as response:
        text = await response.text()
    assert 'tautwire_send_errors_total{bot="bot",error="not_in_channel"} 1.0' in text
    assert 'tautwire_send_seconds_count{bot="bot"} 2.0' in text
    assert 'tautwire_send_seconds_bucket{bot="bot",le="+Inf"} 2.0' in text
    assert 'tautwire_upstream_limited_total{bot="bot",method="pins.list"} 1.0' in text
    assert 'tautwire_upstream_limited_total{bot="bot",method="no.such"} 1.0' in text
    assert 'tautwire_upstream_limited_total{bot="bot",method="chat.postMessage"} 1.0' in text
    assert "tautwire_proxy_cache_hits_total" in text
