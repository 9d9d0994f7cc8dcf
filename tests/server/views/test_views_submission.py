"""Submitting and closing modals: what the app is asked, what its answer makes of the modal, what a client refuses.

The rows and vectors are those of wire/interactivity-vectors.md.
"""

import asyncio
import json
from typing import Any

import pytest

from appside import APP_SEED
from controlled import PATH, SECRET, ask, operate, refusal
from desk import Desk, Listener, field, home, modal, options, plain
from scene import OpenScene, Scene, eventually
from tautwire.server.services.interactivity import requests
from tautwire.server.services.views import views


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(seed=APP_SEED, control=True, control_secret=SECRET)


@pytest.fixture
def desk(scene: Scene) -> Desk:
    return Desk(scene)


@pytest.fixture
async def app(desk: Desk) -> Listener:
    return await desk.interactive()


FILLED = {"title": {"a_title": "Printer on fire"}}


async def submit(scene: Scene, view: dict[str, Any], values: Any = FILLED, user: str = "alice") -> dict[str, Any]:
    return await operate(scene, "submit", user=user, view_id=view["id"], values=values)


async def refused(scene: Scene, view: dict[str, Any], values: Any = FILLED) -> tuple[str, str]:
    """Submit what has to be refused; return the code and what is said."""
    body = json.dumps({"user": "alice", "view_id": view["id"], "values": values}).encode()
    reply = await ask(scene, PATH + "submit", body)
    assert reply.status in (400, 404), reply
    return reply.code, reply.message


# What the app is asked


async def test_a_submission_has_all_members(scene: Scene, desk: Desk, app: Listener) -> None:
    """V3, without a response URL."""
    view = await desk.open(modal(private_metadata="draft-7", callback_id="ticket_new", notify_on_close=True))

    _, payload = await app.answer(submit(scene, view))

    team, alice = scene.directory.team, scene.users["alice"]
    trigger = payload.pop("trigger_id")
    state = {"values": {"title": {"a_title": {"type": "plain_text_input", "value": "Printer on fire"}}}}
    assert payload == {
        "type": "view_submission", "team": {"id": team["id"], "domain": "acme"},
        "user": {"id": alice, "username": "alice", "name": "alice", "team_id": team["id"]}, "api_app_id": desk.id,
        "token": payload["token"], "view": {**view, "state": state}, "response_urls": [],
        "is_enterprise_install": False, "enterprise": None,
    }  # fmt: skip
    assert (await scene.call("desk", "views.open", trigger_id=trigger, view=modal()))["ok"]


async def test_the_state_has_every_element_that_can_hold_a_value(scene: Scene, desk: Desk, app: Listener) -> None:
    day = {"type": "datepicker", "initial_date": "2026-02-28"}
    actions = {"type": "actions", "block_id": "more", "elements": [
        {"type": "button", "action_id": "press", "text": plain("Press")},
        {"type": "static_select", "action_id": "urgency", "options": options("high", "low")},
        {"type": "checkboxes", "action_id": "boxes", "options": options("a", "b")},
    ]}  # fmt: skip
    view = await desk.open(modal(blocks=[field("title", {"type": "plain_text_input"}), field("day", day), actions]))

    _, payload = await app.answer(submit(scene, view, {**FILLED, "more": {"urgency": "low"}}))

    low = {"text": {**plain("Low"), "emoji": True}, "value": "low"}
    assert payload["view"]["state"]["values"] == {
        "title": {"a_title": {"type": "plain_text_input", "value": "Printer on fire"}},
        "day": {"a_day": {"type": "datepicker", "selected_date": "2026-02-28"}},
        "more": {
            "urgency": {"type": "static_select", "selected_option": low},
            "boxes": {"type": "checkboxes", "selected_options": []},
        },
    }


async def test_a_chosen_conversation_gets_a_response_url(scene: Scene, desk: Desk, app: Listener) -> None:
    """V3."""
    room = field("room", {"type": "conversations_select", "response_url_enabled": True}, optional=True)
    other = field("other", {"type": "channels_select", "response_url_enabled": True}, optional=True)
    plain_menu = field("plain", {"type": "conversations_select"})
    view = await desk.open(modal(blocks=[room, other, plain_menu]))
    values = {"room": {"a_room": "general"}, "plain": {"a_plain": "#general"}}

    _, payload = await app.answer(submit(scene, view, values))

    (url,) = payload["response_urls"]
    assert url | {"response_url": ""} == {
        "block_id": "room", "action_id": "a_room", "channel_id": scene.general, "response_url": "",
    }  # fmt: skip
    answer = {"text": "Ticket 7 opened", "response_type": "in_channel"}
    async with scene.http.post(url["response_url"], json=answer) as response:
        assert response.status == 200
    assert (await scene.history("alice", scene.general))[0]["text"] == "Ticket 7 opened"


