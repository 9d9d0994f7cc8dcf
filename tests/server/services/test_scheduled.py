"""Scheduled messages: posted once when they are due, whatever happens to the server in between."""

import asyncio
import json
from typing import Any

import pytest

from scene import OpenScene, Scene, TurnedClock, eventually
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.messaging import messages, scheduled
from tautwire.server.store.engine import StoreError
from tautwire.server.store.queries.search import find_fill


def soon(clock: TurnedClock, seconds: int = 60) -> int:
    return clock.seconds() + seconds


async def schedule(scene: Scene, who: str = "alice", text: str = "later", **arguments: Any) -> str:
    given = {"channel": scene.general, "post_at": soon(scene.clock), **arguments}
    return str((await scene.ok(who, "chat.scheduleMessage", text=text, **given))["scheduled_message_id"])


async def listed(scene: Scene, who: str = "alice", **arguments: Any) -> list[dict[str, Any]]:
    return list((await scene.ok(who, "chat.scheduledMessages.list", **arguments))["scheduled_messages"])


async def posted(scene: Scene) -> list[str]:
    return [message["text"] for message in reversed(await scene.history("bob", scene.general))]


async def turn(scene: Scene, seconds: float) -> None:
    """Turn the clock, and let the server close the HTTP connections that are idle by it, before one is used again."""
    scene.clock.offset += seconds
    await scene.server_swept()


async def all_posted(scene: Scene, count: int) -> list[str]:
    """Wait for this many messages, and a little for one too many."""
    async with asyncio.timeout(10):
        while len(await posted(scene)) < count:  # noqa: ASYNC110 - the message itself is what is waited for
            await asyncio.sleep(0.005)
    await scene.server_swept()
    await scene.server_swept()
    return await posted(scene)


async def test_a_scheduled_message_is_answered_and_listed(scene: Scene) -> None:
    due = soon(scene.clock)
    answer = await scene.ok("relaybot", "chat.scheduleMessage", channel="general", text="later", post_at=due)

    assert answer["channel"] == scene.general
    assert answer["scheduled_message_id"].startswith("Q")
    assert answer["post_at"] == due
    assert answer["message"]["text"] == "later"
    (found,) = await listed(scene, "relaybot")
    assert found["date_created"] <= due
    assert found == {
        "id": answer["scheduled_message_id"],
        "channel_id": scene.general,
        "post_at": due,
        "date_created": found["date_created"],
        "text": "later",
    }
    assert await listed(scene, "alice") == [], "each lists what is their own"


async def test_it_is_posted_when_it_is_due_by_its_author_with_all_it_has(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "parent")
    bob = await scene.connect("bob")
    blocks, metadata = [{"type": "divider", "block_id": "d"}], {"event_type": "e", "event_payload": {"a": 1}}
    given = {"blocks": blocks, "metadata": metadata, "thread_ts": parent}
    await schedule(scene, "relaybot", "see https://x.test", **given)
    await scene.server_swept()
    assert await bob.fence() == []
    await turn(scene, 61)

    message = await bob.until("message")
    assert (message["text"], message["user"]) == ("see <https://x.test>", scene.users["relaybot"])
    assert (message["blocks"], message["metadata"]) == (blocks, metadata)
    assert message["thread_ts"] == parent
    assert message["bot_id"] == (await scene.ok("relaybot", "auth.test"))["bot_id"]
    assert await listed(scene, "relaybot") == []
    await scene.server_swept()
    assert [frame["subtype"] for frame in await bob.fence()] == ["message_replied"]


async def test_messages_are_posted_in_the_order_of_their_times(scene: Scene) -> None:
    for seconds in (90, 30, 60):
        await schedule(scene, text=str(seconds), post_at=soon(scene.clock, seconds))
    await turn(scene, 100)

    assert await all_posted(scene, 3) == ["30", "60", "90"]


async def test_a_cancelled_message_is_not_posted(scene: Scene) -> None:
    kept, gone = await schedule(scene, text="kept"), await schedule(scene, text="gone")
    await scene.ok("alice", "chat.deleteScheduledMessage", channel=scene.general, scheduled_message_id=gone)
    assert [found["id"] for found in await listed(scene)] == [kept]
    await turn(scene, 61)

    assert await all_posted(scene, 1) == ["kept"]
    for wrong in (gone, kept, "Q0"):
        error = await scene.error(
            "alice", "chat.deleteScheduledMessage", channel=scene.general, scheduled_message_id=wrong
        )
        assert error == "invalid_scheduled_message_id"


async def test_a_message_of_another_author_cannot_be_cancelled(scene: Scene) -> None:
    theirs = await schedule(scene, "alice")

    async def error(who: str, channel: str) -> str:
        return await scene.error(who, "chat.deleteScheduledMessage", channel=channel, scheduled_message_id=theirs)

    assert await error("bob", scene.general) == "invalid_scheduled_message_id"
    assert await error("alice", scene.ops) == "invalid_scheduled_message_id"
    assert await error("bob", scene.ops) == "channel_not_found"


async def test_what_became_due_while_the_server_was_down_is_posted_once(
    open_scene: OpenScene, clock: TurnedClock
) -> None:
    scene = await open_scene()
    for number in range(5):
        await schedule(scene, text=str(number), post_at=soon(clock, 60 + number))
    await schedule(scene, text="much later", post_at=soon(clock, 86_400))
    await scene.server.stop()
    clock.offset += 3_600
    scene = await open_scene(seed=None)

    assert await all_posted(scene, 5) == ["0", "1", "2", "3", "4"]
    await scene.server.stop()
    scene = await open_scene(seed=None)
    await scene.server_swept()
    assert await posted(scene) == ["0", "1", "2", "3", "4"]
    assert [found["text"] for found in await listed(scene)] == ["much later"]


