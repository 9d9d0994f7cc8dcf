"""The Web API at the gateway: the upstream's, as old bots call it."""

import json
from typing import Any

import msgspec
import pytest
from aiohttp import web

from crooked import limited
from stage import Stage
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
    assert "tautwire_upstream_connected 1.0" in text
    assert 'tautwire_proxy_calls_total{outcome="ok"} 1.0' in text
    assert 'tautwire_upstream_events_total{as="stored"} 0.0' in text
