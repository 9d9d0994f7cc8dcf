"""The ``chat`` family: what is stored, what is answered, who is told, and in which order."""

import json
import re
from typing import Any

import pytest

from scene import OpenScene, Scene, Socket
from tautwire.protocol.text import escape

TS = re.compile(r"\d{10}\.\d{6}")


async def connected(scene: Scene, *names: str) -> list[Socket]:
    return [await scene.connect(name) for name in names]


async def test_a_post_is_answered_with_the_stored_message(scene: Scene) -> None:
    answer = await scene.ok("alice", "chat.postMessage", channel=scene.general, text="hi <@U1>")

    assert answer["channel"] == scene.general
    assert TS.fullmatch(answer["ts"])
    assert answer["message"] == (await scene.history("bob", scene.general))[0]
    assert (
        answer["message"] | {"type": "message", "user": scene.users["alice"], "text": "hi <@U1>"} == answer["message"]
    )


async def test_a_post_reaches_every_socket_of_every_member_and_nobody_else(scene: Scene) -> None:
    alice, other_alice, bob, carol = await connected(scene, "alice", "alice", "bob", "carol")
    ts = await scene.post("alice", scene.general, "hi")

    for socket in (alice, other_alice, bob):
        (event,) = await socket.fence()
        assert (event["text"], event["ts"], event["event_ts"]) == ("hi", ts, ts)
        assert (event["channel"], event["user"]) == (scene.general, scene.users["alice"])
        assert event["team"] == scene.directory.team["id"]
    assert await carol.fence() == []


async def test_the_event_comes_before_the_answer(scene: Scene) -> None:
    """The frame is on its way before the response: a ping sent after the response is answered behind it."""
    (alice,) = await connected(scene, "alice")
    for number in range(30):
        await scene.post("alice", scene.general, str(number))
        assert await alice.texts() == [str(number)]


async def test_bare_links_are_marked_and_nothing_else_is_changed(scene: Scene) -> None:
    for text, stored in {
        "see https://x.test/a.": "see <https://x.test/a>.",
        "a &lt; b &amp; c <https://x.test|x>": "a &lt; b &amp; c <https://x.test|x>",
        "tab\tnew\nline": "tab\tnew\nline",
        escape("<b> & 'quotes'"): "&lt;b&gt; &amp; 'quotes'",
    }.items():
        answer = await scene.ok("alice", "chat.postMessage", channel=scene.general, text=text)
        assert answer["message"]["text"] == stored


@pytest.mark.parametrize("form", ["{id}", "general", "#general"])
async def test_a_channel_is_named_by_id_or_by_name(scene: Scene, form: str) -> None:
    answer = await scene.ok("alice", "chat.postMessage", channel=form.format(id=scene.general), text="x")
    assert answer["channel"] == scene.general


@pytest.mark.parametrize("form", ["{id}", "@bob"])
async def test_a_post_to_a_user_opens_the_direct_message_first(scene: Scene, form: str) -> None:
    alice, bob = await connected(scene, "alice", "bob")
    answer = await scene.ok("alice", "chat.postMessage", channel=form.format(id=scene.users["bob"]), text="psst")

    assert answer["channel"].startswith("D")
    assert await alice.events() == ["im_created", "im_open", "message"]
    assert await bob.events() == ["im_created", "message"]
    again = await scene.ok("alice", "chat.postMessage", channel=form.format(id=scene.users["bob"]), text="psst")
    assert again["channel"] == answer["channel"]
    assert await bob.events() == ["message"]


@pytest.mark.parametrize("channel", ["C_NOPE", "", "#nope", "nope", "UNOBODY", "@nobody", "@", "#", "D1", "G1"])
async def test_a_channel_that_is_not_there(scene: Scene, channel: str) -> None:
    error = await scene.error("alice", "chat.postMessage", channel=channel, text="x")
    assert error in ("channel_not_found", "user_not_found")


async def test_a_private_channel_is_not_there_for_strangers(scene: Scene) -> None:
    for channel in (scene.ops, "ops", "#ops"):
        assert await scene.error("bob", "chat.postMessage", channel=channel, text="x") == "channel_not_found"


async def test_a_person_may_post_to_a_public_channel_from_outside_a_bot_may_not(scene: Scene) -> None:
    town = (await scene.ok("bob", "conversations.create", name="town"))["channel"]["id"]
    carol, bob = await connected(scene, "carol", "bob")

    assert await scene.error("relaybot", "chat.postMessage", channel=town, text="x") == "not_in_channel"
    await scene.post("carol", town, "from outside")
    assert await bob.texts() == ["from outside"]
    assert await carol.fence() == []
    assert (await carol.say(town, "x"))["error"] == {"code": 0, "msg": "invalid channel id"}


