"""Queues that are full stop the reader: nothing is lost or hangs, and the connection is kept and ended as ever."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from drive import MakeClient, eventually
from fake import PATIENCE, FakeServer, Peer, answer_all, answer_pings, frame, message
from tautwire import (
    Ack,
    Cause,
    ClientState,
    Closed,
    Event,
    EventsDropped,
    Gap,
    MessageEvent,
    Registration,
    SendUnknown,
    Timeouts,
)
from tautwire.client import backpressure as flow_module
from tautwire.client.backpressure import UNMEASURED
from tautwire.client.connection.intake import MAX_HELD
from tautwire.client.connection.transport import RECEIVE_BUFFER, _PicowsTransport

MEBIBYTE = 1024 * 1024
ONE_READ = 4 * RECEIVE_BUFFER
"""More than the system keeps for us, whatever it adds by itself."""

QUICK_TIMEOUTS = Timeouts(hello=PATIENCE, idle=0.1, silence=0.6)


def flood(count: int, size: int = 20, channels: int = 1) -> Iterator[bytes]:
    """Make so many messages, numbered, with texts of so many bytes; about 64 KiB at once."""
    portion = b""
    for number in range(count):
        text = f"{number} ".ljust(size, "x")
        portion += frame(
            f'{{"type":"message","channel":"C{number % channels}","user":"U1","text":"{text}",'
            f'"ts":"17{number:08}.000001"}}'.encode()
        )
        if len(portion) > 65_536:
            yield portion
            portion = b""
    yield portion


def number_of(event: MessageEvent) -> int:
    return int(event.text.split()[0])


class Stuck:
    """A handler that does not come back until it is let go; then it is quick."""

    def __init__(self, client: Any, **options: Any) -> None:
        self.got: list[int] = []
        self.begun = threading.Event()
        self._go_on = threading.Event()
        self._size = 0

        async def handle(event: MessageEvent) -> None:
            self.begun.set()
            while not self._go_on.is_set():  # noqa: ASYNC110 (it is set in another thread)
                await asyncio.sleep(0.005)
            self.got.append(number_of(event))

        self.registration: Registration = client.register(handle, **{"limit": 10, **options})

    def let_go(self) -> None:
        self._go_on.set()

    @property
    def held(self) -> int:
        """Messages that it was given or is to be given: all that were read, if none is there yet."""
        assert self.begun.wait(PATIENCE)
        return 1 + self.registration.waiting

    def got_all(self, count: int) -> None:
        """Wait until the handler had all messages, and see that it had each once and in order."""
        eventually(lambda: len(self.got) >= count, "something is missing")
        assert self.got == list(range(count))


def is_reading(client: Any) -> bool:
    """Whether the client reads from its socket."""
    connection = getattr(client, "_client", client)._supervisor.connection
    return bool(connection._intake.reads)


def paused(client: Any) -> None:
    """Wait until the client does not read any more."""
    eventually(lambda: not is_reading(client), "it goes on reading")


def stuffed(client: Any) -> None:
    """Wait until there is no room for anything."""
    eventually(lambda: client.dispatcher.flow.is_stuffed, "there is room")


# -- nothing is lost ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
def test_a_flood_in_one_conversation_reaches_the_handler_whole(fake: FakeServer, client: Any, kind: str) -> None:
    """Of events that come faster than the handler takes them, none is lost, and few are in memory at any time."""
    count, limit = 100_000, 1_000
    got: list[int] = []
    most = 0

    def plain(event: MessageEvent) -> None:
        nonlocal most
        got.append(number_of(event))
        most = max(most, registration.waiting)

    async def coroutine(event: MessageEvent) -> None:
        plain(event)

    registration = client.register(coroutine if kind == "coroutine" else plain, limit=limit)
    errors: list[BaseException] = []
    client.add_error_handler(lambda error, event: errors.append(error))
    client.connect()
    fake.peer().flood(flood(count))
    eventually(lambda: len(got) == count, "something is missing")
    assert got == list(range(count))
    assert registration.dropped == 0
    assert most > limit, "it was not full once"
    assert most <= limit + ONE_READ / 100
    assert errors == []
    eventually(lambda: client.dispatcher.flow.frame == UNMEASURED)  # what is no event counts for little


def test_large_events_are_bounded_by_their_bytes(fake: FakeServer, client: Any) -> None:
    stuck = Stuck(client, limit=20_000, limit_bytes=4 * MEBIBYTE)
    client.connect()
    flooding = fake.peer().flood(flood(64, size=MEBIBYTE))
    paused(client)
    (queue,) = client.queues()
    assert 2 * MEBIBYTE <= queue.size <= 4 * MEBIBYTE + ONE_READ
    assert queue.size >= queue.waiting * MEBIBYTE
    assert not flooding.done()
    stuck.let_go()
    stuck.got_all(64)
    (queue,) = client.queues()
    assert (queue.waiting, queue.size) == (0, 0)


def test_queues_that_drop_do_not_stop_the_reader(fake: FakeServer, client: Any) -> None:
    quick: list[int] = []
    errors: list[BaseException] = []
    newest = Stuck(client, overflow="drop_newest")
    oldest = Stuck(client, overflow="drop_oldest")
    client.register(lambda event: quick.append(number_of(event)), MessageEvent, inline=True)
    client.add_error_handler(lambda error, event: errors.append(error))
    client.connect()
    fake.peer().flood(flood(5_000))
    eventually(lambda: len(quick) == 5_000)
    for stuck in (newest, oldest):
        stuck.let_go()
        eventually(lambda stuck=stuck: stuck.registration.waiting == 0)  # type: ignore[misc]
        eventually(lambda stuck=stuck: len(stuck.got) == 5_000 - stuck.registration.dropped)  # type: ignore[misc]
        assert stuck.registration.dropped >= 4_980
    assert newest.got[:10] == list(range(10))
    assert oldest.got[-1] == 4_999
    assert [type(error) for error in errors] == [EventsDropped] * 2


def test_raw_handlers_stop_the_reader_too(fake: FakeServer, client: Any) -> None:
    got: list[str] = []
    go_on = threading.Event()

    async def hear(text: str) -> None:
        while not go_on.is_set():  # noqa: ASYNC110 (it is set in another thread)
            await asyncio.sleep(0.005)
        got.append(text)

    raw = client.callbacks.raw
    raw._options = replace(raw._options, limit=100)
    client.add_message_handler(hear)
    client.connect()
    fake.peer().flood(flood(30_000, size=500))
    paused(client)
    go_on.set()
    eventually(lambda: len(got) == 30_001)
    assert [queue.dropped for queue in client.queues()] == [0]


def test_a_stuck_error_handler_does_not_stop_the_reader(fake: FakeServer, client: Any) -> None:
    """Nor do handlers of closes and gaps: what they get is no part of the stream."""
    go_on = threading.Event()
    told: list[BaseException] = []
    seen: list[int] = []

    async def hear(error: BaseException, _: Event | None) -> None:
        while not go_on.is_set():  # noqa: ASYNC110 (it is set in another thread)
            await asyncio.sleep(0.005)
        told.append(error)

    def fail(event: MessageEvent) -> None:
        seen.append(number_of(event))
        raise LookupError

    errors = client.callbacks.errors
    errors._options = replace(errors._options, limit=10)
    registration = client.add_error_handler(hear)
    client.register(fail, inline=True)
    client.connect()
    fake.peer().flood(flood(500))
    eventually(lambda: len(seen) == 500)
    assert not client.dispatcher.flow.is_full
    go_on.set()
    eventually(lambda: len(told) == 500 - registration.dropped)
    assert registration.dropped >= 480


# -- nothing hangs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
def test_a_handler_that_awaits_a_reply_gets_it_from_behind_the_events_that_wait_for_it(
    fake: FakeServer, make_client: MakeClient, kind: str
) -> None:
    """The ack is the last thing in a stream of more bytes than all buffers on the way hold."""
    client = make_client()
    acks: list[Ack] = []
    got: list[int] = []

    async def coroutine(event: MessageEvent) -> None:
        if len(got) < 5:
            acks.append(await getattr(client, "_client", client).say("C1", "so"))
        got.append(number_of(event))

    def plain(event: MessageEvent) -> None:
        if len(got) < 5:
            acks.append(client.say("C1", "so"))
        got.append(number_of(event))

    if kind == "coroutine" and not hasattr(client, "_client"):
        pytest.skip("coroutines run on the blocking client's own loop and cannot use its verbs")
    client.register(coroutine if kind == "coroutine" else plain, limit=10)
    client.connect()
    peer = fake.peer()
    fake.reply = lambda received: None if received["type"] == "message" else answer_pings(received)
    flooding = peer.flood(flood(8_000, size=2_000))
    first = peer.next_frame("message")
    flooding.result(PATIENCE)  # all of it is before the ack
    fake.reply = answer_all
    peer.send(answer_all(first) or {})
    eventually(lambda: len(got) == 8_000)
    assert got == list(range(8_000))
    assert len(acks) == 5


def test_when_even_the_room_for_replies_is_used_up_a_send_ends_in_its_time(
    fake: FakeServer, make_client: MakeClient
) -> None:
    """Nothing hangs, memory is bounded, and the events come in order all the same."""
    client = make_client(timeouts=Timeouts(hello=PATIENCE, reply=0.5))
    limit, outcomes, got = 100_000, list[object](), list[int]()
    largest = 0

    def handle(event: MessageEvent) -> None:
        nonlocal largest
        largest = max(largest, client.queues()[0].size)
        if number_of(event) == 0:
            try:
                outcomes.append(client.say("C1", "so"))
            except SendUnknown as error:
                outcomes.append(error)
            largest = max(largest, client.queues()[0].size)
        got.append(number_of(event))

    client.register(handle, MessageEvent, limit=10, limit_bytes=limit)
    fake.reply = answer_all
    client.connect()
    fake.peer().flood(flood(8_000, size=2_000))
    eventually(lambda: len(got) == 8_000)
    assert got == list(range(8_000))
    assert [type(each) for each in outcomes] == [SendUnknown]
    assert limit < largest <= limit + ONE_READ
    assert isinstance(client.say("C1", "again"), Ack)


def test_a_program_that_sends_beside_a_stuck_handler_gets_its_acks(fake: FakeServer, client: Any) -> None:
    """Also while nothing is read otherwise."""
    stuck = Stuck(client)
    fake.reply = answer_all
    client.connect()
    fake.peer().flood(flood(200))
    stuck.begun.wait(PATIENCE)
    paused(client)
    for number in range(20):
        assert isinstance(client.say("C1", str(number)), Ack)
        paused(client)
    assert client.ping() < PATIENCE
    stuck.let_go()
    stuck.got_all(200)


@pytest.mark.parametrize("room", ["some", "none"])
@pytest.mark.parametrize("verb", ["close", "disconnect", "reconnect"])
def test_a_client_that_does_not_read_can_be_ended_and_replaced(
    fake: FakeServer, make_client: MakeClient, verb: str, room: str
) -> None:
    client = make_client(timeouts=QUICK_TIMEOUTS)
    stuck = Stuck(client, limit_bytes=64 * MEBIBYTE if room == "some" else 50_000)
    client.connect()
    peer = fake.peer()
    flooding = peer.flood(flood(20_000, size=1_000))
    paused(client)
    if room == "none":
        stuffed(client)
    began = time.monotonic()
    if verb == "close":
        client.close(grace=0.0)
    else:
        getattr(client, verb)()
    assert time.monotonic() - began < 5
    flooding.cancel()
    if verb == "reconnect":
        successor = fake.peer()
        eventually(peer.closed.is_set)
        stuck.let_go()
        successor.send(message(900_000))
        eventually(lambda: 900_000 in stuck.got)
    else:
        assert client.state is (ClientState.CLOSED if verb == "close" else ClientState.IDLE)
        eventually(peer.closed.is_set)
        stuck.let_go()
        client.close(grace=0.0)


def test_a_handler_that_is_taken_out_holds_up_the_reader_no_longer(fake: FakeServer, client: Any) -> None:
    got: list[int] = []
    client.register(lambda event: got.append(number_of(event)), MessageEvent, inline=True)
    stuck = Stuck(client)
    client.connect()
    fake.peer().flood(flood(20_000, size=500))
    paused(client)
    stuck.registration.deregister()
    stuck.let_go()
    eventually(lambda: len(got) == 20_000)
    assert got == list(range(20_000))


# -- the connection meanwhile -------------------------------------------------------------------------------------


def stuck_client(make_client: MakeClient, fake: FakeServer, room: str) -> tuple[Any, Stuck, Peer]:
    """Make a client that does not read, because a handler is stuck, with room for replies or not."""
    client = make_client(timeouts=QUICK_TIMEOUTS)
    stuck = Stuck(client, limit_bytes=64 * MEBIBYTE if room == "some" else 2_000)
    client.connect()
    peer = fake.peer()
    for each in range(40):
        peer.send(message(each))
    eventually(lambda: client.dispatcher.flow.is_full)
    if room == "none":
        stuffed(client)
    return client, stuck, peer


def at_rest(look: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """Return what is seen once it has stayed the same for a while: a read that was under way is over."""
    seen = look()
    for _ in range(3):
        time.sleep(0.1)
        if look() != seen:
            return at_rest(look)
    return seen


@pytest.mark.parametrize("room", ["some", "none"])
def test_not_reading_is_not_taken_for_silence(fake: FakeServer, make_client: MakeClient, room: str) -> None:
    client, stuck, peer = stuck_client(make_client, fake, room)
    closes: list[Closed] = []
    client.add_close_handler(closes.append)
    time.sleep(2.0)  # three silence limits
    assert closes == []
    assert not peer.closed.is_set()
    peer.send(message(40))
    stuck.let_go()
    stuck.got_all(41)


def test_a_program_that_was_busy_meanwhile_reads_before_it_gives_a_peer_up(
    fake: FakeServer, make_client: MakeClient
) -> None:
    client, stuck, peer = stuck_client(make_client, fake, "some")
    closes: list[Closed] = []
    client.add_close_handler(closes.append)
    paused(client)
    _, loop = client.dispatcher.flow._readers[0]
    loop.call_soon_threadsafe(time.sleep, 2.0)  # three silence limits
    peer.send(message(40))
    eventually(lambda: stuck.held == 41)
    assert closes == []
    stuck.let_go()
    stuck.got_all(41)


@pytest.mark.parametrize("room", ["some", "none"])
def test_a_peer_that_is_gone_is_noticed_without_reading(
    fake: FakeServer, make_client: MakeClient, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room by what can be read, without by what the system hears."""
    client, stuck, _ = stuck_client(make_client, fake, room)
    closes: list[Closed] = []
    client.add_close_handler(closes.append)
    began = time.monotonic()
    monkeypatch.setattr(_PicowsTransport, "acked_for", lambda _: time.monotonic() - began)
    fake.reply = lambda _: None
    fake.stop_listening()
    eventually(lambda: closes)
    assert closes[0].cause is Cause.SILENCE
    held = stuck.held
    stuck.let_go()
    stuck.got_all(held)