# What the answer makes of the modal


async def test_an_empty_answer_closes_the_modal(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open()

    done, _ = await app.answer(submit(scene, view))

    assert (done["outcome"], done["errors"], done["view"]) == ("closed", {}, None)
    assert await desk.stored() == []
    assert await scene.error("desk", "views.update", view_id=view["id"], view=modal()) == "not_found"


async def test_the_view_below_shows_when_one_is_closed(scene: Scene, desk: Desk, app: Listener) -> None:
    root = await desk.open()
    second = (await desk.push(root["id"]))["view"]

    done, _ = await app.answer(submit(scene, second), {})

    assert done["view"]["id"] == root["id"]


async def test_clear_closes_all(scene: Scene, desk: Desk, app: Listener) -> None:
    root = await desk.open()
    second = (await desk.push(root["id"]))["view"]
    other = await desk.open()

    done, _ = await app.answer(submit(scene, second), {"response_action": "clear"})

    assert (done["outcome"], done["view"]) == ("cleared", None)
    assert await desk.stored() == [other["id"]]


async def test_update_replaces_the_view_and_keeps_what_was_typed(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open()
    more = modal(blocks=[*modal()["blocks"], field("other", {"type": "plain_text_input"})])

    done, _ = await app.answer(submit(scene, view), {"response_action": "update", "view": more})

    assert done["outcome"] == "updated"
    assert done["view"]["id"] == view["id"]
    assert done["view"]["hash"] != view["hash"]
    assert done["view"]["state"]["values"] == {
        "title": {"a_title": {"type": "plain_text_input", "value": "Printer on fire"}},
        "other": {"a_other": {"type": "plain_text_input", "value": None}},
    }


async def test_the_largest_view_fits_into_an_answer(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open()
    block = {"type": "section", "text": plain("x" * 3_000)}
    large = modal(blocks=[block] * (views.MAX_BYTES // 3_100))

    done, _ = await app.answer(submit(scene, view), {"response_action": "update", "view": large})

    assert (done["outcome"], len(done["view"]["blocks"])) == ("updated", len(large["blocks"]))


async def test_push_puts_a_view_on_top(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open()

    done, _ = await app.answer(submit(scene, view), {"response_action": "push", "view": modal(external_id="mine")})

    assert done["outcome"] == "pushed"
    assert (done["view"]["previous_view_id"], done["view"]["root_view_id"]) == (view["id"], view["id"])
    await scene.ok("desk", "views.update", external_id="mine", view=modal())


async def test_errors_are_answered_and_the_modal_stays(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open()

    done, _ = await app.answer(submit(scene, view), {"response_action": "errors", "errors": {"title": "Too short"}})

    assert (done["outcome"], done["errors"]) == ("errors", {"title": "Too short"})
    assert done["view"]["id"] == view["id"]
    (again, _) = await app.answer(submit(scene, view, {}))
    assert again["outcome"] == "closed"


@pytest.mark.parametrize(
    "ack",
    [
        {"response_action": "explode"},
        {"response_action": ["update"]},
        {"text": "thanks"},
        {"response_action": "errors"},
        {"response_action": "errors", "errors": {}},
        {"response_action": "errors", "errors": ["Too short"]},
        {"response_action": "errors", "errors": {"nothing": "Too short"}},
        {"response_action": "errors", "errors": {"line": "not an input"}},
        {"response_action": "errors", "errors": {"title": 7}},
        {"response_action": "update"},
        {"response_action": "update", "view": {}},
        {"response_action": "update", "view": home()},
        {"response_action": "push", "view": modal(title=plain("x" * 25))},
        {"response_action": "push", "view": modal(external_id="taken")},
    ],
    ids=str,
)
async def test_an_answer_that_is_not_valid_leaves_the_modal(
    scene: Scene, desk: Desk, app: Listener, ack: dict[str, Any]
) -> None:
    await desk.open(modal(external_id="taken"))
    view = await desk.open(modal(blocks=[*modal()["blocks"], {"type": "divider", "block_id": "line"}]))

    done, _ = await app.answer(submit(scene, view), ack)

    assert (done["outcome"], done["error"]) == ("failed", "invalid_answer")
    assert done["notice"]
    assert done["view"]["id"] == view["id"]
    shown = (await operate(scene, "views.get", user="alice", view_id=view["id"]))["view"]
    assert shown["hash"] == view["hash"]
    assert shown["state"]["values"]["title"]["a_title"]["value"] == "Printer on fire"


async def test_a_fourth_view_is_not_pushed_by_an_answer(scene: Scene, desk: Desk, app: Listener) -> None:
    root = await desk.open()
    second = (await desk.push(root["id"]))["view"]
    third = (await desk.push(second["id"]))["view"]

    done, _ = await app.answer(submit(scene, third), {"response_action": "push", "view": modal()})

    assert (done["error"], done["view"]["id"]) == ("invalid_answer", third["id"])
    assert "push_limit_reached" in done["notice"]
    assert len(await desk.stored()) == 3


async def test_a_modal_stays_when_the_app_does_not_answer(
    scene: Scene, desk: Desk, app: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "TIME_LIMIT", 0.05)
    view = await desk.open()

    done = await submit(scene, view)
    envelope, _ = await app.asked()
    await app.socket.ack(envelope, payload={"response_action": "clear"})  # too late

    assert (done["outcome"], done["error"]) == ("failed", "operation_timeout")
    assert done["view"]["state"]["values"]["title"]["a_title"]["value"] == "Printer on fire"
    assert await app.is_not_asked(scene)
    assert await desk.stored() == [view["id"]]


async def test_without_interactivity_the_app_is_not_asked(scene: Scene, desk: Desk) -> None:
    view = await desk.open()

    assert (await submit(scene, view))["error"] == "dispatch_failed"
    assert await desk.stored() == [view["id"]]


async def test_the_app_may_update_before_it_answers(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open()
    task = asyncio.ensure_future(submit(scene, view))
    envelope, payload = await app.asked()
    await scene.ok("desk", "views.update", view_id=view["id"], hash=payload["view"]["hash"], view=modal())

    await app.socket.ack(envelope)

    assert (await task)["outcome"] == "closed"


async def test_a_modal_that_is_closed_meanwhile_stays_closed(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open()
    task = asyncio.ensure_future(submit(scene, view))
    envelope, _ = await app.asked()
    await operate(scene, "close", user="alice", view_id=view["id"])

    await app.socket.ack(envelope, payload={"response_action": "push", "view": modal()})

    assert (await task)["view"] is None
    assert await desk.stored() == []


# What a client refuses


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ({"type": "plain_text_input"}, None),
        ({"type": "plain_text_input"}, ""),
        ({"type": "plain_text_input", "min_length": 5}, "four"),
        ({"type": "plain_text_input", "max_length": 3}, "four"),
        ({"type": "email_text_input"}, "alice"),
        ({"type": "url_text_input"}, "example.test"),
        ({"type": "number_input", "is_decimal_allowed": False}, "1.5"),
        ({"type": "number_input", "is_decimal_allowed": True}, "much"),
        ({"type": "number_input", "is_decimal_allowed": True, "min_value": "2"}, "1.5"),
        ({"type": "number_input", "is_decimal_allowed": False, "max_value": "9"}, "10"),
        ({"type": "static_select", "options": options("a")}, None),
        ({"type": "multi_users_select"}, []),
    ],
    ids=str,
)
async def test_values_that_break_a_rule_are_not_submitted(
    scene: Scene, desk: Desk, app: Listener, element: dict[str, Any], value: Any
) -> None:
    view = await desk.open(modal(blocks=[field("it", element)]))

    code, message = await refused(scene, view, {"it": {"a_it": value}})

    assert code == "invalid_values"
    assert "it: " in message
    assert await app.is_not_asked(scene)
    shown = (await operate(scene, "views.get", user="alice"))["view"]
    assert next(iter(shown["state"]["values"]["it"]["a_it"].values())) not in ("four", "much")


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ({"type": "plain_text_input", "min_length": 4, "max_length": 4}, "four"),
        ({"type": "email_text_input"}, "alice@example.test"),
        ({"type": "url_text_input"}, "https://example.test/a?b"),
        ({"type": "number_input", "is_decimal_allowed": True, "min_value": "-2", "max_value": "2.5"}, "-1.5"),
        ({"type": "number_input", "is_decimal_allowed": False, "max_value": "nine"}, "10"),
        ({"type": "static_select", "options": options("a", "b")}, "b"),
        ({"type": "datepicker"}, "2026-02-28"),
        ({"type": "timepicker"}, "23:59"),
        ({"type": "datetimepicker"}, 1_790_000_000),
        ({"type": "radio_buttons", "options": options("a")}, "a"),
        ({"type": "checkboxes", "options": options("a", "b")}, ["b"]),
    ],
    ids=str,
)
async def test_values_that_keep_the_rules_are_submitted(
    scene: Scene, desk: Desk, app: Listener, element: dict[str, Any], value: Any
) -> None:
    view = await desk.open(modal(blocks=[field("it", element)]))

    done, _ = await app.answer(submit(scene, view, {"it": {"a_it": value}}))

    assert done["outcome"] == "closed"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"nothing": {"a_title": "x"}}, "unknown_element"),
        ({"title": {"nothing": "x"}}, "unknown_element"),
        ({"title": {"a_title": 7}}, "invalid_choice"),
        ({"title": {"a_title": ["x"]}}, "invalid_choice"),
        ({"title": {"a_title": {"value": "x"}}}, "invalid_choice"),
        ({"title": {"a_title": "x" * 3_001}}, "invalid_choice"),
        ({"choice": {"a_choice": "c"}}, "invalid_choice"),
        ({"people": {"a_people": ["UNOBODY"]}}, "unknown_user"),
        ({"room": {"a_room": "CNOTHING"}}, "unknown_channel"),
        ({"more": {"press": "x"}}, "no_value"),
        ({"rich": {"a_rich": {"type": "rich_text", "elements": ["x" * 251_000]}}}, "inputs_too_large"),
        ({"title": "x"}, "invalid_arguments"),
        ([], "invalid_arguments"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_garbage_is_refused_and_nothing_is_stored(
    scene: Scene, desk: Desk, app: Listener, values: Any, code: str
) -> None:
    blocks = [
        field("title", {"type": "plain_text_input"}, optional=True),
        field("choice", {"type": "static_select", "options": options("a", "b")}, optional=True),
        field("people", {"type": "multi_users_select"}, optional=True),
        field("room", {"type": "conversations_select"}, optional=True),
        field("rich", {"type": "rich_text_input"}, optional=True),
        {"type": "actions", "block_id": "more", "elements": [
            {"type": "button", "action_id": "press", "text": plain("Press")}
        ]},
    ]  # fmt: skip
    view = await desk.open(modal(blocks=blocks))
    before = (await operate(scene, "views.get", user="alice"))["view"]

    assert (await refused(scene, view, values))[0] == code

    assert await app.is_not_asked(scene)
    assert (await operate(scene, "views.get", user="alice"))["view"] == before


async def test_a_conversation_that_the_person_does_not_see_is_not_chosen(scene: Scene, desk: Desk) -> None:
    view = await desk.open(modal(blocks=[field("room", {"type": "conversations_select"})]), who="bob")

    code = await refusal(scene, "submit", user="bob", view_id=view["id"], values={"room": {"a_room": scene.ops}})

    assert code == "invalid_choice"


async def test_what_a_person_does_not_see_is_not_submitted(scene: Scene, desk: Desk) -> None:
    root = await desk.open()
    await desk.push(root["id"])
    bare = await desk.open(modal(blocks=[], submit=None))
    shown = await desk.publish()

    assert (await refused(scene, root))[0] == "view_covered"
    assert (await refused(scene, bare, {}))[0] == "not_submittable"
    assert (await refused(scene, shown, {}))[0] == "not_a_modal"
    assert (await refused(scene, {"id": "V0NOTHING1"}))[0] == "unknown_view"
    assert await refusal(scene, "submit", user="bob", view_id=root["id"]) == "unknown_view"
    assert await refusal(scene, "close", user="bob", view_id=root["id"]) == "unknown_view"
    assert await refusal(scene, "close", user="alice", view_id=shown["id"]) == "not_a_modal"


# Closing


async def test_the_app_is_not_told_of_a_closing_unless_it_wants(scene: Scene, desk: Desk, app: Listener) -> None:
    view = await desk.open()

    closed = await operate(scene, "close", user="alice", view_id=view["id"])

    assert (closed["acknowledged"], closed["view"]) == (False, None)
    assert await app.is_not_asked(scene)
    assert await desk.stored() == []


async def test_one_view_is_cancelled(scene: Scene, desk: Desk, app: Listener) -> None:
    root = await desk.open(modal(notify_on_close=True))
    second = (await desk.push(root["id"], modal(notify_on_close=True)))["view"]
    await operate(scene, "views.get", user="alice")

    closed, payload = await app.answer(operate(scene, "close", user="alice", view_id=second["id"]))

    assert (payload["type"], payload["is_cleared"]) == ("view_closed", False)
    assert payload["view"] == second
    assert closed["acknowledged"]
    assert closed["view"]["id"] == root["id"]


async def test_the_x_closes_the_stack_and_is_reported_once(scene: Scene, desk: Desk, app: Listener) -> None:
    """Row 13 and V4."""
    root = await desk.open(modal(notify_on_close=True))
    second = (await desk.push(root["id"], modal(notify_on_close=True)))["view"]

    closed, payload = await app.answer(operate(scene, "close", user="alice", view_id=second["id"], whole_stack=True))

    team, alice = scene.directory.team, scene.users["alice"]
    assert payload == {
        "type": "view_closed", "team": {"id": team["id"], "domain": "acme"},
        "user": {"id": alice, "username": "alice", "name": "alice", "team_id": team["id"]}, "api_app_id": desk.id,
        "token": payload["token"], "view": root, "is_cleared": True, "is_enterprise_install": False,
        "enterprise": None,
    }  # fmt: skip
    assert root["state"] == {"values": {}}
    assert closed["view"] is None
    assert await app.is_not_asked(scene)
    assert await desk.stored() == []


async def test_clear_on_close_makes_the_button_close_all(scene: Scene, desk: Desk, app: Listener) -> None:
    root = await desk.open(modal(notify_on_close=True))
    second = (await desk.push(root["id"], modal(clear_on_close=True)))["view"]

    _, payload = await app.answer(operate(scene, "close", user="alice", view_id=second["id"]))

    assert (payload["view"]["id"], payload["is_cleared"]) == (root["id"], True)
    assert await desk.stored() == []


async def test_a_modal_closes_whatever_the_app_does(scene: Scene, desk: Desk) -> None:
    view = await desk.open(modal(notify_on_close=True))

    closed = await operate(scene, "close", user="alice", view_id=view["id"])

    assert not closed["acknowledged"]
    assert await desk.stored() == []


# Looking


async def test_a_test_waits_for_a_modal(scene: Scene, desk: Desk) -> None:
    waiting = asyncio.ensure_future(operate(scene, "views.get", user="alice", callback_id="mine", app="desk"))
    await desk.open(modal(callback_id="theirs"))
    await desk.open(modal(callback_id="mine"), who="bob")

    view = await desk.open(modal(callback_id="mine"))

    assert (await waiting)["view"]["id"] == view["id"]


async def test_a_test_waits_for_a_change(scene: Scene, desk: Desk) -> None:
    view = await desk.open()
    place = {"user": "alice", "view_id": view["id"], "other_than": view["hash"]}
    assert await refusal(scene, "views.get", **place, timeout=0) == "unknown_view"
    waiting = asyncio.ensure_future(operate(scene, "views.get", **place))
    await eventually(lambda: scene.server.workspace.news._came is not None)

    changed = (await scene.ok("desk", "views.update", view_id=view["id"], view=modal(callback_id="b")))["view"]

    assert (await waiting)["view"]["hash"] == changed["hash"]


async def test_the_list_has_all_open_views_of_a_user(scene: Scene, desk: Desk) -> None:
    root = await desk.open()
    second = (await desk.push(root["id"]))["view"]
    shown = await desk.publish()
    await desk.open(who="bob")

    listed = (await operate(scene, "views.list", user="alice"))["views"]

    assert [view["id"] for view in listed] == [root["id"], second["id"], shown["id"]]
    assert (await operate(scene, "views.get", user="alice", kind="modal"))["view"]["id"] == second["id"]
    assert await refusal(scene, "views.get", user="alice", view_id=root["id"], timeout=0) == "unknown_view"
