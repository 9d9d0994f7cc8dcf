"""views.open, push, update and publish: their answers, their errors, and what a failure leaves as it was.

The rows are those of wire/interactivity-vectors.md#what-a-server-has-to-get-right.
"""

import asyncio
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from appside import APP_SEED
from desk import Desk, home, modal, plain
from scene import OpenScene, Scene
from tautwire.server.services.access.apps import delete_app
from tautwire.server.services.interactivity import triggers
from tautwire.server.services.people.accounts import deactivate
from tautwire.server.services.views import views
from tautwire.server.services.views.views import MAX_BYTES, MAX_STACKS

MEMBERS = [
    "id", "team_id", "type", "blocks", "private_metadata", "callback_id", "state", "hash", "title", "clear_on_close",
    "notify_on_close", "close", "submit", "previous_view_id", "root_view_id", "app_id", "external_id",
    "app_installed_team_id", "bot_id",
]  # fmt: skip
"""Source: wire/views.md#objects (captured)."""


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(seed=APP_SEED)


@pytest.fixture
def desk(scene: Scene) -> Desk:
    return Desk(scene)


async def test_an_opened_modal_has_all_members(scene: Scene, desk: Desk) -> None:
    view = await desk.open(modal(callback_id="ticket_new", private_metadata="draft-7", notify_on_close=True))

    assert list(view) == MEMBERS
    team, bot = scene.directory.team["id"], (await scene.ok("desk", "auth.test"))["bot_id"]
    assert view["id"].startswith("V")
    assert view | {"id": "V", "hash": "", "blocks": []} == {
        "id": "V", "team_id": team, "type": "modal", "blocks": [], "private_metadata": "draft-7",
        "callback_id": "ticket_new", "state": {"values": {}}, "hash": "",
        "title": {"type": "plain_text", "text": "New ticket", "emoji": True}, "clear_on_close": False,
        "notify_on_close": True, "close": None, "submit": {"type": "plain_text", "text": "File", "emoji": True},
        "previous_view_id": None, "root_view_id": view["id"], "app_id": desk.id, "external_id": "",
        "app_installed_team_id": team, "bot_id": bot,
    }  # fmt: skip
    assert view["blocks"] == [
        {
            "type": "input", "block_id": "title", "label": {**plain("Label"), "emoji": True}, "optional": False,
            "dispatch_action": False, "element": {
                "type": "plain_text_input", "action_id": "a_title",
                "dispatch_action_config": {"trigger_actions_on": ["on_enter_pressed"]},
            },
        }
    ]  # fmt: skip
    seconds, _, random = view["hash"].partition(".")
    assert seconds.isdigit()
    assert len(random) == 8


async def test_a_published_home_has_all_members_but_the_title(scene: Scene, desk: Desk) -> None:
    given = home(title=plain("T"), close=plain("C"), submit=plain("S"), notify_on_close=True, clear_on_close=True)

    view = (await scene.ok("desk", "views.publish", user_id=scene.users["alice"], view=given))["view"]

    assert list(view) == [name for name in MEMBERS if name != "title"]
    assert (view["close"], view["submit"]) == (None, None)
    assert (view["clear_on_close"], view["notify_on_close"]) == (False, False)


@pytest.mark.parametrize("method", ["views.open", "views.push"])
async def test_a_trigger_works_once(scene: Scene, desk: Desk, method: str) -> None:
    """Row 3."""
    under = (await desk.open())["id"]
    trigger = desk.trigger(under)
    await scene.ok("desk", method, trigger_id=trigger, view=modal())

    answer = await scene.call("desk", method, trigger_id=trigger, view=modal())

    assert answer["error"] == "exchanged_trigger_id"
    assert answer["response_metadata"]["messages"] == ["[ERROR] `trigger_id` was used [json-pointer:/trigger_id]"]


async def test_a_trigger_works_for_three_seconds(scene: Scene, desk: Desk) -> None:
    """Row 3."""
    trigger = desk.trigger()
    scene.clock.offset += triggers.LIFETIME

    assert await scene.error("desk", "views.open", trigger_id=trigger, view=modal()) == "expired_trigger_id"


async def test_a_trigger_works_for_its_app(scene: Scene, desk: Desk) -> None:
    """Row 3."""
    trigger = desk.trigger()

    assert await scene.error("quiet", "views.open", trigger_id=trigger, view=modal()) == "invalid_trigger_id"
    await scene.ok("desk", "views.open", trigger_id=trigger, view=modal())


