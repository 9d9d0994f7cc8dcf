"""The conformance vectors of RTM, by their numbers, against our real server process with raw connections.

Where nothing may come, something that would come after it is waited for: events of a channel arrive in order.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from stores import Store

from conformance.inbox import Transcript
from conformance.person import Person, RtmSocket
from conformance.raw_socket import RawSocket
from conformance.server import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPIRED = {"code": 1, "msg": "Socket URL has expired"}
SLOW_DOWN = {"code": -1, "msg": "slow down, too many messages..."}

serial = itertools.count(1)


async def nothing_but(socket: RtmSocket, other: Person, channel: str, **unwanted: object) -> None:
    """Let somebody else post, wait for that message, and see that nothing unwanted came before it."""
    ts = await other.post(channel, f"fence {next(serial)}")
    await socket.inbox.take(type="message", ts=ts)
    assert socket.inbox.drop(**unwanted) == []


OwnServer = Callable[..., AbstractAsyncContextManager[tuple[ServerProcess, Person]]]


@pytest.fixture
def own_server(tmp_path: Path, store: Store, transcript: Transcript) -> OwnServer:
    """Starts a server with options of its own; gives it and its relaybot."""

    @asynccontextmanager
    async def start(*options: str) -> AsyncIterator[tuple[ServerProcess, Person]]:
        async with (
            ServerProcess(tmp_path, transcript, (*options, *store.options(tmp_path))) as process,
            Person("relaybot", process.token("relaybot"), process.api_url, transcript) as bot,
        ):
            yield process, bot

    return start


async def test_vector_1_hello_is_the_first_frame_of_a_fresh_url(relaybot: Person, alice: Person, channel: str) -> None:
    url = await relaybot.url()
    await alice.post(channel, "before the dial")  # waits for the connection, behind hello
    with RawSocket(url) as socket:
        socket.write(socket.request().encode())
        socket.read_head()
        assert socket.read() == {"type": "hello"}
        assert socket.read()["text"] == "before the dial"


async def test_vector_2_a_url_works_once(relaybot: Person) -> None:
    url = await relaybot.url()
    first = await relaybot.dial(url)
    await first.inbox.take(type="hello")
    second = await relaybot.dial(url)
    await second.inbox.take(type="error", error=EXPIRED)
    assert await second.closed() is not None
    await first.send({"id": 1, "type": "ping"})
    await first.inbox.take(type="pong", reply_to=1)


async def test_vector_3_a_url_works_for_a_limited_time(own_server: OwnServer) -> None:
    async with own_server("--ticket-lifetime", "0.05") as (_, relaybot):
        url = await relaybot.url()
        await asyncio.sleep(0.1)
        socket = await relaybot.dial(url)
        await socket.inbox.take(type="error", error=EXPIRED)
        assert await socket.closed() is not None


async def test_vector_4_a_message_is_acked_to_its_connection_and_told_to_all_others(
    relaybot: Person, alice: Person, bob: Person, channel: str, server: ServerProcess
) -> None:
    sending, second = await relaybot.connect(), await relaybot.connect()
    others = [second, await alice.connect(), await bob.connect()]
    await sending.send({"id": 1, "type": "message", "channel": channel, "text": "Good morning"})
    ack = await sending.inbox.take(reply_to=1)
    assert ack == {"ok": True, "reply_to": 1, "ts": ack["ts"], "text": "Good morning"}
    for socket in others:
        message = await socket.inbox.take(type="message")
        told = {name: message[name] for name in ("channel", "user", "text", "ts")}
        assert told == {
            "channel": channel,
            "user": server.user("relaybot"),
            "text": "Good morning",
            "ts": ack["ts"],
        }
    await nothing_but(sending, alice, channel, type="message", text="Good morning")


async def test_vector_5_an_empty_text_is_refused(relaybot: Person, channel: str) -> None:
    socket = await relaybot.connect()
    await socket.send({"id": 2, "type": "message", "channel": channel, "text": ""})
    refusal = await socket.inbox.take(reply_to=2)
    assert refusal == {"ok": False, "reply_to": 2, "error": {"code": 2, "msg": "message text is missing"}}


async def test_vector_6_an_unknown_channel_is_refused(relaybot: Person) -> None:
    socket = await relaybot.connect()
    await socket.send({"id": 3, "type": "message", "channel": "C_NOPE", "text": "x"})
    refusal = await socket.inbox.take(reply_to=3)
    assert refusal == {"ok": False, "reply_to": 3, "error": {"code": 0, "msg": "invalid channel id"}}


async def test_vector_7_a_ping_is_echoed(relaybot: Person) -> None:
    socket = await relaybot.connect()
    await socket.send({"id": 41, "type": "ping", "time": 1700000000123})
    assert await socket.inbox.take(type="pong") == {"type": "pong", "reply_to": 41, "time": 1700000000123}


async def test_vector_8_a_ping_needs_no_id(relaybot: Person) -> None:
    socket = await relaybot.connect()
    await socket.send({"type": "ping"})
    pong = await socket.inbox.take(type="pong")
    assert pong.get("reply_to", 0) == 0


async def test_vector_9_typing_is_told_to_the_other_members(
    relaybot: Person, alice: Person, channel: str, server: ServerProcess
) -> None:
    typing, second, other = await relaybot.connect(), await relaybot.connect(), await alice.connect()
    await typing.send({"id": 4, "type": "typing", "channel": channel})
    event = await other.inbox.take(type="user_typing")
    assert event == {"type": "user_typing", "channel": channel, "user": server.user("relaybot")}
    for socket in (typing, second):
        await nothing_but(socket, alice, channel, type="user_typing")
    assert typing.inbox.drop(reply_to=4) == []


async def test_vector_10_presence_sub_tells_of_those_that_are_new(relaybot: Person, server: ServerProcess) -> None:
    alice, bob = server.user("alice"), server.user("bob")
    socket = await relaybot.connect()
    await socket.send({"type": "presence_sub", "ids": [alice]})
    event = await socket.inbox.take(type="presence_change")
    assert event == {"type": "presence_change", "user": alice, "presence": event["presence"]}
    assert event["presence"] in ("active", "away")
    await socket.send({"type": "presence_sub", "ids": [alice, bob]})
    await socket.inbox.take(type="presence_change", user=bob)
    await _no_presence_of(alice, socket, server)


async def test_vector_11_an_empty_presence_sub_ends_all(relaybot: Person, alice: Person, server: ServerProcess) -> None:
    socket, hers = await relaybot.connect(), await alice.connect()
    await socket.send({"type": "presence_sub", "ids": [server.user("alice")]})
    await socket.inbox.take(type="presence_change", presence="active")
    for manual, seen in (("away", "away"), ("auto", "active")):
        await alice.web.users_setPresence(presence=manual)
        await socket.inbox.take(type="presence_change", user=server.user("alice"), presence=seen)
        await hers.inbox.take(type="manual_presence_change", presence=seen)
    await socket.send({"type": "presence_sub", "ids": []})
    await _no_presence_of(server.user("alice"), socket, server)
    for manual, seen in (("away", "away"), ("auto", "active")):
        await alice.web.users_setPresence(presence=manual)
        await hers.inbox.take(type="manual_presence_change", presence=seen)
    await _no_presence_of(server.user("alice"), socket, server)


async def _no_presence_of(user: str, socket: RtmSocket, server: ServerProcess) -> None:
    """Ask for another presence, which comes behind, and see that there was none of this user."""
    await socket.send({"type": "presence_query", "ids": [server.user("relaybot")]})
    await socket.inbox.take(type="presence_change", user=server.user("relaybot"))
    assert socket.inbox.drop(type="presence_change", user=user) == []


async def test_vector_12_sending_too_fast_is_refused(own_server: OwnServer) -> None:
    async with own_server("--rate-limits", "on") as (server, relaybot):
        socket = await relaybot.connect()
        numbers = range(1, 31)
        for number in numbers:
            frame = {"id": number, "type": "message", "channel": server.channel("general"), "text": f"{number}"}
            await socket.send(frame)
        replies = [await socket.inbox.take(reply_to=number) for number in numbers]
        acked = [reply["reply_to"] for reply in replies if reply["ok"]]
        assert acked[:10] == list(range(1, 11)), "a burst passes"
        assert len(acked) < len(numbers)
        assert all(reply["error"] == SLOW_DOWN for reply in replies if not reply["ok"])
        assert len(socket.inbox) == 0, "one reply for each"


async def test_vector_13_a_frame_over_16_kb_ends_the_connection(relaybot: Person, channel: str) -> None:
    socket = await relaybot.connect()
    frame = {"id": 1, "type": "message", "channel": channel, "text": "x"}
    await socket.send({**frame, "filler": "x" * (16_384 - len(str(frame)) - 20)})
    await socket.inbox.take(reply_to=1, ok=True)
    await socket.send({**frame, "filler": "x" * 17_000})
    assert await socket.closed() == 1009


async def test_vector_14_escaped_text_and_links_pass_unchanged(relaybot: Person, alice: Person, channel: str) -> None:
    text = "a &lt; b &amp; c <https://x.test|x>"
    sending, receiving = await relaybot.connect(), await alice.connect()
    await sending.send({"id": 1, "type": "message", "channel": channel, "text": text})
    ack = await sending.inbox.take(reply_to=1)
    assert ack["text"] == text
    assert (await receiving.inbox.take(type="message", ts=ack["ts"]))["text"] == text
    history = await alice.web.conversations_history(channel=channel, latest=ack["ts"], inclusive=True, limit=1)
    assert history["messages"][0]["text"] == text


async def test_vector_15_a_bare_url_becomes_a_link(relaybot: Person, channel: str) -> None:
    socket = await relaybot.connect()
    await socket.send({"id": 1, "type": "message", "channel": channel, "text": "see https://x.test"})
    assert (await socket.inbox.take(reply_to=1))["text"] == "see <https://x.test>"


async def test_vector_16_a_web_post_reaches_its_own_sockets_before_the_answer(
    relaybot: Person, channel: str, server: ServerProcess
) -> None:
    url = await relaybot.url()
    with RawSocket(url) as socket:
        socket.write(socket.request().encode())
        socket.read_head()
        assert socket.read() == {"type": "hello"}
        ts = await relaybot.post(channel, "by web")
        assert socket.has_bytes(), "the answer came first"
        message = socket.read()
        assert (message["type"], message["ts"], message["user"]) == ("message", ts, server.user("relaybot"))


async def test_vector_17_an_update_is_told_as_message_changed(
    relaybot: Person, alice: Person, channel: str, server: ServerProcess
) -> None:
    socket = await alice.connect()
    ts = await relaybot.post(channel, "first")
    await relaybot.web.chat_update(channel=channel, ts=ts, text="second")
    event = await socket.inbox.take(type="message", subtype="message_changed")
    assert event["hidden"] is True
    assert event["channel"] == channel
    assert event["ts"] > ts
    assert (event["message"]["ts"], event["message"]["text"]) == (ts, "second")
    assert event["message"]["edited"]["user"] == server.user("relaybot")
    assert event["previous_message"]["text"] == "first"


async def test_vector_18_a_reply_is_told_with_its_parent(relaybot: Person, alice: Person, channel: str) -> None:
    sending, receiving = await relaybot.connect(), await alice.connect()
    parent = await alice.post(channel, "parent")
    await sending.send({"id": 1, "type": "message", "channel": channel, "text": "reply", "thread_ts": parent})
    ack = await sending.inbox.take(reply_to=1)
    reply = await receiving.inbox.take(type="message", ts=ack["ts"], subtype=None)
    assert (reply["text"], reply["thread_ts"]) == ("reply", parent)
    replied = await receiving.inbox.take(type="message", subtype="message_replied")
    assert replied["hidden"] is True
    assert (replied["message"]["ts"], replied["message"]["reply_count"]) == (parent, 1)


async def test_vector_19_presence_in_batches_for_who_asked(relaybot: Person, server: ServerProcess) -> None:
    alice, bob = server.user("alice"), server.user("bob")
    socket = await relaybot.connect(batch_presence_aware=1)
    await socket.send({"type": "presence_sub", "ids": [alice]})
    event = await socket.inbox.take(type="presence_change")
    assert event == {"type": "presence_change", "users": [alice], "presence": event["presence"]}
    await socket.send({"type": "presence_sub", "ids": [alice, bob]})
    assert (await socket.inbox.take(type="presence_change"))["users"] == [bob]


async def test_vector_20_a_shutdown_is_announced_and_a_reconnect_loses_nothing(
    own_server: OwnServer, transcript: Transcript
) -> None:
    async with own_server() as (server, relaybot):
        socket = await relaybot.connect()
        assert await server.stop() == 0
        await socket.inbox.take(type="goodbye")
        assert await socket.closed() == 1001
        await server.start()
        again = await relaybot.connect()
        async with Person("alice", server.token("alice"), server.api_url, transcript) as alice:
            posted = [await alice.post(server.channel("general"), f"{number}") for number in range(5)]
        heard = [(await again.inbox.take(type="message"))["ts"] for _ in posted]
        assert heard == posted
