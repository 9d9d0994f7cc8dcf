"""What a person does inside a view: buttons, menus, inputs, options; what the app is asked, and what is kept.

The rows and vectors are those of wire/interactivity-vectors.md.
"""

from typing import Any

import pytest

from appside import APP_SEED
from controlled import SECRET, operate, refusal
from desk import Desk, Listener, field, home, modal, options, plain
from scene import OpenScene, Scene


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(seed=APP_SEED, control=True, control_secret=SECRET)


@pytest.fixture
def desk(scene: Scene) -> Desk:
    return Desk(scene)


@pytest.fixture
async def app(desk: Desk) -> Listener:
    return await desk.interactive()


ACTIONS = {"type": "actions", "block_id": "more", "elements": [
    {"type": "button", "action_id": "add_row", "text": plain("Add"), "value": "1"},
    {"type": "static_select", "action_id": "urgency", "options": options("high", "low")},
]}  # fmt: skip
OWNER = {"type": "external_select", "action_id": "owner", "min_query_length": 2}


async def click(scene: Scene, view: dict[str, Any], action_id: str, **more: Any) -> dict[str, Any]:
    return await operate(scene, "click", user="alice", view_id=view["id"], action_id=action_id, **more)


async def choose(scene: Scene, view: dict[str, Any], action_id: str, value: Any, **more: Any) -> dict[str, Any]:
    return await operate(scene, "choose", user="alice", view_id=view["id"], action_id=action_id, value=value, **more)


async def state(scene: Scene, view: dict[str, Any]) -> Any:
    return (await operate(scene, "views.get", user="alice", view_id=view["id"]))["view"]["state"]["values"]


async def test_a_button_in_a_view_has_all_members(scene: Scene, desk: Desk, app: Listener) -> None:
    """V11."""
    view = await desk.open(modal(blocks=[ACTIONS]))

    done, payload = await app.answer(click(scene, view, "add_row"))

    team, alice = scene.directory.team, scene.users["alice"]
    (action,) = payload["actions"]
    values = {"more": {"urgency": {"type": "static_select", "selected_option": None}}}
    assert payload == {
        "type": "block_actions", "user": {"id": alice, "username": "alice", "name": "alice", "team_id": team["id"]},
        "container": {"type": "view", "view_id": view["id"]}, "api_app_id": desk.id, "token": payload["token"],
        "trigger_id": payload["trigger_id"], "team": {"id": team["id"], "domain": "acme"}, "enterprise": None,
        "is_enterprise_install": False, "view": {**view, "state": {"values": values}}, "actions": [action],
    }  # fmt: skip
    assert action == {
        "type": "button", "action_id": "add_row", "block_id": "more", "text": {**plain("Add"), "emoji": True},
        "value": "1", "action_ts": action["action_ts"],
    }  # fmt: skip
    assert (done["is_sent"], done["error"]) == (True, None)


async def test_a_click_lets_the_app_push(scene: Scene, desk: Desk, app: Listener) -> None:
    """Row 4, each from a click inside."""
    view = await desk.open(modal(blocks=[ACTIONS]))
    for depth in (2, 3):
        _, payload = await app.answer(click(scene, view, "add_row"))
        answer = await scene.ok("desk", "views.push", trigger_id=payload["trigger_id"], view=modal(blocks=[ACTIONS]))
        view = answer["view"]
        assert len(await desk.stored()) == depth
    _, payload = await app.answer(click(scene, view, "add_row"))

    error = await scene.error("desk", "views.push", trigger_id=payload["trigger_id"], view=modal())

    assert error == "push_limit_reached"


