"""Presence: by subscription only, active by sockets and activity, away by hand. Source: wire/presence-and-typing.md."""

from typing import Any

import pytest

from scene import Frame, OpenScene, Scene, Socket, eventually
from tautwire.server.services.people.presence import Presence

AWAY, ACTIVE = "away", "active"


def changed(scene: Scene, name: str, presence: str) -> Frame:
    return {"type": "presence_change", "user": scene.users[name], "presence": presence}


async def watching(scene: Scene, *names: str, **arguments: Any) -> Socket:
    """Connect bob, watching the presence of others; what he hears at once is dropped."""
    bob = await scene.connect("bob", **arguments)
    await bob.send(type="presence_sub", ids=[scene.users[name] for name in names])
    await bob.fence()
    return bob


async def state(scene: Scene, name: str) -> str:
    return str((await scene.ok("bob", "users.getPresence", user=scene.users[name]))["presence"])


# --- subscription ---


async def test_without_a_subscription_nothing_is_told(scene: Scene) -> None:
    bob = await scene.connect("bob")
    await scene.connect("alice")
    await scene.ok("alice", "users.setPresence", presence=AWAY)
    assert await bob.fence() == []


async def test_a_subscription_is_answered_with_the_state_of_those_that_are_new(scene: Scene) -> None:
    await scene.connect("alice")
    bob = await scene.connect("bob")
    ids = {name: scene.users[name] for name in ("alice", "carol", "relaybot")}

    await bob.send(type="presence_sub", ids=[ids["alice"]])
    assert await bob.fence() == [changed(scene, "alice", ACTIVE)]
    await bob.send(type="presence_sub", ids=[ids["carol"], ids["alice"]])
    assert await bob.fence() == [changed(scene, "carol", AWAY)], "who stays is not told again"
    await bob.send(type="presence_sub", ids=[ids["relaybot"], ids["relaybot"]])
    assert await bob.fence() == [changed(scene, "relaybot", AWAY)]
    await bob.send(type="presence_sub", ids=[ids["alice"]])
    assert await bob.fence() == [changed(scene, "alice", ACTIVE)], "who was left out is new again"


async def test_a_subscription_replaces_the_one_before(scene: Scene) -> None:
    bob = await watching(scene, "alice")
    await bob.send(type="presence_sub", ids=[scene.users["carol"]])
    await bob.fence()
    await scene.connect("alice")
    assert await bob.fence() == []
    await bob.send(type="presence_sub", ids=[])
    await scene.connect("carol")
    assert await bob.fence() == []


async def test_changes_are_told_to_each_subscriber(scene: Scene) -> None:
    bob, other = await watching(scene, "alice"), await watching(scene, "alice")
    await scene.connect("alice")
    assert await bob.fence() == await other.fence() == [changed(scene, "alice", ACTIVE)]
    await scene.connect("alice")
    assert await bob.fence() == []


async def test_a_subscription_dies_with_its_socket(scene: Scene) -> None:
    bob = await watching(scene, "alice")
    await bob.close()
    bob = await scene.connect("bob")
    await scene.connect("alice")
    assert await bob.fence() == []


async def test_ones_own_presence_is_told_to_who_asks_for_it(scene: Scene) -> None:
    alice = await scene.connect("alice")
    await alice.send(type="presence_sub", ids=[scene.users["alice"]])
    assert await alice.fence() == [changed(scene, "alice", ACTIVE)]
    await scene.ok("alice", "users.setPresence", presence=AWAY)
    assert {frame["type"] for frame in await alice.fence()} == {"presence_change", "manual_presence_change"}


async def test_a_query_is_answered_once(scene: Scene) -> None:
    alice = await scene.connect("alice")
    bob = await scene.connect("bob")
    await bob.send(type="presence_query", ids=[scene.users["alice"], scene.users["carol"], scene.users["alice"]])
    assert await bob.fence() == [changed(scene, "alice", ACTIVE), changed(scene, "carol", AWAY)]
    await alice.close()
    await scene.connect("carol")
    assert await bob.fence() == []


