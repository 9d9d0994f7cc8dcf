"""Sends and what becomes of them: acks, refusals, lost connections, rates, for both clients."""

import threading
import time
from typing import Any

import pytest

from drive import MakeClient, eventually, start_send
from fake import FakeServer, answer_all
from tautwire import (
    Ack,
    FrameError,
    Message,
    NotConnected,
    PingMessage,
    PresenceSub,
    Rate,
    SendRefused,
    SendUnknown,
    Timeouts,
    Typing,
)


def test_a_message_is_answered_with_its_ack(fake: FakeServer, client: Any) -> None:
    fake.reply = answer_all
    client.connect()
    assert client.send(Message("C1", "hi", id=7)) == Ack(7, "1700000000.000007", "hi")
    assert client.send('{"type":"message","channel":"C1","text":"json","id":2000000000}').reply_to == 2_000_000_000
    assert client.say("C1", "hi").reply_to == 2_000_000_001  # further than any client begins
    assert client.send({"type": "message", "channel": "C1", "text": "dict"}).reply_to == 2_000_000_002


def test_frames_without_a_reply_return_at_once(fake: FakeServer, client: Any) -> None:
    client.connect()
    peer = fake.peer()
    assert client.send(Typing("C1")) is None
    client.presence_query(["U1"])
    assert client.send(PresenceSub(["U1"])) is None
    assert [peer.next_frame()["type"] for _ in range(3)] == ["typing", "presence_query", "presence_sub"]


def test_a_ping_is_timed(client: Any) -> None:
    client.connect()
    assert 0 < client.ping() < 5
    assert client.send(PingMessage(time=1)).reply_to > 1


def test_a_refusal_is_raised_with_its_code(fake: FakeServer, client: Any) -> None:
    fake.reply = lambda frame: {"ok": False, "reply_to": frame["id"], "error": {"code": 2, "msg": "missing"}}
    client.connect()
    with pytest.raises(SendRefused) as caught:
        client.say("C1", "x")
    assert (caught.value.code, caught.value.msg) == (2, "missing")


def test_a_refusal_nobody_waits_for_reaches_the_error_handlers(fake: FakeServer, client: Any) -> None:
    fake.reply = lambda frame: {"ok": False, "reply_to": frame["id"], "error": {"code": -1, "msg": "slow"}}
    errors: list[Any] = []
    client.add_error_handler(lambda error, event: errors.append((error.code, event)))
    client.connect()
    client.typing("C1")
    eventually(lambda: errors == [(-1, None)])


def test_no_ack_in_time_leaves_the_outcome_unknown_and_blocks_nothing(
    fake: FakeServer, make_client: MakeClient
) -> None:
    client = make_client(timeouts=Timeouts(reply=0.3))
    fake.reply = lambda frame: answer_all(frame) if frame.get("text") != "lost" else None
    client.connect()
    outcomes: list[Any] = []

    def lose() -> None:
        with pytest.raises(SendUnknown) as caught:
            client.say("C1", "lost")
        outcomes.append(caught.value)

    thread = threading.Thread(target=lose)
    thread.start()
    fake.peer().next_frame("message")
    assert client.say("C1", "next").text == "next"
    assert outcomes == []
    thread.join(5)
    assert len(outcomes) == 1


@pytest.mark.usefixtures("short_waits")
def test_a_lost_connection_without_replay_leaves_the_outcome_unknown(fake: FakeServer, client: Any) -> None:
    client.connect()
    thread, outcomes = start_send(client)
    first = fake.peer()
    first.next_frame("message")
    first.drop()
    thread.join(5)
    assert [type(each) for each in outcomes] == [SendUnknown]


@pytest.mark.parametrize("verb", ["disconnect", "close"])
def test_leaving_tells_those_who_wait_at_once(fake: FakeServer, client: Any, verb: str) -> None:
    client.connect()
    thread, outcomes = start_send(client)
    fake.peer().next_frame("message")
    getattr(client, verb)()
    thread.join(1)
    assert [type(each) for each in outcomes] == [SendUnknown]


def test_a_send_waits_for_the_connection_to_come_back(fake: FakeServer, client: Any) -> None:
    fake.reply = answer_all
    client.connect()
    fake.upgrades.extend([503] * 3)
    fake.peer().drop()
    eventually(lambda: not client.is_connected)
    assert client.say("C1", "later").text == "later"


def test_a_send_does_not_wait_for_ever(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(send_timeout=0.2)
    client.connect()
    fake.upgrades.extend([503] * 100)
    fake.peer().drop()
    eventually(lambda: not client.is_connected)
    with pytest.raises(NotConnected, match=r"0\.2 s"):
        client.say("C1", "x")


def test_a_send_fails_while_offline_if_told_so(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(offline="fail")
    client.connect()
    fake.upgrades.extend([503] * 100)
    fake.peer().drop()
    eventually(lambda: not client.is_connected)
    with pytest.raises(NotConnected):
        client.typing("C1")


def test_a_send_needs_a_connection_or_an_attempt(client: Any) -> None:
    with pytest.raises(NotConnected):
        client.say("C1", "x")
    client.connect()
    client.disconnect()
    with pytest.raises(NotConnected):
        client.typing("C1")


def test_what_is_too_long_is_not_sent(fake: FakeServer, client: Any) -> None:
    client.connect()
    with pytest.raises(FrameError):
        client.say("C1", "x" * 4001)
    with pytest.raises(FrameError):
        client.send("no json")
    client.typing("C1")
    assert fake.peer().next_frame()["type"] == "typing"


def test_messages_go_at_the_allowed_rate_and_in_order(fake: FakeServer, make_client: MakeClient) -> None:
    fake.reply = answer_all
    client = make_client(message_rate=Rate(per_second=20.0, burst=2))
    client.connect()
    began = time.monotonic()
    for _ in range(6):
        client.say("C1", "x")
    assert 0.19 <= time.monotonic() - began < 2.0
