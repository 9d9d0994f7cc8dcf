"""Resuming: a client that knows its position gets exactly what it missed, or is told that it cannot."""

import asyncio
import random
from typing import Any

import pytest

from scene import ConnectionEnded, Frame, OpenScene, Scene, Socket, eventually, is_plain


async def resuming(scene: Scene, who: str, position: int | str) -> tuple[Socket, list[Frame]]:
    """Connect with ``resume``; return the socket and what it gets besides hello until it has caught up."""
    hub, user = scene.server.workspace.hub, scene.users[who]
    before = max((connection.number for connection in hub.connections_of(user)), default=0)
    socket = await scene.connect(who, resume=str(position))
    await eventually(lambda: any(connection.number > before for connection in hub.connections_of(user)))
    return socket, await socket.fence()


def split(frames: list[Frame]) -> tuple[list[Frame], list[int]]:
    """Return the events and the positions among frames."""
    positions = [frame["position"] for frame in frames if frame["type"] == "position"]
    return [frame for frame in frames if frame["type"] != "position"], positions


async def test_a_client_that_has_no_position_gets_one(scene: Scene) -> None:
    alice, frames = await resuming(scene, "alice", "")
    assert alice.grant["resume"] == "new"
    assert frames == [{"type": "position", "position": alice.grant["position"]}]


async def test_positions_come_after_the_events_that_they_cover(scene: Scene) -> None:
    alice, _ = await resuming(scene, "alice", "")
    last = alice.grant["position"]
    for number in range(3):
        await scene.post("bob", scene.general, str(number))
        event, position = await alice.frame(), await alice.frame()
        assert event["text"] == str(number)
        assert position["position"] > last
        last = position["position"]


async def test_only_who_asks_for_positions_gets_them(scene: Scene) -> None:
    alice = await scene.connect("alice")
    await scene.post("bob", scene.general, "x")
    assert await alice.events() == ["message"]


async def test_a_client_gets_exactly_what_it_missed(scene: Scene) -> None:
    alice, _ = await resuming(scene, "alice", "")
    await scene.post("bob", scene.general, "seen")
    position = await alice.until("position")
    await alice.close()
    for number in range(5):
        await scene.post("bob", scene.general, f"missed {number}")
    alice, frames = await resuming(scene, "alice", position["position"])

    assert alice.grant["resume"] == "resumed"
    assert alice.grant["position"] == position["position"]
    events, positions = split(frames)
    assert [event["text"] for event in events] == [f"missed {number}" for number in range(5)]
    assert len(positions) == 1
    _, frames = await resuming(scene, "alice", positions[0])
    assert split(frames) == ([], positions)


async def test_a_client_resumes_across_a_restart(scene: Scene) -> None:
    alice, _ = await resuming(scene, "alice", "")
    await scene.post("bob", scene.general, "missed")
    await scene.server.stop()
    await scene.server.start()
    again, frames = await resuming(scene, "alice", alice.grant["position"])
    assert again.grant["resume"] == "resumed"
    assert [event["text"] for event in split(frames)[0]] == ["missed"]
    await scene.post("bob", scene.general, "live")
    assert (await again.until(is_plain))["text"] == "live"


@pytest.mark.parametrize("position", ["nonsense", "-1", "1.5", "²", "9" * 18, "9" * 5_000, " 1"])
async def test_a_position_that_nobody_was_given_is_no_place_to_resume_from(scene: Scene, position: str) -> None:
    await scene.post("bob", scene.general, "x")
    alice, frames = await resuming(scene, "alice", position)
    assert alice.grant["resume"] == "resync"
    assert frames == [{"type": "position", "position": alice.grant["position"]}]


async def test_who_missed_too_much_is_told_to_start_over_and_gets_no_part_of_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.web_api.methods.rtm.MAX_REPLAY", 3)
    start = (await scene.grant("alice", resume=""))["position"]
    for number in range(3):
        await scene.post("bob", scene.general, str(number))
    alice, frames = await resuming(scene, "alice", start)
    assert alice.grant["resume"] == "resumed"
    assert len(split(frames)[0]) == 3
    await scene.post("bob", scene.general, "one too many")
    alice, frames = await resuming(scene, "alice", start)
    assert alice.grant["resume"] == "resync"
    assert split(frames)[0] == []


@pytest.mark.parametrize("tail", [2, 20_000], ids=["from disk", "from memory"])
async def test_who_missed_too_many_bytes_is_told_to_start_over(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, tail: int
) -> None:
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL", tail)
    monkeypatch.setattr("tautwire.server.web_api.methods.rtm.MAX_REPLAY_SIZE", 10_000)
    scene = await open_scene()
    start = (await scene.grant("alice", resume=""))["position"]
    for _ in range(4):
        await scene.post("bob", scene.general, "x" * 2_000)
    alice, frames = await resuming(scene, "alice", start)
    assert alice.grant["resume"] == "resumed"
    assert len(split(frames)[0]) == 4
    await scene.post("bob", scene.general, "x" * 3_000)
    alice, frames = await resuming(scene, "alice", start)
    assert alice.grant["resume"] == "resync"
    assert split(frames)[0] == []