@pytest.mark.parametrize("trigger", ["", "1", "1.2.3", "\N{ROCKET}.2.3", "9" * 5_000, "1.2." + "0" * 32])
async def test_what_is_no_trigger_is_refused(scene: Scene, desk: Desk, trigger: str) -> None:
    assert await scene.error("desk", "views.open", trigger_id=trigger, view=modal()) == "invalid_trigger_id"


async def test_the_pointer_of_functions_is_a_trigger(scene: Scene, desk: Desk) -> None:
    await scene.ok("desk", "views.open", interactivity_pointer=desk.trigger(), view=modal())


async def test_a_bad_view_leaves_the_trigger(scene: Scene, desk: Desk) -> None:
    await desk.open(modal(external_id="taken"))
    trigger = desk.trigger()
    for bad in ({}, modal(external_id="taken"), modal(private_metadata="x" * 3_001), home()):
        await scene.error("desk", "views.open", trigger_id=trigger, view=bad)

    await scene.ok("desk", "views.open", trigger_id=trigger, view=modal())


async def test_all_faults_of_a_view_are_named(scene: Scene, desk: Desk) -> None:
    """Row 9."""
    view = modal(title=plain("x" * 25))
    del view["submit"]

    answer = await scene.call("desk", "views.open", trigger_id=desk.trigger(), view=view)

    assert answer["error"] == "invalid_arguments"
    assert answer["response_metadata"]["messages"] == [
        "[ERROR] must be less than 25 characters [json-pointer:/view/title/text]",
        "[ERROR] must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/0/input]",
    ]


@pytest.mark.parametrize(
    ("method", "arguments", "place"),
    [
        ("views.open", {"view": home()}, "/view/type"),
        ("views.open", {}, "/view"),
        ("views.open", {"view": []}, "/view"),
        ("views.open", {"view": {"type": "workflow_step", "blocks": []}}, "/view/type"),
        ("views.push", {"view": home()}, "/view/type"),
        ("views.publish", {"view": modal()}, "/view/type"),
        ("views.publish", {"view": home(), "user_id": "UNOBODY"}, "/user_id"),
        ("views.publish", {"view": home(), "user_id": ""}, "/user_id"),
        ("views.update", {"view": modal()}, "/view_id"),
    ],
)
async def test_wrong_arguments_are_named(
    scene: Scene, desk: Desk, method: str, arguments: dict[str, Any], place: str
) -> None:
    given = {"user_id": scene.users["alice"]} if method == "views.publish" else {}
    if method in ("views.open", "views.push"):
        given = {"trigger_id": desk.trigger((await desk.open())["id"])}

    answer = await scene.call("desk", method, **{**given, **arguments})

    assert answer["error"] == "invalid_arguments"
    (message,) = answer["response_metadata"]["messages"]
    assert message.endswith(f"[json-pointer:{place}]")


@pytest.mark.parametrize("kind", ["bot", "gone"])
async def test_a_home_is_published_to_people(scene: Scene, desk: Desk, kind: str) -> None:
    user = scene.users["relaybot"]
    if kind == "gone":
        user = scene.users["carol"]
        await scene.server.workspace.writer.write(lambda tx: deactivate(tx, scene.server.workspace.team, user))

    answer = await scene.call("desk", "views.publish", user_id=user, view=home())

    assert answer["response_metadata"]["messages"] == ["[ERROR] invalid `user_id` [json-pointer:/user_id]"]


async def test_a_stack_has_three_views(scene: Scene, desk: Desk) -> None:
    """Row 4."""
    root = (await desk.open())["id"]
    second = (await desk.push(root))["view"]
    third = (await desk.push(second["id"]))["view"]

    assert (await desk.push(third["id"]))["error"] == "push_limit_reached"

    assert [each["root_view_id"] for each in (second, third)] == [root, root]
    assert [each["previous_view_id"] for each in (second, third)] == [root, second["id"]]
    assert await desk.stored() == [root, second["id"], third["id"]]


async def test_a_push_goes_on_top_whichever_view_was_acted_in(scene: Scene, desk: Desk) -> None:
    root = (await desk.open())["id"]
    second = (await desk.push(root))["view"]["id"]

    third = (await desk.push(root))["view"]

    assert third["previous_view_id"] == second


