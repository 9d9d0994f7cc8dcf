"""Frames that are torn, cut, huge or nonsense: none costs a word of what is said around it, nor the connection."""

import json
from collections.abc import Callable

import pytest

from subject import MakeSubject, Subject, Talk, eventually
from tautwire import ErrorEvent, MalformedEvent, Timeouts, UnknownEvent, UnreadableFrame, UserTypingEvent
from tautwire.protocol.events import Event
from tautwire.testing import BlockingWorkspace, Faults, Link
from tautwire.testing.websocket import frame_bytes


class Injector:
    """Puts messages of nobody between those of the server; their texts begin with ``!``."""

    def __init__(self, workspace: BlockingWorkspace) -> None:
        self.said: list[str] = []
        self._channel = workspace.channel("general").id

    def message(self, size: int = 10) -> str:
        text = f"!{len(self.said)}".ljust(size, ".")
        self.said.append(text)
        ts = f"1700000000.{len(self.said):06}"
        return json.dumps({"type": "message", "channel": self._channel, "user": "U0NOBODY", "text": text, "ts": ts})

    def were_heard_by(self, subject: Subject) -> None:
        """Make sure that all came, and take them out of what was heard."""
        eventually(lambda: self.said[-1] in subject.heard, f"lost: {self.said[-1][:20]}")
        assert [each for each in subject.heard if each.startswith("!")] == self.said
        subject.heard[:] = [each for each in subject.heard if not each.startswith("!")]


@pytest.fixture
def injector(blocking_workspace: BlockingWorkspace) -> Injector:
    return Injector(blocking_workspace)


Inject = Callable[[Link, Injector], None]

WHOLE: dict[str, Inject] = {
    "in halves": lambda link, injector: link.half_frame(injector.message(), 0.5),
    "in halves and big": lambda link, injector: link.half_frame(injector.message(70_000), 0.5),
    "in 3 fragments": lambda link, injector: link.fragments(injector.message(), 3),
    "in 100 fragments": lambda link, injector: link.fragments(injector.message(10_000), 100),
    "of 70 kB": lambda link, injector: link.inject(injector.message(70_000)),
    "of 0.9 MB": lambda link, injector: link.inject(injector.message(900_000)),
    "of 1.5 MB": lambda link, injector: link.inject(injector.message(1_500_000)),
    "of 3 MB": lambda link, injector: link.inject(injector.message(3_000_000)),
    "of 3 MB in fragments": lambda link, injector: link.fragments(injector.message(3_000_000), 50),
}


@pytest.mark.parametrize("inject", WHOLE.values(), ids=WHOLE)
def test_a_message_comes_whole(inject: Inject, make_subject: MakeSubject, injector: Injector, talk: Talk) -> None:
    subject = make_subject(timeouts=Timeouts(idle=0.1, silence=2.0))
    subject.connect()
    with talk:
        talk.go_on()
        inject(subject.link, injector)
        subject.link.inject(injector.message())
        talk.go_on()

    injector.were_heard_by(subject)
    talk.was_heard_by(subject)
    assert subject.connects == 1


NONSENSE: dict[str, tuple[bytes, type[Event] | None]] = {
    "bad UTF-8": (frame_bytes(1, b'\xff\xfe{"type":"message","text":""}'), MalformedEvent),
    "bad UTF-8 in a text": (frame_bytes(1, b'{"type":"user_typing","user":"\xff\xfe"}'), UserTypingEvent),
    "bad UTF-8 in fragments": (
        frame_bytes(1, b'{"type":"user_typing","user":"\xc3', final=False) + frame_bytes(0, b'\x28"}'),
        UserTypingEvent,
    ),
    "a binary frame": (frame_bytes(2, b"\x00\x01\x02"), None),
    "half a JSON object": (frame_bytes(1, b'{"type": "message", "text": '), MalformedEvent),
    "no JSON": (frame_bytes(1, b"<html>502 Bad Gateway</html>"), MalformedEvent),
    "a JSON array": (frame_bytes(1, b'[{"type":"message"}]'), MalformedEvent),
    "a JSON null": (frame_bytes(1, b"null"), MalformedEvent),
    "nothing": (frame_bytes(1, b""), MalformedEvent),
    "deeply nested JSON": (frame_bytes(1, b'{"type":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), MalformedEvent),
    "an event of the wrong shape": (frame_bytes(1, b'{"type":"user_typing","channel":7,"user":[]}'), UserTypingEvent),
    "a type nobody knows": (frame_bytes(1, b'{"type":"brand_new","x":1}'), UnknownEvent),
    "an error event": (frame_bytes(1, b'{"type":"error","error":{"code":3,"msg":"?"}}'), ErrorEvent),
    "an ack nobody waits for": (frame_bytes(1, b'{"ok":true,"reply_to":4711,"ts":"1.2","text":"?"}'), None),
    "an ack of nothing": (frame_bytes(1, b'{"ok":true,"reply_to":null}'), None),
    "a pong nobody waits for": (frame_bytes(1, b'{"type":"pong","reply_to":4711}'), None),
    "a second hello": (frame_bytes(1, b'{"type":"hello"}'), None),
    "a WebSocket PING": (frame_bytes(9, b"there?"), None),
    "a WebSocket PONG": (frame_bytes(10, b"here"), None),
}


@pytest.mark.parametrize(("frame", "told_as"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_told_and_harms_nothing(
    frame: bytes, told_as: type[Event] | None, subject: Subject, talk: Talk
) -> None:
    told: list[Event] = []
    if told_as is not None:
        subject.register(subject.handler(told.append), told_as)
    subject.connect()
    with talk:
        talk.go_on()
        subject.link.raw(frame)
        talk.go_on()

    talk.was_heard_by(subject)
    if told_as is not None:
        eventually(lambda: len(told) == 1, f"told {told}")
    expected = [UnreadableFrame] if told_as is MalformedEvent else []
    eventually(lambda: [type(each) for each in subject.errors] == expected, f"errors {subject.errors}")
    assert subject.connects == 1


def test_a_flood_of_nonsense_harms_nothing(subject: Subject, talk: Talk) -> None:
    told: list[Event] = []
    subject.register(subject.handler(told.append), MalformedEvent)
    subject.connect()
    with talk:
        for number in range(500):
            subject.link.raw(frame_bytes(1, b"no JSON %d" % number))

    talk.was_heard_by(subject)
    eventually(lambda: len(told) == 500)
    assert subject.connects == 1


def test_events_that_come_twice_are_heard_once(subject: Subject, faults: Faults, talk: Talk) -> None:
    subject.connect()
    with talk:
        talk.go_on()
        faults.repeat_events(10)
        talk.go_on()

    talk.was_heard_by(subject)
    assert subject.connects == 1
