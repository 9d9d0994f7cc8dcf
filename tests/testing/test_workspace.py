"""The workspace that users get for their tests."""

import asyncio
import http.client
import re
import socket
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tautwire import MessageEvent, RTMClient, UserTypingEvent
from tautwire.server.app import Server
from tautwire.testing import BlockingWorkspace, Faults, Workspace


async def test_a_bot_is_tested_in_three_lines(workspace: Workspace) -> None:
    alice, general = workspace.person("alice"), workspace.channel("#general")
    bot = RTMClient(workspace.person("bot").token, workspace.api_url)

    @bot.on(MessageEvent)
    async def deploy(event: MessageEvent) -> None:
        if event.text.startswith("deploy"):
            await bot.say(event.channel, f"deploying {event.text.split()[1]}")

    async with bot:
        await alice.say("#general", "deploy prod")
        line = await general.wait_for(text="deploying prod", user="bot", within=2)

    assert line.user == workspace.person("bot").id
    assert [each.text for each in general.lines] == ["deploy prod", "deploying prod"]


def test_blocking_tests_have_the_same(blocking_workspace: BlockingWorkspace) -> None:
    web = WebClient(blocking_workspace.person("bot").token, base_url=blocking_workspace.api_url)
    blocking_workspace.person("alice").say("general", "a < b")
    web.chat_postMessage(channel="#general", text="done")

    general = blocking_workspace.channel("general")
    assert general.wait_for("a &lt; b").text == "a &lt; b"
    assert general.wait_for(re.compile("^do"), user=blocking_workspace.person("bot")).text == "done"


async def test_a_message_that_does_not_come_fails_with_the_transcript(workspace: Workspace) -> None:
    await workspace.person("alice").say("general", "hello")

    with pytest.raises(
        AssertionError, match=r"'pong' by bot did not come to #general within 0\.05 s(.|\n)*alice: hello"
    ):
        await workspace.channel("general").wait_for(text="pong", user="bot", within=0.05)


async def test_each_wait_goes_on_after_the_one_before(workspace: Workspace) -> None:
    alice, general = workspace.person("alice"), workspace.channel("general")
    for _ in range(2):
        await alice.say("general", "again")

    first, second = await general.wait_for("again"), await general.wait_for("again")

    assert first.ts < second.ts
    with pytest.raises(AssertionError):
        await general.wait_for("again", within=0.01)


@pytest.mark.workspace(bots=["x", "y"])
async def test_who_speaks_first_is_not_lost_while_the_test_waits_for_another(workspace: Workspace) -> None:
    x, y, general = workspace.person("x"), workspace.person("y"), workspace.channel("general")
    await x.say("general", "from x")
    await y.say("general", "from y")
    await x.say("general", "from x again")

    assert (await general.wait_for(user=y)).text == "from y"
    assert (await general.wait_for(user=x)).text == "from x"
    assert (await general.wait_for(user=x)).text == "from x again"


@pytest.mark.workspace(bots=["x", "y"])
async def test_two_waits_at_once_find_a_message_each(workspace: Workspace) -> None:
    general = workspace.channel("general")
    waits = [asyncio.ensure_future(general.wait_for(user=user)) for user in ("y", "x", "x")]
    for name in ("x", "y", "x"):
        await workspace.person(name).say("general", f"from {name}")

    y, x, again = await asyncio.gather(*waits)

    assert (y.text, x.text, again.text) == ("from y", "from x", "from x")
    assert x.ts != again.ts


async def test_a_message_found_is_marked_in_the_transcript_of_a_failure(workspace: Workspace) -> None:
    alice, general = workspace.person("alice"), workspace.channel("general")
    await alice.say("general", "one")
    await alice.say("general", "two")
    await general.wait_for("two")

    with pytest.raises(AssertionError, match=r"#general alice: one\n  #general alice: two  \(found before\)$"):
        await general.wait_for("two", within=0.01)


async def test_typing_reaches_bots(workspace: Workspace) -> None:
    seen: asyncio.Queue[UserTypingEvent] = asyncio.Queue()
    async with RTMClient(workspace.person("bot").token, workspace.api_url) as bot:
        bot.register(seen.put, UserTypingEvent)
        await workspace.person("alice").type("general")
        event = await asyncio.wait_for(seen.get(), 5)

    assert event.user == workspace.person("alice").id


