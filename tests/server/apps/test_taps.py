"""What an app gets of a running workspace, and that it loses nothing: away, slow, over restarts, and beside others."""

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from stores import Store, beside

from appside import APP_SEED, AppSide, gather_acks
from elsewhere import Change
from scene import PATIENCE, Frame, OpenScene, Scene, TurnedClock, eventually
from tautwire.server.log.tail import Tail
from tautwire.server.services.access import subscriptions, tokens
from tautwire.server.services.access.identity import hash_token
from tautwire.server.services.people import accounts
from tautwire.server.store.queries.taps import find_subscription
from tautwire.server.store.queries.users import find_user_by_name
from tautwire.server.taps import window
from tautwire.server.taps.window import MAX_FLYING


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent again only because the machine is busy."""
    monkeypatch.setattr(window, "ACK_TIME", 100_000.0)


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(seed=APP_SEED)


@pytest.fixture
def desk(scene: Scene) -> AppSide:
    return AppSide(scene)


@pytest.fixture(params=["here", "elsewhere"])
def change(scene: Scene, request: pytest.FixtureRequest) -> Change:
    return Change(scene, is_elsewhere=request.param == "elsewhere")


def texts(events: list[Frame]) -> list[str]:
    return [event.get("text", event["type"]) for event in events]


def is_last(event: Frame) -> bool:
    return event.get("text") == "the last"


# Which events


async def test_events_of_every_kind_of_conversation(scene: Scene, desk: AppSide) -> None:
    socket = await desk.connect()
    direct = (await scene.ok("alice", "conversations.open", users=desk.bot))["channel"]["id"]
    group = (await scene.ok("alice", "conversations.open", users=f"{desk.bot},{scene.users['bob']}"))["channel"]["id"]
    places = {scene.general: "channel", scene.ops: "group", direct: "im", group: "mpim"}
    for channel in places:
        await scene.post("alice", channel, "hello")
    for channel, kind in places.items():
        event = await socket.take()
        assert (event["channel"], event["channel_type"], event["text"]) == (channel, kind, "hello")


async def test_never_an_ephemeral_message_or_one_of_a_foreign_channel(scene: Scene, desk: AppSide) -> None:
    socket = await desk.connect()
    lounge = scene.directory.channels["lounge"]
    await scene.ok("alice", "chat.postEphemeral", channel=scene.general, user=desk.bot, text=f"<@{desk.bot}>")
    await scene.post("alice", lounge, f"<@{desk.bot}> cannot see this")
    await scene.post("alice", scene.general, "the last")
    assert texts(await socket.until(is_last)) == ["the last"]


async def test_an_app_sees_a_channel_from_its_join_to_its_leave(scene: Scene, desk: AppSide) -> None:
    socket = await desk.connect()
    lounge = scene.directory.channels["lounge"]
    for step in range(2):
        await scene.post("alice", lounge, "before")
        await scene.ok("alice", "conversations.invite", channel=lounge, users=desk.bot)
        await scene.post("alice", lounge, f"during {step}")
        await scene.ok("desk", "conversations.leave", channel=lounge)
        await scene.post("alice", lounge, "after")
    await scene.post("alice", scene.general, "the last")
    seen = [event for event in await socket.until(is_last) if event["type"] == "message" and "subtype" not in event]
    assert texts(seen) == ["during 0", "during 1", "the last"]


async def test_the_same_holds_for_what_it_missed(scene: Scene, desk: AppSide) -> None:
    lounge = scene.directory.channels["lounge"]
    await scene.post("alice", lounge, "before")
    await scene.ok("alice", "conversations.invite", channel=lounge, users=desk.bot)
    await scene.post("alice", lounge, "during")
    await scene.ok("desk", "conversations.leave", channel=lounge)
    await scene.post("alice", lounge, "after")
    await scene.post("alice", scene.general, "the last")
    socket = await desk.connect()
    seen = [event for event in await socket.until(is_last) if event["type"] == "message" and "subtype" not in event]
    assert texts(seen) == ["during", "the last"]


async def test_a_subscription_begins_and_ends_at_once(scene: Scene, desk: AppSide, change: Change) -> None:
    socket = await desk.connect()
    await change(lambda tx: subscriptions.subscribe(tx, desk.id, ["reaction_added"]))
    ts = await scene.post("alice", scene.general, "not told")
    await scene.ok("alice", "reactions.add", channel=scene.general, timestamp=ts, name="tada")
    assert (await socket.take())["type"] == "reaction_added"
    await change(lambda tx: subscriptions.subscribe(tx, desk.id, ["message.channels"]))
    await scene.post("alice", scene.general, "told")
    assert (await socket.take())["text"] == "told"


async def test_a_bot_without_a_token_gets_nothing(scene: Scene, desk: AppSide, change: Change) -> None:
    socket = await desk.connect()
    await change(lambda tx: tokens.revoke(tx, hash_token(scene.tokens["desk"]).hex()[:16]))
    await scene.post("alice", scene.general, "nobody is there")
    await desk.settled()

    def issue(tx: Any) -> None:
        bot = find_user_by_name(tx, "desk")
        assert bot is not None
        tokens.issue(tx, bot)

    await change(issue)
    await scene.post("alice", scene.general, "the last")
    assert texts(await socket.until(is_last)) == ["the last"]


async def test_a_deactivated_bot_gets_nothing(scene: Scene, desk: AppSide, change: Change) -> None:
    socket = await desk.connect()
    team = scene.server.workspace.team
    await change(lambda tx: accounts.deactivate(tx, team, desk.bot))
    await scene.post("alice", scene.general, "nobody is there")
    await desk.settled()
    await change(lambda tx: accounts.reactivate(tx, team, desk.bot))
    await scene.post("alice", scene.general, "the last")
    assert texts(await socket.until(is_last)) == ["the last"]


# Nothing is lost


async def test_a_thousand_posts_while_an_app_is_away_come_in_their_order(scene: Scene, desk: AppSide) -> None:
    await desk.leave(await desk.connect())

    async def write(number: int) -> None:
        for count in range(100):
            await scene.post("alice", scene.general, f"{number} {count}")

    await asyncio.gather(*(write(number) for number in range(10)))
    stored: list[str] = []
    cursor = ""
    while True:
        page = await scene.ok("alice", "conversations.history", channel=scene.general, limit=999, cursor=cursor)
        stored += [message["text"] for message in page["messages"]]
        cursor = page.get("response_metadata", {}).get("next_cursor", "")
        if not cursor:
            break
    socket = await desk.connect()
    events = [await socket.take() for _ in range(1_000)]
    assert texts(events) == stored[::-1][-1_000:]
    await desk.settled()


async def test_an_app_that_is_away_costs_only_a_position(scene: Scene, desk: AppSide) -> None:
    tap = desk.tap
    for number in range(50):
        await scene.post("alice", scene.general, str(number))
    assert (tap.open_events, tap.is_running, len(tap._page)) == (0, False, 0)
    socket = await desk.connect()
    await eventually(lambda: tap.open_events == 50)
    await desk.leave(socket)
    assert (len(tap._page), tap.open_events) == (0, 50), "positions are kept"


async def test_memory_is_bounded_by_the_window(scene: Scene, desk: AppSide) -> None:
    for number in range(3 * MAX_FLYING):
        await scene.post("alice", scene.general, str(number))
    socket = await desk.connect()
    held = [await socket.envelope() for _ in range(MAX_FLYING)]
    await scene.post("alice", scene.general, "the last")
    assert desk.tap.open_events == MAX_FLYING
    for envelope in held:
        await socket.ack(envelope)
    assert len(await socket.until(is_last)) == 2 * MAX_FLYING + 1


async def test_what_was_not_acknowledged_comes_again_with_its_ids(scene: Scene, desk: AppSide) -> None:
    socket = await desk.connect()
    for number in range(4):
        await scene.post("alice", scene.general, str(number))
    first = [await socket.envelope() for _ in range(4)]
    await socket.ack(first[1])
    await eventually(lambda: desk.tap.open_events == 3)
    await desk.leave(socket)
    socket = await desk.connect()
    again = [await socket.envelope() for _ in range(3)]
    for before, after in zip([first[0], first[2], first[3]], again, strict=True):
        assert (after["envelope_id"], after["payload"]) == (before["envelope_id"], before["payload"])


@pytest.mark.parametrize("edited", [False, True])
async def test_a_restart_of_the_server_repeats_with_the_same_ids(
    tmp_path: Path, clock: TurnedClock, store: Store, edited: bool
) -> None:
    data = tmp_path / "data"
    held = {}
    async with Scene.opened(data, clock, seed=APP_SEED, database=store.url(data)) as scene:
        desk = AppSide(scene)
        socket = await desk.connect()
        ts = ""
        for number in range(4):
            ts = await scene.post("alice", scene.general, f"<@{desk.bot}> {number}")
        for number in range(8):
            envelope = await socket.envelope()
            if number < 3:
                await socket.ack(envelope)
            else:
                held[envelope["envelope_id"]] = envelope["payload"]
        await eventually(lambda: desk.tap.open_events == 5)
        if edited:
            await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="changed")
    async with Scene.opened(data, clock, seed=APP_SEED, database=store.url(data)) as scene:
        socket = await AppSide(scene).connect()
        again = [await socket.envelope() for _ in range(5 + edited)]
        found = {each["envelope_id"]: each["payload"] for each in again}
        assert {name: found.get(name) for name in held} == held, "nothing that was acknowledged, all that was not"


async def test_how_far_an_app_is_done_is_stored(scene: Scene, desk: AppSide) -> None:
    socket = await desk.connect()
    await scene.post("alice", scene.general, "hello")
    await socket.take()
    head = scene.server.workspace.tail.position

    def stored() -> int:
        with beside(scene.server.settings) as query:
            row = find_subscription(query, desk.id)
            assert row is not None
            return int(row["settled"])

    await eventually(lambda: stored() == head)


@pytest.mark.only_on("sqlite")
async def test_a_server_stops_though_it_cannot_store_how_far_an_app_is_done(
    scene: Scene, desk: AppSide, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tautwire.server.served.STOP_PATIENCE", 0.3)
    committer, answers = scene.server.workspace.writer._committer, threading.Event()
    commit = committer.commit

    def hang(*arguments: Any) -> Any:
        answers.wait(PATIENCE)
        return commit(*arguments)

    socket = await desk.connect()
    await scene.post("alice", scene.general, "hello")
    envelope = await socket.envelope()
    monkeypatch.setattr(committer, "commit", hang)
    await socket.ack(envelope)
    await desk.settled()
    try:
        async with asyncio.timeout(PATIENCE / 2):
            await scene.server.stop()
    finally:
        answers.set()
    assert "the database does not answer" in caplog.text
    assert "apps get again what they acknowledged last" in caplog.text
    caplog.clear()


@pytest.mark.parametrize(("keep", "expected"), [(3_600.0, ["young", "the last"]), (0.0, ["the last"])])
async def test_how_far_back_a_returning_app_is_served(open_scene: OpenScene, keep: float, expected: list[str]) -> None:
    scene = await open_scene(seed=APP_SEED, app_keep=keep)
    desk = AppSide(scene)
    await desk.leave(await desk.connect())
    await scene.post("alice", scene.general, "old")
    await desk.sweep(3_000)  # which closes idle connections
    await scene.post("alice", scene.general, "young")
    await desk.sweep(1_000)
    socket = await desk.connect()
    await scene.post("alice", scene.general, "the last")
    assert texts(await socket.until(is_last)) == expected
    await desk.settled()


async def test_an_app_can_be_served_everything(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=APP_SEED, app_keep=float("inf"))
    desk = AppSide(scene)
    await scene.post("alice", scene.general, "old")
    await desk.sweep(5 * 86_400)
    await scene.post("alice", scene.general, "the last")
    assert texts(await (await desk.connect()).until(is_last)) == ["old", "the last"]


async def test_a_log_that_was_deleted_is_skipped(scene: Scene, desk: AppSide, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        await scene.post("alice", scene.general, str(number))
    tail = scene.server.workspace.tail
    tail.kept_from = tail.position  # as if retention had deleted what is before
    await scene.post("alice", scene.general, "the last")
    assert texts(await (await desk.connect()).until(is_last)) == ["4", "the last"]
    assert "away too long" in caplog.text


async def test_a_log_that_cannot_be_read_is_tried_again(
    scene: Scene, desk: AppSide, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tautwire.server.taps.tap.RETRY_PAUSE", 0.01)
    since, failures = Tail.since, 3

    def broken(tail: Tail, position: int) -> Any:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise RuntimeError("the disk is gone")
        return since(tail, position)

    socket = await desk.connect()
    await desk.settled()
    monkeypatch.setattr(Tail, "since", broken)
    await scene.post("alice", scene.general, "the last")
    assert texts(await socket.until(is_last)) == ["the last"]
    assert "trying again" in caplog.text
    caplog.clear()


# Beside others


async def test_a_dead_app_changes_nothing_for_others(open_scene: OpenScene) -> None:
    """Both apps and RTM get all, while one app reads nothing at all; the server holds little for it."""
    scene = await open_scene(seed=APP_SEED)
    desk, dead = AppSide(scene), AppSide(scene, "quiet")
    gone = await dead.connect()
    gone.ws._reader._protocol.pause_reading()
    bob = await scene.connect("bob")
    socket = await desk.connect()
    text = f"<@{dead.bot}> " + "x" * 3_000
    frames = 0
    for _ in range(300):
        await scene.post("alice", scene.general, text)
        await bob.until("message")
        assert (await socket.take())["text"] == text
        frames += 1
    await desk.settled()
    tap = dead.tap
    assert tap.open_events <= MAX_FLYING + 1
    (served,) = scene.server.host
    assert max(each.queued_bytes for each in served.link_door.connections) < 1_048_576
    assert frames == 300
    gone.ws._reader._protocol.resume_reading()
    events = await gather_acks([gone], 300)
    assert len({each["envelope_id"] for each in events}) == len(events) == 300


async def test_each_commit_costs_an_app_without_a_connection_nothing(
    scene: Scene, desk: AppSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    monkeypatch.setattr("tautwire.server.taps.filter.Filter.events", lambda *args: looked.append(args) or [])
    bob = await scene.connect("bob")
    for _ in range(20):
        await scene.post("alice", scene.general, f"<@{desk.bot}>")
    assert len(await bob.texts()) == 20
    assert looked == []


# RTM and taps agree


@pytest.mark.parametrize("seed", range(3))
async def test_rtm_and_tap_of_a_bot_are_told_the_same(scene: Scene, desk: AppSide, seed: int) -> None:
    """Random people act; the app connects, leaves and acknowledges at random."""
    chance = random.Random(seed)
    rtm = await scene.connect("desk")
    told: dict[str, Frame] = {}
    await people_act(scene, desk, chance, told)
    while desk.tap.settled < scene.server.workspace.tail.position:
        socket = await desk.connect()
        await read_some(socket, told, chance)
        await desk.leave(socket)
    frames = [frame for frame in await rtm.fence() if frame["type"] in WANTED and not frame.get("is_ephemeral")]
    events = sorted(told.values(), key=lambda each: each["order"])
    plain = [each["event"] for each in events if each["event"]["type"] != "app_mention"]
    assert [as_rtm(event) for event in plain] == frames
    mentions = [each["event"]["text"] for each in events if each["event"]["type"] == "app_mention"]
    assert mentions == [text for frame in frames if (text := mention_in(frame, desk.bot)) is not None]
    assert {event["channel_type"] for event in plain if event["type"] == "message"} >= {"channel", "group"}


WANTED = {"message", "reaction_added", "member_joined_channel", "member_left_channel"}


def as_rtm(event: Frame) -> Frame:
    """Undo what the Events API changes. Source: wire/events-api.md#differences-to-rtm."""
    if event["type"] != "message":
        return event
    frame = {name: value for name, value in event.items() if name != "channel_type"}
    if frame.get("hidden") and "subtype" not in frame:
        frame["subtype"] = "message_replied"
    return frame