async def test_what_one_was_acked_on_the_old_socket_is_an_event_on_the_new(scene: Scene) -> None:
    alice, _ = await resuming(scene, "alice", "")
    start = alice.grant["position"]
    await alice.say(scene.general, "mine")
    _, frames = await resuming(scene, "alice", start)
    assert [event["text"] for event in split(frames)[0]] == ["mine"]


@pytest.mark.parametrize("tail", [2, 20_000])
async def test_a_resumed_client_sees_what_it_would_have_seen_live(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, tail: int
) -> None:
    """Membership changes, private channels, edits and marks on the way; from memory and from disk."""
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL", tail)
    scene = await open_scene()
    chance = random.Random(tail)
    bob, frames = await resuming(scene, "bob", "")
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    secret = (await scene.ok("alice", "conversations.create", name="secret", is_private=True))["channel"]["id"]

    async def step(number: int) -> None:
        who = chance.choice(["bob", "bob", "carol", "relaybot"])
        channel = chance.choice([town, secret, scene.general])
        ts = await scene.post("alice", channel, str(number)) if channel != scene.general else ""
        calls: list[tuple[str, str, dict[str, Any]]] = [
            (who, "conversations.join", {"channel": town}),
            (who, "conversations.leave", {"channel": channel}),
            ("alice", "conversations.invite", {"channel": secret, "users": scene.users[who]}),
            (who, "chat.postMessage", {"channel": channel, "text": str(number)}),
            (who, "reactions.add", {"channel": channel, "timestamp": ts, "name": "tada"}),
            ("alice", "chat.update", {"channel": channel, "ts": ts, "text": "new"}),
            ("alice", "chat.delete", {"channel": channel, "ts": ts}),
            ("alice", "chat.postMessage", {"channel": channel, "text": "reply", "thread_ts": ts}),
            (who, "chat.postMessage", {"channel": channel, "text": "said", "thread_ts": ts, "reply_broadcast": True}),
            (who, "conversations.mark", {"channel": channel, "ts": "1700000000.000001"}),
            ("alice", "conversations.open", {"users": scene.users[who]}),
        ]
        caller, method, arguments = chance.choice(calls)
        await scene.call(caller, method, **arguments)

    for number in range(120):
        await step(number)
    frames += await bob.fence()
    for _ in range(15):
        place = chance.choice([n for n, frame in enumerate(frames) if frame["type"] == "position"])
        again, replayed = await resuming(scene, "bob", frames[place]["position"])
        assert again.grant["resume"] == "resumed"
        assert split(replayed)[0] == split(frames[place:])[0]
        await again.close()


async def test_going_live_from_disk_misses_nothing_while_others_talk(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL", 3)
    scene = await open_scene()
    bob = await scene.connect("bob")
    start = (await scene.grant("alice", resume=""))["position"]
    is_over = asyncio.Event()
    count = 0

    async def talk() -> None:
        nonlocal count
        while not is_over.is_set():
            assert (await bob.say(scene.general, str(count)))["ok"]
            count += 1

    talking = asyncio.create_task(talk())
    for _ in range(5):
        alice = await scene.connect("alice", resume=str(start))
        goal = count + 30
        texts: list[str] = []
        while len(texts) < goal:
            frame = await alice.frame()
            texts += [frame["text"]] if is_plain(frame) else []
        assert texts == [str(number) for number in range(goal)]
        await alice.close()
    is_over.set()
    await talking


async def test_a_log_that_cannot_be_read_ends_the_connection_that_needs_it(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL", 1)
    scene = await open_scene()
    grant = await scene.grant("alice")
    for number in range(3):
        await scene.post("bob", scene.general, str(number))

    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("tautwire.server.log.catchup.read_moves", broken)  # other readers of the database go on
        alice = await scene.dial(grant)
        with pytest.raises(ConnectionEnded):
            await alice.until(is_plain)
    assert "could not be read" in caplog.text
    caplog.clear()
    await (await scene.connect("alice")).close()


async def test_a_long_replay_comes_whole_and_in_order(scene: Scene) -> None:
    grant = await scene.grant("alice")
    text = "x" * 3_000
    for number in range(700):
        await scene.post("bob", scene.general, f"{number} {text}")
    alice = await scene.dial(grant)
    await alice.until("hello")
    assert [frame["text"].split()[0] for frame in [await alice.frame() for _ in range(700)]] == [
        str(number) for number in range(700)
    ]
    await scene.post("bob", scene.general, "live")
    assert await alice.texts() == ["live"]
    (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
    await eventually(lambda: not connection._host._opening)  # what caught it up is forgotten


async def test_a_client_that_hangs_up_while_it_is_caught_up_is_forgotten(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL", 1)
    scene = await open_scene()
    for _ in range(20):
        grant = await scene.grant("alice")
        for number in range(3):
            await scene.post("bob", scene.general, str(number))
        await (await scene.dial(grant)).close()
    await eventually(lambda: len(scene.server.workspace.hub) == 0)
    assert (await scene.ok("alice", "users.getPresence"))["connection_count"] == 0