@pytest.mark.parametrize(
    "arguments", [{}, {"text": ""}, {"blocks": []}, {"attachments": []}, {"text": "", "blocks": []}]
)
async def test_nothing_to_say(scene: Scene, arguments: dict[str, Any]) -> None:
    assert await scene.error("alice", "chat.postMessage", channel=scene.general, **arguments) == "no_text"


async def test_attachments_or_blocks_will_do_without_a_text(scene: Scene) -> None:
    attachments = [{"text": "x", "fallback": "y"}]
    answer = await scene.ok("alice", "chat.postMessage", channel=scene.general, attachments=attachments)
    assert answer["message"]["text"] == ""
    assert (await scene.history("bob", scene.general))[0]["attachments"] == [{**attachments[0], "id": 1}]


async def test_too_much_of_something(scene: Scene) -> None:
    async def error(**arguments: Any) -> str:
        return await scene.error("alice", "chat.postMessage", channel=scene.general, **arguments)

    assert await error(attachments=[{"text": "x"}] * 101) == "too_many_attachments"
    assert await error(blocks=[{"type": "divider"}] * 51) == "invalid_blocks"
    assert await error(blocks=[{"type": "section", "text": "x" * 300_000}]) == "msg_blocks_too_long"
    assert await error(attachments=[{"text": "x" * 300_000}]) == "attachment_payload_limit_exceeded"
    assert await error(text="x", metadata={"a": "x" * 300_000}) == "metadata_too_large"


async def test_a_long_text_is_cut_with_a_warning(scene: Scene) -> None:
    answer = await scene.ok("alice", "chat.postMessage", channel=scene.general, text="😀" * 40_001)

    assert answer["message"]["text"] == "😀" * 40_000
    assert answer["warning"] == "message_truncated"
    assert answer["response_metadata"]["warnings"] == ["message_truncated"]
    assert "warning" not in await scene.ok("alice", "chat.postMessage", channel=scene.general, text="😀" * 40_000)


async def test_a_bot_posts_as_its_bot_user(scene: Scene) -> None:
    (alice,) = await connected(scene, "alice")
    await scene.post("relaybot", scene.general, "beep")
    (event,) = await alice.fence()

    assert "subtype" not in event
    assert event["user"] == scene.users["relaybot"]
    assert event["bot_id"] == event["bot_profile"]["id"] == (await scene.ok("relaybot", "auth.test"))["bot_id"]
    assert event["bot_profile"]["user_id"] == scene.users["relaybot"]
    assert event["bot_profile"]["name"] == "Relay Bot"
    assert (await scene.ok("alice", "bots.info", bot=event["bot_id"]))["bot"]["name"] == "Relay Bot"


@pytest.mark.parametrize("name", [{"username": "Rob"}, {"icon_emoji": ":ghost:"}, {"icon_url": "https://x.test/i.png"}])
async def test_a_name_or_icon_of_its_own_makes_a_bot_message(scene: Scene, name: dict[str, str]) -> None:
    (alice,) = await connected(scene, "alice")
    await scene.post("relaybot", scene.general, "beep", **name)
    (event,) = await alice.fence()

    assert event["subtype"] == "bot_message"
    assert event.get("username") == name.get("username")
    await scene.post("relaybot", scene.general, "beep", as_user=True, **name)
    assert "subtype" not in (await alice.fence())[0]


async def test_a_person_with_a_name_of_its_own_stays_a_person(scene: Scene) -> None:
    """bot_message needs a bot_id, which people have not."""
    (bob,) = await connected(scene, "bob")
    await scene.post("alice", scene.general, "x", username="Somebody")
    (event,) = await bob.fence()
    assert "subtype" not in event
    assert event["user"] == scene.users["alice"]


async def test_me_messages(scene: Scene) -> None:
    (bob,) = await connected(scene, "bob")
    answer = await scene.ok("alice", "chat.meMessage", channel=scene.general, text="waves")
    (event,) = await bob.fence()

    assert set(answer) == {"ok", "channel", "ts"}
    assert (event["subtype"], event["text"], event["ts"]) == ("me_message", "waves", answer["ts"])
    assert await scene.error("alice", "chat.meMessage", channel=scene.general) == "no_text"
    assert await scene.error("alice", "chat.meMessage", channel=scene.general, text="x" * 4_001) == "msg_too_long"
    assert await scene.error("alice", "chat.meMessage", text="x") == "channel_not_found"
    assert await scene.error("bob", "chat.meMessage", channel=scene.ops, text="x") == "channel_not_found"


