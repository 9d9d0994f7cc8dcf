"""How a Close frame is told, also one that cannot be one."""

import struct
from typing import Any

import pytest

from drive import eventually
from fake import FakeServer, frame
from tautwire import Cause, Closed


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", None),
        (struct.pack("!H", 1000), 1000),
        (struct.pack("!H", 1014) + b"bye", 1014),
        (struct.pack("!H", 3000), 3000),
        (struct.pack("!H", 4999), 4999),
    ],
)
def test_a_close_frame_is_told_as_the_server_sent_it(
    payload: bytes, code: int | None, fake: FakeServer, client: Any
) -> None:
    closed: list[Closed] = []
    client.add_close_handler(closed.append)
    client.connect()
    peer = fake.peer()
    peer.send_bytes(frame(payload, opcode=8))
    eventually(lambda: closed)
    assert (closed[0].code, closed[0].cause) == (code, Cause.CLOSED)
    assert closed[0].reason == ("bye" if payload[2:] else "the server closed the connection")
    eventually(lambda: peer.close_code == (code or 1000))


BAD_CLOSES = {
    "one byte": b"\x03",
    "no UTF-8": struct.pack("!H", 1000) + b"\xff",
    **{str(code): struct.pack("!H", code) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)},
}


@pytest.mark.parametrize("payload", BAD_CLOSES.values(), ids=BAD_CLOSES)
@pytest.mark.parametrize("is_answered", [False, True], ids=["silent", "answered"])
def test_a_close_frame_that_cannot_be_one_breaks_the_protocol(
    payload: bytes, is_answered: bool, fake: FakeServer, client: Any
) -> None:
    """RFC 6455 7.4: these codes stand in no frame. The code that we answer with is not the server's."""
    closed: list[Closed] = []
    client.add_close_handler(closed.append)
    client.connect()
    peer = fake.peer()
    if is_answered:
        peer.close_answer = frame(struct.pack("!H", 1002), opcode=8)
    peer.send_bytes(frame(payload, opcode=8))
    eventually(lambda: closed)
    assert (closed[0].code, closed[0].cause) == (None, Cause.BROKEN)
    assert "broke the WebSocket protocol" in closed[0].reason
    eventually(lambda: peer.close_code in (1002, 1007))
    fake.peer()
    eventually(lambda: client.is_connected)
