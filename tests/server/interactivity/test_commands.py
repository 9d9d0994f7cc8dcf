"""Slash commands from a person to an app and back, in Socket Mode."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from asked import SOCKET_SEED, SocketApp, command, open_controlled, use
from controlled import operate, refusal
from scene import OpenScene, Scene
from tautwire.server.services.interactivity import requests


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_controlled(open_scene)


@pytest.fixture
async def app(scene: Scene) -> AsyncIterator[SocketApp]:
    app = await SocketApp.connected(scene)
    yield app
    await app.close()


async def test_a_command_has_the_documented_fields_as_texts(scene: Scene, app: SocketApp) -> None:
    outcome = await command(scene, "/deploy  web now ")
    frame = app.asked[0]
    assert (frame["type"], frame["accepts_response_payload"]) == ("slash_commands", True)
    payload = app.payload
    assert set(payload) == {
        "token", "team_id", "team_domain", "channel_id", "channel_name", "user_id", "user_name", "command", "text",
        "api_app_id", "is_enterprise_install", "response_url", "trigger_id",
    }  # fmt: skip
    assert all(isinstance(value, str) for value in payload.values())
    assert (payload["command"], payload["text"]) == ("/deploy", "web now")
    assert payload["is_enterprise_install"] == "false"
    assert (payload["user_id"], payload["channel_id"]) == (scene.users["alice"], scene.general)
    assert payload["response_url"].startswith(f"{scene.server.api_url.removesuffix('/api/')}/hooks/commands/")
    assert (outcome["error"], outcome["answer"], outcome["shown"]) == (None, None, [])
    assert await scene.history("alice", scene.general) == []


async def test_a_plain_answer_is_shown_to_the_person_alone(scene: Scene, app: SocketApp) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    app.answer = lambda _: {"text": "Done"}
    outcome = await command(scene, "/deploy")

    (frame,) = await alice.fence()
    assert (frame["text"], frame["is_ephemeral"], frame["app_id"]) == ("Done", True, app.side.id)
    assert await bob.fence() == []
    assert [message["text"] for message in outcome["shown"]] == ["Done"]
    assert await scene.history("alice", scene.general) == []


async def test_an_answer_for_all_shows_the_command_before_itself(scene: Scene, app: SocketApp) -> None:
    bob = await scene.connect("bob")
    app.answer = lambda _: {"text": "Ticket 8 opened", "response_type": "in_channel"}
    await command(scene, "/deploy web")
    typed, answer = await bob.fence()
    assert (typed["user"], typed["text"]) == (scene.users["alice"], "/deploy web")
    assert (answer["text"], answer["bot_id"][0]) == ("Ticket 8 opened", "B")


async def test_an_app_answers_where_its_bot_is_no_member(scene: Scene, app: SocketApp) -> None:
    app.answer = lambda _: {"text": "here", "response_type": "in_channel"}
    outcome = await command(scene, "/deploy", channel="ops")
    assert outcome["error"] is None
    assert app.payload["channel_name"] == "privategroup"
    assert [message["text"] for message in await scene.history("alice", scene.ops)] == ["here", "/deploy"]


async def test_names_become_links_for_an_app_that_wants_that(scene: Scene, app: SocketApp) -> None:
    await command(scene, "/invite @bob to #general and #ops, see https://x.test")
    bob = scene.users["bob"]
    assert app.payload["text"] == (
        f"<@{bob}|bob> to <#{scene.general}|general> and <#{scene.ops}|>, see <https://x.test>"
    )
    await command(scene, "/deploy @bob")
    assert app.payload["text"] == "@bob"


async def test_an_app_that_takes_too_long_is_asked_once(
    scene: Scene, app: SocketApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "TIME_LIMIT", 0.05)
    app.answer = lambda _: None
    outcome = await command(scene, "/deploy")
    assert (outcome["error"], outcome["shown"]) == ("operation_timeout", [])
    assert outcome["notice"] == '/deploy failed with the error "operation_timeout"'
    await app.socket.ack(await app.came(), payload={"text": "too late"})

    app.answer = lambda _: {"text": "in time"}
    monkeypatch.setattr(requests, "TIME_LIMIT", 3.0)
    assert (await command(scene, "/deploy"))["answer"] == {"text": "in time"}
    assert len(app.asked) == 2
    assert scene.server.workspace.requests.open_requests == 0
    assert await use(app.asked[0]["payload"]["response_url"], {"text": "late"}) == (200, "ok")


async def test_an_app_without_a_connection_is_not_waited_for(scene: Scene) -> None:
    assert (await command(scene, "/deploy"))["error"] == "dispatch_failed"


@pytest.mark.parametrize("payload", [[1], 7, "text", {"text": 7}, {"blocks": [{"type": "no"}]}, {"text": ["x"]}])
async def test_an_answer_that_cannot_be_used_is_an_error(scene: Scene, app: SocketApp, payload: object) -> None:
    app.answer = lambda _: payload
    outcome = await command(scene, "/deploy")
    assert (outcome["error"], outcome["shown"]) == ("dispatch_failed", [])


@pytest.mark.parametrize(
    "text", ["not json", '{"envelope_id": 7}', "[]", '{"payload": {}}', '{"envelope_id": "x", "payload": {']
)
async def test_garbage_on_the_socket_disturbs_no_request(scene: Scene, app: SocketApp, text: str) -> None:
    app.answer = lambda _: None
    asking = command(scene, "/deploy")

    async def answer() -> None:
        frame = await app.came()
        await app.socket.ws.send_str(text)
        await app.socket.ack(frame, payload={"text": "yes"})

    outcome, _ = await asyncio.gather(asking, answer())
    assert outcome["answer"] == {"text": "yes"}


async def test_an_answer_may_be_as_long_as_a_view_and_not_longer(scene: Scene, app: SocketApp) -> None:
    app.answer = lambda _: {"text": "x", "unknown": "y" * 500_000}
    assert (await command(scene, "/deploy"))["error"] is None
    app.answer = lambda _: {"text": "x", "unknown": "y" * 524_280}
    assert (await command(scene, "/deploy"))["error"] == "dispatch_failed"
    app.answer = lambda _: {}
    assert (await command(scene, "/deploy"))["error"] is None


async def test_who_may_not_act_and_what_is_no_command_are_refused(scene: Scene, app: SocketApp) -> None:
    assert await refusal(scene, "command", user="alice", channel="general", text="/nothing") == "unknown_command"
    assert await refusal(scene, "command", user="bob", channel="ops", text="/deploy") == "channel_not_found"
    assert await refusal(scene, "command", user="carol", channel="general", text="/deploy") == "not_in_channel"
    assert await refusal(scene, "command", user="alice", channel="general", text="deploy") == "invalid_arguments"
    await scene.ok("alice", "conversations.archive", channel=scene.ops)
    assert await refusal(scene, "command", user="alice", channel="ops", text="/deploy") == "is_archived"
    assert app.asked == []


async def test_a_global_shortcut_has_a_trigger_and_no_channel(scene: Scene, app: SocketApp) -> None:
    outcome = await operate(scene, "shortcut", user="alice", callback_id="new")
    payload = app.payload
    assert (outcome["error"], payload["type"], payload["callback_id"]) == (None, "shortcut", "new")
    assert payload.keys().isdisjoint({"channel", "response_url"})
    assert scene.server.workspace.triggers.spend(app.side.id, payload["trigger_id"]).user_id == scene.users["alice"]
    assert await refusal(scene, "shortcut", user="alice", callback_id="keep") == "unknown_shortcut"


async def test_a_message_shortcut_has_the_message(scene: Scene, app: SocketApp) -> None:
    ts = await scene.post("bob", scene.general, "the printer smokes")
    await operate(scene, "shortcut", user="alice", callback_id="keep", channel="general", ts=ts)
    payload = app.payload
    assert (payload["type"], payload["message_ts"]) == ("message_action", ts)
    assert (payload["message"]["text"], payload["channel"]["name"]) == ("the printer smokes", "general")
    assert await use(payload["response_url"], {"text": "kept", "replace_original": True}) == (200, "ok")
    assert [message["text"] for message in await scene.history("bob", scene.general)] == ["the printer smokes"]


async def test_an_app_cannot_answer_what_another_was_asked(open_scene: OpenScene) -> None:
    text = SOCKET_SEED + "  - {name: spy, socket_mode: true}\n"
    scene = await open_controlled(open_scene, text)
    app, spy = await SocketApp.connected(scene), await SocketApp.connected(scene, "spy")
    app.answer = lambda _: None

    async def answer() -> None:
        frame = await app.came()
        await spy.socket.ack(frame, payload={"text": "forged"})
        await spy.socket.ws.ping()
        assert (await scene.ok("spy", "auth.test"))["user"] == "spy"  # by now the forged answer was read
        await app.socket.ack(frame, payload={"text": "genuine"})
        await app.socket.ack(frame, payload={"text": "again"})

    outcome, _ = await asyncio.gather(command(scene, "/deploy"), answer())
    assert outcome["answer"] == {"text": "genuine"}
    await app.close()
    await spy.close()


async def test_a_server_that_stops_ends_open_requests(scene: Scene, app: SocketApp) -> None:
    app.answer = lambda _: None
    asking = asyncio.create_task(command(scene, "/deploy"))
    await app.came()
    await scene.server.stop()
    assert (await asking)["error"] == "dispatch_failed"


async def test_an_answer_that_is_nested_too_deeply_is_no_answer(scene: Scene, app: SocketApp) -> None:
    app.answer = lambda _: {"text": "x", "attachments": [{"a": json.loads("[" * 200 + "]" * 200)}]}
    assert (await command(scene, "/deploy"))["error"] == "dispatch_failed"
