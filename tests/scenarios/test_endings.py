"""Connections that end in every way there is, while somebody keeps talking."""

import time
from collections.abc import Callable

import pytest

from subject import Subject, Talk, eventually
from tautwire.testing import Link

ENDS: dict[str, Callable[[Link], None]] = {
    "FIN": lambda link: link.fin(),
    "RST": lambda link: link.rst(),
    "Close 1000": lambda link: link.close(1000),
    "Close 1001": lambda link: link.close(1001, "going away"),
    "Close 1011": lambda link: link.close(1011, "internal error"),
    "Close of its own code": lambda link: link.close(4321, "see you"),
    "Close without a code": lambda link: link.raw(b"\x88\x00"),
    "Close with half a code": lambda link: link.raw(b"\x88\x01\x03"),
    "Close with a reason that is no text": lambda link: link.raw(b"\x88\x04\x03\xe8\xff\xfe"),
    "a fragment of nothing": lambda link: link.raw(b"\x80\x02hi"),
    "a message within a message": lambda link: link.raw(b"\x01\x02hi\x81\x02ho"),
    "a control frame in fragments": lambda link: link.raw(b"\x09\x02hi"),
    "an unknown opcode": lambda link: link.raw(b"\x83\x02hi"),
    "garbage": lambda link: link.raw(b"\xff\xfe\xfd\xfc garbage that is no frame \x00\x01"),
    "reserved bits": lambda link: link.raw(b"\xf1\x02hi"),
    "a frame over the limit": lambda link: link.raw(b"\x81\x7f" + (5_000_000).to_bytes(8) + b"x" * 65_536),
    "a frame of absurd size": lambda link: link.raw(b"\x81\x7f" + (2**62).to_bytes(8) + b"x" * 1000),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_end_is_noticed_at_once_and_nothing_is_lost(
    end: Callable[[Link], None], subject: Subject, talk: Talk
) -> None:
    subject.connect()
    with talk:
        talk.go_on()
        ended_at = time.monotonic()
        end(subject.link)
        subject.wait_opened(2)
        talk.go_on()

    talk.was_heard_by(subject)
    assert subject.connects == 2
    eventually(lambda: len(subject.closes) == 1 and len(subject.gaps) == 1)
    noticed_at, closed = subject.closes[0]
    assert noticed_at - ended_at < 1.0
    assert closed.will_reconnect
    assert subject.gaps[0].is_filled
