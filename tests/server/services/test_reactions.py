"""Reading reactions: of one message, and all of a user."""

from typing import Any

from scene import Scene


async def react(scene: Scene, who: str, channel: str, ts: str, name: str = "eyes") -> None:
    await scene.ok(who, "reactions.add", channel=channel, timestamp=ts, name=name)


async def texts(scene: Scene, who: str, **arguments: Any) -> list[str]:
    answer = await scene.ok(who, "reactions.list", **arguments)
    return [item["message"]["text"] for item in answer["items"]]


async def test_the_reactions_of_a_message(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "lunch?")
    for who, name in (("alice", "eyes"), ("bob", "eyes"), ("bob", "tada")):
        await react(scene, who, scene.general, ts, name)

    answer = await scene.ok("carol", "reactions.get", channel=scene.general, timestamp=ts)
    assert (answer["type"], answer["channel"]) == ("message", scene.general)
    assert answer["message"]["text"] == "lunch?"
    assert answer["message"]["reactions"] == [
        {"name": "eyes", "users": [scene.users["alice"], scene.users["bob"]], "count": 2},
        {"name": "tada", "users": [scene.users["bob"]], "count": 1},
    ]
    link = await scene.ok("bob", "chat.getPermalink", channel=scene.general, message_ts=ts)
    assert answer["message"]["permalink"] == link["permalink"]


async def test_what_has_no_reactions_to_get(scene: Scene) -> None:
    ts = await scene.post("alice", scene.ops, "secret")

    async def error(who: str, **arguments: Any) -> str:
        return await scene.error(who, "reactions.get", **({"channel": scene.ops, "timestamp": ts} | arguments))

    assert await error("bob") == "channel_not_found"
    assert await error("alice", timestamp="") == "no_item_specified"
    assert await error("alice", timestamp="noon") == "bad_timestamp"
    assert await error("alice", timestamp="1700000000.000001") == "message_not_found"
    assert await error("alice", channel="C0") == "channel_not_found"
    plain = await scene.ok("alice", "reactions.get", channel=scene.ops, timestamp=ts)
    assert "reactions" not in plain["message"]


async def test_what_a_user_has_reacted_to_as_far_as_the_caller_sees_it(scene: Scene) -> None:
    stamps = [await scene.post("alice", scene.general, text) for text in ("one", "two", "three")]
    secret = await scene.post("alice", scene.ops, "secret")
    for channel, ts in ((scene.general, stamps[2]), (scene.general, stamps[0]), (scene.ops, secret)):
        await react(scene, "alice", channel, ts)
    await react(scene, "alice", scene.general, stamps[0], "tada")

    assert await texts(scene, "alice") == ["secret", "three", "one"]
    assert await texts(scene, "bob", user=scene.users["alice"]) == ["three", "one"]
    assert await texts(scene, "bob") == []
    town = (await scene.ok("bob", "conversations.create", name="town"))["channel"]["id"]
    await react(scene, "bob", town, await scene.post("bob", town, "downtown"))
    assert await texts(scene, "carol", user=scene.users["bob"]) == ["downtown"]
    assert await texts(scene, "relaybot", user=scene.users["bob"]) == []
    assert await scene.error("bob", "reactions.list", user="U0") == "user_not_found"


async def test_the_list_comes_in_pages_by_number_and_by_cursor(scene: Scene) -> None:
    names = [str(number) for number in range(5)]
    for name in names:
        await react(scene, "alice", scene.general, await scene.post("alice", scene.general, name))

    answer = await scene.ok("alice", "reactions.list", count=2, page=2)
    assert [item["message"]["text"] for item in answer["items"]] == ["2", "1"]
    assert answer["paging"] == {"count": 2, "total": 5, "page": 2, "pages": 3}
    seen, cursor = [], ""
    while True:
        answer = await scene.ok("alice", "reactions.list", limit=2, cursor=cursor)
        seen += [item["message"]["text"] for item in answer["items"]]
        cursor = answer["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert seen == names[::-1]
    assert await scene.error("alice", "reactions.list", cursor="x") == "invalid_cursor"
    assert await scene.error("alice", "reactions.list", limit=-1) == "invalid_limit"


async def test_a_page_of_large_messages_ends_early_and_goes_on_by_cursor(scene: Scene, monkeypatch: Any) -> None:
    monkeypatch.setattr("tautwire.server.services.messaging.reactions.MAX_PAGE", 1_000)
    for number in range(3):
        ts = await scene.post("alice", scene.general, f"{number}{'x' * 700}")
        await react(scene, "alice", scene.general, ts)

    first = await scene.ok("alice", "reactions.list")
    assert [item["message"]["text"][0] for item in first["items"]] == ["2"]
    assert first["paging"]["total"] == 3
    assert (await texts(scene, "alice", cursor=first["response_metadata"]["next_cursor"]))[0][0] == "1"
