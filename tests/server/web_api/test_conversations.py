"""Channels and who is in them: answers, refusals, and who hears of what in which order."""

import re
from base64 import b64encode
from functools import partial
from typing import Any

import pytest

from scene import Frame, Scene, Socket
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.channels.room import forget
from tautwire.server.web_api.pages import encode_cursor


async def connected(scene: Scene, *names: str) -> list[Socket]:
    return [await scene.connect(name) for name in names]


async def channel_of(scene: Scene, who: str = "alice", name: str = "town", **arguments: Any) -> str:
    return str((await scene.ok(who, "conversations.create", name=name, **arguments))["channel"]["id"])


def names(frames: list[Frame]) -> list[str]:
    return [frame.get("subtype", frame["type"]) for frame in frames]


# --- create ---


async def test_a_public_channel_is_announced_to_everybody_and_joined_by_its_creator(scene: Scene) -> None:
    alice, other_alice, carol = await connected(scene, "alice", "alice", "carol")
    channel = (await scene.ok("alice", "conversations.create", name="town"))["channel"]

    assert re.fullmatch(r"C[A-Z0-9]{8,}", channel["id"])
    assert (channel["name"], channel["is_private"], channel["is_member"]) == ("town", False, True)
    assert channel["creator"] == scene.users["alice"]
    for socket in (alice, other_alice):
        frames = await socket.fence()
        assert names(frames) == ["channel_created", "channel_joined", "member_joined_channel", "channel_join"]
        assert frames[1]["channel"]["id"] == channel["id"]
        assert frames[1]["channel"]["members"] == [scene.users["alice"]]
        assert frames[2]["user"] == scene.users["alice"]
    (created,) = await carol.fence()
    assert created["channel"]["id"] == channel["id"]
    assert created["channel"]["creator"] == scene.users["alice"]
    assert isinstance(created["channel"]["created"], int)


async def test_a_private_channel_is_announced_to_nobody(scene: Scene) -> None:
    alice, bob = await connected(scene, "alice", "bob")
    channel = (await scene.ok("alice", "conversations.create", name="secret", is_private=True))["channel"]

    assert channel["is_private"] is True
    assert names(await alice.fence()) == ["group_joined", "member_joined_channel", "channel_join"]
    assert await bob.fence() == []


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", "invalid_name_required"),
        ("  ", "invalid_name_required"),
        ("x" * 81, "invalid_name_maxlength"),
        ("Upper", "invalid_name_specials"),
        ("a b", "invalid_name_specials"),
        ("a.b", "invalid_name_specials"),
        ("a!b", "invalid_name_specials"),
        ("#town", "invalid_name_specials"),
        ("___", "invalid_name_punctuation"),
        ("-", "invalid_name_punctuation"),
        ("general", "name_taken"),
        ("ops", "name_taken"),
    ],
)
async def test_a_name_that_no_channel_can_have(scene: Scene, name: str, error: str) -> None:
    (alice,) = await connected(scene, "alice")
    assert await scene.error("alice", "conversations.create", name=name) == error
    assert await alice.fence() == []


@pytest.mark.parametrize("name", ["x", "x" * 80, "a-b_1", "größe", "日本語"])
async def test_a_name_that_a_channel_can_have(scene: Scene, name: str) -> None:
    assert (await scene.ok("alice", "conversations.create", name=name))["channel"]["name"] == name


# --- join, invite, leave ---


async def test_a_joiner_is_told_the_channel_and_the_others_who_joined(scene: Scene) -> None:
    alice, carol, other_carol = await connected(scene, "alice", "carol", "carol")
    answer = await scene.ok("carol", "conversations.join", channel=scene.general)

    assert answer["channel"]["is_member"] is True
    for socket in (carol, other_carol):
        frames = await socket.fence()
        assert names(frames) == ["channel_joined", "member_joined_channel", "channel_join"]
        assert scene.users["carol"] in frames[0]["channel"]["members"]
    joined, line = await alice.fence()
    assert (joined["type"], joined["user"], joined["channel"]) == (
        "member_joined_channel",
        scene.users["carol"],
        scene.general,
    )
    assert line["text"] == f"<@{scene.users['carol']}> has joined the channel"
    assert "inviter" not in joined
    await scene.post("alice", scene.general, "welcome")
    assert await carol.texts() == ["welcome"]