async def test_a_choice_is_sent_and_kept(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open(modal(blocks=[ACTIONS]))
    low = {"text": {**plain("Low"), "emoji": True}, "value": "low"}

    _, payload = await app.answer(choose(scene, view, "urgency", "low"))

    assert payload["actions"][0]["selected_option"] == low
    assert payload["view"]["state"]["values"]["more"]["urgency"]["selected_option"] == low
    assert (await state(scene, view))["more"]["urgency"]["selected_option"] == low
    _, payload = await app.answer(choose(scene, view, "urgency", None))
    assert payload["actions"][0]["selected_option"] is None


async def test_an_input_is_not_sent_before_the_submission(scene: Scene, desk: Desk, app: Listener) -> None:
    """Row 14."""
    menu = field("choice", {"type": "static_select", "options": options("a", "b")})
    view = await desk.open(modal(blocks=[menu]))

    done = await choose(scene, view, "a_choice", "b")

    assert not done["is_sent"]
    assert await app.is_not_asked(scene)
    submitted, payload = await app.answer(operate(scene, "submit", user="alice", view_id=view["id"]))
    assert payload["type"] == "view_submission"
    assert payload["view"]["state"]["values"]["choice"]["a_choice"]["selected_option"]["value"] == "b"
    assert submitted["outcome"] == "closed"


async def test_an_input_with_dispatch_action_is_sent(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open(modal(blocks=[field("title", {"type": "plain_text_input"}, dispatch_action=True)]))

    done, payload = await app.answer(choose(scene, view, "a_title", "hello"))

    assert done["is_sent"]
    assert payload["actions"][0]["value"] == "hello"


async def test_a_home_takes_part(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.publish(home(blocks=[ACTIONS]))

    _, payload = await app.answer(click(scene, view, "add_row"))

    assert payload["container"] == {"type": "view", "view_id": view["id"]}
    assert "title" not in payload["view"]
    await scene.ok("desk", "views.open", trigger_id=payload["trigger_id"], view=modal())


async def test_an_update_keeps_what_stays_the_same(scene: Scene, desk: Desk, app: Listener) -> None:
    fields = [field(name, {"type": "plain_text_input"}) for name in ("kept", "gone", "changed")]
    view = await desk.open(modal(blocks=fields))
    for name in ("kept", "gone", "changed"):
        await choose(scene, view, f"a_{name}", name)
    changed = field("changed", {"type": "email_text_input"})

    await scene.ok("desk", "views.update", view_id=view["id"], view=modal(blocks=[changed, fields[0]]))

    assert await state(scene, view) == {
        "changed": {"a_changed": {"type": "email_text_input", "value": None}},
        "kept": {"a_kept": {"type": "plain_text_input", "value": "kept"}},
    }


async def test_options_are_asked_for_and_can_then_be_chosen(scene: Scene, desk: Desk, app: Listener) -> None:
    """V5."""
    menu = field("owner", OWNER)
    view = await desk.open(modal(blocks=[menu]))
    found = [{"text": plain("Boris"), "value": "U0BORIS01"}]
    place = {"user": "alice", "view_id": view["id"], "action_id": "owner"}

    offer, payload = await app.answer(operate(scene, "options", **place, text="bo"), {"options": found})

    team, alice = scene.directory.team, scene.users["alice"]
    values = {"owner": {"owner": {"type": "external_select", "selected_option": None}}}
    assert offer["options"] == found
    assert payload == {
        "type": "block_suggestion",
        "user": {"id": alice, "username": "alice", "name": "alice", "team_id": team["id"]},
        "container": {"type": "view", "view_id": view["id"]}, "api_app_id": desk.id, "token": payload["token"],
        "action_id": "owner", "block_id": "owner", "value": "bo", "team": {"id": team["id"], "domain": "acme"},
        "enterprise": None, "is_enterprise_install": False, "view": {**view, "state": {"values": values}},
    }  # fmt: skip
    _, payload = await app.answer(
        operate(scene, "submit", user="alice", view_id=view["id"], values={"owner": {"owner": "U0BORIS01"}})
    )
    assert payload["view"]["state"]["values"]["owner"]["owner"]["selected_option"] == found[0]


async def test_options_that_the_app_did_not_give_are_not_chosen(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open(modal(blocks=[field("owner", OWNER)]))
    place = {"user": "alice", "view_id": view["id"], "action_id": "owner"}

    assert await refusal(scene, "choose", **place, value="U0BORIS01") == "invalid_choice"
    assert await refusal(scene, "options", **place, text="b") == "query_too_short"
    assert await refusal(scene, "submit", user="alice", view_id=view["id"], values={"owner": {"owner": "x"}}) == (
        "invalid_choice"
    )


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("click", {"action_id": "nothing"}, "unknown_element"),
        ("click", {"action_id": "add_row", "block_id": "nothing"}, "unknown_element"),
        ("click", {"action_id": "add_row", "value": "x"}, "invalid_choice"),
        ("click", {"action_id": "add_row", "view_id": "V0NOTHING1"}, "unknown_view"),
        ("click", {"action_id": "add_row", "user": "bob"}, "unknown_view"),
        ("click", {"action_id": "add_row", "channel": "general", "ts": "1.2"}, "ambiguous_place"),
        ("choose", {"action_id": "urgency", "value": "huge"}, "invalid_choice"),
        ("choose", {"action_id": "urgency", "value": {"value": "high"}}, "invalid_choice"),
        ("options", {"action_id": "urgency", "text": "abc"}, "not_external"),
    ],
)
async def test_garbage_is_refused(
    scene: Scene, desk: Desk, app: Listener, operation: str, arguments: dict[str, Any], code: str
) -> None:
    view = await desk.open(modal(blocks=[ACTIONS]))

    assert await refusal(scene, operation, **{"user": "alice", "view_id": view["id"], **arguments}) == code

    assert await app.is_not_asked(scene)


async def test_only_the_view_on_top_is_acted_in(scene: Scene, desk: Desk, app: Listener) -> None:
    root = await desk.open(modal(blocks=[ACTIONS]))
    await desk.push(root["id"])

    code = await refusal(scene, "click", user="alice", view_id=root["id"], action_id="add_row")

    assert code == "view_covered"
