"""What people do in messages: buttons, menus, dates and texts, and what their app gets."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from asked import BUTTON, SocketApp, click, open_controlled, use
from controlled import operate, refusal
from scene import OpenScene, Scene

HIGH = {"text": {"type": "plain_text", "text": "High", "emoji": True}, "value": "p1"}
LOW = {"text": {"type": "plain_text", "text": "Low", "emoji": True}, "value": "p3"}


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_controlled(open_scene)


@pytest.fixture
async def app(scene: Scene) -> AsyncIterator[SocketApp]:
    app = await SocketApp.connected(scene)
    yield app
    await app.close()


async def ask(scene: Scene, *blocks: dict[str, Any], **arguments: Any) -> str:
    """Post a message of the app."""
    return await scene.post("desk", scene.general, "Ticket 7", blocks=[*blocks], **arguments)


async def choose(scene: Scene, ts: str, action_id: str, value: Any, **arguments: Any) -> dict[str, Any]:
    given = {"user": "alice", "channel": "general", **arguments}
    return await operate(scene, "choose", ts=ts, action_id=action_id, value=value, **given)


def element(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "actions", "block_id": "b", "elements": [{"type": kind, "action_id": "a", **members}]}


async def test_a_button_sends_its_value_and_the_message(scene: Scene, app: SocketApp) -> None:
    ts = await ask(scene, BUTTON)
    outcome = await click(scene, ts)
    frame, payload = app.asked[0], app.payload
    assert (frame["type"], frame["accepts_response_payload"]) == ("interactive", True)
    assert (payload["type"], payload["api_app_id"]) == ("block_actions", app.side.id)
    assert payload["user"] == {
        "id": scene.users["alice"], "username": "alice", "name": "alice", "team_id": payload["team"]["id"],
    }  # fmt: skip
    assert (payload["enterprise"], payload["is_enterprise_install"]) == (None, False)
    assert payload["container"] == {
        "type": "message", "message_ts": ts, "channel_id": scene.general, "is_ephemeral": False,
    }  # fmt: skip
    assert payload["channel"] == {"id": scene.general, "name": "general"}
    (action,) = payload["actions"]
    assert action.pop("action_ts")
    assert action == {
        "type": "button", "action_id": "take", "block_id": "act1", "value": "7",
        "text": {"type": "plain_text", "text": "Take", "emoji": True},
    }  # fmt: skip
    (stored,) = await scene.history("alice", scene.general)
    assert payload["message"] == stored
    assert payload["state"] == {"values": {"act1": {"prio": {"type": "static_select", "selected_option": None}}}}
    assert (outcome["is_sent"], outcome["error"]) == (True, None)


async def test_a_choice_is_in_the_state_of_the_next_action_of_that_person(scene: Scene, app: SocketApp) -> None:
    ts = await ask(scene, BUTTON)
    await choose(scene, ts, "prio", "p1")
    assert app.payload["actions"][0]["selected_option"] == HIGH
    assert app.payload["state"]["values"]["act1"]["prio"]["selected_option"] == HIGH
    await click(scene, ts)
    assert app.payload["state"]["values"]["act1"]["prio"]["selected_option"] == HIGH
    await click(scene, ts, user="bob")
    assert app.payload["state"]["values"]["act1"]["prio"]["selected_option"] is None
    await choose(scene, ts, "prio", None)
    assert app.payload["actions"][0]["selected_option"] is None


@pytest.mark.parametrize(
    ("block", "value", "member", "sent"),
    [
        (element("datepicker", initial_date="2026-01-01"), "2026-02-28", "selected_date", "2026-02-28"),
        (element("timepicker", timezone="Europe/Berlin"), "23:59", "selected_time", "23:59"),
        (element("datetimepicker"), 1_700_000_000, "selected_date_time", 1_700_000_000),
        (element("checkboxes", options=[HIGH, LOW]), ["p3"], "selected_options", [LOW]),
        (element("checkboxes", options=[HIGH, LOW]), None, "selected_options", []),
        (element("radio_buttons", options=[HIGH, LOW]), "p1", "selected_option", HIGH),
        (element("overflow", options=[HIGH, LOW]), "p3", "selected_option", LOW),
        (element("multi_static_select", options=[HIGH, LOW]), ["p1", "p3"], "selected_options", [HIGH, LOW]),
    ],
)
async def test_each_element_sends_its_value(
    scene: Scene, app: SocketApp, block: dict[str, Any], value: Any, member: str, sent: Any
) -> None:
    ts = await ask(scene, block)
    assert (await choose(scene, ts, "a", value))["error"] is None
    action = app.payload["actions"][0]
    assert (action["type"], action[member]) == (block["elements"][0]["type"], sent)
    for name in ("initial_date", "timezone"):
        assert action.get(name) == block["elements"][0].get(name)


async def test_people_and_channels_are_chosen_by_name(scene: Scene, app: SocketApp) -> None:
    ts = await ask(scene, element("users_select"))
    await choose(scene, ts, "a", "bob")
    assert app.payload["actions"][0]["selected_user"] == scene.users["bob"]
    ts = await ask(scene, element("multi_channels_select"))
    await choose(scene, ts, "a", ["general"])
    assert app.payload["actions"][0]["selected_channels"] == [scene.general]


@pytest.mark.parametrize(
    ("block", "value"),
    [
        (element("datepicker"), "2026-02-30"),
        (element("datepicker"), "tomorrow"),
        (element("datepicker"), 7),
        (element("timepicker"), "24:00"),
        (element("datetimepicker"), 7),
        (element("static_select", options=[HIGH]), "p2"),
        (element("static_select", options=[HIGH]), {"value": "p1"}),
        (element("static_select", options=[HIGH]), ["p1"]),
        (element("overflow", options=[HIGH]), None),
        (element("checkboxes", options=[HIGH]), "p1"),
        (element("multi_static_select", options=[HIGH, LOW], max_selected_items=1), ["p1", "p3"]),
        (element("external_select"), "p1"),
        (element("button", text={"type": "plain_text", "text": "x"}), "p1"),
    ],
)
async def test_what_cannot_be_chosen_is_refused(
    scene: Scene, app: SocketApp, block: dict[str, Any], value: Any
) -> None:
    ts = await ask(scene, block)
    given = {"user": "alice", "channel": "general", "ts": ts, "action_id": "a", "value": value}
    assert await refusal(scene, "choose", **given) == "invalid_choice"
    assert app.asked == []


async def test_an_input_sends_nothing_unless_it_dispatches(scene: Scene, app: SocketApp) -> None:
    label = {"type": "plain_text", "text": "Title"}
    quiet = {
        "type": "input",
        "block_id": "q",
        "label": label,
        "element": {"type": "plain_text_input", "action_id": "t"},
    }
    loud = {**quiet, "block_id": "l", "dispatch_action": True}
    ts = await ask(scene, quiet, loud, BUTTON)
    assert (await choose(scene, ts, "t", "typed", block_id="q"))["is_sent"] is False
    assert app.asked == []
    await choose(scene, ts, "t", "loud", block_id="l")
    assert app.payload["actions"][0]["value"] == "loud"
    values = app.payload["state"]["values"]
    assert (values["q"]["t"]["value"], values["l"]["t"]["value"]) == ("typed", "loud")


async def test_the_options_of_an_app_can_be_chosen_then(scene: Scene, app: SocketApp) -> None:
    ts = await ask(scene, element("external_select", min_query_length=2))
    about = {"user": "alice", "channel": "general", "ts": ts, "action_id": "a"}
    assert await refusal(scene, "options", **about, text="b") == "query_too_short"
    app.answer = lambda _: {"option_groups": [{"label": HIGH["text"], "options": [HIGH, LOW]}]}
    answer = await operate(scene, "options", **about, text="bo")
    assert answer["options"] == [HIGH, LOW]
    assert (app.payload["type"], app.payload["value"], app.payload["block_id"]) == ("block_suggestion", "bo", "b")
    app.answer = lambda _: {}
    await choose(scene, ts, "a", "p3")
    assert app.payload["actions"][0]["selected_option"] == LOW

    app.answer = lambda _: {"options": [{"text": "bad"}]}
    assert (await operate(scene, "options", **about, text="bo"))["options"] == []


async def test_what_is_not_there_cannot_be_pressed(scene: Scene, app: SocketApp) -> None:
    ts = await ask(scene, BUTTON)
    about = {"user": "alice", "channel": "general", "action_id": "take"}
    assert await refusal(scene, "click", **{**about, "action_id": "no"}, ts=ts) == "unknown_element"
    assert await refusal(scene, "click", **about, ts="1.000001") == "message_not_found"
    mine = await scene.post("alice", scene.general, "mine", blocks=[BUTTON])
    assert await refusal(scene, "click", **about, ts=mine) == "not_interactive"
    assert await refusal(scene, "click", **{**about, "user": "bob", "channel": "ops"}, ts=ts) == "channel_not_found"


async def test_an_ephemeral_message_can_be_acted_in_and_replaced_and_deleted(scene: Scene, app: SocketApp) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    shown = await scene.ok(
        "desk", "chat.postEphemeral", channel=scene.general, user=scene.users["alice"], text="psst", blocks=[BUTTON]
    )
    ts = str(shown["message_ts"])
    await alice.frame()
    await click(scene, ts)
    payload = app.payload
    assert payload["container"]["is_ephemeral"] is True
    about = {"channel": "general", "ts": ts, "action_id": "take"}
    assert await refusal(scene, "click", user="bob", **about) == "message_not_found"

    url = payload["response_url"]
    assert await use(url, {"text": "again", "replace_original": True, "blocks": [BUTTON]}) == (200, "ok")
    changed = await alice.frame()
    assert (changed["subtype"], changed["is_ephemeral"]) == ("message_changed", True)
    assert (changed["message"]["ts"], changed["message"]["text"]) == (ts, "again")
    await click(scene, ts)
    assert app.payload["message"]["text"] == "again"

    assert await use(app.payload["response_url"], {"delete_original": True}) == (200, "ok")
    deleted = await alice.frame()
    assert (deleted["subtype"], deleted["deleted_ts"], deleted["is_ephemeral"]) == ("message_deleted", ts, True)
    assert (
        await refusal(scene, "click", user="alice", channel="general", ts=ts, action_id="take") == "message_not_found"
    )
    assert await bob.fence() == []
    assert await scene.history("alice", scene.general) == []


async def test_a_legacy_button_is_answered_by_a_message_that_replaces(scene: Scene, app: SocketApp) -> None:
    actions = [{"name": "answer", "text": each, "type": "button", "value": each.lower()} for each in ("Yes", "No")]
    poll = {"text": "Lunch?", "callback_id": "poll", "actions": actions}
    ts = await scene.post("desk", scene.general, "Lunch?", attachments=[poll])
    app.answer = lambda _: {"text": "Lunch it is"}
    outcome = await click(scene, ts, "answer", value="no")
    payload = app.payload
    assert (payload["type"], payload["callback_id"], payload["attachment_id"]) == ("interactive_message", "poll", "1")
    assert payload["actions"] == [{"name": "answer", "type": "button", "value": "no"}]
    assert payload["original_message"]["attachments"][0]["actions"][1]["id"] == "2"
    assert [message["text"] for message in outcome["shown"]] == ["Lunch it is"]
    (message,) = await scene.history("bob", scene.general)
    assert (message["text"], "attachments" in message) == ("Lunch it is", False)


async def test_blocks_in_an_attachment_name_it(scene: Scene, app: SocketApp) -> None:
    ts = await scene.post("desk", scene.general, "x", attachments=[{"text": "no"}, {"blocks": [BUTTON]}])
    await click(scene, ts)
    container = app.payload["container"]
    assert (container["type"], container["attachment_id"]) == ("message_attachment", 2)


async def test_a_failure_is_told_to_the_person(scene: Scene) -> None:
    ts = await ask(scene, BUTTON)
    outcome = await click(scene, ts)
    assert (outcome["error"], outcome["notice"]) == ("dispatch_failed", 'the app did not answer: "dispatch_failed"')