async def test_an_ephemeral_message_is_for_one_user_and_is_not_kept(scene: Scene) -> None:
    bob, other_bob, alice = await connected(scene, "bob", "bob", "alice")
    answer = await scene.ok(
        "relaybot", "chat.postEphemeral", channel=scene.general, user=scene.users["bob"], text="only you"
    )

    for socket in (bob, other_bob):
        (event,) = await socket.fence()
        assert (event["subtype"], event["is_ephemeral"]) == ("bot_message", True)
        assert (event["text"], event["ts"], event["channel"]) == ("only you", answer["message_ts"], scene.general)
    assert await alice.fence() == []
    assert await scene.history("bob", scene.general) == []


async def test_an_ephemeral_message_of_a_person(scene: Scene) -> None:
    (bob,) = await connected(scene, "bob")
    await scene.ok("alice", "chat.postEphemeral", channel=scene.general, user=scene.users["bob"], text="x")
    assert (await bob.fence())[0]["is_ephemeral"] is True


async def test_who_cannot_be_shown_an_ephemeral_message(scene: Scene) -> None:
    async def error(who: str, channel: str, user: str) -> str:
        return await scene.error(who, "chat.postEphemeral", channel=channel, user=user, text="x")

    assert await error("alice", scene.general, scene.users["carol"]) == "user_not_in_channel"
    assert await error("alice", scene.general, "") == "user_not_in_channel"
    assert await error("bob", scene.ops, scene.users["alice"]) == "channel_not_found"
    assert await error("carol", scene.general, scene.users["alice"]) == "not_in_channel"
    assert await scene.error("alice", "chat.postEphemeral", channel=scene.general, user=scene.users["bob"]) == "no_text"


# --- update and delete ---


async def test_an_edit_changes_the_message_and_everybody_hears_of_it(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "helo")
    alice, bob, carol = await connected(scene, "alice", "bob", "carol")
    answer = await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="hello https://x.test")

    assert (answer["channel"], answer["ts"], answer["text"]) == (scene.general, ts, "hello <https://x.test>")
    for socket in (alice, bob):
        (event,) = await socket.fence()
        assert (event["subtype"], event["hidden"]) == ("message_changed", True)
        assert event["ts"] > ts
        assert (event["message"]["ts"], event["message"]["text"]) == (ts, "hello <https://x.test>")
        assert event["message"]["edited"]["user"] == scene.users["alice"]
        assert event["previous_message"]["text"] == "helo"
    assert await carol.fence() == []
    (kept,) = await scene.history("bob", scene.general)
    assert (kept["ts"], kept["text"]) == (ts, "hello <https://x.test>")
    assert kept["edited"]["user"] == scene.users["alice"]


async def test_an_edit_leaves_what_was_not_given(scene: Scene) -> None:
    attachments, blocks = [{"text": "x", "id": 1}], [{"type": "divider", "block_id": "d"}]
    ts = await scene.post("alice", scene.general, "text", attachments=attachments, blocks=blocks)
    await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="new")
    (kept,) = await scene.history("bob", scene.general)
    assert (kept["text"], kept["attachments"], kept["blocks"]) == ("new", attachments, blocks)

    await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, attachments=[{"text": "y"}])
    (kept,) = await scene.history("bob", scene.general)
    assert (kept["text"], kept["attachments"], kept["blocks"]) == ("new", [{"text": "y", "id": 1}], blocks)


async def test_an_empty_list_of_attachments_takes_them_away(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "text", attachments=[{"text": "x"}])
    await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="new", attachments=[])
    (kept,) = await scene.history("bob", scene.general)
    assert "attachments" not in kept


async def test_only_the_author_edits_or_deletes(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "mine")
    for who in ("bob", "relaybot"):
        assert await scene.error(who, "chat.update", channel=scene.general, ts=ts, text="x") == "cant_update_message"
        assert await scene.error(who, "chat.delete", channel=scene.general, ts=ts) == "cant_delete_message"
    assert (await scene.history("bob", scene.general))[0]["text"] == "mine"


