"""Queues that are full stop the reader: nothing is lost or hangs, and the connection is kept and ended as ever."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
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
    Patience,
    Registration,
    SendUnknown,
)
from tautwire.client import flow as flow_module
from tautwire.client.connection import MAX_HELD
from tautwire.client.transport import RECEIVE_BUFFER, _PicowsTransport

MEBIBYTE = 1024 * 1024
ONE_READ = 4 * RECEIVE_BUFFER
"""More than the system keeps for us, whatever it adds by itself."""

QUICK_PATIENCE = Patience(hello=PATIENCE, idle=0.1, silence=0.6)


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
    return bool(connection._reads)


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


def test_raw_handlers_stop_the_reader_too(fake: FakeServer, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.client.handlers.LIMIT", 100)
    got: list[str] = []

    async def hear(text: str) -> None:
        got.append(text)

    client.add_message_handler(hear)
    client.connect()
    fake.peer().flood(flood(30_000))
    eventually(lambda: len(got) == 30_001)
    assert [queue.dropped for queue in client.queues()] == [0]


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
    client = make_client(patience=Patience(hello=PATIENCE, reply=0.5))
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
    client = make_client(patience=QUICK_PATIENCE)
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
    client = make_client(patience=QUICK_PATIENCE)
    stuck = Stuck(client, limit_bytes=64 * MEBIBYTE if room == "some" else 2_000)
    client.connect()
    peer = fake.peer()
    for each in range(40):
        peer.send(message(each))
    eventually(lambda: client.dispatcher.flow.is_full)
    if room == "none":
        stuffed(client)
    return client, stuck, peer


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
    client = make_client(patience=Patience(hello=PATIENCE, idle=20))
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
    peer.reset()
    successor = fake.peer()
    eventually(lambda: gaps)
    held = stuck.held
    stuck.let_go()
    successor.send(message(40))
    eventually(lambda: 40 in stuck.got)
    assert stuck.got == [*range(held), 40]


def test_successors_of_a_client_without_room_fill_no_memory(fake: FakeServer, make_client: MakeClient) -> None:
    """What comes with the hello of one is held, not queued, and dropped with it: a server with positions repeats it."""
    client, stuck, peer = stuck_client(make_client, fake, "none")
    held, size = stuck.held, client.queues()[0].size
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


def test_a_successor_that_is_kept_back_fills_no_memory(fake: FakeServer, client: Any) -> None:
    """It speaks after the old connection, which takes two seconds if that one says nothing; meanwhile it may flood."""
    got: list[int] = []
    client.register(lambda event: got.append(number_of(event)), MessageEvent, inline=True)
    client.connect()
    fake.peer()
    fake.reply = lambda received: None if received["type"] == "ping" else answer_all(received)
    client.reconnect()
    successor = fake.peer()
    flooding = successor.flood(flood(20_000, size=1_000))
    connection = getattr(client, "_client", client)._supervisor.connection
    eventually(lambda: not connection._reads, "it is read on and on")
    assert MAX_HELD <= connection._held_size <= MAX_HELD + ONE_READ
    assert got == []
    assert isinstance(client.say("C1", "so"), Ack)
    eventually(lambda: len(got) == 20_000)
    assert got == list(range(20_000))
    flooding.result(PATIENCE)


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