async def test_joining_twice_is_a_warning(scene: Scene) -> None:
    (alice,) = await connected(scene, "alice")
    answer = await scene.ok("alice", "conversations.join", channel=scene.general)

    assert answer["warning"] == "already_in_channel"
    assert answer["response_metadata"]["warnings"] == ["already_in_channel"]
    assert await alice.fence() == []


async def test_what_cannot_be_joined(scene: Scene) -> None:
    assert await scene.error("bob", "conversations.join", channel=scene.ops) == "channel_not_found"
    assert await scene.error("bob", "conversations.join", channel="C_NOPE") == "channel_not_found"
    assert await scene.error("bob", "conversations.join") == "channel_not_found"
    assert (
        await scene.error("alice", "conversations.join", channel=scene.ops) == "method_not_supported_for_channel_type"
    )
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    assert await scene.error("alice", "conversations.join", channel=direct) == "method_not_supported_for_channel_type"
    assert await scene.error("carol", "conversations.join", channel=direct) == "channel_not_found"


async def test_an_invitation_names_the_inviter(scene: Scene) -> None:
    alice, carol, bob = await connected(scene, "alice", "carol", "bob")
    await scene.ok("alice", "conversations.invite", channel=scene.ops, users=scene.users["carol"])

    frames = await carol.fence()
    assert names(frames) == ["group_joined", "member_joined_channel", "channel_join"]
    assert frames[0]["channel"]["id"] == scene.ops
    joined, line = await alice.fence()
    assert joined["inviter"] == line["inviter"] == scene.users["alice"]
    assert await bob.fence() == []


async def test_several_are_invited_at_once(scene: Scene) -> None:
    users = [scene.users["bob"], scene.users["carol"], scene.users["bob"]]
    await scene.ok("alice", "conversations.invite", channel=scene.ops, users=users)
    members = (await scene.ok("alice", "conversations.members", channel=scene.ops))["members"]
    assert sorted(members) == sorted(scene.users[name] for name in ("alice", "bob", "carol", "relaybot"))


async def test_more_people_than_one_call_may_name_are_not_looked_at(scene: Scene) -> None:
    users = ",".join([scene.users["carol"]] * 1_000)
    answer = await scene.call("alice", "conversations.invite", channel=scene.ops, users=users + ",U1")
    assert (answer["ok"], answer["error"]) == (False, "invalid_arguments")
    assert "1000" in answer["response_metadata"]["messages"][0]
    await scene.ok("alice", "conversations.invite", channel=scene.ops, users=users)


async def test_when_one_cannot_be_invited_nobody_is_unless_forced(scene: Scene) -> None:
    users = [scene.users["carol"], "UNOBODY"]
    answer = await scene.call("alice", "conversations.invite", channel=scene.ops, users=users)
    assert answer["error"] == "user_not_found"
    assert answer["errors"] == [{"user": "UNOBODY", "ok": False, "error": "user_not_found"}]
    assert len((await scene.ok("alice", "conversations.members", channel=scene.ops))["members"]) == 2

    forced = await scene.ok("alice", "conversations.invite", channel=scene.ops, users=users, force=True)
    assert forced["errors"] == [{"user": "UNOBODY", "ok": False, "error": "user_not_found"}]
    assert len((await scene.ok("alice", "conversations.members", channel=scene.ops))["members"]) == 3


