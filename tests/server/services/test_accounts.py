"""Deactivated users: what they lose, what others hear and see, and what comes back."""

import pytest

from elsewhere import Change, write_elsewhere
from scene import Scene
from tautwire.server.services.access import apps
from tautwire.server.services.errors import MethodError
from tautwire.server.services.people import accounts
from tautwire.server.store.records import SLACKBOT_ID


@pytest.fixture(params=["here", "elsewhere"])
def change(scene: Scene, request: pytest.FixtureRequest) -> Change:
    return Change(scene, is_elsewhere=request.param == "elsewhere")


async def test_everybody_hears_of_it_without_the_address(scene: Scene, change: Change) -> None:
    bob, bot = await scene.connect("bob"), await scene.connect("relaybot")
    team = scene.server.workspace.team
    for step, is_deleted in ((accounts.deactivate, True), (accounts.reactivate, False)):
        await change(lambda tx, step=step: step(tx, team, scene.users["alice"]))
        for socket in (bob, bot):
            frame = await socket.until("user_change")
            assert (frame["user"]["id"], frame["user"]["deleted"]) == (scene.users["alice"], is_deleted)
            assert "email" not in frame["user"]["profile"]
        user = (await scene.ok("bob", "users.info", user=scene.users["alice"]))["user"]
        assert user["deleted"] is is_deleted


async def test_a_second_time_changes_nothing(scene: Scene, change: Change) -> None:
    bob = await scene.connect("bob")
    team = scene.server.workspace.team
    await change(lambda tx: accounts.reactivate(tx, team, scene.users["alice"]))
    await change(lambda tx: accounts.deactivate(tx, team, scene.users["alice"]))
    await change(lambda tx: accounts.deactivate(tx, team, scene.users["alice"]))
    assert (await bob.events()).count("user_change") == 1


async def test_memberships_and_messages_stay_and_new_ones_are_refused(scene: Scene, change: Change) -> None:
    team = scene.server.workspace.team
    ts = await scene.post("alice", scene.general, "written before")
    await change(lambda tx: accounts.deactivate(tx, team, scene.users["alice"]))
    members = (await scene.ok("bob", "conversations.members", channel=scene.general))["members"]
    assert scene.users["alice"] in members
    assert (await scene.history("bob", scene.general))[0]["ts"] == ts
    assert await scene.error("bob", "conversations.open", users=scene.users["alice"]) == "user_disabled"


async def test_a_bot_is_announced_as_bot_too_and_its_profile_is_made_anew(scene: Scene, change: Change) -> None:
    """The profile in messages is remembered by writers."""
    team = scene.server.workspace.team
    bob = await scene.connect("bob")
    await scene.post("relaybot", scene.general, "one")
    first = (await bob.until("message"))["bot_profile"]
    scene.clock.step += 100
    await change(lambda tx: accounts.deactivate(tx, team, scene.users["relaybot"]))
    assert (await bob.until("bot_changed"))["bot"]["deleted"] is True
    assert (await bob.until("user_change"))["user"]["id"] == scene.users["relaybot"]
    await change(lambda tx: accounts.reactivate(tx, team, scene.users["relaybot"]))
    await scene.post("relaybot", scene.general, "two")
    second = (await bob.until("message"))["bot_profile"]
    assert second["updated"] >= first["updated"] + 100


async def test_a_deactivated_user_is_away(scene: Scene, change: Change) -> None:
    await scene.connect("alice")
    watcher = await scene.connect("bob")
    await watcher.send(type="presence_sub", ids=[scene.users["alice"]])
    assert (await watcher.until("presence_change"))["presence"] == "active"
    team = scene.server.workspace.team
    await change(lambda tx: accounts.deactivate(tx, team, scene.users["alice"]))
    scene.clock.offset += 60
    assert (await watcher.until("presence_change"))["presence"] == "away"


async def test_who_cannot_be_deactivated(scene: Scene) -> None:
    team = scene.server.workspace.team
    for user in ("UNOBODY", SLACKBOT_ID):
        with pytest.raises(MethodError, match="user_not_found"):
            await Change(scene, is_elsewhere=False)(lambda tx, user=user: accounts.deactivate(tx, team, user))


async def test_the_bot_of_a_deleted_app_does_not_come_back(scene: Scene) -> None:
    team = scene.server.workspace.team

    def app_of_bot(scene: Scene) -> str:
        bot = write_elsewhere(scene, lambda tx: tx.one("SELECT app_id FROM users WHERE name = 'relaybot'"))[0]
        assert bot is not None
        return str(bot[0])

    app = app_of_bot(scene)
    change = Change(scene, is_elsewhere=False)
    await change(lambda tx: apps.delete_app(tx, team, app))
    with pytest.raises(MethodError, match="app_not_found"):
        await change(lambda tx: accounts.reactivate(tx, team, scene.users["relaybot"]))
