"""Tests wait for what bots do, and a wait in vain tells what happened instead."""

import asyncio
import http.client
import re
import threading
import urllib.parse

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tautwire import BlockingRTMClient, RTMClient
from tautwire.testing import BlockingWorkspace, Workspace

SOON = 0.01
"""Seconds after which a wait for what does not come ends."""


@pytest.fixture
def web(blocking_workspace: BlockingWorkspace) -> WebClient:
    return WebClient(blocking_workspace.person("bot").token, base_url=blocking_workspace.api_url)


async def test_each_wait_of_an_asyncio_test(workspace: Workspace) -> None:
    alice, bot, general = workspace.person("alice"), workspace.person("bot"), workspace.channel("#general")
    line = await alice.say(general, "deploy prod")
    answer = await bot.reply(line, "deploying")
    await bot.react(line, "eyes")
    await bot.edit(answer, "deployed")
    await bot.delete(answer)

    assert (await general.wait_for_reaction("eyes", to=line, user="bot")).ts == line.ts
    edited = await general.wait_for_edit("deployed", of=answer, user=bot)
    assert (edited.ts, edited.text) == (answer.ts, "deployed")
    assert (await general.wait_for_delete(answer)).text == "deployed"
    assert (await general.wait_for(user="bot")).text == "deploying"
    await general.expect_silence(SOON)
    await workspace.expect_silence(SOON)
    direct = await workspace.dm("alice", bot)
    await bot.say(direct, "hi @alice")
    assert (await direct.wait_for("hi @alice")).text == f"hi <@{alice.id}>"


async def test_a_wait_that_began_before_ends_when_it_comes(workspace: Workspace) -> None:
    bot, general = workspace.person("bot"), workspace.channel("general")
    line = await bot.say("general", "working")
    waits = [
        asyncio.ensure_future(wait)
        for wait in (general.wait_for_edit(), general.wait_for_reaction(), general.wait_for_delete())
    ]
    await asyncio.sleep(0)
    await bot.edit(line, "done")
    await bot.react(line, "tada")
    await bot.delete(line)

    edit, reaction, deletion = await asyncio.gather(*waits)

    assert (edit.text, reaction.name, deletion.text) == ("done", "tada", "done")


async def test_typing_and_the_connection_of_a_bot(workspace: Workspace) -> None:
    general = workspace.channel("general")
    with pytest.raises(AssertionError, match=r"^bot is not connected after 0\.01 s; connected: no bot$"):
        await workspace.wait_for_connection("bot", within=SOON)
    async with RTMClient(workspace.person("bot").token, workspace.api_url) as bot:
        await workspace.wait_for_connection("bot")
        assert [link.user for link in workspace.faults.links] == ["bot"]
        await bot.typing(general.id)
        await general.wait_for_typing(user="bot")
        with pytest.raises(AssertionError, match=r"^typing by bot did not come to #general within 0\.01 s\. Trans"):
            await general.wait_for_typing(user="bot", within=SOON)