async def test_who_cannot_be_invited(scene: Scene) -> None:
    async def error(who: str, channel: str, users: str) -> str:
        return await scene.error(who, "conversations.invite", channel=channel, users=users)

    assert await error("alice", scene.ops, scene.users["alice"]) == "cant_invite_self"
    assert await error("alice", scene.ops, scene.users["relaybot"]) == "already_in_channel"
    assert await error("alice", scene.ops, "UNOBODY") == "user_not_found"
    assert await error("alice", scene.ops, "USLACKBOT") == "cant_invite"
    assert await error("alice", scene.ops, "") == "no_user"
    assert await error("bob", scene.ops, scene.users["carol"]) == "channel_not_found"
    assert await error("carol", scene.general, scene.users["carol"]) == "not_in_channel"
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    assert await error("alice", direct, scene.users["carol"]) == "method_not_supported_for_channel_type"


async def test_who_leaves_is_told_so_and_the_others_who_left(scene: Scene) -> None:
    town = await channel_of(scene)
    await scene.ok("bob", "conversations.join", channel=town)
    alice, bob = await connected(scene, "alice", "bob")
    assert await scene.ok("bob", "conversations.leave", channel=town) == {"ok": True}

    (left,) = await bob.fence()
    assert (left["type"], left["channel"]) == ("channel_left", town)
    line, gone = await alice.fence()
    assert (line["subtype"], line["user"]) == ("channel_leave", scene.users["bob"])
    assert (gone["type"], gone["user"], gone["channel"]) == ("member_left_channel", scene.users["bob"], town)
    await scene.post("alice", town, "alone at last")
    assert await bob.fence() == []


async def test_leaving_a_private_channel(scene: Scene) -> None:
    (relaybot,) = await connected(scene, "relaybot")
    await scene.ok("relaybot", "conversations.leave", channel=scene.ops)
    assert await relaybot.events() == ["group_left"]
    assert await scene.error("relaybot", "conversations.info", channel=scene.ops) == "channel_not_found"
    assert await scene.error("alice", "conversations.leave", channel=scene.ops) == "last_member"


async def test_what_cannot_be_left(scene: Scene) -> None:
    assert await scene.error("alice", "conversations.leave", channel=scene.general) == "cant_leave_general"
    assert await scene.error("bob", "conversations.leave", channel=scene.ops) == "channel_not_found"
    town = await channel_of(scene)
    assert await scene.ok("bob", "conversations.leave", channel=town) == {"ok": True, "not_in_channel": True}
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    assert await scene.error("alice", "conversations.leave", channel=direct) == "method_not_supported_for_channel_type"


async def test_who_comes_back_gets_messages_again(scene: Scene) -> None:
    town = await channel_of(scene)
    (bob,) = await connected(scene, "bob")
    for _ in range(3):
        await scene.ok("bob", "conversations.join", channel=town)
        await scene.post("alice", town, "here")
        await scene.ok("bob", "conversations.leave", channel=town)
        await scene.post("alice", town, "not here")
    assert await bob.texts() == ["here"] * 3


# --- direct messages ---


async def test_opening_a_direct_message(scene: Scene) -> None:
    alice, bob, carol = await connected(scene, "alice", "bob", "carol")
    answer = await scene.ok("alice", "conversations.open", users=scene.users["bob"])

    assert answer == {"ok": True, "channel": {"id": answer["channel"]["id"]}}
    direct = answer["channel"]["id"]
    created, opened = await alice.fence()
    assert (created["type"], created["channel"]["id"], created["channel"]["user"]) == (
        "im_created",
        direct,
        scene.users["bob"],
    )
    assert (opened["type"], opened["channel"]) == ("im_open", direct)
    (created,) = await bob.fence()
    assert created["channel"]["user"] == scene.users["alice"]
    assert await carol.fence() == []