def mention_in(frame: Frame, bot: str) -> str | None:
    if frame["type"] != "message" or frame["channel"].startswith("D"):
        return None
    inner = frame.get("message", {}) if frame.get("subtype") == "message_changed" else frame
    if inner.get("subtype") or inner.get("user") == bot or f"<@{bot}>" not in inner.get("text", ""):
        return None
    if inner is not frame and inner.get("edited", {}).get("ts") != frame["ts"]:
        return None
    return str(inner["text"])


async def read_some(socket: Any, told: dict[str, Frame], chance: random.Random) -> None:
    """Take what is there, and acknowledge most of it."""
    while True:
        try:
            envelope = await asyncio.wait_for(socket.envelope(), 0.05)
        except TimeoutError:
            return
        known = told.setdefault(envelope["envelope_id"], {"event": envelope["payload"]["event"], "order": len(told)})
        assert known["event"] == envelope["payload"]["event"]
        if chance.random() < 0.9 or envelope["retry_attempt"]:
            await socket.ack(envelope)


async def people_act(scene: Scene, desk: AppSide, chance: random.Random, told: dict[str, Frame]) -> None:
    direct = (await scene.ok("alice", "conversations.open", users=desk.bot))["channel"]["id"]
    lounge = scene.directory.channels["lounge"]
    channels = [scene.general, scene.ops, direct, lounge]
    posted: list[tuple[str, str, str]] = []
    socket = None
    for number in range(120):
        who = chance.choice(["alice", "alice", "bob", "desk"])
        channel = chance.choice(channels)
        match chance.choice(["post", "post", "reply", "edit", "delete", "react", "join", "leave", "whisper", "app"]):
            case "post":
                text = chance.choice([f"hello {number}", f"<@{desk.bot}> {number}"])
                answer = await scene.call(who, "chat.postMessage", channel=channel, text=text)
                if answer["ok"]:
                    posted.append((who, channel, answer["ts"]))
            case "reply" if posted:
                _, channel, ts = chance.choice(posted)
                await scene.call(who, "chat.postMessage", channel=channel, text=f"reply {number}", thread_ts=ts)
            case "edit" if posted:
                author, channel, ts = chance.choice(posted)
                text = f"<@{desk.bot}> {number} edited"
                await scene.call(author, "chat.update", channel=channel, ts=ts, text=text)
            case "delete" if posted:
                author, channel, ts = posted.pop(chance.randrange(len(posted)))
                await scene.call(author, "chat.delete", channel=channel, ts=ts)
            case "react" if posted:
                _, channel, ts = chance.choice(posted)
                await scene.call(who, "reactions.add", channel=channel, timestamp=ts, name=f"r{number}")
            case "join":
                await scene.call("alice", "conversations.invite", channel=lounge, users=desk.bot)
            case "leave":
                await scene.call("desk", "conversations.leave", channel=lounge)
            case "whisper":
                await scene.call("alice", "chat.postEphemeral", channel=scene.general, user=desk.bot, text="psst")
            case "app":
                if socket is None:
                    socket = await desk.connect()
                    await read_some(socket, told, chance)
                else:
                    await desk.leave(socket)
                    socket = None
    if socket is not None:
        await desk.leave(socket)