def test_blocking_tests_wait_alike(blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
    general = blocking_workspace.channel("general")
    with BlockingRTMClient(blocking_workspace.person("bot").token, blocking_workspace.api_url) as client:
        blocking_workspace.wait_for_connection("bot")
        client.typing(general.id)
        general.wait_for_typing(user="bot")
    ts = web.chat_postMessage(channel="#general", text="one")["ts"]
    web.chat_update(channel=general.id, ts=ts, text="two")
    web.reactions_add(channel=general.id, timestamp=ts, name="eyes")
    web.chat_delete(channel=general.id, ts=ts)

    assert general.wait_for_edit(re.compile("tw")).ts == ts
    assert general.wait_for_reaction().name == "eyes"
    assert general.wait_for_delete(user="bot").ts == ts
    assert blocking_workspace.wait_for_call("chat.update", text="two").user == "bot"


class TestFailures:
    """What a test says when a bot did something else than it should."""

    def test_each_wait_says_what_it_waited_for(self, blocking_workspace: BlockingWorkspace) -> None:
        general = blocking_workspace.channel("general")
        line = blocking_workspace.person("alice").say("general", "hello")
        transcript = r" within 0\.01 s\. Transcript:\n  #general alice: hello$"
        with pytest.raises(AssertionError, match=r'^:eyes: to "hello" by bot did not come to #general' + transcript):
            general.wait_for_reaction(":eyes:", to=line, user="bot", within=SOON)
        with pytest.raises(AssertionError, match=r'^an edit to \'x\' of "hello" did not come to #general' + transcript):
            general.wait_for_edit("x", of=line, within=SOON)
        with pytest.raises(AssertionError, match="^a deletion did not come to #general" + transcript):
            general.wait_for_delete(within=SOON)
        with pytest.raises(KeyError, match="there is no person or bot 'carol'; there are alice, bob, bot"):
            general.wait_for_reaction(user="carol")

    def test_what_was_found_is_not_found_again(self, blocking_workspace: BlockingWorkspace) -> None:
        alice, general = blocking_workspace.person("alice"), blocking_workspace.channel("general")
        line = alice.say("general", "hello")
        alice.react(line, "eyes")
        general.wait_for_reaction("eyes")
        with pytest.raises(AssertionError, match=r'reacted :eyes: to "hello"  \(found before\)$'):
            general.wait_for_reaction("eyes", within=SOON)

    def test_noise_is_no_silence(self, blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
        alice, general = blocking_workspace.person("alice"), blocking_workspace.channel("general")
        alice.say("general", "people may speak")
        general.expect_silence(SOON)
        web.chat_postMessage(channel="#general", text="I am here")
        with pytest.raises(
            AssertionError, match=r"^expected silence for 0\.01 s, but bot said 'I am here' in #general\. Transcript:"
        ):
            general.expect_silence(SOON)
        general.wait_for("I am here")
        general.expect_silence(SOON)
        with pytest.raises(AssertionError, match="but alice said"):
            general.expect_silence(SOON, user="alice")
        web.chat_postMessage(channel=alice.id, text="and here")
        general.expect_silence(SOON)
        with pytest.raises(AssertionError, match=r"but bot said 'and here' in DM alice\+bot\."):
            blocking_workspace.expect_silence(SOON)

    def test_silence_that_is_broken_while_the_test_listens(self, blocking_workspace: BlockingWorkspace) -> None:
        general = blocking_workspace.channel("general")
        blocking_workspace.faults.delay(0.05, "chat.postMessage")
        web = WebClient(blocking_workspace.person("bot").token, base_url=blocking_workspace.api_url)
        speaker = threading.Thread(target=lambda: web.chat_postMessage(channel="#general", text="late"))
        speaker.start()
        with pytest.raises(AssertionError, match="but bot said 'late'"):
            general.expect_silence(20)
        speaker.join()


class TestCalls:
    """The Web API calls of bots."""

    def test_a_call_is_found_by_its_arguments(self, blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
        general = blocking_workspace.channel("general")
        blocks = [{"type": "divider"}]
        ts = web.chat_postMessage(channel="#general", text="one", blocks=blocks, unfurl_links=True)["ts"]
        web.reactions_add(channel=general.id, timestamp=ts, name="eyes")
        web.users_info(user=blocking_workspace.person("alice").id)

        call = blocking_workspace.wait_for_call("reactions.add", name="eyes", channel="#general", timestamp=ts)
        assert (call.user, call.status, call.answer["ok"]) == ("bot", 200, True)
        assert "token" not in call.arguments
        assert blocking_workspace.wait_for_call("users.info", user="@alice")
        posted = blocking_workspace.wait_for_call(
            "chat.postMessage", blocks=blocks, text=re.compile("^o"), channel=lambda it: it == "#general",
            unfurl_links=True,
        )  # fmt: skip
        assert posted.answer["ts"] == ts
        assert [each.method for each in blocking_workspace.calls] == ["chat.postMessage", "reactions.add", "users.info"]

    def test_the_fields_of_a_form_with_files_are_read(
        self, blocking_workspace: BlockingWorkspace, web: WebClient
    ) -> None:
        web.api_call("api.test", files={"file": b"\x00\xff"}, data={"error": "", "foo": "bär", "n": "1"})
        assert blocking_workspace.wait_for_call("api.test", foo="bär", n=1).user == "bot"

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/json", b'{"n": 1, "yes": true, "text": "a"}'),
            ("application/x-www-form-urlencoded", b"n=1&yes=1&text=a"),
        ],
    )
    def test_json_and_forms_are_read_alike(
        self, blocking_workspace: BlockingWorkspace, content_type: str, body: bytes
    ) -> None:
        post(blocking_workspace.api_url + "api.test?more=x", content_type, body)
        with pytest.raises(AssertionError):
            blocking_workspace.wait_for_call("api.test", n=2, within=SOON)
        with pytest.raises(AssertionError):
            blocking_workspace.wait_for_call("api.test", yes=False, within=SOON)
        assert blocking_workspace.wait_for_call("api.test", n=1, yes=True, text="a", more="x").user == ""

    @pytest.mark.parametrize("body", [b"\xff{", b"[1]", b'"text"', b""])
    def test_a_body_that_is_nothing_has_no_arguments(self, blocking_workspace: BlockingWorkspace, body: bytes) -> None:
        post(blocking_workspace.api_url + "api.test", "application/json", body)
        assert blocking_workspace.wait_for_call("api.test").arguments == {}

    def test_a_call_that_met_a_fault_is_a_call(self, blocking_workspace: BlockingWorkspace, web: WebClient) -> None:
        faults = blocking_workspace.faults
        faults.error("auth.test", "invalid_auth")
        faults.drop("auth.test")
        with pytest.raises(SlackApiError, match="invalid_auth"):
            web.auth_test()
        web.auth_test()  # slack_sdk calls again by itself
        calls = [blocking_workspace.wait_for_call("auth.test") for _ in range(3)]
        assert [each.status for each in calls] == [200, None, 200]
        assert [each.answer.get("error", "none") for each in calls] == ["invalid_auth", "none", "none"]

    def test_a_call_that_does_not_come_lists_those_that_did(
        self, blocking_workspace: BlockingWorkspace, web: WebClient
    ) -> None:
        web.api_test(foo="bar")
        with pytest.raises(
            AssertionError,
            match=r"^no bot called reactions\.add with name='eyes' within 0\.01 s\. Calls:\n"
            r"  bot called api\.test foo='bar'\nTranscript:\n  \(nothing\)$",
        ):
            blocking_workspace.wait_for_call("reactions.add", name="eyes", within=SOON)


def post(address: str, content_type: str, body: bytes) -> None:
    """Make a call and read the answer, whatever it is."""
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("POST", f"{parts.path}?{parts.query}", body, {"Content-Type": content_type})
    connection.getresponse().read()
    connection.close()
