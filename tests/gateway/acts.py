"""What people and bots do at a workspace, one act after the other: the script of the differential test."""

import asyncio
from collections.abc import AsyncIterator

from scene import PATIENCE, Scene
from tautwire.protocol.ids import ts_from_micros

REACTION = "wave"


async def play(place: Scene, bot: str) -> AsyncIterator[str]:
    """Do everything that a bot called ``bot`` may see; yield the name of each act when it is done."""
    bob = place.users["bob"]
    me, general, ops = place.users[bot], place.general, place.ops
    ok, post = place.ok, place.post
    hello = await post("alice", general, "hello")
    yield "a message"
    await post("alice", general, f"<@{me}> are you there?")
    yield "a mention"
    await post("bob", general, "with *marks* &amp; a link <https://example.test|here>")
    yield "a message with marks"
    blocks = '[{"type":"section","text":{"type":"mrkdwn","text":"*blocks*"}}]'
    await post("alice", general, "blocks", blocks=blocks)
    yield "a message with blocks"
    await post("alice", general, "attached", attachments='[{"text":"an attachment","fallback":"f"}]')
    yield "a message with an attachment"
    await ok("alice", "chat.meMessage", channel=general, text="waves")
    yield "a me message"
    reply = await post("bob", general, "in the thread", thread_ts=hello)
    yield "a reply"
    await post("bob", general, "for all", thread_ts=hello, reply_broadcast=True)
    yield "a reply that is broadcast"
    await post(bot, general, "the bot in the thread", thread_ts=hello)
    yield "a reply of the bot by the Web API"
    await ok("bob", "chat.update", channel=general, ts=reply, text="in the thread, edited")
    yield "an edit in a thread"
    edited = await post("alice", general, "tpyo")
    await ok("alice", "chat.update", channel=general, ts=edited, text="typo")
    yield "an edit"
    await ok("alice", "chat.delete", channel=general, ts=edited)
    yield "a deletion"
    await ok("bob", "chat.delete", channel=general, ts=reply)
    yield "a deletion in a thread"
    await ok("alice", "reactions.add", channel=general, timestamp=hello, name=REACTION)
    yield "a reaction"
    await ok(bot, "reactions.add", channel=general, timestamp=hello, name="eyes")
    yield "a reaction of the bot"
    await ok("alice", "reactions.remove", channel=general, timestamp=hello, name=REACTION)
    yield "a reaction taken back"
    await ok("alice", "pins.add", channel=general, timestamp=hello)
    yield "a pin"
    await ok("alice", "pins.remove", channel=general, timestamp=hello)
    yield "a pin taken back"
    await ok("alice", "conversations.setTopic", channel=general, topic="tea")
    yield "a topic"
    await ok("alice", "conversations.setPurpose", channel=general, purpose="talk")
    yield "a purpose"
    await post("relaybot", general, "a build has failed")
    yield "a message of another bot"
    await post("relaybot", general, "with a name", username="builds", icon_emoji=":hammer:")
    yield "a message of another bot with a name of its own"
    mine = await post(bot, general, "by the bot's own Web API")
    await ok(bot, "chat.update", channel=general, ts=mine, text="edited by the bot")
    yield "an edit of the bot"
    await ok(bot, "chat.delete", channel=general, ts=mine)
    yield "a deletion of the bot"
    await post("alice", ops, "private")
    yield "a message in a private channel"
    await ok("alice", "conversations.invite", channel=ops, users=bob)
    yield "somebody is invited to a private channel"
    await ok("alice", "conversations.kick", channel=ops, user=bob)
    yield "somebody is removed from a private channel"
    town = (await ok("alice", "conversations.create", name="town"))["channel"]["id"]
    yield "a channel is created"
    await post("alice", town, "not for the bot")
    yield "a message where the bot is not"
    await ok("alice", "conversations.invite", channel=town, users=me)
    yield "the bot is invited"
    await post("alice", town, "for the bot")
    yield "a message where the bot is now"
    await ok("bob", "conversations.join", channel=town)
    yield "somebody joins"
    await ok("bob", "conversations.leave", channel=town)
    yield "somebody leaves"
    await ok("alice", "conversations.rename", channel=town, name="city")
    yield "a channel is renamed"
    await ok("alice", "conversations.archive", channel=town)
    yield "a channel is archived"
    await ok("alice", "conversations.unarchive", channel=town)
    yield "a channel is opened again"
    await ok("alice", "conversations.kick", channel=town, user=me)
    yield "the bot is removed"
    await post("alice", town, "without the bot")
    yield "a message where the bot is no longer"
    await ok(bot, "conversations.join", channel=town)
    yield "the bot joins"
    den = (await ok("alice", "conversations.create", name="den", is_private=True))["channel"]["id"]
    await ok("alice", "conversations.invite", channel=den, users=me)
    await post("alice", den, "in the den")
    yield "the bot is invited to a private channel"
    await ok(bot, "conversations.leave", channel=den)
    yield "the bot leaves a private channel"
    direct = (await ok("carol", "conversations.open", users=me))["channel"]["id"]
    psst = await post("carol", direct, "psst")
    yield "a direct message"
    await post(bot, direct, "yes?")
    await ok("carol", "chat.update", channel=direct, ts=psst, text="psst!")
    await ok("carol", "reactions.add", channel=direct, timestamp=psst, name=REACTION)
    yield "a conversation in a direct message"
    both = (await ok("alice", "conversations.open", users=f"{bob},{me}"))["channel"]["id"]
    await post("bob", both, "we three")
    yield "a group direct message"
    await ok("alice", "users.profile.set", profile='{"status_text":"at tea","status_emoji":":tea:"}')
    yield "a status"
    await ok("bob", "users.profile.set", profile='{"real_name":"Robert"}')
    yield "a name"
    await ok("carol", "conversations.create", name="library")
    yield "a channel that stays without the bot"
    at = int(ts_from_micros(place.clock.micros()).partition(".")[0]) + 60
    await ok("alice", "chat.scheduleMessage", channel=general, text="later", post_at=str(at))
    place.clock.offset += 61
    async with asyncio.timeout(PATIENCE):
        while (await place.history("alice", general, limit=1))[0]["text"] != "later":  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.05)
    yield "a scheduled message"
    await ok("alice", "chat.postEphemeral", channel=general, user=me, text="for you alone")
    yield "an ephemeral message"
