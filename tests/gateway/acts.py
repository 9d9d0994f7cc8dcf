"""What people and bots do at a workspace, one act after the other: the script of the differential test.

The acts are in stories. Those of one story need each other and keep their order; the stories can be mixed at random.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

from scene import PATIENCE, Scene
from tautwire.protocol.ids import ts_from_micros
from tautwire.server.log.entry import WORKSPACE, Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.events import next_event_ts
from uploader import PNG, share

REACTION = "wave"
UNSENT = frozenset(
    {"dnd_updated", "dnd_updated_user", "emoji_changed", "subteam_created", "subteam_members_changed"}
    | {"subteam_self_added", "subteam_updated"}
)
"""Events of the acts that our server has no method for: a test puts them into its log."""


async def play(place: Scene, bot: str, dice: random.Random | None = None) -> AsyncIterator[str]:
    """Do everything that a bot called ``bot`` may see; yield the name of each act when it is done.

    Args:
        dice: by which the stories are mixed; None to tell them one after the other.
    """
    stories = [story(place, bot) for story in (talk, looks, private, town, directs, files, workspace, last)]
    while stories:
        story = stories[0] if dice is None else dice.choice(stories)
        try:
            yield await anext(story)
        except StopAsyncIteration:
            stories.remove(story)


async def talk(place: Scene, bot: str) -> AsyncIterator[str]:
    """Messages, threads, edits, reactions and pins."""
    me, general, ok, post = place.users[bot], place.general, place.ok, place.post
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


async def looks(place: Scene, bot: str) -> AsyncIterator[str]:
    """How a channel looks, and what bots write in it."""
    general, ok, post = place.general, place.ok, place.post
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


async def private(place: Scene, _: str) -> AsyncIterator[str]:
    """A private channel."""
    bob, ops, ok, post = place.users["bob"], place.ops, place.ok, place.post
    await post("alice", ops, "private")
    yield "a message in a private channel"
    await ok("alice", "conversations.invite", channel=ops, users=bob)
    yield "somebody is invited to a private channel"
    await ok("alice", "conversations.kick", channel=ops, user=bob)
    yield "somebody is removed from a private channel"


async def town(place: Scene, bot: str) -> AsyncIterator[str]:
    """Channels into which the bot comes and from which it goes."""
    me, ok, post = place.users[bot], place.ok, place.post
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


async def directs(place: Scene, bot: str) -> AsyncIterator[str]:
    """Direct conversations."""
    bob, me, ok, post = place.users["bob"], place.users[bot], place.ok, place.post
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


async def files(place: Scene, bot: str) -> AsyncIterator[str]:
    """Files that people and the bot share, change and delete."""
    general, ops, ok, post = place.general, place.ops, place.ok, place.post
    shown = await share(place, "alice", general, initial_comment="look at this")
    yield "a file"
    await ok("alice", "reactions.add", channel=general, timestamp=_ts_of(shown, general), name=REACTION)
    yield "a reaction to the message of a file"
    await ok("alice", "files.sharedPublicURL", file=shown["id"])
    yield "a file that all may see"
    await ok("alice", "files.revokePublicURL", file=shown["id"])
    yield "a file that all may see no longer"
    thread = await post("bob", general, "files here, please")
    await share(place, "bob", general, name="in a thread.txt", thread_ts=thread)
    yield "a file in a thread"
    await share(place, "alice", ops, PNG, "secret.png")
    yield "a picture in a private channel"
    unseen = await share(place, "alice", place.directory.channels["lounge"], name="unseen.txt")
    yield "a file where the bot is not"
    await ok("alice", "files.delete", file=unseen["id"])
    yield "a deletion of a file where the bot is not"
    mine = await share(place, bot, general, name="mine.txt", initial_comment="of the bot")
    yield "a file of the bot"
    await ok(bot, "files.delete", file=mine["id"])
    yield "a deletion of a file of the bot"
    bare = await share(place, "alice", general, name="bare.txt")
    await ok("alice", "files.delete", file=bare["id"])
    yield "a deletion of a file without a text"
    told = await share(place, "bob", general, name="told.txt", initial_comment="a text that stays")
    await ok("bob", "files.delete", file=told["id"])
    yield "a deletion of a file with a text"
    both = await share(place, "bob", general, name="message.txt", initial_comment="goes as a whole")
    await ok("bob", "chat.delete", channel=general, ts=_ts_of(both, general))
    yield "a deletion of the message of a file"
    direct = (await ok("bob", "conversations.open", users=place.users[bot]))["channel"]["id"]
    await share(place, "bob", direct, name="for the bot.txt")
    yield "a file in a direct message"


async def workspace(place: Scene, bot: str) -> AsyncIterator[str]:
    """People, emoji, user groups and do-not-disturb."""
    alice, me, ok = place.users["alice"], place.users[bot], place.ok
    await ok("alice", "users.profile.set", profile='{"status_text":"at tea","status_emoji":":tea:"}')
    yield "a status"
    await ok("bob", "users.profile.set", profile='{"real_name":"Robert"}')
    yield "a name"
    await ok("carol", "conversations.create", name="library")
    yield "a channel that stays without the bot"
    await tell(place, type="emoji_changed", subtype="add", name="parrot", value="https://example.test/parrot.gif")
    yield "an emoji"
    await tell(place, type="emoji_changed", subtype="rename", old_name="parrot", new_name="bird", value="alias:x")
    yield "an emoji with another name"
    await tell(place, type="emoji_changed", subtype="remove", names=["bird"])
    yield "an emoji goes"
    team = place.server.workspace.team.id
    group = {"id": "S0CREW0001", "team_id": team, "name": "Crew", "handle": "crew", "date_delete": 0, "users": []}
    await tell(place, type="subteam_created", subteam=group)
    yield "a user group"
    change = {"subteam_id": group["id"], "team_id": team, "date_previous_update": 1, "date_update": 2}
    await tell(place, type="subteam_members_changed", **change, added_users=[alice, me], added_users_count=2)
    await tell(place, me, type="subteam_self_added", subteam_id=group["id"])
    yield "the bot comes into a user group"
    await tell(place, type="subteam_updated", subteam={**group, "users": [alice, me], "date_update": 2})
    yield "a user group changes"
    status = {"dnd_enabled": True, "next_dnd_start_ts": 1_790_000_000, "next_dnd_end_ts": 1_790_003_600}
    await tell(place, type="dnd_updated_user", user=alice, dnd_status=status)
    yield "a person sets do-not-disturb"
    await tell(place, me, type="dnd_updated", user=me, dnd_status=status)
    yield "the bot shall not be disturbed"


async def last(place: Scene, bot: str) -> AsyncIterator[str]:
    """What comes at its time, and what is for the bot alone."""
    me, general, ok = place.users[bot], place.general, place.ok
    at = int(ts_from_micros(place.clock.micros()).partition(".")[0]) + 60
    await ok("alice", "chat.scheduleMessage", channel=general, text="later", post_at=str(at))
    place.clock.offset += 61
    async with asyncio.timeout(PATIENCE):
        while "later" not in [each["text"] for each in await place.history("alice", general, limit=1)]:  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.05)
    yield "a scheduled message"
    await ok("alice", "chat.postEphemeral", channel=general, user=me, text="for you alone")
    yield "an ephemeral message"


async def tell(place: Scene, to: str = WORKSPACE, /, **frame: Any) -> None:
    """Put an event into the log of the server, as one of another server would have it.

    Args:
        to: a user id, or everybody.
    """

    def unit(tx: Transaction) -> None:
        tx.emit(Topic(to), json.dumps({**frame, "event_ts": next_event_ts(tx)}, separators=(",", ":")).encode())

    await place.server.workspace.writer.write(unit)


def _ts_of(file: dict[str, Any], channel: str) -> str:
    """Return the ts of the message by which a file was shared in a public channel."""
    return str(file["shares"]["public"][channel][0]["ts"])
