"""Reading back: conversations.history and conversations.replies, with their bounds and pages, and reactions."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scene import Scene
from tautwire.protocol.ids import ts_from_micros


async def posted(scene: Scene, count: int, **arguments: Any) -> list[str]:
    return [await scene.post("alice", scene.general, str(n), **arguments) for n in range(count)]


async def test_history_is_newest_first(scene: Scene) -> None:
    stamps = await posted(scene, 5)
    messages = await scene.history("bob", scene.general)
    assert [message["ts"] for message in messages] == stamps[::-1]
    assert stamps == sorted(stamps)


async def test_bounds_leave_themselves_out_unless_inclusive(scene: Scene) -> None:
    stamps = await posted(scene, 5)

    async def between(**arguments: Any) -> list[int]:
        messages = await scene.history("bob", scene.general, **arguments)
        return [int(message["text"]) for message in messages]

    assert await between(oldest=stamps[1], latest=stamps[3]) == [2]
    assert await between(oldest=stamps[1], latest=stamps[3], inclusive=True) == [3, 2, 1]
    assert await between(oldest=stamps[3]) == [4]
    assert await between(latest=stamps[1]) == [0]
    assert await between(latest=stamps[2], inclusive=True, limit=1) == [2], "how one message is fetched"
    assert await between(oldest="0", latest="now") == [4, 3, 2, 1, 0]
    assert await between(latest="9999999999") == [4, 3, 2, 1, 0]
    assert await between(oldest="9999999999") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_history_comes_in_pages(scene: Scene, limit: int) -> None:
    stamps = await posted(scene, 7)
    found: list[str] = []
    arguments: dict[str, Any] = {"limit": limit, "oldest": stamps[0], "latest": stamps[6]}
    while True:
        answer = await scene.ok("bob", "conversations.history", channel=scene.general, **arguments)
        found += [message["ts"] for message in answer["messages"]]
        if not answer["has_more"]:
            assert not answer.get("response_metadata", {}).get("next_cursor")
            break
        assert len(answer["messages"]) == limit
        arguments["cursor"] = answer["response_metadata"]["next_cursor"]
        await scene.post("alice", scene.general, "meanwhile")
    assert found == stamps[5:0:-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_replies_come_in_pages_each_with_the_parent(scene: Scene, limit: int) -> None:
    (parent,) = await posted(scene, 1)
    stamps = await posted(scene, 5, thread_ts=parent)
    found: list[str] = []
    cursor = ""
    while True:
        answer = await scene.ok(
            "bob", "conversations.replies", channel=scene.general, ts=parent, limit=limit, cursor=cursor
        )
        assert answer["messages"][0]["ts"] == parent
        found += [message["ts"] for message in answer["messages"][1:]]
        if not answer["has_more"]:
            break
        cursor = answer["response_metadata"]["next_cursor"]
    assert found == stamps


async def test_replies_have_bounds_too(scene: Scene) -> None:
    (parent,) = await posted(scene, 1)
    stamps = await posted(scene, 4, thread_ts=parent)
    answer = await scene.ok(
        "bob", "conversations.replies", channel=scene.general, ts=parent, oldest=stamps[0], latest=stamps[3]
    )
    assert [message["ts"] for message in answer["messages"]] == [parent, *stamps[1:3]]


async def test_a_message_without_replies_is_a_thread_of_one(scene: Scene) -> None:
    (ts,) = await posted(scene, 1)
    answer = await scene.ok("bob", "conversations.replies", channel=scene.general, ts=ts)
    assert [message["ts"] for message in answer["messages"]] == [ts]
    assert "reply_count" not in answer["messages"][0]


@pytest.mark.parametrize("method", ["conversations.history", "conversations.replies"])
async def test_what_cannot_be_read(scene: Scene, method: str) -> None:
    (ts,) = await posted(scene, 1)

    async def error(who: str, channel: str, **arguments: Any) -> str:
        return await scene.error(who, method, channel=channel, **{"ts": ts, **arguments})

    assert await error("bob", scene.ops) == "channel_not_found"
    assert await error("bob", "") == "channel_not_found"
    assert await error("bob", scene.general, oldest="yesterday") == "invalid_ts_oldest"
    assert await error("bob", scene.general, latest="1.2.3") == "invalid_ts_latest"
    assert await error("bob", scene.general, latest="²") == "invalid_ts_latest"


async def test_a_thread_that_is_not_there(scene: Scene) -> None:
    for ts in ("", "1700000000.000001", "nonsense"):
        assert await scene.error("bob", "conversations.replies", channel=scene.general, ts=ts) == "thread_not_found"


async def test_people_may_read_public_channels_bots_only_their_own(scene: Scene) -> None:
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    ts = await scene.post("alice", town, "x")

    assert [message["text"] for message in await scene.history("carol", town, limit=1)] == ["x"]
    for method in ("conversations.history", "conversations.replies"):
        answer = await scene.call("relaybot", method, channel=town, ts=ts)
        assert answer["error"] in ("not_in_channel", "channel_not_found")


EDGES = st.one_of(st.integers(0, 5), st.sampled_from(["0", ts_from_micros(10**15), "9999999999"]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(oldest=EDGES, latest=EDGES, inclusive=st.booleans(), limit=st.integers(1, 7))
async def test_the_pages_together_are_the_messages_between_the_bounds(
    scene: Scene, oldest: int | str, latest: int | str, inclusive: bool, limit: int
) -> None:
    stamps = [message["ts"] for message in reversed(await scene.history("bob", scene.general))] or await posted(
        scene, 6
    )
    low = stamps[oldest] if isinstance(oldest, int) else oldest
    high = stamps[latest] if isinstance(latest, int) else latest
    found: list[str] = []
    more, cursor = True, ""
    while more:
        answer = await scene.ok(
            "bob", "conversations.history", channel=scene.general,
            oldest=low, latest=high, inclusive=inclusive, limit=limit, cursor=cursor,
        )  # fmt: skip
        found += [message["ts"] for message in answer["messages"]]
        if more := answer["has_more"]:
            cursor = answer["response_metadata"]["next_cursor"]
    assert found == [
        ts
        for ts in reversed(stamps)
        if (ts > low or (inclusive and ts == low)) and (high == "0" or ts < high or (inclusive and ts == high))
    ]


# --- reactions ---


async def test_a_reaction_is_told_to_the_members_and_kept(scene: Scene) -> None:
    (ts,) = await posted(scene, 1)
    alice, bob, carol = [await scene.connect(name) for name in ("alice", "bob", "carol")]
    item = {"channel": scene.general, "timestamp": ts, "name": "tada"}
    assert await scene.ok("bob", "reactions.add", **item) == {"ok": True}

    for socket in (alice, bob):
        (event,) = await socket.fence()
        assert (event["type"], event["reaction"]) == ("reaction_added", "tada")
        assert (event["user"], event["item_user"]) == (scene.users["bob"], scene.users["alice"])
        assert event["item"] == {"type": "message", "channel": scene.general, "ts": ts}
    assert await carol.fence() == []
    await scene.ok("alice", "reactions.add", **item)
    await scene.ok("alice", "reactions.add", **{**item, "name": "+1::skin-tone-3"})
    (message,) = await scene.history("bob", scene.general)
    assert message["reactions"] == [
        {"name": "tada", "count": 2, "users": [scene.users["bob"], scene.users["alice"]]},
        {"name": "+1::skin-tone-3", "count": 1, "users": [scene.users["alice"]]},
    ]


async def test_a_reaction_taken_back(scene: Scene) -> None:
    (ts,) = await posted(scene, 1)
    item = {"channel": scene.general, "timestamp": ts, "name": "tada"}
    await scene.ok("bob", "reactions.add", **item)
    alice = await scene.connect("alice")
    await scene.ok("bob", "reactions.remove", **{**item, "name": ":tada:"})

    (event,) = await alice.fence()
    assert (event["type"], event["reaction"], event["user"]) == ("reaction_removed", "tada", scene.users["bob"])
    assert "reactions" not in (await scene.history("bob", scene.general))[0]


async def test_what_reactions_can_fail_with(scene: Scene) -> None:
    (ts,) = await posted(scene, 1)
    item = {"channel": scene.general, "timestamp": ts, "name": "tada"}
    await scene.ok("bob", "reactions.add", **item)
    for method in ("reactions.add", "reactions.remove"):
        for change, error in (
            ({"timestamp": "1700000000.000001"}, "message_not_found"),
            ({"timestamp": ""}, "no_item_specified"),
            ({"channel": ""}, "no_item_specified"),
            ({"channel": "C_NOPE"}, "channel_not_found"),
            ({"channel": scene.ops}, "channel_not_found"),
            ({"name": ""}, "invalid_name"),
            ({"name": "no good"}, "invalid_name"),
        ):
            assert await scene.error("bob", method, **{**item, **change}) == error
    assert await scene.error("bob", "reactions.add", **item) == "already_reacted"
    assert await scene.error("alice", "reactions.remove", **item) == "no_reaction"


@pytest.mark.parametrize("who", ["carol", "relaybot"])
@pytest.mark.parametrize("method", ["reactions.add", "reactions.remove"])
async def test_who_is_not_in_a_public_channel_cannot_react_there(scene: Scene, who: str, method: str) -> None:
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    ts = await scene.post("alice", town, "x")
    alice = await scene.connect("alice")

    assert await scene.error(who, method, channel=town, timestamp=ts, name="tada") == "not_in_channel"
    assert await alice.fence() == []
    await scene.ok(who, "conversations.join", channel=town)
    await scene.ok(who, "reactions.add", channel=town, timestamp=ts, name="tada")


async def test_reactions_go_with_their_message(scene: Scene) -> None:
    (ts,) = await posted(scene, 1)
    await scene.ok("bob", "reactions.add", channel=scene.general, timestamp=ts, name="tada")
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)
    answer = await scene.call("bob", "reactions.remove", channel=scene.general, timestamp=ts, name="tada")
    assert answer["error"] == "message_not_found"


async def test_a_message_takes_only_so_many_different_reactions(scene: Scene) -> None:
    (ts,) = await posted(scene, 1)
    item = {"channel": scene.general, "timestamp": ts}
    for number in range(50):
        await scene.ok("bob", "reactions.add", name=f"e{number}", **item)
    assert await scene.error("bob", "reactions.add", name="one-more", **item) == "too_many_emoji"
    await scene.ok("alice", "reactions.add", name="e0", **item)


@pytest.mark.parametrize("method", ["conversations.history", "conversations.replies"])
async def test_a_page_ends_early_where_its_messages_are_long(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("tautwire.server.services.messaging.history.MAX_PAGE", 25_000)
    parent = await scene.post("alice", scene.general, "parent")
    thread = {"thread_ts": parent} if method == "conversations.replies" else {}
    lengths = [10_000, 100, 10_000, 10_000, 30_000, 30_000, 100]
    stamps = [await scene.post("alice", scene.general, "x" * length, **thread) for length in lengths]
    if not thread:
        stamps = [parent, *stamps][::-1]

    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await scene.ok("bob", method, channel=scene.general, ts=parent, limit=100, cursor=cursor)
        pages.append([message["ts"] for message in answer["messages"] if not thread or message["ts"] != parent])
        cursor = answer["response_metadata"]["next_cursor"] if answer["has_more"] else None

    assert [ts for page in pages for ts in page] == stamps, "nothing is left out, nothing comes twice"
    assert [len(page) for page in pages] == ([3, 1, 1, 1, 1] if thread else [1, 1, 1, 3, 2])