@pytest.mark.workspace(people=["ann"], bots=["x", "y"], channels=["#ops", "dev", "general"])
async def test_a_marker_adds_to_what_every_workspace_has(workspace: Workspace) -> None:
    for speaker, channel in (("ann", "dev"), ("y", "ops"), ("alice", "ops"), ("bot", "general")):
        await workspace.person(speaker).say(channel, "hi")
        assert (await workspace.channel(channel).wait_for(user=speaker)).text == "hi"


@pytest.mark.workspace(people=["ann"], channels=["dev"], only=True)
async def test_a_marker_may_ask_for_only_what_it_names(workspace: Workspace) -> None:
    await workspace.person("ann").say("dev", "hi")

    assert (await workspace.channel("dev").wait_for()).text == "hi"
    with pytest.raises(KeyError, match=r"^there is no person or bot 'alice'; there are ann$"):
        workspace.person("alice")
    with pytest.raises(KeyError, match=r"^there is no channel '#general'; there are #dev$"):
        workspace.channel("#general")


def test_names_that_cannot_be_used_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"^channels must be a list of names, got 'ops': write channels=\['ops'\]$"):
        Workspace(channels="ops")
    with pytest.raises(ValueError, match=r"^'alice' is among people and among bots"):
        Workspace(bots=["alice"])
    with pytest.raises(ValueError, match="a name of people, bots or channels cannot be used"):
        Workspace(people=["a person"])


def test_it_is_ready_within_a_tenth_of_a_second() -> None:
    """The quickest of some, in CPU time, to which other work on the machine adds little: it takes a tenth of that."""

    def seconds_to_open() -> float:
        started = time.process_time()
        with Workspace():
            return time.process_time() - started

    assert min(seconds_to_open() for _ in range(6)) < 0.1


def test_the_clock_can_be_turned(blocking_workspace: BlockingWorkspace) -> None:
    alice = blocking_workspace.person("alice")
    first = alice.say("general", "now")
    blocking_workspace.clock.turn(3600)
    second = alice.say("general", "later")
    blocking_workspace.clock.step(-7200)
    third = alice.say("general", "after somebody set the clock back")

    assert float(second.ts) - float(first.ts) >= 3600
    assert third.ts > second.ts