async def test_a_system_line_is_nobodys_message(scene: Scene) -> None:
    await scene.ok("carol", "conversations.join", channel=scene.general)
    (line,) = await scene.history("carol", scene.general)
    assert line["subtype"] == "channel_join"
    assert (
        await scene.error("carol", "chat.update", channel=scene.general, ts=line["ts"], text="x")
        == "cant_update_message"
    )


async def test_edits_and_deletions_that_have_no_message(scene: Scene) -> None:
    for ts in ("1700000000.000001", "", "nonsense"):
        assert await scene.error("alice", "chat.update", channel=scene.general, ts=ts, text="x") == "message_not_found"
        assert await scene.error("alice", "chat.delete", channel=scene.general, ts=ts) == "message_not_found"
    for channel in ("", "C_NOPE"):
        assert await scene.error("alice", "chat.update", channel=channel, ts="1", text="x") == "channel_not_found"
        assert await scene.error("alice", "chat.delete", channel=channel, ts="1") == "channel_not_found"
    ts = await scene.post("alice", scene.general, "x")
    assert await scene.error("alice", "chat.update", channel=scene.general, ts=ts) == "no_text"
    assert await scene.error("alice", "chat.update", channel=scene.general, ts=ts, text="x" * 4_001) == "msg_too_long"


async def test_a_deletion_removes_the_message_and_everybody_hears_of_it(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "oops")
    alice, bob, carol = await connected(scene, "alice", "bob", "carol")
    assert await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts) == {
        "ok": True,
        "channel": scene.general,
        "ts": ts,
    }

    for socket in (alice, bob):
        (event,) = await socket.fence()
        assert (event["subtype"], event["hidden"], event["deleted_ts"]) == ("message_deleted", True, ts)
        assert event["ts"] > ts
        assert event["previous_message"]["text"] == "oops"
    assert await carol.fence() == []
    assert await scene.history("bob", scene.general) == []
    assert await scene.error("alice", "chat.delete", channel=scene.general, ts=ts) == "message_not_found"


async def test_a_hidden_ts_is_never_used_again(scene: Scene) -> None:
    (bob,) = await connected(scene, "bob")
    seen = []
    for number in range(5):
        ts = await scene.post("alice", scene.general, str(number))
        await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="new")
        await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)
    seen = [event["ts"] for event in await bob.fence()]
    assert seen == sorted(set(seen))


# --- threads ---


async def test_a_reply_tells_the_channel_the_reply_and_then_its_parent(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "question")
    alice, bob, carol = await connected(scene, "alice", "bob", "carol")
    answer = await scene.ok("bob", "chat.postMessage", channel=scene.general, text="answer", thread_ts=parent)

    for socket in (alice, bob):
        reply, replied = await socket.fence()
        assert (reply["text"], reply["thread_ts"], reply["ts"]) == ("answer", parent, answer["ts"])
        assert reply["parent_user_id"] == scene.users["alice"]
        assert (replied["subtype"], replied["hidden"]) == ("message_replied", True)
        assert replied["message"]["ts"] == replied["message"]["thread_ts"] == parent
        assert (replied["message"]["reply_count"], replied["message"]["latest_reply"]) == (1, answer["ts"])
        assert replied["message"]["reply_users"] == [scene.users["bob"]]
    assert await carol.fence() == []


async def test_a_reply_is_in_the_thread_and_not_in_the_channel(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "question")
    await scene.post("bob", scene.general, "answer", thread_ts=parent)
    await scene.post("alice", scene.general, "thanks", thread_ts=parent)

    (only,) = await scene.history("bob", scene.general)
    assert (only["reply_count"], only["reply_users_count"], only["thread_ts"]) == (2, 2, parent)
    answer = await scene.ok("bob", "conversations.replies", channel=scene.general, ts=parent)
    assert [message["text"] for message in answer["messages"]] == ["question", "answer", "thanks"]


async def test_a_broadcast_reply_is_in_both(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "question")
    (bob,) = await connected(scene, "bob")
    await scene.post("alice", scene.general, "answer", thread_ts=parent, reply_broadcast=True)

    reply, replied = await bob.fence()
    assert (reply["subtype"], reply["root"]["ts"]) == ("thread_broadcast", parent)
    assert replied["subtype"] == "message_replied"
    assert [message["text"] for message in await scene.history("bob", scene.general)] == ["answer", "question"]
    answer = await scene.ok("bob", "conversations.replies", channel=scene.general, ts=parent)
    assert [message["text"] for message in answer["messages"]] == ["question", "answer"]