async def test_a_push_needs_a_view_under_it(scene: Scene, desk: Desk) -> None:
    assert (await desk.push(""))["error"] == "not_found"
    assert (await desk.push("V0NOTHING1"))["error"] == "not_found"


async def test_a_modal_is_not_pushed_on_a_home(scene: Scene, desk: Desk) -> None:
    under = (await scene.ok("desk", "views.publish", user_id=scene.users["alice"], view=home()))["view"]["id"]

    answer = await desk.push(under)

    assert answer["response_metadata"]["messages"] == [
        "[ERROR] must match the `type` of the root view whose stack we're pushing onto [json-pointer:/view/type]"
    ]
    await desk.open()  # but it is opened from there


async def test_an_update_has_a_new_hash(scene: Scene, desk: Desk) -> None:
    view = await desk.open()

    changed = (await scene.ok("desk", "views.update", view_id=view["id"], view=modal(callback_id="later")))["view"]

    assert changed["id"] == view["id"]
    assert changed["callback_id"] == "later"
    assert changed["hash"] != view["hash"]


@pytest.mark.parametrize("method", ["views.update", "views.publish"])
async def test_an_old_hash_conflicts(scene: Scene, desk: Desk, method: str) -> None:
    """Row 5."""
    if method == "views.update":
        first = await desk.open()
        place, view = {"view_id": first["id"]}, modal(callback_id="mine")
    else:
        place, view = {"user_id": scene.users["alice"]}, home(callback_id="mine")
        first = (await scene.ok("desk", method, **place, view=view))["view"]
    second = (await scene.ok("desk", method, **place, view=view, hash=first["hash"]))["view"]

    assert await scene.error("desk", method, **place, view=view, hash=first["hash"]) == "hash_conflict"

    third = (await scene.ok("desk", method, **place, view=view, hash=second["hash"]))["view"]
    assert len({first["hash"], second["hash"], third["hash"]}) == 3


async def test_a_hash_of_nothing_conflicts(scene: Scene, desk: Desk) -> None:
    error = await scene.error("desk", "views.publish", user_id=scene.users["alice"], view=home(), hash="1.a")
    assert error == "hash_conflict"


async def test_an_external_id_names_one_view(scene: Scene, desk: Desk) -> None:
    view = await desk.open(modal(external_id="ticket-7"))
    other = await desk.open()
    for again in (modal(callback_id="b"), modal(callback_id="c", external_id="ticket-7")):
        changed = (await scene.ok("desk", "views.update", external_id="ticket-7", view=again))["view"]
        assert (changed["id"], changed["external_id"]) == (view["id"], "ticket-7")

    taken = modal(external_id="ticket-7")
    assert await scene.error("desk", "views.open", trigger_id=desk.trigger(), view=taken) == "duplicate_external_id"
    assert await scene.error("desk", "views.update", view_id=other["id"], view=taken) == "duplicate_external_id"
    assert (await desk.push(other["id"], taken))["error"] == "duplicate_external_id"
    user = scene.users["alice"]
    error = await scene.error("desk", "views.publish", user_id=user, view=home(external_id="ticket-7"))
    assert error == "duplicate_external_id"


async def test_external_ids_of_apps_are_apart(scene: Scene, desk: Desk) -> None:
    mine = await desk.open(modal(external_id="same"))
    quiet = Desk(scene, "quiet")
    theirs = await quiet.open(modal(external_id="same"))

    changed = (await scene.ok("quiet", "views.update", external_id="same", view=modal()))["view"]

    assert changed["id"] == theirs["id"] != mine["id"]