def test_where_the_system_does_not_tell_a_peer_is_not_given_up(
    fake: FakeServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_PicowsTransport, "acked_for", lambda _: None)
    client, stuck, _ = stuck_client(make_client, fake, "none")
    closes: list[Closed] = []
    client.add_close_handler(closes.append)
    time.sleep(1.5)
    assert closes == []
    stuck.let_go()
    stuck.got_all(40)


def test_the_system_tells_when_it_last_heard_of_the_peer(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(timeouts=Timeouts(hello=PATIENCE, idle=20))
    client.connect()
    transport = getattr(client, "_client", client)._supervisor.connection._transport
    if transport.acked_for() is None:
        pytest.skip("this system does not tell")
    time.sleep(0.3)
    assert transport.acked_for() >= 0.2
    client.ping()
    assert transport.acked_for() < 0.2


def test_pings_and_a_close_are_answered_although_nothing_is_read(fake: FakeServer, make_client: MakeClient) -> None:
    _, stuck, peer = stuck_client(make_client, fake, "some")
    peer.send_bytes(frame(b"there?", opcode=9))
    eventually(lambda: peer.pongs == [b"there?"])
    peer.close(1001, "restart")
    eventually(lambda: peer.close_code == 1001)
    fake.peer()
    stuck.let_go()
    stuck.got_all(40)


@pytest.mark.parametrize("room", ["some", "none"])
def test_a_lost_connection_is_replaced_and_what_waits_is_kept(
    fake: FakeServer, make_client: MakeClient, room: str
) -> None:
    """What was not read is lost with it, which is a gap."""
    client, stuck, peer = stuck_client(make_client, fake, room)
    gaps: list[Gap] = []
    client.add_gap_handler(gaps.append)
    time.sleep(1.0)
    peer.reset()
    successor = fake.peer()
    eventually(lambda: gaps)
    if room == "none":  # nothing was read for so long, whatever the system heard
        assert (gaps[0].ended - gaps[0].began).total_seconds() > 0.9
    held = stuck.held
    stuck.let_go()
    successor.send(message(40))
    eventually(lambda: 40 in stuck.got)
    assert stuck.got == [*range(held), 40]


def test_successors_of_a_client_without_room_fill_no_memory(fake: FakeServer, make_client: MakeClient) -> None:
    """What comes with the hello of one is held, not queued, and dropped with it: a server with positions repeats it."""
    client, stuck, peer = stuck_client(make_client, fake, "none")
    held, size = at_rest(lambda: (stuck.held, client.queues()[0].size))
    fake.greeting += [message(number, text=f"{number} ".ljust(1_000, "x")) for number in range(100, 150)]
    for _ in range(3):
        peer.reset()
        peer = fake.peer()
        eventually(client.dispatcher.flow.is_stuffed.__bool__)
        eventually(lambda: client.is_connected)
        assert client.queues()[0].size == size
    stuck.let_go()
    eventually(lambda: 149 in stuck.got)
    assert stuck.got == [*range(held), *range(100, 150)], "those of the last one, once there is room"
    assert len(client.dispatcher.flow._readers) == 1, "connections that are gone are still called"


def test_a_gap_begins_before_what_was_kept_back_and_is_lost(fake: FakeServer, make_client: MakeClient) -> None:
    client, stuck, peer = stuck_client(make_client, fake, "none")
    gaps: list[Gap] = []
    client.add_gap_handler(gaps.append)
    greeting, fake.greeting = fake.greeting, []
    peer.reset()
    successor = fake.peer()
    time.sleep(1.0)  # the last time it was heard is that long ago when these come
    successor.send({"type": "hello"}, message(100))
    eventually(lambda: len(gaps) == 1)
    fake.greeting = greeting
    successor.reset()
    fake.peer()
    eventually(lambda: len(gaps) == 2)
    assert (gaps[0].ended - gaps[1].began).total_seconds() > 0.9
    stuck.let_go()


def test_what_is_unread_on_the_old_connection_comes_before_what_its_successor_says(
    fake: FakeServer, client: Any
) -> None:
    """A hand-over waits for a pong behind the events: they are read although the queue is full."""
    stuck = Stuck(client)
    client.connect()
    peer = fake.peer()
    flooding = peer.flood(flood(3_000, size=1_000))
    paused(client)
    client.reconnect()
    fake.peer().send(message(3_000))
    flooding.result(PATIENCE)
    eventually(peer.closed.is_set)
    stuck.let_go()
    stuck.got_all(3_001)


def test_what_comes_with_the_last_pong_is_delivered_without_room_as_well(
    fake: FakeServer, make_client: MakeClient
) -> None:
    """It would never have its turn: the old connection is gone then."""
    client = make_client()
    stuck = Stuck(client, limit_bytes=2_000)
    client.connect()
    old = fake.peer()
    fake.reply = lambda _: None
    client.reconnect()
    ping = old.next_frame("ping")
    old.send(*(message(number) for number in range(40)), {"type": "pong", "reply_to": ping["id"]})
    fake.peer().send(message(40))
    stuffed(client)
    stuck.let_go()
    stuck.got_all(41)


def test_what_stands_unread_behind_the_last_pong_is_a_gap(
    fake: FakeServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without positions may send events behind the pong; they are waited for, but not read without room."""
    monkeypatch.setattr("tautwire.client.connection.handover.SETTLE", 0.5)
    client = make_client()
    stuck = Stuck(client, limit_bytes=2_000)
    gaps: list[Gap] = []
    client.add_gap_handler(gaps.append)
    client.connect()
    old = fake.peer()
    fake.reply = lambda _: None
    client.reconnect()
    fake.peer()
    ping = old.next_frame("ping")
    old.send({"type": "pong", "reply_to": ping["id"]}, *(message(number) for number in range(40)))
    stuffed(client)
    old.send(message(40))
    eventually(lambda: gaps)
    assert "full" in gaps[0].reason
    stuck.let_go()
    stuck.got_all(40)


def test_while_reading_stands_still_one_read_is_taken_for_each_ping(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(timeouts=Timeouts(hello=PATIENCE, idle=0.5))
    stuck = Stuck(client, limit_bytes=256 * MEBIBYTE)
    client.connect()
    flooding = fake.peer().flood(flood(40_000, size=1_000))
    paused(client)
    before = stuck.registration.waiting
    eventually(lambda: stuck.registration.waiting > before, "nothing is read at all")
    paused(client)
    assert stuck.registration.waiting <= before + ONE_READ / 1_000
    assert not flooding.done()
    stuck.let_go()
    stuck.got_all(40_000)


def test_the_close_handshake_works_although_nothing_is_read(
    fake: FakeServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.client.connection.transport.CLOSE_TIMEOUT", 10 * PATIENCE)
    client, stuck, peer = stuck_client(make_client, fake, "none")
    client.close(grace=0.0)
    assert peer.close_code == 1000
    stuck.let_go()


def test_a_hello_is_read_whatever_is_full(fake: FakeServer, make_client: MakeClient) -> None:
    """Also if the queues change while it is on its way."""
    client = make_client(timeouts=QUICK_TIMEOUTS)  # or its ping would be long in coming, which finds the reset
    stuck, other = Stuck(client, limit_bytes=2_000), Stuck(client, limit_bytes=2_000)
    client.connect()
    fake.greeting = []
    peer = fake.peer()
    peer.send(*(message(number) for number in range(40)))
    stuffed(client)
    peer.reset()
    successor = fake.peer()
    assert other.begun.wait(PATIENCE)
    other.registration.deregister()
    changed = threading.Event()
    flow = client.dispatcher.flow
    eventually(lambda: flow._readers, "the socket is not open")
    _, loop = flow._readers[0]
    loop.call_soon_threadsafe(changed.set)  # behind what the deregistration set off
    assert changed.wait(PATIENCE)
    successor.send({"type": "hello"})
    eventually(lambda: client.is_connected)
    stuck.let_go()
    other.let_go()
    eventually(lambda: other.got)  # the client does not wait for a handler that was deregistered


def test_a_replaced_connection_brings_its_replies_whatever_is_full(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(timeouts=QUICK_TIMEOUTS)
    stuck = Stuck(client, limit_bytes=2_000)
    client.connect()
    old = fake.peer()
    outcomes: list[object] = []

    def send() -> None:
        outcomes.append(client.say("C1", "so"))

    sending = threading.Thread(target=send)
    sending.start()
    sent = old.next_frame("message")
    client.reconnect()
    successor = fake.peer()
    eventually(lambda: client.state is ClientState.READY)
    for number in range(40):
        successor.send(message(number))
    stuffed(client)
    old.send(answer_all(sent) or {})
    sending.join(PATIENCE)
    assert [type(each) for each in outcomes] == [Ack]
    stuck.let_go()


def test_a_goodbye_that_meets_a_client_without_room_is_a_gap(fake: FakeServer, make_client: MakeClient) -> None:
    """What is unread on the old connection is lost, unless the server repeats it: never without a word."""
    client, stuck, peer = stuck_client(make_client, fake, "none")
    gaps: list[Gap] = []
    client.add_gap_handler(gaps.append)
    peer.flood(flood(100, size=1_000))
    client.reconnect()
    fake.peer()
    eventually(lambda: gaps)
    assert gaps[0].began < gaps[0].ended
    assert "full" in gaps[0].reason
    stuck.let_go()


@pytest.mark.parametrize("reply", ["none owed", "owed"])
def test_a_successor_that_is_kept_back_fills_no_memory(fake: FakeServer, client: Any, reply: str) -> None:
    """It speaks after the old connection, which takes two seconds if that one says nothing; meanwhile it may flood."""
    got: list[int] = []
    client.register(lambda event: got.append(number_of(event)), MessageEvent, inline=True)
    client.connect()
    fake.peer()
    fake.reply = lambda received: None  # pongs neither
    client.reconnect()
    successor = fake.peer()
    connection = getattr(client, "_client", client)._supervisor.connection
    outcomes: list[object] = []
    sending = threading.Thread(target=lambda: outcomes.append(client.say("C1", "so")))
    bound = MAX_HELD
    if reply == "owed":
        bound *= 2
        sending.start()
        sent = successor.next_frame("message")
    flooding = successor.flood(flood(30_000, size=1_000))
    eventually(lambda: not connection._intake.reads, "it is read on and on")
    assert bound <= connection._intake.size <= bound + ONE_READ
    assert got == []
    eventually(lambda: len(got) == 30_000)
    assert got == list(range(30_000))
    flooding.result(PATIENCE)
    if reply == "owed":
        successor.send(answer_all(sent) or {})
        sending.join(PATIENCE)
        assert [type(each) for each in outcomes] == [Ack]


def test_a_long_pause_is_in_the_log_once(
    fake: FakeServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flow_module, "LONG", 0.3)
    with caplog.at_level(logging.WARNING):
        _, stuck, _ = stuck_client(make_client, fake, "some")
        eventually(lambda: "Stuck" in caplog.text)
        time.sleep(0.5)
    assert caplog.text.count("queue is full") == 1
    stuck.let_go()


# -- several handlers ---------------------------------------------------------------------------------------------


def test_handlers_with_and_without_a_pause_share_a_connection(fake: FakeServer, client: Any) -> None:
    """The slowest of those that pause sets the pace; each gets everything, but for those that drop."""
    got: dict[str, list[int]] = {"coroutine": [], "plain": [], "inline": []}

    async def coroutine(event: MessageEvent) -> None:
        got["coroutine"].append(number_of(event))
        if number_of(event) % 500 == 0:
            await asyncio.sleep(0.001)

    def plain(event: Event) -> None:
        assert isinstance(event, MessageEvent)
        got["plain"].append(number_of(event))
        if number_of(event) % 700 == 0:
            time.sleep(0.001)

    client.register(coroutine, limit=50)
    client.register(plain, MessageEvent, limit=70)
    client.register(lambda event: got["inline"].append(number_of(event)), MessageEvent, inline=True)
    dropping = Stuck(client, overflow="drop_oldest")
    client.connect()
    fake.peer().flood(flood(20_000))
    eventually(lambda: all(len(each) == 20_000 for each in got.values()), f"{[len(each) for each in got.values()]}")
    assert all(each == list(range(20_000)) for each in got.values())
    assert dropping.registration.dropped > 19_000
    dropping.let_go()
