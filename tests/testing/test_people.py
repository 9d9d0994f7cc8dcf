"""What people do in a workspace, as a bot sees it and as the Web API tells it afterwards."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient

from tautwire import (
    MessageDeletedEvent,
    MessageEvent,
    PresenceChangeEvent,
    ReactionAddedEvent,
    ReactionRemovedEvent,
    RTMClient,
    UserTypingEvent,
)
from tautwire.testing import BlockingWorkspace, CallRefused, Line, Workspace


@pytest.fixture
def web(blocking_workspace: BlockingWorkspace) -> Iterator[WebClient]:
    return WebClient(blocking_workspace.person("bot").token, base_url=blocking_workspace.api_url)


def history(web: WebClient, line: Line) -> list[dict[str, Any]]:
    """Return a message as a list of one, an empty list if it is gone."""
    answer = web.conversations_history(channel=line.channel, latest=line.ts, inclusive=True, limit=1)
    return [each for each in answer["messages"] if each["ts"] == line.ts]


def test_a_reply_stands_in_the_thread_of_its_parent(blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
    alice, bob = blocking_workspace.person("alice"), blocking_workspace.person("bob")
    parent = alice.say("general", "lunch?")

    reply = bob.reply(parent, "yes")
    again = alice.reply(reply, "when?", broadcast=True)

    assert (reply.event["thread_ts"], again.event["thread_ts"]) == (parent.ts, parent.ts)
    assert again.event["subtype"] == "thread_broadcast"
    thread = web.conversations_replies(channel=parent.channel, ts=parent.ts)["messages"]
    assert [each["text"] for each in thread] == ["lunch?", "yes", "when?"]


def test_reactions_come_and_go(blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
    alice = blocking_workspace.person("alice")
    line = alice.say("general", "deployed")

    alice.react(line, ":eyes:")
    assert history(web, line)[0]["reactions"] == [{"name": "eyes", "users": [alice.id], "count": 1}]
    alice.unreact(line, "eyes")
    assert "reactions" not in history(web, line)[0]


def test_messages_are_edited_and_deleted(blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
    alice = blocking_workspace.person("alice")
    line = alice.say("general", "deplyo")

    edited = alice.edit(line, "deploy @bot & go")
    assert edited.ts == line.ts
    assert edited.text == history(web, line)[0]["text"] == f"deploy <@{blocking_workspace.person('bot').id}> &amp; go"
    alice.delete(edited)
    assert history(web, line) == []


def test_a_dm_reaches_the_bot_only(blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
    alice, bot = blocking_workspace.person("alice"), blocking_workspace.person("bot")

    line = alice.dm("bot", "psst")
    again = alice.dm(bot, "hey")

    assert line.channel == again.channel == web.conversations_open(users=alice.id)["channel"]["id"]
    assert [each["text"] for each in web.conversations_history(channel=line.channel)["messages"]] == ["hey", "psst"]
    direct = blocking_workspace.dm(bot, alice)
    assert direct.id == line.channel
    bot.say(direct, "yes?")
    assert direct.wait_for(user="bot").text == "yes?"


def test_people_leave_and_join(blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
    alice = blocking_workspace.person("alice")
    channel = web.conversations_create(name="lobby")["channel"]["id"]
    lobby = blocking_workspace.channel("#lobby")  # known as soon as it is there
    assert lobby.id == channel

    def members() -> set[str]:
        return set(web.conversations_members(channel=channel)["members"])

    alice.join(lobby)
    assert alice.id in members()
    alice.leave("lobby")
    assert alice.id not in members()


async def test_a_bot_hears_of_it_all(workspace: Workspace) -> None:
    alice, heard = workspace.person("alice"), asyncio.Queue[Any]()
    async with RTMClient(workspace.person("bot").token, workspace.api_url) as bot:
        for kind in (
            MessageEvent,
            MessageDeletedEvent,
            ReactionAddedEvent,
            ReactionRemovedEvent,
            UserTypingEvent,
            PresenceChangeEvent,
        ):
            bot.register(heard.put, kind)
        await bot.presence_sub([alice.id])

        async def next_of(kind: type[Any]) -> Any:
            async with asyncio.timeout(10):
                while not isinstance(event := await heard.get(), kind):
                    pass
            return event

        await alice.type("#general")
        assert (await next_of(UserTypingEvent)).user == alice.id
        await alice.set_presence("active")
        await alice.type("#general", thread_ts="1.000001")
        assert (await next_of(UserTypingEvent)).user == alice.id
        line = await alice.say("#general", "hi")
        await alice.react(line, "wave")
        await alice.unreact(line, "wave")
        await alice.delete(line)
        for kind in (MessageEvent, ReactionAddedEvent, ReactionRemovedEvent, MessageDeletedEvent):
            assert await next_of(kind)
        await alice.set_presence("away")
        while (await next_of(PresenceChangeEvent)).presence != "away":
            pass
        await alice.set_presence("active")
        while (await next_of(PresenceChangeEvent)).presence != "active":
            pass


def test_presence_is_what_was_set(blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
    alice = blocking_workspace.person("alice")

    def presence() -> object:
        return web.users_getPresence(user=alice.id)["presence"]

    assert presence() == "away"
    alice.set_presence("active")
    assert presence() == "active"
    alice.set_presence("away")
    assert presence() == "away"
    alice.set_presence("active")
    alice.type("general")
    assert presence() == "active"
    with pytest.raises(ValueError, match=r"^presence must be one of active, away, got 'here'$"):
        alice.set_presence("here")  # type: ignore[arg-type]


def test_what_the_server_refuses_is_said_with_its_reason(blocking_workspace: BlockingWorkspace) -> None:
    alice, bob = blocking_workspace.person("alice"), blocking_workspace.person("bob")
    line = alice.say("general", "mine")
    with pytest.raises(
        CallRefused, match=r"^bob called chat\.update, and the server refused: cant_update_message$"
    ) as refused:
        bob.edit(line, "yours")
    assert (refused.value.who, refused.value.method, refused.value.code) == (
        "bob",
        "chat.update",
        "cant_update_message",
    )


def test_faults_do_not_hit_people_and_their_calls_are_not_recorded(blocking_workspace: BlockingWorkspace) -> None:
    blocking_workspace.faults.fail(times=5)
    blocking_workspace.faults.refuse_connections()

    blocking_workspace.person("alice").say("general", "all is well here")

    assert blocking_workspace.faults.calls == []
    assert blocking_workspace.calls == []


@pytest.mark.workspace(rate_limits=True)
def test_people_wait_where_the_server_says_that_they_are_too_fast(blocking_workspace: BlockingWorkspace) -> None:
    """The server allows a burst of 20 posts, then one a second."""
    alice = blocking_workspace.person("alice")
    for number in range(22):
        alice.say("general", str(number))

    assert [line.text for line in blocking_workspace.channel("general").lines] == [str(number) for number in range(22)]


def test_a_person_uploads_a_file_and_a_bot_sends_one_back(
    blocking_workspace: BlockingWorkspace, web: WebClient
) -> None:
    alice = blocking_workspace.person("alice")
    line = alice.upload("general", "the menu", "menu.txt", comment="look, @bob", title="Menu")

    (message,) = history(web, line)
    assert message["text"] == f"look, <@{blocking_workspace.person('bob').id}>"
    assert [file["title"] for file in message["files"]] == ["Menu"]
    answer = web.files_upload_v2(channel=line.channel, content="thanks", filename="thanks.txt", thread_ts=line.ts)
    assert answer["file"]["name"] == "thanks.txt"
    assert alice.reply(line, "bye").event["thread_ts"] == line.ts