async def test_a_direct_message_is_there_once_whoever_opens_it(scene: Scene) -> None:
    first = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    (alice,) = await connected(scene, "alice")
    again = await scene.ok("bob", "conversations.open", users=scene.users["alice"], return_im=True)

    assert (again["channel"]["id"], again["no_op"], again["already_open"]) == (first, True, True)
    assert (again["channel"]["is_im"], again["channel"]["user"]) == (True, scene.users["alice"])
    by_id = await scene.ok("alice", "conversations.open", channel=first)
    assert (by_id["channel"]["id"], by_id["no_op"]) == (first, True)
    assert await alice.fence() == []


async def test_a_direct_message_reaches_both_and_nobody_else(scene: Scene) -> None:
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    alice, bob, carol, relaybot = await connected(scene, "alice", "bob", "carol", "relaybot")
    await alice.say(direct, "psst")

    assert await bob.texts() == ["psst"]
    assert await alice.fence() == []
    assert await carol.fence() == []
    assert await relaybot.fence() == []
    assert await scene.error("carol", "conversations.history", channel=direct) == "channel_not_found"
    assert (await carol.say(direct, "x"))["error"]["code"] == 0


async def test_a_direct_message_with_oneself(scene: Scene) -> None:
    alice, other = await connected(scene, "alice", "alice")
    note = (await scene.ok("alice", "conversations.open", users=scene.users["alice"], return_im=True))["channel"]
    assert note["user"] == scene.users["alice"]
    await alice.fence()
    await other.fence()
    await alice.say(note["id"], "buy milk")
    assert await other.texts() == ["buy milk"]


async def test_a_group_direct_message(scene: Scene) -> None:
    alice, bob, carol, relaybot = await connected(scene, "alice", "bob", "carol", "relaybot")
    users = [scene.users["bob"], scene.users["carol"]]
    group = (await scene.ok("alice", "conversations.open", users=users, return_im=True))["channel"]

    assert (group["is_mpim"], group["is_private"]) == (True, True)
    assert group["name"].startswith("mpdm-")
    assert sorted(group["members"]) == sorted([scene.users["alice"], *users])
    assert await alice.events() == ["mpim_joined", "group_joined", "mpim_open", "group_open"]
    assert await bob.events() == await carol.events() == ["mpim_joined", "group_joined"]
    assert await relaybot.fence() == []
    again = await scene.ok("bob", "conversations.open", users=[scene.users["carol"], scene.users["alice"]])
    assert again["channel"]["id"] == group["id"]
    await carol.say(group["id"], "hi")
    assert await bob.texts() == ["hi"]


async def test_what_cannot_be_opened(scene: Scene) -> None:
    assert await scene.error("alice", "conversations.open") == "users_list_not_supplied"
    assert await scene.error("alice", "conversations.open", users=",") == "users_list_not_supplied"
    assert await scene.error("alice", "conversations.open", users="UNOBODY") == "user_not_found"
    nine = [scene.users["bob"], *(f"U{n}" for n in range(8))]
    assert await scene.error("alice", "conversations.open", users=nine) == "too_many_users"
    assert await scene.error("alice", "conversations.open", channel="D_NOPE") == "channel_not_found"
    assert (
        await scene.error("alice", "conversations.open", channel=scene.general)
        == "method_not_supported_for_channel_type"
    )
    only_look = {"users": scene.users["bob"], "prevent_creation": True}
    assert await scene.error("alice", "conversations.open", **only_look) == "channel_not_found"
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    assert (await scene.ok("alice", "conversations.open", **only_look))["channel"]["id"] == direct
    assert await scene.error("carol", "conversations.open", channel=direct) == "channel_not_found"


# --- looking ---


async def test_info_describes_what_the_caller_may_see(scene: Scene) -> None:
    general = (await scene.ok("carol", "conversations.info", channel=scene.general))["channel"]
    assert (general["name"], general["is_member"], general["is_general"]) == ("general", False, True)
    assert "num_members" not in general
    counted = await scene.ok("alice", "conversations.info", channel=scene.general, include_num_members=True)
    assert counted["channel"]["num_members"] == 3
    assert (await scene.ok("alice", "conversations.info", channel=scene.ops))["channel"]["is_private"] is True
    for channel in (scene.ops, "C_NOPE", ""):
        assert await scene.error("bob", "conversations.info", channel=channel) == "channel_not_found"


