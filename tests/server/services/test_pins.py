"""The ``pins`` family: what is pinned, who sees it, and what becomes of pins."""

import pytest

from scene import Scene
from tautwire.server.services.messaging import pins


async def pinned(scene: Scene, who: str = "alice", text: str = "the menu") -> str:
    ts = await scene.post("alice", scene.general, text)
    await scene.ok(who, "pins.add", channel=scene.general, timestamp=ts)
    return ts


async def test_a_pin_reaches_all_members_as_an_event_and_a_message(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "the menu")
    bob, carol = await scene.connect("bob"), await scene.connect("carol")
    await scene.ok("alice", "pins.add", channel=scene.general, timestamp=ts)

    added, message = await bob.fence()
    assert (added["type"], added["user"], added["channel_id"]) == ("pin_added", scene.users["alice"], scene.general)
    assert added["item_user"] == scene.users["alice"]
    assert added["item"]["type"] == "message"
    assert added["item"]["created_by"] == scene.users["alice"]
    assert added["item"]["message"]["text"] == "the menu"
    assert added["item"]["message"]["pinned_to"] == [scene.general]
    link = await scene.ok("bob", "chat.getPermalink", channel=scene.general, message_ts=ts)
    assert added["item"]["message"]["permalink"] == link["permalink"]
    assert (message["subtype"], message["item_type"]) == ("pinned_item", "C")
    assert message["item"]["message"]["ts"] == ts
    assert await carol.fence() == []


async def test_pins_are_listed_and_seen_in_the_history(scene: Scene) -> None:
    first, second = await pinned(scene, text="one"), await pinned(scene, "bob", text="two")

    items = (await scene.ok("bob", "pins.list", channel=scene.general))["items"]
    assert [item["message"]["ts"] for item in items] == [second, first]
    assert [item["created_by"] for item in items] == [scene.users["bob"], scene.users["alice"]]
    history = await scene.ok("bob", "conversations.history", channel=scene.general)
    assert history["pin_count"] == 2
    assert [message["text"] for message in history["messages"] if "pinned_to" in message] == ["two", "one"]


async def test_an_unpinned_message_is_not_listed_and_its_pinner_hears_of_it(scene: Scene) -> None:
    ts, other = await pinned(scene, "alice"), await pinned(scene, "alice", text="other")
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    await scene.ok("bob", "pins.remove", channel=scene.general, timestamp=ts)

    (removed,) = await bob.fence()
    assert (removed["type"], removed["has_pins"], removed["user"]) == ("pin_removed", True, scene.users["bob"])
    assert removed["item"]["message"]["ts"] == ts
    frames = await alice.fence()
    (told,) = [frame for frame in frames if frame.get("subtype") == "unpinned_item"]
    assert told["channel"].startswith("D")
    assert told["user"] == "USLACKBOT"
    assert told["item"]["message"]["ts"] == ts
    await scene.ok("alice", "pins.remove", channel=scene.general, timestamp=other)
    assert (await bob.fence())[0]["has_pins"] is False
    assert await alice.events() == ["pin_removed"], "one's own unpinning is no news"
    assert (await scene.ok("bob", "pins.list", channel=scene.general))["items"] == []


async def test_a_deleted_message_is_not_pinned_any_more(scene: Scene) -> None:
    ts = await pinned(scene)
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)

    assert (await scene.ok("alice", "pins.list", channel=scene.general))["items"] == []
    assert (await scene.ok("alice", "conversations.history", channel=scene.general))["pin_count"] == 0


async def test_what_cannot_be_pinned_or_unpinned(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ts = await pinned(scene)

    async def error(who: str, verb: str, **arguments: str) -> str:
        return await scene.error(who, f"pins.{verb}", **({"channel": scene.general, "timestamp": ts} | arguments))

    assert await error("bob", "add") == "already_pinned"
    assert await error("bob", "add", timestamp="") == "no_item_specified"
    assert await error("bob", "add", timestamp="yesterday") == "bad_timestamp"
    assert await error("bob", "add", timestamp="1700000000.000001") == "message_not_found"
    assert await error("bob", "add", channel="C0") == "channel_not_found"
    assert await error("bob", "add", channel=scene.ops) == "channel_not_found"
    assert await error("carol", "add") == "not_in_channel"
    assert await error("carol", "remove") == "not_in_channel"
    free = await scene.post("bob", scene.general, "free")
    assert await error("bob", "remove", timestamp=free) == "no_pin"
    monkeypatch.setattr(pins, "MAX_PINS", 1)
    assert await error("bob", "add", timestamp=free) == "too_many_pins"
    assert await scene.error("relaybot", "pins.list", channel=scene.directory.channels["general"] + "X")


async def test_the_list_ends_early_if_messages_are_large(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "MAX_PAGE", 1_000)
    for text in ("old", "new"):
        await pinned(scene, text=text + "x" * 700)

    (item,) = (await scene.ok("alice", "pins.list", channel=scene.general))["items"]
    assert item["message"]["text"].startswith("new")


async def test_a_bot_lists_the_pins_of_its_channels_only(scene: Scene) -> None:
    town = (await scene.ok("bob", "conversations.create", name="town"))["channel"]["id"]

    assert await scene.error("relaybot", "pins.list", channel=town) == "channel_not_found"
    assert (await scene.ok("carol", "pins.list", channel=town))["items"] == []