async def test_batches_for_who_asked_for_them(scene: Scene) -> None:
    await scene.connect("alice")
    bob = await scene.connect("bob", batch_presence_aware=True)
    ids = [scene.users[name] for name in ("alice", "carol", "relaybot")]
    await bob.send(type="presence_query", ids=ids)
    assert await bob.fence() == [
        {"type": "presence_change", "users": [ids[0]], "presence": ACTIVE},
        {"type": "presence_change", "users": ids[1:], "presence": AWAY},
    ]
    await bob.send(type="presence_sub", ids=ids)
    await bob.fence()
    await scene.connect("carol")
    assert await bob.fence() == [{"type": "presence_change", "users": [ids[1]], "presence": ACTIVE}]


@pytest.mark.parametrize("kind", ["presence_sub", "presence_query"])
@pytest.mark.parametrize("ids", [None, "U1", {}, [None, 1, {}], [""], ["x" * 1_000]])
async def test_ids_of_any_shape_do_no_harm(scene: Scene, kind: str, ids: object) -> None:
    bob = await scene.connect("bob")
    await bob.send(type=kind, ids=ids, id=1)
    await bob.fence()
    assert (await bob.say(scene.general, "still here"))["ok"]


# --- activity ---


async def test_a_socket_makes_active_and_the_last_to_close_makes_away_after_a_while(scene: Scene) -> None:
    bob = await watching(scene, "alice")
    first, second = await scene.connect("alice"), await scene.connect("alice")
    assert await bob.fence() == [changed(scene, "alice", ACTIVE)]
    await first.close()
    await second.close()
    await scene.ok("alice", "users.getPresence")
    scene.clock.offset += 9
    await scene.server_swept()
    assert await bob.fence() == []
    scene.clock.offset += 2
    assert await bob.frame() == changed(scene, "alice", AWAY)


async def test_a_person_with_two_sockets_stays_active_when_one_of_them_closes(scene: Scene) -> None:
    bob = await watching(scene, "alice")
    first, second = await scene.connect("alice"), await scene.connect("alice")
    assert await bob.fence() == [changed(scene, "alice", ACTIVE)]
    await first.close()
    await scene.ok("alice", "users.getPresence")
    scene.clock.offset += 11
    await scene.server_swept()
    assert await bob.fence() == []
    await second.close()


async def test_who_comes_back_in_time_was_never_away(scene: Scene) -> None:
    bob = await watching(scene, "alice")
    await (await scene.connect("alice")).close()
    scene.clock.offset += 9
    await scene.connect("alice")
    scene.clock.offset += 60
    await scene.server_swept()
    assert await bob.fence() == [changed(scene, "alice", ACTIVE)]


async def test_a_person_who_does_nothing_falls_asleep_and_wakes_by_doing_something(open_scene: OpenScene) -> None:
    scene = await open_scene(silence_limit=10_000)
    bob = await watching(scene, "alice")
    alice = await scene.connect("alice")
    await bob.fence()
    for wake in ({"type": "tickle"}, {"type": "typing", "channel": scene.general}, {"type": "presence_sub", "ids": []}):
        scene.clock.offset += 601
        assert await bob.until("presence_change") == changed(scene, "alice", AWAY)
        await alice.send(**wake)
        assert await bob.until("presence_change") == changed(scene, "alice", ACTIVE)


async def test_a_ping_is_no_activity(open_scene: OpenScene) -> None:
    scene = await open_scene(silence_limit=10_000)
    bob = await watching(scene, "alice")
    alice = await scene.connect("alice")
    await bob.fence()
    scene.clock.offset += 599
    await alice.fence()
    scene.clock.offset += 2
    assert await bob.frame() == changed(scene, "alice", AWAY)