async def test_info_of_a_direct_message_tells_what_is_new(scene: Scene) -> None:
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]

    async def state(who: str) -> tuple[str | None, int]:
        channel = (await scene.ok(who, "conversations.info", channel=direct))["channel"]
        assert channel["unread_count_display"] == channel["unread_count"]
        return channel["latest"] and channel["latest"]["text"], channel["unread_count"]

    assert await state("bob") == (None, 0)
    stamps = [await scene.post("alice", direct, text) for text in ("one", "two", "three")]
    await scene.post("bob", direct, "mine")
    await scene.post("alice", direct, "a reply", thread_ts=stamps[0])
    await scene.ok("bob", "reactions.add", channel=direct, timestamp=stamps[2], name="tada")
    assert (await state("bob"), await state("alice")) == (("mine", 3), ("mine", 1))
    await scene.ok("bob", "conversations.mark", channel=direct, ts=stamps[1])
    assert await state("bob") == ("mine", 1)
    general = (await scene.ok("bob", "conversations.info", channel=scene.general))["channel"]
    assert not {"latest", "unread_count"} & general.keys()


async def test_every_channel_in_an_event_can_be_looked_up(scene: Scene) -> None:
    """hubot asks for every unknown channel it hears of, direct messages included."""
    (bob,) = await connected(scene, "bob")
    await scene.post("alice", scene.users["bob"], "psst")
    await scene.ok("alice", "conversations.open", users=[scene.users["bob"], scene.users["carol"]])
    frames = await bob.fence()
    assert names(frames) == ["im_created", "message", "mpim_joined", "group_joined"]
    for frame in frames:
        channel = frame["channel"] if isinstance(frame["channel"], str) else frame["channel"]["id"]
        await scene.ok("bob", "conversations.info", channel=channel)
        await scene.ok("bob", "conversations.members", channel=channel)