async def test_a_unit_that_fails_posts_nothing_and_keeps_the_row(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Posting and deleting the row are one: a crash in between leaves both undone."""
    post = messages.post
    failures = []

    def crash(*given: Any, **named: Any) -> Any:
        post(*given, **named)
        failures.append(1)
        if len(failures) < 3:
            raise StoreError("the disk is full")

    monkeypatch.setattr(messages, "post", crash)
    monkeypatch.setattr("tautwire.server.services.due.RECHECK", 0.0)
    await schedule(scene, text="once")
    await turn(scene, 61)

    assert await all_posted(scene, 1) == ["once"]
    assert len(failures) == 3
    caplog.clear()


async def test_a_message_that_fails_for_ever_is_dropped_and_holds_up_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    post = messages.post

    def fail(tx: Transaction, team: Any, who: Any, channel: str, draft: Any, **named: Any) -> Any:
        if draft.text == "bad":
            raise ValueError("a defect")
        return post(tx, team, who, channel, draft, **named)

    monkeypatch.setattr(messages, "post", fail)
    await schedule(scene, text="bad")
    await schedule(scene, text="good", post_at=soon(scene.clock, 61))
    await turn(scene, 62)

    assert await all_posted(scene, 1) == ["good"]
    assert await listed(scene) == []
    assert "is due and fails" in caplog.text
    caplog.clear()


async def test_a_message_whose_author_has_left_is_dropped(scene: Scene) -> None:
    town = (await scene.ok("bob", "conversations.create", name="town", is_private=True))["channel"]["id"]
    await scene.ok("bob", "conversations.invite", channel=town, users=scene.users["alice"])
    await schedule(scene, text="from outside", channel=town)
    await scene.ok("alice", "conversations.leave", channel=town)
    await schedule(scene, text="here")
    await turn(scene, 61)

    assert await all_posted(scene, 1) == ["here"]
    assert "from outside" not in json.dumps(await scene.history("bob", town))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"post_at": None}, "invalid_time"),
        ({"post_at": 1}, "time_in_past"),
        ({"post_at": 10**10}, "time_too_far"),
        ({"text": ""}, "no_text"),
        ({"text": "x", "markdown_text": "y"}, "markdown_text_conflict"),
        ({"channel": "C0"}, "channel_not_found"),
        ({"channel": "nowhere"}, "channel_not_found"),
        ({"post_at": "tomorrow"}, "invalid_arguments"),
        ({"post_at": 10**30}, "time_too_far"),
    ],
)
async def test_what_cannot_be_scheduled(scene: Scene, arguments: dict[str, Any], error: str) -> None:
    given = {"channel": scene.general, "text": "x", "post_at": soon(scene.clock), **arguments}

    assert await scene.error("alice", "chat.scheduleMessage", **given) == error


async def test_a_channel_takes_only_so_many_in_five_minutes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduled, "MAX_IN_WINDOW", 2)
    due = soon(scene.clock, 3_600)
    due -= due % 300
    for who in ("alice", "bob"):
        await schedule(scene, who, post_at=due)
    arguments = {"channel": scene.general, "text": "x"}

    assert await scene.error("alice", "chat.scheduleMessage", **arguments, post_at=due + 299) == "restricted_too_many"
    await schedule(scene, post_at=due + 300)
    await schedule(scene, channel=scene.ops, post_at=due)


async def test_the_list_comes_in_pages_by_time_and_channel(scene: Scene) -> None:
    start = soon(scene.clock, 3_600)
    for number in range(5):
        await schedule(scene, text=str(number), post_at=start + number // 2)
    await schedule(scene, text="ops", channel=scene.ops, post_at=start)

    seen, cursor = [], ""
    while True:
        answer = await scene.ok("alice", "chat.scheduledMessages.list", channel=scene.general, limit=2, cursor=cursor)
        seen += [found["text"] for found in answer["scheduled_messages"]]
        cursor = answer["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert sorted(seen) == ["0", "1", "2", "3", "4"]
    assert sorted(seen[:2]) == ["0", "1"]
    assert [found["text"] for found in await listed(scene, oldest=start + 2)] == ["4"]
    assert len(await listed(scene, latest=start)) == 3
    for wrong in ({"cursor": "x"}, {"limit": -1}, {"channel": "C0"}, {"oldest": "monday"}):
        assert await scene.error("alice", "chat.scheduledMessages.list", **wrong) in (
            "invalid_cursor", "invalid_limit", "invalid_channel", "invalid_arguments",
        )  # fmt: skip


async def test_nothing_is_read_before_something_is_due(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await schedule(scene, post_at=soon(scene.clock, 3_600))
    await scene.server_swept()
    await eventually(lambda: scene.server.workspace.schedule._task is None)
    reads = []
    read = scene.server.workspace.reader.read

    def note_read(function: Any) -> Any:
        if function is not find_fill:  # of the search, which follows the messages of the start
            reads.append(function)
        return read(function)

    monkeypatch.setattr(scene.server.workspace.reader, "read", note_read)
    for _ in range(5):
        await scene.server_swept()

    assert reads == []
