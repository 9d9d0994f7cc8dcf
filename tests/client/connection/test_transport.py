"""What a peer may send and leave undone on the WebSocket: each case for both clients."""

import json
from typing import Any

import pytest

from drive import MakeClient, eventually
from fake import FakeServer, frame, message
from tautwire import (
    FrameError,
    HelloEvent,
    MalformedEvent,
    MessageEvent,
    UnknownEvent,
)
from tautwire.session.outgoing import MAX_FRAME_SIZE


def texts(client: Any) -> list[str]:
    """Collect the texts of messages from now on."""
    found: list[str] = []
    client.register(lambda event: found.append(event.text), MessageEvent, inline=True)
    return found


def test_pings_are_answered_as_far_as_the_peer_reads(fake: FakeServer, client: Any) -> None:
    """What it does not read must not pile up."""
    got = texts(client)
    client.connect()
    peer = fake.peer()
    peer.read(False)
    peer.send_bytes(frame(b"x" * 125, opcode=9) * 400_000)
    peer.send(message(1))
    eventually(lambda: got == ["1"])
    peer.read(True)
    eventually(lambda: peer.send_bytes(frame(b"last", opcode=9)) or b"last" in peer.pongs)
    assert len(peer.pongs) < 200_000  # the rest of what the system's own buffers hold


def test_subscriptions_that_have_become_too_long_are_refused_and_nothing_else(
    fake: FakeServer, make_client: MakeClient
) -> None:
    client = make_client()
    errors: list[BaseException] = []
    client.add_error_handler(lambda error, event: errors.append(error))
    got = texts(client)
    client.connect()
    client.presence_sub(["U" * (MAX_FRAME_SIZE - len('{"type":"presence_sub","ids":[""],"id":123456789}'))])
    client.send({"type": "ping", "id": 2 * 10**9})  # the frames that follow have longer numbers
    fake.peer()
    client.reconnect()
    fake.peer().send(message(1))
    eventually(lambda: got == ["1"])
    eventually(lambda: [type(each) for each in errors] == [FrameError])
    assert len(fake.connects) == 2


def test_garbage_is_told_and_harms_nothing(fake: FakeServer, client: Any) -> None:
    got: list[Any] = []
    raw: list[str] = []
    client.register(got.append, "*", inline=True)
    client.add_message_handler(raw.append)
    client.connect()
    fake.peer().send(b"\xff\xfe{", b'{"type":', b"[1]", b"null", b'{"type":"brand_new"}', message(1))
    eventually(lambda: len(raw) == len(got) == 7)
    kinds = [HelloEvent, MalformedEvent, MalformedEvent, MalformedEvent, MalformedEvent, UnknownEvent, MessageEvent]
    assert [type(each) for each in got] == kinds
    assert raw[0] == '{"type": "hello"}'
    assert client.is_connected


def test_fragments_are_put_together_around_control_frames(fake: FakeServer, client: Any) -> None:
    got = texts(client)
    client.connect()
    peer = fake.peer()
    data = json.dumps(message(1)).encode()
    peer.send_bytes(frame(data[:9], fin=False) + frame(b"", opcode=9) + frame(data[9:20], opcode=0, fin=False))
    peer.send_bytes(frame(data[20:], opcode=0) + frame(json.dumps(message(2)).encode()))
    eventually(lambda: got == ["1", "2"])


def test_binary_messages_are_ignored(fake: FakeServer, client: Any) -> None:
    got: list[Any] = []
    client.register(got.append, MessageEvent, inline=True)
    client.connect()
    fake.peer().send_bytes(frame(json.dumps(message(1)).encode(), opcode=2) + frame(json.dumps(message(2)).encode()))
    eventually(lambda: [each.text for each in got] == ["2"])


def test_big_messages_come_whole(fake: FakeServer, client: Any) -> None:
    got = texts(client)
    client.connect()
    fake.peer().send(message(1, text="x" * 3_000_000))
    eventually(lambda: [len(each) for each in got] == [3_000_000])


@pytest.mark.parametrize("in_fragments", [False, True])
def test_a_message_beyond_the_limit_costs_the_connection_only(
    fake: FakeServer, client: Any, in_fragments: bool
) -> None:
    got = texts(client)
    client.connect()
    piece = b"x" * 1_100_000
    pieces = [frame(piece, fin=False), *(frame(piece, opcode=0, fin=False) for _ in range(3))]
    fake.peer().send_bytes(b"".join(pieces) if in_fragments else frame(b"x" * 4_300_000))
    fake.peer().send(message(1))
    eventually(lambda: got == ["1"])
