"""What servers of other makers write reaches the handlers as far as it can be read; nothing is lost silently."""

import json
import logging
from typing import Any

import pytest

from drive import eventually
from fake import FakeServer, frame, message
from tautwire import MalformedEvent, MessageEvent, SendRefused, UnreadableFrame

ODD_MESSAGES: dict[str, tuple[bytes, tuple[str, str]]] = {
    "a null text": (
        b'{"type":"message","channel":"C1","text":null,"ts":"1700000000.000001"}',
        ("", "1700000000.000001"),
    ),
    "half an emoji": (
        rb'{"type":"message","channel":"C1","text":"cut \ud83d","ts":"1700000000.000001"}',
        ("cut \ufffd", "1700000000.000001"),
    ),
    "bad UTF-8": (
        b'{"type":"message","channel":"C1","text":"caf\xe9","ts":"1700000000.000001"}',
        ("caf\ufffd", "1700000000.000001"),
    ),
    "no ts": (b'{"type":"message","channel":"C1","text":"hi"}', ("hi", "")),
    "a ts that is a number": (
        b'{"type":"message","channel":"C1","text":"hi","ts":1700000000.0001}',
        ("hi", "1700000000.000100"),
    ),
    "a line break in a text": (b'{"type":"message","channel":"C1","text":"a\nb","ts":"1.2"}', ("a\nb", "1.2")),
    "nothing at all": (b'{"type":"message"}', ("", "")),
}


@pytest.mark.parametrize(("raw", "read"), ODD_MESSAGES.values(), ids=ODD_MESSAGES)
def test_an_odd_message_reaches_the_handlers_of_messages(
    raw: bytes, read: tuple[str, str], fake: FakeServer, client: Any
) -> None:
    by_name: list[MessageEvent] = []
    by_class: list[MessageEvent] = []
    client.register(by_name.append, "message", inline=True)
    client.register(by_class.append, MessageEvent, inline=True)
    client.connect()
    fake.peer().send(raw, message(1))
    eventually(lambda: len(by_class) == 2)
    assert by_name == by_class
    assert (by_class[0].text, by_class[0].ts) == read
    assert by_class[1].text == "1"


def test_what_cannot_be_read_is_reported_each_time_and_logged_once(
    fake: FakeServer, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    left_over: list[Any] = []
    errors: list[tuple[BaseException, Any]] = []
    client.register(left_over.append, "?", inline=True)
    client.register(lambda event: None, MessageEvent, inline=True)
    client.add_error_handler(lambda error, event: errors.append((error, event)))
    client.connect()
    with caplog.at_level(logging.WARNING):
        fake.peer().send(*(b"<p>%s" % (b"secret " * number) for number in range(1, 6)), b"[1]", b"[2]", message(1))
        eventually(lambda: len(errors) == 7)
    malformed = [each for each in left_over if isinstance(each, MalformedEvent)]
    assert [each.raw for each in malformed][-3:] == [b"<p>" + b"secret " * 5, b"[1]", b"[2]"]
    assert [event for _, event in errors] == malformed
    assert all(type(error) is UnreadableFrame and str(error) for error, _ in errors)
    lines = [each.getMessage() for each in caplog.records if "cannot be read" in each.getMessage()]
    assert len(lines) == 2  # one for what is no JSON, one for what is no object
    assert "Expected `object`" in lines[1]
    assert "secret" not in "".join(lines) + "".join(str(error) for error, _ in errors)
    assert client.is_connected


def test_a_server_that_makes_up_faults_does_not_fill_the_memory(fake: FakeServer, client: Any) -> None:
    """The kinds of faults are few, whatever stands in the frames."""
    errors: list[BaseException] = []
    client.add_error_handler(lambda error, event: errors.append(error))
    client.connect()
    fake.peer().send(*(b"x" * number + b"{" for number in range(1, 300)))
    eventually(lambda: len(errors) == 299)
    assert len(client.callbacks._unreadable) <= 2


@pytest.mark.parametrize(
    ("ack", "text"),
    [
        (rb'{"ok":true,"reply_to":%d,"ts":"1700000000.000001","text":"cut \ud83d"}', "cut \ufffd"),
        (b'{"ok":true,"reply_to":%d,"ts":"1700000000.000001","text":null}', None),
        (b'{"ok":true,"reply_to":%d,"ts":1700000000.000001,"text":5}', "5"),
        (b'{"ok":true,"reply_to":%d,"ts":"1700000000.000001","text":"\xff"}', "\ufffd"),
    ],
)
def test_an_ack_with_an_odd_text_settles_its_send(ack: bytes, text: str | None, fake: FakeServer, client: Any) -> None:
    sent = answer_with(fake, ack)
    client.connect()
    sent.append(fake.peer())
    reply = client.say("C1", "hi")
    assert (reply.ts, reply.text) == ("1700000000.000001", text)


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (b'{"ok":false,"reply_to":%d,"error":"not_in_channel"}', "not_in_channel"),
        (b'{"ok":false,"reply_to":%d,"error":{"code":"x","msg":"not_in_channel"}}', "not_in_channel"),
    ],
)
def test_a_refusal_in_one_word_keeps_it(refusal: bytes, reason: str, fake: FakeServer, client: Any) -> None:
    sent = answer_with(fake, refusal)
    client.connect()
    sent.append(fake.peer())
    with pytest.raises(SendRefused, match=reason) as caught:
        client.say("C1", "hi")
    assert (caught.value.code, caught.value.msg) == (0, reason)


def answer_with(fake: FakeServer, raw: bytes) -> list[Any]:
    """Let the peer in the list that is returned answer messages with these bytes, their id put in."""
    peers: list[Any] = []

    def reply(received: dict[str, Any]) -> dict[str, Any] | None:
        if received["type"] == "message":
            peers[0]._writer.write(frame(raw % received["id"]))
            return {"type": "pong", "reply_to": 0}
        return {"type": "pong", "reply_to": received["id"]}

    fake.reply = reply
    return peers


def test_the_text_of_an_odd_frame_reaches_the_raw_handlers_as_it_came(fake: FakeServer, client: Any) -> None:
    raw: list[str] = []
    client.add_message_handler(raw.append)
    client.connect()
    fake.peer().send({"type": "message", "text": None})
    eventually(lambda: len(raw) == 2)
    assert raw[1] == json.dumps({"type": "message", "text": None})