async def test_a_bot_never_falls_asleep(open_scene: OpenScene) -> None:
    scene = await open_scene(silence_limit=100_000)
    bob = await watching(scene, "relaybot")
    relaybot = await scene.connect("relaybot")
    assert await bob.fence() == [changed(scene, "relaybot", ACTIVE)]
    scene.clock.offset += 10_000
    await scene.server_swept()
    assert await bob.fence() == []
    await relaybot.close()
    await eventually(lambda: not scene.server.workspace.hub.connections_of(scene.users["relaybot"]))
    scene.clock.offset += 11
    assert await bob.frame() == changed(scene, "relaybot", AWAY)


# --- by hand ---


async def test_away_by_hand_is_told_and_wins_over_everything(scene: Scene) -> None:
    bob = await watching(scene, "alice")
    here, elsewhere = await scene.connect("alice"), await scene.connect("alice")
    await bob.fence()
    await scene.ok("alice", "users.setPresence", presence=AWAY)

    assert await bob.fence() == [changed(scene, "alice", AWAY)]
    for socket in (here, elsewhere):
        assert await socket.fence() == [{"type": "manual_presence_change", "presence": AWAY}]
    await here.say(scene.general, "typing away")
    await scene.connect("alice")
    assert [frame["type"] for frame in await bob.fence()] == ["message"]
    await scene.ok("alice", "users.setPresence", presence="auto")
    assert await bob.fence() == [changed(scene, "alice", ACTIVE)]
    assert await elsewhere.until("manual_presence_change") == {"type": "manual_presence_change", "presence": ACTIVE}


async def test_away_by_hand_survives_a_restart(scene: Scene) -> None:
    await scene.ok("alice", "users.setPresence", presence=AWAY)
    await scene.server.stop()
    await scene.server.start()
    await scene.connect("alice")
    assert await state(scene, "alice") == AWAY
    assert (await scene.ok("alice", "users.getPresence"))["manual_away"] is True


async def test_lifting_the_away_of_who_is_not_there_leaves_them_away(scene: Scene) -> None:
    bob = await watching(scene, "alice")
    await scene.ok("alice", "users.setPresence", presence=AWAY)
    await scene.ok("alice", "users.setPresence", presence="active")
    assert await bob.fence() == []
    assert await state(scene, "alice") == AWAY


async def test_presence_has_a_vocabulary(scene: Scene) -> None:
    for presence in ("", "here", "AWAY"):
        assert await scene.error("alice", "users.setPresence", presence=presence) == "invalid_presence"
    assert await scene.error("alice", "users.getPresence", user="UNOBODY") == "user_not_found"


async def test_about_oneself_one_is_told_why(open_scene: OpenScene) -> None:
    scene = await open_scene(silence_limit=10_000)
    nobody = await scene.ok("alice", "users.getPresence")
    assert (nobody["presence"], nobody["online"], nobody["connection_count"]) == (AWAY, False, 0)
    alice = await scene.connect("alice")
    mine = await scene.ok("alice", "users.getPresence")
    assert (mine["presence"], mine["online"], mine["connection_count"]) == (ACTIVE, True, 1)
    assert abs(mine["last_activity"] - scene.clock.seconds()) <= 2
    scene.clock.offset += 601
    await scene.server_swept()
    mine = await scene.ok("alice", "users.getPresence", user=scene.users["alice"])
    assert (mine["presence"], mine["auto_away"], mine["manual_away"]) == (AWAY, True, False)
    assert set(await scene.ok("bob", "users.getPresence", user=scene.users["alice"])) == {"ok", "presence"}
    await alice.close()


async def test_batches_for_who_asks_on_the_url_as_slack_go_does(scene: Scene) -> None:
    grant = await scene.grant("bob")
    bob = await scene.dial(grant | {"url": grant["url"] + "?batch_presence_aware=1"})
    await bob.frame()

    await bob.send(type="presence_query", ids=[scene.users["alice"]])

    assert (await bob.frame())["users"] == [scene.users["alice"]]


async def test_a_subscription_that_there_is_no_room_for_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Presence, "subscribe", lambda *_: False)
    alice = await scene.connect("alice")
    await alice.send(type="presence_sub", id=5, ids=[scene.users["bob"]])
    assert (await alice.reply_to(5))["error"] == {"code": 4, "msg": "cannot process message"}
