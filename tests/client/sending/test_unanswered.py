"""What a server sends again after a lost connection: ``message`` events with ``reply_to``."""

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

import pytest

from drive import MakeClient, eventually
from fake import PATIENCE, FakeServer, answer_all, message
from tautwire import Ack, Message, MessageEvent, SendUnknown

ME = "U0BOT"


def texts(client: Any) -> list[str]:
    """Collect the texts of messages from now on."""
    found: list[str] = []
    client.register(lambda event: found.append(event.text), MessageEvent, inline=True)
    return found


def aside(work: Callable[[], Any]) -> "concurrent.futures.Future[Any]":
    """Run a function in a thread of its own."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def replay(sent: dict[str, Any], number: int = 5, **members: Any) -> dict[str, Any]:
    """Return a sent frame as a server sends it again."""
    again = {"channel": sent["channel"], "user": ME, "text": sent["text"], "reply_to": sent["id"]}
    return message(number, **{**again, **members})


def lose(fake: FakeServer, client: Any, frame: Any) -> tuple["concurrent.futures.Future[Any]", dict[str, Any]]:
    """Send a frame over a connection that ends before the reply; return the outcome to come, and what was sent."""
    client.connect()
    outcome = aside(lambda: client.send(frame))
    first = fake.peer()
    sent = first.next_frame("message")
    first.drop()
    return outcome, sent


def test_a_replay_after_the_reconnect_settles_the_send(fake: FakeServer, client: Any) -> None:
    got = texts(client)
    outcome, sent = lose(fake, client, Message("C1", "hi"))
    fake.peer().send(replay(sent), message(6))
    assert outcome.result(PATIENCE) == Ack(sent["id"], "1700000000.000005", "hi")
    eventually(lambda: got == ["6"])  # the copy is no news


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize(
    "wrong",
    [{"channel": "C9"}, {"text": "something else"}, {"user": "U1"}, {"thread_ts": "1700000000.000002"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_another_message_under_the_same_id_settles_nothing(
    fake: FakeServer, client: Any, wrong: dict[str, str]
) -> None:
    """Another program with the same token may give the same ids; what it said is an event like any other."""
    got = texts(client)
    outcome, sent = lose(fake, client, Message("C1", "hi"))
    another = replay(sent, **wrong)
    fake.peer().send(another, message(6))
    with pytest.raises(SendUnknown):
        outcome.result(PATIENCE)
    assert got == [another["text"], "6"]


@pytest.mark.parametrize(
    ("sent_as", "stored_as"),
    [
        ("a & b < c", "a &amp; b &lt; c"),
        ("see https://x.test/?a=1&amp;b=2!", "see <https://x.test/?a=1&amp;b=2>!"),
        ("see x.test", "see <http://x.test|x.test>"),
        ("<@U1> <https://x.test|here>", "<@U1> <https://x.test|here>"),
    ],
)
def test_what_the_server_makes_of_a_text_is_the_same_text(
    fake: FakeServer, client: Any, sent_as: str, stored_as: str
) -> None:
    outcome, sent = lose(fake, client, {"type": "message", "channel": "C1", "text": sent_as})
    fake.peer().send(replay(sent, text=stored_as))
    assert outcome.result(PATIENCE) == Ack(sent["id"], "1700000000.000005", stored_as)


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize(
    ("sent_as", "stored_as"),
    [("here", "<https://x.test|here>"), ("&lt;@U1&gt;", "<@U1>"), ("&amp;lt;", "&lt;"), ("a b", "a  b")],
)
def test_what_only_looks_the_same_is_not(fake: FakeServer, client: Any, sent_as: str, stored_as: str) -> None:
    outcome, sent = lose(fake, client, Message("C1", sent_as))
    fake.peer().send(replay(sent, text=stored_as))
    with pytest.raises(SendUnknown):
        outcome.result(PATIENCE)


def test_a_replay_of_what_was_acknowledged_is_no_news(fake: FakeServer, client: Any) -> None:
    fake.reply = answer_all
    got = texts(client)
    client.connect()
    ack = client.say("C1", "hi")
    fake.peer().drop()
    copy = {"type": "message", "channel": "C1", "user": ME, "text": "hi", "ts": ack.ts, "reply_to": ack.reply_to}
    fake.peer().send(copy, message(1))
    eventually(lambda: got)
    assert got == ["1"]


def test_a_replay_that_was_withheld_is_delivered_where_it_comes_as_an_event(fake: FakeServer, client: Any) -> None:
    """It was given to no handler, so that it is no copy of anything."""
    fake.answers.extend([{"resume": "new", "position": "log.1"}, *({"resume": "resumed", "position": "log.1"},) * 2])
    got = texts(client)
    outcome, sent = lose(fake, client, Message("C1", "hi"))
    second = fake.peer()
    copy = replay(sent)
    second.send(copy, message(6))
    assert isinstance(outcome.result(PATIENCE), Ack)
    eventually(lambda: got == ["6"])
    second.drop()
    fake.peer().send({**copy, "reply_to": None}, message(6), message(7))
    eventually(lambda: "7" in got)
    assert got == ["6", "hi", "7"]


def test_nothing_else_is_withheld_for_its_reply_to(fake: FakeServer, client: Any) -> None:
    fake.reply = answer_all
    got = texts(client)
    client.connect()
    client.say("C1", "hi")
    first = fake.peer()
    first.send(message(1, reply_to=7), message(2, user=ME, reply_to=1), message(3))
    first.drop()
    second = fake.peer()
    second.send(message(4, reply_to=7), message(5, user=ME, reply_to=1), message(6))
    eventually(lambda: "6" in got)
    assert got == ["1", "2", "3", "4", "5", "6"]


def test_the_first_id_is_hard_to_guess(fake: FakeServer, make_client: MakeClient) -> None:
    """So that clients of one token do not give the same ids, whatever their programs do to ``random``."""
    ids = set()
    for _ in range(3):
        client = make_client()
        client.connect()
        client.typing("C1")
        ids.add(fake.peer().next_frame("typing")["id"])
    assert len(ids) == 3
    assert all(0 < each < 2**30 for each in ids)
