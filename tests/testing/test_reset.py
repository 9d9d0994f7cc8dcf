"""A workspace that goes back to its beginning, so that one serves all tests of a run."""

import asyncio

import pytest
from slack_sdk import WebClient

from tautwire import MessageEvent, RTMClient
from tautwire.testing import FOREVER, BlockingWorkspace, Workspace


def test_nothing_that_happened_is_left(blocking_workspace: BlockingWorkspace) -> None:
    workspace, general = blocking_workspace, blocking_workspace.channel("general")
    alice = workspace.person("alice")
    web = WebClient(workspace.person("bot").token, base_url=workspace.api_url)
    before = (workspace.api_url, alice.id, alice.token, general.id)
    web.conversations_create(name="lobby")
    alice.say(general, "old")
    alice.set_presence("away")
    workspace.clock.turn(86_400)
    workspace.clock.step(100)
    workspace.faults.fail(times=FOREVER)
    workspace.faults.refuse_connections()

    workspace.reset()

    assert (workspace.api_url, alice.id, alice.token, general.id) == before
    assert (workspace.transcript_json, workspace.calls, general.lines, workspace.faults.calls) == ([], [], [], [])
    with pytest.raises(KeyError, match=r"there are #general$"):
        workspace.channel("lobby")
    assert web.conversations_history(channel=general.id)["messages"] == []
    assert [each["name"] for each in web.conversations_list()["channels"]] == ["general"]
    assert web.users_getPresence(user=alice.id)["presence"] == "away"
    alice.say(general, "new")
    assert workspace.transcript == "  #general alice: new"
    assert general.wait_for("new")
    alice.set_presence("active")
    assert web.users_getPresence(user=alice.id)["presence"] == "active"


def test_a_clock_that_was_turned_tells_the_time_again(blocking_workspace: BlockingWorkspace) -> None:
    alice = blocking_workspace.person("alice")
    first = float(alice.say("general", "now").ts)
    blocking_workspace.clock.turn(86_400)
    assert float(alice.say("general", "tomorrow").ts) - first >= 86_400

    blocking_workspace.reset()

    assert float(alice.say("general", "now").ts) - first < 86_400


async def test_a_bot_that_stays_comes_back_and_hears_what_is_new(workspace: Workspace) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with RTMClient(workspace.person("bot").token, workspace.api_url) as bot:

        @bot.on(MessageEvent)
        async def hear(event: MessageEvent) -> None:
            await heard.put(event.text)

        for number in range(3):
            await workspace.wait_for_connection("bot", within=20)
            await workspace.person("alice").say("general", str(number))
            assert await asyncio.wait_for(heard.get(), 20) == str(number)
            await workspace.reset()


def test_a_reset_workspace_can_be_reset_and_closed(blocking_workspace: BlockingWorkspace) -> None:
    for _ in range(3):
        blocking_workspace.reset()
        assert blocking_workspace.transcript_json == []
        blocking_workspace.person("alice").say("general", "hello")