async def test_the_list_has_the_kinds_that_were_asked_for(scene: Scene) -> None:
    await scene.ok("alice", "conversations.open", users=scene.users["bob"])
    await scene.ok("alice", "conversations.open", users=[scene.users["bob"], scene.users["carol"]])

    async def kinds(who: str, **arguments: Any) -> list[str]:
        channels = (await scene.ok(who, "conversations.list", **arguments))["channels"]
        return [channel.get("name", "im")[:4] for channel in channels]

    everything = "public_channel,private_channel,mpim,im"
    assert await kinds("alice") == ["gene"]
    assert sorted(await kinds("alice", types=everything)) == ["gene", "im", "mpdm", "ops"]
    assert sorted(await kinds("bob", types=everything)) == ["gene", "im", "mpdm"]
    assert await kinds("relaybot", types="im,mpim") == []
    assert await scene.error("alice", "conversations.list", types="public_channel,nonsense") == "invalid_types"


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_the_list_comes_in_pages(scene: Scene, limit: int) -> None:
    wanted = {scene.general} | {await channel_of(scene, name=f"town-{n}") for n in range(6)}
    found: list[str] = []
    cursor, pages = "", 0
    while pages == 0 or cursor:
        answer = await scene.ok("carol", "conversations.list", limit=limit, cursor=cursor)
        found += [channel["id"] for channel in answer["channels"]]
        assert len(answer["channels"]) <= limit
        cursor, pages = answer["response_metadata"]["next_cursor"], pages + 1
    assert len(found) == len(set(found))
    assert set(found) == wanted
    assert pages == -(-7 // limit)


async def test_members_come_in_pages(scene: Scene) -> None:
    first = await scene.ok("alice", "conversations.members", channel=scene.general, limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await scene.ok("alice", "conversations.members", channel=scene.general, limit=2, cursor=cursor)
    assert second["response_metadata"]["next_cursor"] == ""
    assert sorted([*first["members"], *second["members"]]) == sorted(
        scene.users[name] for name in ("alice", "bob", "relaybot")
    )


def archive(tx: Transaction, channel: str) -> None:
    """Archive a channel (a unit), which no method does yet."""
    tx.execute("UPDATE channel SET archived = TRUE WHERE id = ?", channel)
    forget(tx, channel)


async def test_an_archived_channel_takes_nothing(scene: Scene) -> None:
    town = await channel_of(scene)
    ts = await scene.post("alice", town, "x")
    await scene.server.workspace.writer.write(partial(archive, channel=town))
    alice = await scene.connect("alice")

    assert await scene.error("bob", "conversations.join", channel=town) == "is_archived"
    for method, arguments in {
        "conversations.leave": {},
        "conversations.invite": {"users": scene.users["bob"]},
        "chat.postMessage": {"text": "x"},
        "chat.meMessage": {"text": "x"},
        "reactions.add": {"timestamp": ts, "name": "tada"},
        "reactions.remove": {"timestamp": ts, "name": "tada"},
    }.items():
        assert await scene.error("alice", method, channel=town, **arguments) == "is_archived", method
    assert (await alice.say(town, "x"))["ok"] is False
    assert await alice.fence() == []
    assert [message["text"] for message in await scene.history("alice", town, limit=1)] == ["x"]
    assert (await scene.ok("alice", "conversations.info", channel=town))["channel"]["is_archived"] is True


async def test_archived_channels_are_left_out_of_the_list_if_wanted(scene: Scene) -> None:
    public = await channel_of(scene)
    private = await channel_of(scene, name="secret", is_private=True)
    for channel in (public, private):
        await scene.server.workspace.writer.write(partial(archive, channel=channel))

    async def listed(**arguments: Any) -> set[str]:
        answer = await scene.ok("alice", "conversations.list", types="public_channel,private_channel", **arguments)
        return {channel["id"] for channel in answer["channels"]}

    assert await listed() == {scene.general, scene.ops, public, private}
    assert await listed(exclude_archived=True) == {scene.general, scene.ops}


def hide(tx: Transaction, channel: str) -> None:
    """Have a channel in no list (a unit): no method archives or removes one yet."""
    tx.execute("UPDATE channel SET kind = 'im' WHERE id = ?", channel)


@pytest.mark.parametrize("method", ["conversations.list", "conversations.members"])
async def test_a_page_repeats_and_skips_nothing_that_was_there_all_the_time(scene: Scene, method: str) -> None:
    """Somebody adds and removes elements before and behind the place where the reader is."""
    towns = [await channel_of(scene, name=f"town-{n}") for n in range(8)]
    for name in ("bob", "carol"):
        await scene.ok(name, "conversations.join", channel=towns[0])
    key = {"conversations.list": "channels", "conversations.members": "members"}[method]
    stay, go = ([scene.users["alice"], scene.users["bob"]], towns[:0])
    if method == "conversations.list":
        stay, go = towns[4:], towns[:4]

    found: list[str] = []
    cursor, pages = "", 0
    while pages == 0 or cursor:
        answer = await scene.ok("alice", method, channel=towns[0], limit=1, cursor=cursor)
        found += [each if isinstance(each, str) else each["id"] for each in answer[key]]
        cursor, pages = answer["response_metadata"]["next_cursor"], pages + 1
        if method == "conversations.members" and pages == 1:
            await scene.ok("carol", "conversations.leave", channel=towns[0])
        elif method == "conversations.list" and pages <= 4:
            await channel_of(scene, name=f"meanwhile-{pages}")
            await scene.server.workspace.writer.write(partial(hide, channel=go[pages - 1]))
    assert len(found) == len(set(found))
    assert set(stay) <= set(found)


CURSORS = {
    "conversations.list": "CTOWN1",
    "conversations.members": "UALICE1",
    "conversations.history": "1700000000.000001",
    "conversations.replies": "1700000000.000001",
    "users.list": "UALICE1",
}


@pytest.mark.parametrize("method", CURSORS)
@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense", "ä", "x" * 5_000, "=", "bmV4dDo", "bmV4dDo=",
        encode_cursor("2"), encode_cursor("-1"), encode_cursor("9" * 40), encode_cursor("x"), encode_cursor(""),
        b64encode(b"1700000000.000001").decode(), b64encode(b"CTOWN1").decode(), b64encode(b"UALICE1").decode(),
        encode_cursor("TACME1"), encode_cursor("UALICE1' OR 1"),
    ],
    ids=lambda cursor: cursor[:30],
)  # fmt: skip
async def test_a_cursor_that_nobody_gave_out(scene: Scene, method: str, cursor: str) -> None:
    ts = await scene.post("alice", scene.general, "x")
    assert await scene.error("alice", method, channel=scene.general, ts=ts, cursor=cursor) == "invalid_cursor"


