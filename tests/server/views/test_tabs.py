"""The tabs of an app's direct message: its manifest switches them on and off."""

from typing import Any

import pytest

from controlled import SECRET, operate, refusal
from installing import MANIFEST, Desk
from samples import VIEW
from scene import OpenScene, Scene
from tautwire.server.services.access.consents import Wish
from tautwire.server.services.manifests.installing import update
from tautwire.server.services.manifests.reading import describe

HOME = {"type": "home", "blocks": []}


def tree(**tabs: bool) -> dict[str, Any]:
    features = MANIFEST["features"] | ({"app_home": tabs} if tabs else {})
    scopes = {"bot": [*MANIFEST["oauth_config"]["scopes"]["bot"], "im:write"], "user": []}
    settings = {"socket_mode_enabled": True}
    return {**MANIFEST, "features": features, "oauth_config": {"scopes": scopes}, "settings": settings}


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def installed(scene: Scene, **tabs: bool) -> Desk:
    desk = await Desk.made_in(scene, tree(**tabs))
    consented = await desk.consented(wish=Wish(["chat:write", "im:write"], []))
    scene.tokens["deskbot"] = (await desk.exchange(consented.code))["access_token"]
    return desk


async def direct(scene: Scene) -> str:
    return str((await scene.ok("deskbot", "conversations.open", users=scene.users["alice"]))["channel"]["id"])


@pytest.mark.parametrize("tabs", [{}, {"home_tab_enabled": True, "messages_tab_enabled": True}])
async def test_without_a_word_on_them_or_switched_on_both_are_there(scene: Scene, tabs: dict[str, bool]) -> None:
    await installed(scene, **tabs)
    await scene.ok("deskbot", "views.publish", user_id=scene.users["alice"], view=HOME)
    await scene.post("deskbot", await direct(scene), "hello")
    for tab in ("home", "messages"):
        await operate(scene, "home", user="alice", app="Desk", tab=tab)


async def test_an_app_without_the_home_tab_publishes_nothing(scene: Scene) -> None:
    desk = await installed(scene, messages_tab_enabled=True)
    person = scene.users["alice"]
    assert await scene.error("deskbot", "views.publish", user_id=person, view=HOME) == "not_enabled"
    assert await refusal(scene, "home", user="alice", app="Desk", tab="home") == "not_enabled"
    await operate(scene, "home", user="alice", app="Desk", tab="messages")
    trigger = scene.server.workspace.triggers.issue(desk.id, person)
    await scene.ok("deskbot", "views.open", trigger_id=trigger, view=VIEW)


async def test_an_app_without_the_messages_tab_posts_to_no_direct_message(scene: Scene) -> None:
    await installed(scene, home_tab_enabled=True)
    channel = await direct(scene)
    person = {"user": scene.users["alice"]}
    for name, arguments in (
        ("chat.postMessage", {"text": "hello"}),
        ("chat.postEphemeral", {"text": "hello", **person}),
        ("chat.startStream", {"thread_ts": "1.1", "markdown_text": "hello"}),
    ):
        assert await scene.error("deskbot", name, channel=channel, **arguments) == "messages_tab_disabled"
    assert await refusal(scene, "home", user="alice", app="Desk", tab="messages") == "messages_tab_disabled"
    await scene.ok("deskbot", "views.publish", user_id=scene.users["alice"], view=HOME)
    await scene.post("alice", channel, "people are not refused")
    assert [each["text"] for each in await scene.history("alice", channel)] == ["people are not refused"]


async def test_a_new_manifest_switches_them(scene: Scene) -> None:
    desk = await installed(scene, home_tab_enabled=True)
    channel = await direct(scene)
    described = describe(tree(messages_tab_enabled=True))
    await scene.server.workspace.writer.write(lambda tx: update(tx, desk.made.app.record, described))

    await scene.post("deskbot", channel, "hello")
    assert await scene.error("deskbot", "views.publish", user_id=scene.users["alice"], view=HOME) == "not_enabled"


def test_the_flag_without_effect_is_named() -> None:
    found = describe(tree(home_tab_enabled=True, messages_tab_enabled=True, messages_tab_read_only_enabled=True))

    assert [each.pointer for each in found.warnings] == ["/features/app_home/messages_tab_read_only_enabled"]
