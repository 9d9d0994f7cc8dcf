"""The transcript: everything that happened, by names, for people and for snapshots."""

import pytest
from slack_sdk import WebClient

from tautwire.testing import BlockingWorkspace
from tautwire.testing.names import Names
from tautwire.testing.observer import Happening
from tautwire.testing.transcript import records

pytestmark = pytest.mark.filterwarnings("ignore:The top-level `text`", "ignore:Additionally, the attachment-level")
"""slack_sdk's advice for messages without a text, which are what is tested here."""

BLOCKS = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Deploy?"}},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "text": {"type": "plain_text", "text": "Approve"}, "value": "1", "action_id": "a"},
            {"type": "button", "text": {"type": "plain_text", "text": "Deny"}, "value": "0", "action_id": "d"},
        ],
    },
    {"type": "divider"},
]


def play(workspace: BlockingWorkspace) -> None:
    """Have everything happen that a transcript shows."""
    web = WebClient(workspace.person("bot").token, base_url=workspace.api_url)
    alice, bob, bot = (workspace.person(name) for name in ("alice", "bob", "bot"))
    asked = alice.say("general", "deploy @bot")
    answer = bot.reply(asked, "deploying")
    bot.react(asked, "eyes")
    bot.edit(answer, "deployed")
    bot.unreact(asked, "eyes")
    web.chat_postEphemeral(channel=asked.channel, user=alice.id, text="only you")
    web.chat_postMessage(channel="#general", text="", blocks=BLOCKS)
    web.chat_postMessage(channel="#general", text="as another", username="Deploy Bot")
    web.chat_postMessage(channel="#general", attachments=[{"title": "Build 1", "text": "red"}])
    secret = alice.dm(bot, "psst")
    web.reactions_add(channel=secret.channel, timestamp=secret.ts, name="ear")
    web.conversations_create(name="lobby")
    bob.join("lobby")
    alice.delete(asked)
    bot.delete(answer)
    web.conversations_open(users=[alice.id, bob.id])
    alice.say("general", "x" * 100)
    bob.react(workspace.channel("general").lines[-1], "zzz")


TRANSCRIPT = """\
  #general alice: deploy @bot
  #general bot: deploying  (reply to "deploy @bot")
  #general bot reacted :eyes: to "deploy @bot"
  #general bot edited "deploying": deployed
  #general bot removed :eyes: from "deploy @bot"
  #general bot: only you  (only alice sees it)
  #general bot: [section: Deploy?] [actions: Approve, Deny] [divider]
  #general bot: as another  (as Deploy Bot)
  #general bot: [attachment: Build 1]
  DM alice+bot alice: psst
  DM alice+bot bot reacted :ear: to "psst"
  #lobby bot: @bot has joined the channel
  #lobby bob: @bob has joined the channel
  #general alice deleted "deploy @bot"
  #general bot deleted "deployed"
  #general alice: {xs}
  #general bob reacted :zzz: to "{short}…\"""".format(xs="x" * 100, short="x" * 39)


def test_it_shows_everything_by_name(blocking_workspace: BlockingWorkspace) -> None:
    assert blocking_workspace.transcript == "  (nothing)"
    play(blocking_workspace)
    assert blocking_workspace.transcript == TRANSCRIPT


def test_it_can_be_compared_as_json() -> None:
    both = []
    for _ in range(2):
        with BlockingWorkspace() as workspace:
            play(workspace)
            both.append(workspace.transcript_json)

    first, second = both
    assert first == second
    assert first[:7] == [
        {"kind": "message", "channel": "#general", "user": "alice", "text": "deploy @bot"},
        {"kind": "message", "channel": "#general", "user": "bot", "text": "deploying", "reply_to": 0},
        {"kind": "reaction", "channel": "#general", "user": "bot", "to": 0, "name": "eyes"},
        {"kind": "edit", "channel": "#general", "user": "bot", "of": 1, "text": "deployed"},
        {"kind": "reaction removed", "channel": "#general", "user": "bot", "to": 0, "name": "eyes"},
        {"kind": "message", "channel": "#general", "user": "bot", "text": "only you", "only_for": "alice"},
        {
            "kind": "message",
            "channel": "#general",
            "user": "bot",
            "text": "",
            "blocks": ["section: Deploy?", "actions: Approve, Deny", "divider"],
        },
    ]
    assert first[7] == {
        "kind": "message",
        "channel": "#general",
        "user": "bot",
        "subtype": "bot_message",
        "username": "Deploy Bot",
        "text": "as another",
    }
    assert first[11]["subtype"] == "channel_join"
    assert first[13] == {"kind": "deletion", "channel": "#general", "user": "alice", "of": 0}


@pytest.mark.workspace(people=["ann"])
def test_a_message_from_before_a_reset_is_called_an_older_one(blocking_workspace: BlockingWorkspace) -> None:
    alice, ann = blocking_workspace.person("alice"), blocking_workspace.person("ann")
    line = alice.say("general", "old")
    blocking_workspace._stage.observer.forget()
    ann.react(line, "eyes")

    assert blocking_workspace.transcript == "  #general ann reacted :eyes: to an older message"
    assert blocking_workspace.transcript_json[0]["to"] is None


def test_blocks_of_any_shape_are_shown(blocking_workspace: BlockingWorkspace) -> None:
    web = WebClient(blocking_workspace.person("bot").token, base_url=blocking_workspace.api_url)
    user, channel = blocking_workspace.person("alice").id, blocking_workspace.channel("general").id
    rich = {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [{"type": "text", "text": "rich"}, {"type": "user", "user_id": user}],
            }
        ],
    }
    text = {"type": "mrkdwn", "text": f"<@{user}> in <#{channel}> or <#{channel}|named>"}
    image = {"type": "image", "image_url": "https://x.test/i.png", "alt_text": "a picture"}
    web.chat_postMessage(channel="#general", blocks=[rich, {"type": "section", "fields": [text]}, image])
    web.chat_postMessage(channel="#general", text="both", blocks=[rich], attachments=[{}, 5])

    assert blocking_workspace.transcript_json[0]["blocks"] == [
        "rich_text: rich",
        "section: @alice in #general or #named",
        "image: a picture",
    ]
    assert blocking_workspace.transcript_json[1]["blocks"] == ["rich_text: rich", "attachment", "attachment"]
    assert blocking_workspace.transcript.splitlines()[1] == "  #general bot: both"


def test_blocks_that_are_none_are_shown_too() -> None:
    """Messages of a workspace that has them from elsewhere."""
    event = {"text": "", "blocks": [5, {}, {"type": "dance"}]}
    (record,) = records([Happening("message", "C1", "U1", "1.1", "", event)], Names())
    assert record["blocks"] == ["block", "block", "dance"]
