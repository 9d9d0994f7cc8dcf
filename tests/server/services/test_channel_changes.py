"""Channels that are archived, renamed and described, and members who are removed: answers, events, audiences."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from scene import Frame, Scene, Socket
from second_writer import Other
from tautwire.server.services.channels import changes as channel_changes
from tautwire.server.services.channels import conversations


@pytest.fixture
async def other(scene: Scene) -> AsyncIterator[Other]:
    other = Other(scene)
    yield other
    await other.close()


async def channel_of(scene: Scene, who: str = "alice", *, members: str = "bob", **arguments: Any) -> str:
    """Create a channel with others as members; return its id."""
    channel = str((await scene.ok(who, "conversations.create", name="town", **arguments))["channel"]["id"])
    await scene.ok(who, "conversations.invite", channel=channel, users=scene.users[members])
    return channel


def names(frames: list[Frame]) -> list[str]:
    return [frame.get("subtype", frame["type"]) for frame in frames]


async def audiences(*sockets: Socket) -> list[list[str]]:
    return [await socket.events() for socket in sockets]


# --- archive and unarchive ---


async def test_an_archived_channel_is_announced_to_all_and_takes_no_posts(scene: Scene) -> None:
    channel = await channel_of(scene)
    bob, carol = await scene.connect("bob"), await scene.connect("carol")

    assert await scene.ok("alice", "conversations.archive", channel=channel) == {"ok": True}

    archived, message = await bob.fence()
    assert (archived["type"], archived["channel"], archived["user"]) == (
        "channel_archive", channel, scene.users["alice"],
    )  # fmt: skip
    assert (message["subtype"], message["channel"]) == ("channel_archive", channel)
    assert names(await carol.fence()) == ["channel_archive"]
    assert (await scene.ok("bob", "conversations.info", channel=channel))["channel"]["is_archived"] is True
    assert await scene.error("alice", "chat.postMessage", channel=channel, text="x") == "is_archived"
    assert not (await bob.say(channel, "x")).get("ok")


async def test_an_unarchived_channel_is_announced_to_all_and_takes_posts(scene: Scene) -> None:
    channel = await channel_of(scene)
    await scene.ok("alice", "conversations.archive", channel=channel)
    bob, carol = await scene.connect("bob"), await scene.connect("carol")

    await scene.ok("carol", "conversations.unarchive", channel=channel)

    assert await audiences(bob, carol) == [["channel_unarchive", "channel_unarchive"], ["channel_unarchive"]]
    assert (await bob.say(channel, "x"))["ok"]


async def test_what_cannot_be_archived(scene: Scene) -> None:
    channel = await channel_of(scene)
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]

    async def archive(who: str, channel: str) -> str:
        return await scene.error(who, "conversations.archive", channel=channel)

    assert await archive("alice", scene.general) == "cant_archive_general"
    assert await archive("alice", direct) == "method_not_supported_for_channel_type"
    assert await archive("carol", channel) == "not_in_channel"
    assert await archive("bob", scene.ops) == "channel_not_found"
    assert await scene.error("alice", "conversations.unarchive", channel=channel) == "not_archived"
    assert await scene.error("alice", "conversations.unarchive", channel=direct) == (
        "method_not_supported_for_channel_type"
    )
    await scene.ok("alice", "conversations.archive", channel=channel)
    assert await archive("alice", channel) == "already_archived"
    assert await scene.error("alice", "conversations.rename", channel=channel, name="x") == "is_archived"


# --- rename ---


async def test_a_new_name_is_announced_to_all(scene: Scene) -> None:
    channel = await channel_of(scene)
    bob, carol = await scene.connect("bob"), await scene.connect("carol")

    answer = await scene.ok("alice", "conversations.rename", channel=channel, name="city")

    assert (answer["channel"]["id"], answer["channel"]["name"]) == (channel, "city")
    renamed, message = await bob.fence()
    assert (renamed["type"], renamed["channel"]["id"], renamed["channel"]["name"]) == (
        "channel_rename", channel, "city",
    )  # fmt: skip
    assert isinstance(renamed["channel"]["created"], int)
    assert (message["subtype"], message["old_name"], message["name"]) == ("channel_name", "town", "city")
    assert names(await carol.fence()) == ["channel_rename"]
    await scene.post("alice", "#city", "found by its new name")
    assert await channel_of(scene) != channel, "the old name is free"


async def test_what_cannot_be_renamed(scene: Scene) -> None:
    channel = await channel_of(scene)
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]

    async def rename(who: str, channel: str, name: str) -> str:
        return await scene.error(who, "conversations.rename", channel=channel, name=name)

    assert await rename("alice", channel, "") == "invalid_name_required"
    assert await rename("alice", channel, "general") == "name_taken"
    assert await rename("alice", channel, "ops") == "name_taken"
    assert await rename("alice", channel, "A town") == "invalid_name_specials"
    assert await rename("alice", channel, "x" * 81) == "invalid_name_maxlength"
    assert await rename("alice", channel, "---") == "invalid_name_punctuation"
    assert await rename("bob", channel, "city") == "not_authorized"
    assert await rename("carol", channel, "city") == "not_in_channel"
    assert await rename("alice", direct, "city") == "method_not_supported_for_channel_type"
    assert await rename("bob", scene.ops, "city") == "channel_not_found"


# --- topic and purpose ---


@pytest.mark.parametrize(
    ("method", "what"), [("conversations.setTopic", "topic"), ("conversations.setPurpose", "purpose")]
)
async def test_a_description_is_kept_and_posted(scene: Scene, method: str, what: str) -> None:
    bob, carol = await scene.connect("bob"), await scene.connect("carol")

    answer = await scene.ok("alice", method, channel=scene.general, **{what: "owls <only>"})

    assert (answer[what], answer["channel"][what]["value"]) == ("owls <only>", "owls <only>")
    (message,) = await bob.fence()
    assert (message["subtype"], message[what], message["user"]) == (
        f"channel_{what}", "owls <only>", scene.users["alice"],
    )  # fmt: skip
    assert await carol.fence() == []
    seen = (await scene.ok("carol", "conversations.info", channel=scene.general))["channel"][what]
    assert (seen["value"], seen["creator"]) == ("owls <only>", scene.users["alice"])
    assert seen["last_set"] > 0
    assert (await scene.history("bob", scene.general))[0]["subtype"] == f"channel_{what}"
    assert (await scene.ok("bob", method, channel=scene.general))["channel"][what]["value"] == ""


@pytest.mark.parametrize(
    ("method", "what"), [("conversations.setTopic", "topic"), ("conversations.setPurpose", "purpose")]
)
async def test_a_description_that_cannot_be_set(scene: Scene, method: str, what: str) -> None:
    async def refusal(who: str, channel: str, text: str = "x") -> str:
        return await scene.error(who, method, channel=channel, **{what: text})

    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    assert await refusal("alice", scene.general, "x" * 251) == "too_long"
    assert await refusal("carol", scene.general) == "not_in_channel"
    assert await refusal("bob", scene.ops) == "channel_not_found"
    assert await refusal("alice", direct) == "method_not_supported_for_channel_type"
    channel = await channel_of(scene)
    await scene.ok("alice", "conversations.archive", channel=channel)
    assert await refusal("alice", channel) == "is_archived"


# --- a private channel ---


async def test_changes_of_a_private_channel_are_seen_by_its_members_only(scene: Scene) -> None:
    channel = await channel_of(scene, is_private=True)
    bob, carol, relaybot = [await scene.connect(who) for who in ("bob", "carol", "relaybot")]

    await scene.ok("alice", "conversations.setTopic", channel=channel, topic="x")
    await scene.ok("alice", "conversations.setPurpose", channel=channel, purpose="x")
    await scene.ok("alice", "conversations.rename", channel=channel, name="den")
    await scene.ok("alice", "conversations.archive", channel=channel)
    assert await scene.error("carol", "conversations.unarchive", channel=channel) == "channel_not_found"
    await scene.ok("bob", "conversations.unarchive", channel=channel)
    await scene.ok("alice", "conversations.kick", channel=channel, user=scene.users["bob"])
    await scene.ok("alice", "conversations.setTopic", channel=channel, topic="without bob")

    assert await bob.events() == [
        "channel_topic", "channel_purpose", "channel_rename", "channel_name", "channel_archive", "channel_archive",
        "channel_unarchive", "channel_unarchive", "group_left",
    ]  # fmt: skip
    assert await audiences(carol, relaybot) == [[], []]


# --- kick ---


async def test_a_member_is_removed(scene: Scene) -> None:
    channel = await channel_of(scene)
    alice, bob, carol = [await scene.connect(who) for who in ("alice", "bob", "carol")]

    assert await scene.ok("alice", "conversations.kick", channel=channel, user=scene.users["bob"]) == {"ok": True}

    (left,) = await bob.fence()
    assert (left["type"], left["channel"], left["actor_id"]) == ("channel_left", channel, scene.users["alice"])
    message, removed = await alice.fence()
    assert (message["subtype"], message["user"]) == ("channel_leave", scene.users["bob"])
    assert (removed["type"], removed["user"]) == ("member_left_channel", scene.users["bob"])
    assert await carol.fence() == []
    members = (await scene.ok("alice", "conversations.members", channel=channel))["members"]
    assert members == [scene.users["alice"]]


async def test_who_cannot_be_removed(scene: Scene) -> None:
    channel = await channel_of(scene)
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]

    async def kick(who: str, channel: str, user: str) -> str:
        return await scene.error(who, "conversations.kick", channel=channel, user=scene.users.get(user, user))

    assert await kick("alice", channel, "alice") == "cant_kick_self"
    assert await kick("alice", channel, "carol") == "not_in_channel"
    assert await kick("alice", channel, "UNOBODY") == "user_not_found"
    assert await kick("alice", channel, "") == "user_not_found"
    assert await kick("carol", channel, "bob") == "not_in_channel"
    assert await kick("alice", scene.general, "bob") == "cant_kick_from_general"
    assert await kick("alice", direct, "bob") == "method_not_supported_for_channel_type"
    assert await kick("bob", scene.ops, "alice") == "channel_not_found"
    await scene.ok("alice", "conversations.archive", channel=channel)
    assert await kick("alice", channel, "bob") == "restricted_action"


# --- close ---


@pytest.mark.parametrize(
    ("others", "closed", "opened"),
    [
        (["bob"], ["im_close"], ["im_open"]),
        (["bob", "carol"], ["mpim_close", "group_close"], ["mpim_open", "group_open"]),
    ],
)
async def test_a_direct_message_is_closed_and_opened_again(
    scene: Scene, others: list[str], closed: list[str], opened: list[str]
) -> None:
    users = ",".join(scene.users[name] for name in others)
    direct = (await scene.ok("alice", "conversations.open", users=users))["channel"]["id"]
    alice, bob = await scene.connect("alice"), await scene.connect("bob")

    async def is_open(who: str) -> bool:
        return bool((await scene.ok(who, "conversations.info", channel=direct))["channel"]["is_open"])

    assert await scene.ok("alice", "conversations.close", channel=direct) == {"ok": True}
    assert await alice.events() == closed
    assert (await is_open("alice"), await is_open("bob")) == (False, True)
    (listed,) = (await scene.ok("alice", "conversations.list", types="im,mpim"))["channels"]
    assert listed["is_open"] is False
    again = await scene.ok("alice", "conversations.close", channel=direct)
    assert (again["no_op"], again["already_closed"]) == (True, True)

    answer = await scene.ok("alice", "conversations.open", channel=direct)
    assert "already_open" not in answer
    assert await alice.events() == opened
    assert await is_open("alice")
    assert (await scene.ok("alice", "conversations.open", channel=direct))["already_open"] is True
    assert await bob.fence() == []


@pytest.mark.parametrize(
    ("others", "opened"), [(["bob"], ["im_open"]), (["bob", "carol"], ["mpim_open", "group_open"])]
)
@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_message_opens_a_closed_direct_message_for_all(
    scene: Scene, other: Other, others: list[str], opened: list[str], is_elsewhere: bool
) -> None:
    users = ",".join(scene.users[name] for name in others)
    direct = (await scene.ok("alice", "conversations.open", users=users))["channel"]["id"]
    await scene.post("bob", direct, "open")
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    for who in ("alice", "bob"):
        if is_elsewhere:
            await other.writer.write(partial(conversations.close_direct, who=other.who(who), channel=direct))
        else:
            await scene.ok(who, "conversations.close", channel=direct)
    await scene.post("bob", direct, "one")
    await scene.post("alice", direct, "two")

    for socket in (alice, bob):
        events = await socket.events()
        assert [event for event in events if "close" not in event] == [*opened, "message", "message"]
        assert "close" in events[0]
    for who in ("alice", "bob"):
        assert (await scene.ok(who, "conversations.info", channel=direct))["channel"]["is_open"] is True


async def test_what_cannot_be_closed(scene: Scene) -> None:
    assert await scene.error("alice", "conversations.close", channel=scene.general) == (
        "method_not_supported_for_channel_type"
    )
    assert await scene.error("alice", "conversations.close", channel="") == "channel_not_found"


async def test_a_list_of_direct_messages_alone_is_served(scene: Scene) -> None:
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]

    listed = await scene.ok("alice", "conversations.list", types="im")

    assert [channel["id"] for channel in listed["channels"]] == [direct]


# --- the name in im_created ---


async def test_a_new_direct_message_carries_the_name_of_the_other_user(scene: Scene) -> None:
    """limbo 9 indexes it, and ends without it."""
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    await scene.ok("alice", "conversations.open", users=scene.users["bob"])

    assert (await alice.until("im_created"))["channel"]["name"] == "bob"
    assert (await bob.until("im_created"))["channel"]["name"] == "alice"


# --- another writer ---


async def test_what_another_writer_changes_counts_at_once(scene: Scene, other: Other) -> None:
    channel = await channel_of(scene)
    alice, team = other.who("alice"), scene.server.workspace.team
    await scene.post("bob", channel, "the room is in memory here")

    await other.writer.write(partial(channel_changes.archive, team=team, who=alice, channel=channel))
    assert await scene.error("bob", "chat.postMessage", channel=channel, text="x") == "is_archived"
    await other.writer.write(partial(channel_changes.unarchive, team=team, who=alice, channel=channel))
    await scene.post("bob", channel, "open again")
    await other.writer.write(partial(channel_changes.rename, team=team, who=alice, channel=channel, name="city"))
    await scene.ok("alice", "conversations.setTopic", channel=channel, topic="here")
    seen = (await scene.ok("alice", "conversations.info", channel=channel))["channel"]
    assert (seen["name"], seen["topic"]["value"], seen["is_archived"]) == ("city", "here", False)
    await other.writer.write(
        partial(conversations.kick, team=team, who=alice, channel=channel, user=scene.users["bob"])
    )
    assert await scene.error("bob", "conversations.setTopic", channel=channel, topic="x") == "not_in_channel"