async def test_a_large_view_is_refused(scene: Scene, desk: Desk) -> None:
    """Of 100 blocks each may be valid, and the whole too large."""
    block = {"type": "section", "text": plain("x" * 3_000)}
    view = modal(blocks=[block] * (MAX_BYTES // 3_000 + 1))

    assert await scene.error("desk", "views.open", trigger_id=desk.trigger(), view=view) == "view_too_large"


async def test_views_of_another_app_are_not_found(scene: Scene, desk: Desk) -> None:
    view = await desk.open()
    quiet = Desk(scene, "quiet")

    assert await scene.error("quiet", "views.update", view_id=view["id"], view=modal()) == "not_found"
    assert (await quiet.push(view["id"]))["error"] == "not_found"
    assert await desk.stored() == [view["id"]]


async def test_a_modal_stays_one(scene: Scene, desk: Desk) -> None:
    view = await desk.open()

    answer = await scene.call("desk", "views.update", view_id=view["id"], view=home())

    assert answer["response_metadata"]["messages"] == [
        "[ERROR] must match the `type` of the view [json-pointer:/view/type]"
    ]


async def test_a_home_is_updated_by_its_id(scene: Scene, desk: Desk) -> None:
    view = (await scene.ok("desk", "views.publish", user_id=scene.users["alice"], view=home()))["view"]

    changed = await scene.ok("desk", "views.update", view_id=view["id"], view=home(callback_id="later"))
    again = await scene.ok("desk", "views.publish", user_id=scene.users["alice"], view=home())

    assert changed["view"]["callback_id"] == "later"
    assert again["view"]["id"] == view["id"]
    assert await desk.stored() == [view["id"]]


async def test_each_person_has_a_home_of_each_app(scene: Scene, desk: Desk) -> None:
    ids = {
        (await scene.ok(app, "views.publish", user_id=scene.users[who], view=home()))["view"]["id"]
        for app in ("desk", "quiet")
        for who in ("alice", "bob")
    }
    assert len(ids) == 4


async def test_a_hundred_modals_are_bounded(scene: Scene, desk: Desk) -> None:
    """An app that never closes its modals fills no disk; those of other people and apps stay."""
    bobs = await desk.open(who="bob")
    theirs = await Desk(scene, "quiet").open()
    opened = [(await desk.open())["id"] for _ in range(100)]
    pushed = [await desk.push(opened[-1]) for _ in range(100)]

    assert [answer["ok"] for answer in pushed] == [True, True] + [False] * 98
    assert {answer.get("error") for answer in pushed} == {None, "push_limit_reached"}
    stored = await desk.stored()
    assert len(stored) == MAX_STACKS + 2 + 1
    assert {*opened[-MAX_STACKS:], theirs["id"]} < set(stored)
    assert await desk.stored("bob") == [bobs["id"]]


async def test_people_do_not_show_views(scene: Scene, desk: Desk) -> None:
    assert await scene.error("alice", "views.open", trigger_id=desk.trigger(), view=modal()) == "not_allowed_token_type"


@pytest.mark.parametrize("client", [WebClient, AsyncWebClient])
async def test_the_sdk_reads_every_answer(scene: Scene, desk: Desk, client: type[WebClient | AsyncWebClient]) -> None:
    sdk = client(token=scene.tokens["desk"], base_url=scene.server.api_url)

    async def call(name: str, **arguments: Any) -> dict[str, Any]:
        function = getattr(sdk, name)
        answer = await function(**arguments) if client is AsyncWebClient else await asyncio.to_thread(
            function, **arguments
        )  # fmt: skip
        assert list(answer["view"])[:2] == ["id", "team_id"]
        return dict(answer["view"])

    opened = await call("views_open", trigger_id=desk.trigger(), view=modal())
    pushed = await call("views_push", trigger_id=desk.trigger(opened["id"]), view=modal())
    updated = await call("views_update", view_id=pushed["id"], hash=pushed["hash"], view=modal())
    published = await call("views_publish", user_id=scene.users["alice"], view=home())

    assert pushed["previous_view_id"] == opened["id"]
    assert updated["id"] == pushed["id"]
    assert published["type"] == "home"


async def test_a_failing_write_leaves_the_trigger(
    scene: Scene, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = desk.trigger()
    with monkeypatch.context() as patch:
        patch.setattr(views, "add_view", lambda *_: 1 / 0)
        answer = await scene.request(
            "POST", "views.open", json={"trigger_id": trigger, "view": modal()}, headers=scene.bearer("desk")
        )
        assert answer.body["error"] == "internal_error"
    caplog.clear()

    await scene.ok("desk", "views.open", trigger_id=trigger, view=modal())


async def test_the_views_of_a_deleted_app_are_gone(scene: Scene, desk: Desk) -> None:
    await desk.open()
    theirs = await Desk(scene, "quiet").open()
    workspace = scene.server.workspace

    await workspace.writer.write(lambda tx: delete_app(tx, workspace.team, desk.id))

    assert await desk.stored() == [theirs["id"]]