@pytest.mark.parametrize("method", CURSORS)
async def test_a_cursor_of_another_list(scene: Scene, method: str) -> None:
    ts = await scene.post("alice", scene.general, "x")
    for key in set(CURSORS.values()):
        given = {"channel": scene.general, "ts": ts, "cursor": encode_cursor(key)}
        if key == CURSORS[method]:
            await scene.ok("alice", method, **given)
        else:
            assert await scene.error("alice", method, **given) == "invalid_cursor"


@pytest.mark.parametrize(
    "method", ["conversations.list", "conversations.members", "conversations.history", "users.list"]
)
async def test_a_negative_limit(scene: Scene, method: str) -> None:
    assert await scene.error("alice", method, channel=scene.general, limit=-1) == "invalid_limit"
    await scene.ok("alice", method, channel=scene.general, limit=0)
    await scene.ok("alice", method, channel=scene.general, limit=10**30)


# --- mark ---


async def test_a_mark_is_kept_and_told_to_ones_own_connections(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "x")
    bob, other_bob, alice = await connected(scene, "bob", "bob", "alice")
    assert await scene.ok("bob", "conversations.mark", channel=scene.general, ts=ts) == {"ok": True}

    for socket in (bob, other_bob):
        (event,) = await socket.fence()
        assert (event["type"], event["channel"], event["ts"]) == ("channel_marked", scene.general, ts)
    assert await alice.fence() == []
    assert (await scene.ok("bob", "conversations.info", channel=scene.general))["channel"]["last_read"] == ts
    again = await scene.ok("bob", "conversations.join", channel=scene.general)
    assert again["channel"]["last_read"] == ts
    assert (await scene.ok("alice", "conversations.info", channel=scene.general))["channel"]["last_read"] != ts


async def test_marks_of_direct_messages_have_names_of_their_own(scene: Scene) -> None:
    (alice,) = await connected(scene, "alice")
    direct = (await scene.ok("alice", "conversations.open", users=scene.users["bob"]))["channel"]["id"]
    group = (await scene.ok("alice", "conversations.open", users=[scene.users["bob"], scene.users["carol"]]))["channel"]
    await alice.fence()
    for channel, events in ((direct, ["im_marked"]), (group["id"], ["mpim_marked", "group_marked"])):
        await scene.ok("alice", "conversations.mark", channel=channel, ts="1700000000.000001")
        assert await alice.events() == events


async def test_what_cannot_be_marked(scene: Scene) -> None:
    async def error(who: str, channel: str, ts: str = "1700000000.000001") -> str:
        return await scene.error(who, "conversations.mark", channel=channel, ts=ts)

    for ts in ("", "1700000000", "nonsense", "1700000000.0000011"):
        assert await error("alice", scene.general, ts) == "invalid_timestamp"
    assert await error("carol", scene.general) == "not_in_channel"
    assert await error("bob", scene.ops) == "channel_not_found"
    assert await error("bob", "") == "channel_not_found"