class TestFaults:
    """What the front does, seen from a client that knows nothing of it."""

    def test_nothing_is_wrong_until_asked_for(self, blocking_workspace: BlockingWorkspace) -> None:
        web = WebClient(blocking_workspace.person("bot").token, base_url=blocking_workspace.api_url)

        assert web.auth_test()["ok"]
        assert blocking_workspace.faults.count("auth.test") == 1

    def test_rate_limits_and_errors(self, blocking_workspace: BlockingWorkspace) -> None:
        web = WebClient(blocking_workspace.person("bot").token, base_url=blocking_workspace.api_url)
        faults = blocking_workspace.faults
        faults.rate_limit("auth.test", retry_after=7)
        faults.error("auth.test", "account_inactive")

        with pytest.raises(SlackApiError) as limited:
            web.auth_test()
        assert limited.value.response.status_code == 429
        assert limited.value.response.headers["Retry-After"] == "7"
        with pytest.raises(SlackApiError, match="account_inactive"):
            web.auth_test()
        assert web.auth_test()["ok"]

    def test_a_fault_that_does_not_exist_is_refused(self, blocking_workspace: BlockingWorkspace) -> None:
        with pytest.raises(ValueError, match="no such fault: 'bogus'; there are refuse, hang, expired, no_hello, drop"):
            blocking_workspace.faults.upgrade("bogus")  # type: ignore[arg-type]

    def test_each_fault_is_one_unless_told_otherwise(self, blocking_workspace: BlockingWorkspace) -> None:
        faults = blocking_workspace.faults
        address = blocking_workspace.api_url + "api.test"
        faults.rate_limit()
        assert [status_of(address) for _ in range(2)] == [429, 200]
        faults.fail(status=503)
        assert [status_of(address) for _ in range(2)] == [503, 200]
        faults.fail(times=2)
        assert [status_of(address) for _ in range(3)] == [500, 500, 200]
        faults.drop()
        assert [status_of(address) for _ in range(2)] == [0, 200]
        faults.fail("auth.test")
        assert status_of(address) == 200
        faults.clear()
        assert status_of(blocking_workspace.api_url + "auth.test") == 200

    def test_a_fault_that_never_happens_is_refused(self, blocking_workspace: BlockingWorkspace) -> None:
        faults = blocking_workspace.faults
        asks: list[Callable[..., None]] = [
            lambda times: faults.rate_limit(times=times),
            lambda times: faults.fail(times=times),
            lambda times: faults.error("auth.test", "x", times=times),
            lambda times: faults.drop(times=times),
            lambda times: faults.delay(1, times=times),
            lambda times: faults.upgrade("refuse", times=times),
            faults.lose_acks,
            lambda times: faults.late_acks(1, times),
            faults.repeat_events,
        ]
        for ask in asks:
            with pytest.raises(ValueError, match="times must be 1 or more, got 0"):
                ask(0)

    def test_an_answer_says_what_it_is(self, blocking_workspace: BlockingWorkspace) -> None:
        """Clients look at the type before they look into an answer."""
        faults = blocking_workspace.faults
        address = blocking_workspace.api_url + "api.test"
        faults.fail()
        faults.error("api.test", "fatal_error")
        faults.rate_limit()
        assert [answer_of(address) for _ in range(3)] == [
            (500, "text/plain"),
            (200, "application/json"),
            (429, "application/json"),
        ]

    def test_a_call_can_be_kept_waiting(self, blocking_workspace: BlockingWorkspace) -> None:
        blocking_workspace.faults.delay(0.3, "api.test")
        began = time.monotonic()
        assert status_of(blocking_workspace.api_url + "api.test") == 200
        assert time.monotonic() - began >= 0.3

    def test_a_workspace_that_refuses_connections_can_be_closed(self) -> None:
        with BlockingWorkspace() as workspace:
            port = workspace.faults.port
            workspace.faults.refuse_connections()
            assert status_of(workspace.api_url + "api.test") == 0
        with socket.socket() as again:  # the port is nobody's any more
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))


def answer_of(address: str) -> tuple[int, str]:
    """Return the status of an answer to a GET and what its body is called; 0 if there is no answer."""
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get_content_type()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def status_of(address: str) -> int:
    """Return the status of an answer to a GET, 0 if there is none."""
    return answer_of(address)[0]


@pytest.mark.parametrize("part", [Server, Faults])
def test_a_workspace_that_cannot_start_leaves_nothing_behind(
    part: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OSError("no port is free")

    monkeypatch.setattr(part, "start", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(threading.enumerate())
    workspace = BlockingWorkspace()
    with pytest.raises(OSError, match="no port is free"):
        workspace.open()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread
    assert list(tmp_path.iterdir()) == []


def test_a_blocking_wait_that_fails_says_what_was_heard(blocking_workspace: BlockingWorkspace) -> None:
    general = blocking_workspace.channel("general")
    with pytest.raises(
        AssertionError, match=r"^a message did not come to #general within 0\.01 s\. Transcript:\n  \(nothing\)$"
    ):
        general.wait_for(within=0.01)
    blocking_workspace.person("alice").say("general", "hello")
    with pytest.raises(AssertionError, match=r"^'pong' by bot did not come .* Transcript:\n  #general alice: hello$"):
        general.wait_for(re.compile("pong"), user="bot", within=0.01)


def test_people_mention_each_other_as_they_type(blocking_workspace: BlockingWorkspace) -> None:
    alice, bot = blocking_workspace.person("alice"), blocking_workspace.person("bot")
    line = alice.say("general", "@bot: tell @alice. Not a@bot, @bot2 or @@bot")
    bots_id = bot.say("general", "yes").user
    assert line.text == f"<@{bots_id}>: tell <@{line.user}>. Not a@bot, @bot2 or @@bot"


def test_a_bot_posts_as_people_do(blocking_workspace: BlockingWorkspace) -> None:
    line = blocking_workspace.person("bot").say("general", "done")
    assert line.event["bot_profile"]["name"] == "bot"