async def test_a_reply_to_a_reply_joins_its_thread(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "question")
    reply = await scene.post("bob", scene.general, "answer", thread_ts=parent)
    await scene.post("alice", scene.general, "thanks", thread_ts=reply)

    answer = await scene.ok("bob", "conversations.replies", channel=scene.general, ts=reply)
    assert [message["text"] for message in answer["messages"]] == ["question", "answer", "thanks"]
    assert {message["thread_ts"] for message in answer["messages"]} == {parent}


@pytest.mark.parametrize("thread_ts", ["1700000000.000001", "nonsense", ""])
async def test_a_reply_to_nothing_is_posted_to_the_channel(scene: Scene, thread_ts: str) -> None:
    answer = await scene.ok("alice", "chat.postMessage", channel=scene.general, text="x", thread_ts=thread_ts)
    assert "thread_ts" not in answer["message"]
    assert len(await scene.history("bob", scene.general)) == 1


async def test_a_deleted_parent_leaves_a_tombstone_until_its_last_reply_is_gone(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "question")
    reply = await scene.post("bob", scene.general, "answer", thread_ts=parent)
    (bob,) = await connected(scene, "bob")
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=parent)

    (event,) = await bob.fence()
    assert (event["subtype"], event["message"]["subtype"]) == ("message_changed", "tombstone")
    assert event["message"]["ts"] == parent
    assert event["message"]["reply_count"] == 1
    answer = await scene.ok("bob", "conversations.replies", channel=scene.general, ts=parent)
    assert [message["text"] for message in answer["messages"]] == ["This message was deleted.", "answer"]
    assert await scene.error("alice", "chat.delete", channel=scene.general, ts=parent) == "message_not_found"
    assert await scene.error("alice", "chat.update", channel=scene.general, ts=parent, text="x") == "message_not_found"

    await scene.ok("bob", "chat.delete", channel=scene.general, ts=reply)
    assert [event["deleted_ts"] for event in await bob.fence()] == [reply, parent]
    assert await scene.history("bob", scene.general) == []


async def test_a_bot_without_a_real_name_is_shown_by_its_name(open_scene: OpenScene) -> None:
    scene = await open_scene(seed="bots: [{name: beeper}]\nchannels: [{name: general}]")
    await scene.post("beeper", scene.general, "beep")

    (message,) = await scene.history("beeper", scene.general)
    assert message["bot_profile"]["name"] == "beeper"


async def test_a_tombstone_has_no_reactions(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "question")
    await scene.post("bob", scene.general, "answer", thread_ts=parent)
    await scene.ok("bob", "reactions.add", channel=scene.general, timestamp=parent, name="tada")
    (message,) = await scene.history("bob", scene.general)
    assert message["reactions"]

    await scene.ok("alice", "chat.delete", channel=scene.general, ts=parent)

    (tombstone,) = await scene.history("bob", scene.general)
    assert tombstone["subtype"] == "tombstone"
    assert "reactions" not in tombstone


async def test_a_deleted_reply_is_no_longer_counted(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "question")
    reply = await scene.post("bob", scene.general, "answer", thread_ts=parent)
    await scene.post("bob", scene.general, "more", thread_ts=parent)
    await scene.ok("bob", "chat.delete", channel=scene.general, ts=reply)

    (only,) = await scene.history("bob", scene.general)
    assert only["reply_count"] == 1


async def test_an_edited_parent_keeps_its_thread(scene: Scene) -> None:
    parent = await scene.post("alice", scene.general, "question")
    await scene.post("bob", scene.general, "answer", thread_ts=parent)
    (bob,) = await connected(scene, "bob")
    await scene.ok("alice", "chat.update", channel=scene.general, ts=parent, text="better question")

    (event,) = await bob.fence()
    assert (event["message"]["text"], event["message"]["reply_count"]) == ("better question", 1)


async def test_what_is_given_in_blocks_goes_through_unchanged(scene: Scene) -> None:
    """Numbers, members that are not checked and their order are the sender's business."""
    chart = '{"z":1.50,"a":{"deep":[1,null,{"x":"\\u00e4\\/"}]},"big":12345678901234567890}'
    blocks = '[{"title":"x","block_id":"b","type":"data_visualization","chart":' + chart + "}]"
    (bob,) = await connected(scene, "bob")
    await scene.ok("alice", "chat.postMessage", channel=scene.general, blocks=blocks)

    (event,) = await bob.fence()
    assert event["blocks"] == json.loads(blocks)
