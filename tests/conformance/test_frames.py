"""What real clients put into their frames, and what nobody should: the connection lives through all of it."""

from typing import Any

import pytest

from conformance.inbox import Record
from conformance.person import Person, RtmSocket
from conformance.raw_socket import RawSocket
from conformance.server import ServerProcess
from tautwire.testing.websocket import CONTINUATION, PING, PONG, TEXT

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def is_alive(socket: RtmSocket) -> bool:
    await socket.send({"id": 99, "type": "ping"})
    await socket.inbox.take(type="pong", reply_to=99)
    return True


@pytest.mark.parametrize(
    "oddity",
    [
        {},  # python-slackclient and slackbot send no id
        {"id": None},
        {"id": 0},  # old Rust and Go clients
        {"id": 5, "attachments": None, "thread_ts": None, "reply_broadcast": False},
        {"id": 6, "user": "U0EX00009", "blocks": [{"type": "divider"}], "attachments": [{"text": "x"}]},
        {"id": 7, "mrkdwn": True, "link_names": 1, "nested": {"deep": [1, {"er": None}]}},
    ],
    ids=lambda oddity: ",".join(oddity) or "no id",
)
async def test_messages_as_real_clients_send_them(relaybot: Person, channel: str, oddity: dict[str, Any]) -> None:
    socket = await relaybot.connect()
    await socket.send({"type": "message", "channel": channel, "text": "hi", **oddity})
    ack = await socket.inbox.take(ok=True, text="hi")
    assert "type" not in ack
    assert ack.get("reply_to") == oddity.get("id")
    history = await relaybot.web.conversations_history(channel=channel, latest=ack["ts"], inclusive=True, limit=1)
    message = history["messages"][0]
    assert message["ts"] == ack["ts"]
    assert "attachments" not in message, "RTM takes text only"
    assert "thread_ts" not in message


async def test_a_ping_with_nested_members_comes_back_whole(relaybot: Person) -> None:
    socket = await relaybot.connect()
    members = {"time": {"seconds": 1700000000, "nanos": 5}, "list": [1, "two", None], "float": 1.5, "text": "ü"}
    await socket.send({"id": 7, "type": "ping", **members})
    assert await socket.inbox.take(type="pong") == {"type": "pong", "reply_to": 7, **members}


@pytest.mark.parametrize("kind", ["typing", "user_typing"])
async def test_typing_in_both_spellings(
    relaybot: Person, alice: Person, channel: str, server: ServerProcess, kind: str
) -> None:
    typing, other = await relaybot.connect(), await alice.connect()
    await typing.send({"type": kind, "channel": channel})
    await other.inbox.take(type="user_typing", channel=channel, user=server.user("relaybot"))


async def test_typing_in_an_unknown_channel_is_an_error(relaybot: Person) -> None:
    socket = await relaybot.connect()
    await socket.send({"id": 8, "type": "typing", "channel": "C_NOPE"})
    await socket.inbox.take(reply_to=8, ok=False)


async def test_presence_frames_with_id_0_get_no_reply(relaybot: Person, server: ServerProcess) -> None:
    socket = await relaybot.connect()
    for kind in ("presence_sub", "presence_query"):
        await socket.send({"id": 0, "type": kind, "ids": [server.user("bob"), "U_NOBODY"]})
        await socket.inbox.take(type="presence_change", user=server.user("bob"))
    await is_alive(socket)
    assert socket.inbox.drop(reply_to=0) == []


UNANSWERED: list[Record | str | bytes] = [
    {"type": "tickle"},
    {"id": 1, "type": "tickle", "reason": "mousemove"},
    {"type": "subscription_update"},
    {"type": "from_the_future", "id": 3},
    {"type": "from_the_future"},
]
"""Frames that are right, and get no answer."""

MEANINGLESS: list[Record | str | bytes] = [
    "",
    "{",
    "[]",
    "null",
    '"text"',
    "42",
    "{}",
    '{"type":null}',
    '{"type":7}',
    '{"type":["message"]}',
    '{"type":"message"}',
    '{"type":"message","channel":[],"text":{}}',
    '{"type":"presence_sub"}',
    '{"type":"presence_sub","ids":"U1"}',
    '{"type":"presence_query","ids":[1,null,{}]}',
    '{"id":"seven","type":"ping"}',
    '{"id":1e400,"type":"ping"}',
    '{"id":18446744073709551616,"type":"ping"}',
    "[" * 5_000,
    '{"a":' * 2_000,
    b"\x00\xff",
    b"{}",
]
"""Frames that are wrong in whatever way."""


@pytest.mark.parametrize("frame", UNANSWERED + MEANINGLESS, ids=lambda frame: repr(frame)[:50])
async def test_a_connection_lives_through_any_frame(relaybot: Person, frame: Record | str | bytes) -> None:
    socket = await relaybot.connect()
    await socket.send(frame)
    assert await is_alive(socket)


async def test_text_that_is_not_utf_8_harms_nobody_else(relaybot: Person, alice: Person) -> None:
    other = await alice.connect()
    with RawSocket(await relaybot.url()) as socket:
        socket.write(socket.request().encode())
        socket.read_head()
        socket.read()
        socket.send_frame(TEXT, b'{"type":"ping","x":"\xff\xfe"}')
        socket.read_frame()  # an error reply, or a Close: both are fair
    assert await is_alive(other)


async def test_a_frame_in_fragments_with_a_ping_between_them(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        socket.write(socket.request().encode())
        socket.read_head()
        socket.read()
        socket.send_frame(TEXT, b'{"id":4,"ty', fin=False)
        socket.send_frame(PING, b"between")
        socket.send_frame(CONTINUATION, b'pe":"p', fin=False)
        socket.send_frame(CONTINUATION, b'ing"}')
        assert socket.read_frame() == (PONG, b"between")
        assert socket.read() == {"type": "pong", "reply_to": 4}


async def test_text_is_counted_in_characters_not_bytes(relaybot: Person, channel: str) -> None:
    socket = await relaybot.connect()
    longest = "🙂" * 4_000
    frame = '{"id":1,"type":"message","channel":"%s","text":"%s"}'
    await socket.send(frame % (channel, longest[:-100]))  # 16 kB is the other limit, and the frame needs some of it
    assert (await socket.inbox.take(reply_to=1))["ok"]
    await socket.send({"id": 2, "type": "message", "channel": channel, "text": "x" * 4_000})
    assert (await socket.inbox.take(reply_to=2))["ok"]
    await socket.send({"id": 3, "type": "message", "channel": channel, "text": "x" * 4_001})
    refusal = await socket.inbox.take(reply_to=3)
    assert refusal["error"] == {"code": 3, "msg": "message text is too long"}


async def test_a_channel_that_one_is_not_in_does_not_exist(bob: Person, server: ServerProcess) -> None:
    socket = await bob.connect()
    await socket.send({"id": 1, "type": "message", "channel": server.channel("ops"), "text": "let me in"})
    refusal = await socket.inbox.take(reply_to=1)
    assert refusal["error"] == {"code": 0, "msg": "invalid channel id"}


async def test_ids_may_come_back_and_replies_go_to_each_frame(relaybot: Person, channel: str) -> None:
    socket = await relaybot.connect()
    for text in ("one", "two"):
        await socket.send({"id": 1, "type": "message", "channel": channel, "text": text})
    for text in ("one", "two"):
        await socket.inbox.take(reply_to=1, ok=True, text=text)
