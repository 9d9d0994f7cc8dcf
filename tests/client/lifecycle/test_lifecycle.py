"""Every call returns and every send ends, whatever becomes of the connections, and whichever step fails."""

import asyncio
import contextlib
from typing import Any

import pytest

from drive import MakeAsync, peer, until
from fake import PATIENCE, TOKEN, FakeServer, Peer, answer_all, answer_pings, message
from tautwire import Cause, ClientState, Closed, Gap, MessageEvent, RTMClient, SendUnknown, Timeouts
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.handover import Handover
from tautwire.client.connection.supervisor import Supervisor
from tautwire.client.connection.transport import _PicowsTransport
from tautwire.client.delivery.delivery import Delivery
from tautwire.client.delivery.duplicates import Duplicates
from tautwire.client.sending.sending import Sending
from tautwire.client.sending.unanswered import UnansweredSends
from tautwire.protocol.errors import TautwireError
from tautwire.session.client import MAX_OWN_ID, ClientSession
from tautwire.session.governor import Governor
from tautwire.session.outgoing import MAX_FRAME_ID

SLOW_REPLIES = Timeouts(reply=60.0)
"""So that no send ends only because its own time is up."""


def texts(client: RTMClient) -> list[str]:
    """Collect the texts of messages from now on."""
    found: list[str] = []

    def note(event: MessageEvent) -> None:
        found.append(event.text)

    client.register(note, inline=True)
    return found


def ends(client: RTMClient) -> list[Closed]:
    """Collect the ends of connections from now on."""
    found: list[Closed] = []

    async def note(closed: Closed) -> None:
        found.append(closed)

    client.add_close_handler(note)
    return found


async def in_time(work: Any) -> Any:
    """Wait for a call, which has to return."""
    async with asyncio.timeout(PATIENCE):
        return await work


async def replaced(fake: FakeServer, client: RTMClient, old: Peer) -> Peer:
    """Send a goodbye, and return the successor, which had its hello."""
    first = client._supervisor.connection
    old.send({"type": "goodbye"})
    new = await peer(fake)
    await until(lambda: client._supervisor.connection not in (first, None))
    return new


# -- hand-overs that go wrong -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("is_subscribed", [True, False])
async def test_a_send_over_a_replaced_connection_ends_though_its_successor_dies(
    fake: FakeServer, make: MakeAsync, is_subscribed: bool
) -> None:
    client = make(timeouts=SLOW_REPLIES)
    got, closes = texts(client), ends(client)
    await client.connect()
    old = await peer(fake)
    if is_subscribed:
        await client.presence_sub(["U1"])
    fake.reply = lambda _: None  # nothing comes from the old connection any more, not even the pong
    said = asyncio.create_task(client.say("C1", "hi"))
    await asyncio.to_thread(old.next_frame, "message")
    new = await replaced(fake, client, old)
    new.send(message(1), message(2))
    new.drop()
    with pytest.raises(SendUnknown):
        await in_time(said)
    await until(lambda: got == ["1", "2"])
    await until(lambda: {each.cause for each in closes} == {Cause.GOODBYE, Cause.DROPPED})
    assert len(client._supervisor._open) <= 1


async def test_a_successor_that_holds_back_too_much_is_read_when_the_old_connection_is_over(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.client.connection.connection._DRAIN", 3600.0)
    monkeypatch.setattr("tautwire.client.connection.intake.MAX_HELD", 10_000)
    client = make()
    got = texts(client)
    await client.connect()
    old = await peer(fake)
    fake.reply = lambda _: None  # no pong: the old connection would be waited for
    new = await replaced(fake, client, old)
    new.send(message(1))
    new.send(message(2, blocks=["x" * 10_000]))
    connection = client._supervisor.connection
    assert connection is not None
    await until(lambda: connection.is_paused)
    new.send(message(3))
    assert got == []
    old.drop()
    await until(lambda: got == ["1", "2", "3"])
    assert not connection.is_paused


async def test_an_event_behind_the_pong_of_the_old_connection_is_delivered(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing says that a server sends replies and events one after the other; copies are recognised all the same."""
    monkeypatch.setattr("tautwire.client.connection.handover.SETTLE", 1.0)
    client = make()
    got = texts(client)
    await client.connect()
    old = await peer(fake)
    ponged = asyncio.Event()
    loop = asyncio.get_running_loop()

    def reply(frame: dict[str, Any]) -> dict[str, Any] | None:
        loop.call_soon_threadsafe(ponged.set)
        return answer_pings(frame)

    fake.reply = reply
    new = await replaced(fake, client, old)
    await in_time(ponged.wait())
    await in_time(client.ping())  # so that the pong of the old connection was read as well
    new.send(message(2), message(3))
    old.send(message(1), message(2))
    await until(lambda: len(got) >= 3)
    assert got == ["1", "2", "3"]
    assert await asyncio.to_thread(old.closed.wait, PATIENCE)
    assert old.close_code == 1000


async def test_a_server_with_positions_is_not_waited_for_after_its_pong(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.client.connection.handover.SETTLE", 3600.0)
    monkeypatch.setattr("tautwire.client.connection.connection._DRAIN", 3600.0)
    fake.answers.extend([{"resume": "new", "position": 1}, {"resume": "resumed", "position": 1}])
    client = make()
    got = texts(client)
    await client.connect()
    old = await peer(fake)
    new = await replaced(fake, client, old)
    new.send(message(1))
    await until(lambda: got == ["1"])
    assert await asyncio.to_thread(old.closed.wait, PATIENCE)


@pytest.mark.parametrize("resume", [None, "resync", "resumed"])
async def test_a_replaced_connection_that_ends_before_its_pong_is_a_gap_unless_the_successor_resumes(
    fake: FakeServer, make: MakeAsync, resume: str | None
) -> None:
    """What it had still to say may be lost, and was told to it alone."""
    if resume is not None:
        fake.answers.extend([{"resume": "new", "position": 1}, {"resume": resume, "position": 1}])
    client = make()
    gaps: list[Gap] = []
    got = texts(client)
    client.add_gap_handler(gaps.append)
    await client.connect()
    old = await peer(fake)
    fake.reply = lambda _: None
    new = await replaced(fake, client, old)
    new.send(message(1))
    old.drop()
    await until(lambda: got == ["1"])
    await in_time(client.close())
    assert ["dropped" in gap.reason for gap in gaps] == ([] if resume == "resumed" else [True])


async def test_a_disconnect_during_a_hand_over_tells_each_connection_why_it_ends(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the old connection has brought all its events and only waits for a reply."""
    client = make(timeouts=SLOW_REPLIES)
    closes = ends(client)
    got = texts(client)
    await client.connect()
    old = await peer(fake)
    said = asyncio.create_task(client.say("C1", "never answered"))
    await asyncio.to_thread(old.next_frame, "message")
    await in_time(client.reconnect())
    (await peer(fake)).send(message(1))
    await until(lambda: got == ["1"])  # by now the old one has nothing more to say
    await in_time(client.disconnect())
    await until(lambda: len(closes) == 2)
    assert [each.cause for each in closes] == [Cause.REPLACED, Cause.STOPPED]
    with pytest.raises(SendUnknown):
        await in_time(said)


async def test_disconnect_returns_though_a_close_handler_connects(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    again = asyncio.Event()

    async def reconnect(_closed: Closed) -> None:
        if not again.is_set():
            again.set()
            await client.connect()

    client.add_close_handler(reconnect)
    await client.connect()
    (await peer(fake)).read(wanted=False)  # so that the end takes its time, and connect() comes meanwhile
    await in_time(client.disconnect())
    await peer(fake)
    await until(lambda: client.is_connected)


# -- ends ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["close", "wait_for", "gather", "task"])
async def test_a_handler_that_closes_the_client_goes_on_afterwards(fake: FakeServer, make: MakeAsync, way: str) -> None:
    """Also if another task of the handler's calls close(), as in asyncio.wait_for() of Python 3.11."""
    client = make()
    steps: list[str] = []

    async def stop(_: MessageEvent) -> None:
        match way:
            case "close":
                await client.close(grace=60.0)
            case "wait_for":
                await asyncio.wait_for(client.close(grace=60.0), 60.0)
            case "gather":
                await asyncio.gather(client.close(grace=60.0))
            case "task":
                await asyncio.create_task(client.close(grace=60.0))
        steps.append("closed")

    client.register(stop)
    await client.connect()
    (await peer(fake)).send(message(1))
    await until(lambda: steps == ["closed"])
    assert client.state is ClientState.CLOSED


@pytest.mark.parametrize("place", ["two handlers", "two conversations of one", "a handler and a job"])
async def test_handlers_that_close_the_client_together_do_not_wait_for_each_other(
    fake: FakeServer, make: MakeAsync, place: str
) -> None:
    client = make()
    began: list[str] = []
    ended: list[str] = []
    together = asyncio.Event()

    async def stop(name: str) -> None:
        began.append(name)
        if len(began) == 2:
            together.set()
        await together.wait()
        await client.close(grace=600.0)
        ended.append(name)

    async def first(event: MessageEvent) -> None:
        await stop(event.channel)

    async def second(event: MessageEvent) -> None:
        await stop("second")

    async def job() -> None:
        await stop("job")

    client.register(first)
    if place == "two handlers":
        client.register(second)
    if place == "a handler and a job":
        client.every(3600, at_once=True)(job)
    await client.connect()
    messages = [message(1)] if place != "two conversations of one" else [message(1), message(2, channel="C2")]
    (await peer(fake)).send(*messages)
    await until(lambda: len(ended) == 2, "the handlers wait for each other")
    assert client.state is ClientState.CLOSED


def test_a_program_that_ends_without_close_is_told_what_to_do(
    fake: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        client = RTMClient(TOKEN, fake.api_url)
        await client.connect()

    asyncio.run(main())
    warning = next(each.message for each in caplog.records if each.levelname == "WARNING")
    assert "asyncio.run() does" in warning
    assert "await client.close()" in warning
    assert fake.peer().closed.wait(PATIENCE)


# -- the numbers of frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [MAX_FRAME_ID, MAX_OWN_ID])
async def test_a_frame_with_the_largest_number_costs_the_client_nothing(
    fake: FakeServer, make: MakeAsync, number: int
) -> None:
    fake.reply = answer_all
    client = make(timeouts=Timeouts(idle=0.05, silence=0.4))
    closes = ends(client)
    await client.connect()
    old = await peer(fake)
    await in_time(client.send({"type": "message", "id": number, "channel": "C1", "text": "hi"}))
    assert (await in_time(client.say("C1", "hi"))).reply_to <= MAX_OWN_ID
    await in_time(client.reconnect())
    assert await asyncio.to_thread(old.closed.wait, PATIENCE)
    assert (await in_time(client.say("C1", "hi"))).reply_to <= MAX_OWN_ID
    fake.reply = lambda _: None
    await until(lambda: Cause.SILENCE in {each.cause for each in closes})


# -- one step fails -----------------------------------------------------------------------------------------------

STEPS: list[tuple[type, str]] = [
    (Connection, "_end_delivery"),
    (Connection, "_listen"),
    (Connection, "_settle"),
    (Connection, "hold"),
    (Connection, "abort"),
    (Connection, "release"),
    (Connection, "retire"),
    (Delivery, "_go_on"),
    (Delivery, "_look_up"),
    (Delivery, "_report_gap"),
    (Delivery, "before_connect"),
    (Delivery, "connect_failed"),
    (Delivery, "connection_closed"),
    (Delivery, "connection_opened"),
    (Delivery, "events_received"),
    (Delivery, "frames_received"),
    (Delivery, "pinged"),
    (Delivery, "positioned"),
    (Delivery, "state_changed"),
    (Sending, "connection_closed"),
    (Sending, "connection_opened"),
    (Sending, "state_changed"),
    (ClientSession, "handle_time"),
    (ClientSession, "ping"),
    (ClientSession, "receive"),
    (Governor, "attempted"),
    (Governor, "delay"),
    (Governor, "ended"),
    (Governor, "failed"),
    (Governor, "opened"),
    (Handover, "begin"),
    (Handover, "abort"),
    (UnansweredSends, "adopt"),
    (Duplicates, "hold"),
    (Duplicates, "take_over"),
    (Supervisor, "_wants_successor"),
    (Supervisor, "connection_closed"),
    (Supervisor, "connection_opened"),
    (_PicowsTransport, "quiet_for"),
    (_PicowsTransport, "send"),
]


class Failing:
    """Makes the next call of a method fail, in place of what it does, once it is armed."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        self.is_armed = False
        self.has_failed = False
        genuine = getattr(owner, name)

        def fail(*args: Any, **options: Any) -> Any:
            if self.is_armed:
                self.is_armed, self.has_failed = False, True
                raise ZeroDivisionError(f"{owner.__name__}.{name} fails")
            return genuine(*args, **options)

        patch.setattr(owner, name, fail)


async def tried(work: Any) -> None:
    """Wait for a call that has to return, with whatever outcome it has."""
    with contextlib.suppress(TautwireError, ZeroDivisionError):
        await in_time(work)


@pytest.mark.parametrize(("owner", "name"), STEPS, ids=lambda each: each if isinstance(each, str) else each.__name__)
async def test_a_step_that_fails_costs_itself_only(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    """Whichever it is: calls return, sends end, silence is noticed, and the client connects again."""
    monkeypatch.setattr("tautwire.client.connection.supervisor._AFTER_DEFECT", 0.05)
    monkeypatch.setattr("tautwire.client.connection.connection._DRAIN", 0.2)
    monkeypatch.setattr("tautwire.client.sending.sending.REPLAY_WAIT", 0.05)
    failing = Failing(monkeypatch, owner, name)
    fake.reply = answer_all
    client = make(timeouts=Timeouts(idle=0.1, silence=0.6, reply=2.0, hello=2.0), send_timeout=5.0, connect_timeout=5.0)
    got = texts(client)
    if name == "frames_received":  # a step for handlers of the raw text only
        client.add_message_handler(lambda _: None)
    running = asyncio.create_task(client.run())
    first = await peer(fake)
    await until(lambda: client.is_connected)
    await client.presence_sub(["U1"])
    failing.is_armed = True

    first.send(message(1), {"type": "position", "position": 7}, message(2))  # a planned change
    said = [asyncio.create_task(tried(client.say("C1", str(each)))) for each in range(3)]
    fake.upgrades.append(503)
    first.send({"type": "goodbye"})
    second = await peer(fake)
    second.send(message(3))
    said += [asyncio.create_task(tried(each)) for each in (client.say("C1", "x"), client.ping(), client.reconnect())]
    await asyncio.wait_for(asyncio.gather(*said), 2 * PATIENCE)
    await until(lambda: client.is_connected)
    fake.reply = lambda _: None  # silence
    silent = client._supervisor.connection
    said = [asyncio.create_task(tried(client.say("C1", "y")))]
    await until(lambda: silent is not client._supervisor.connection, "silence was not noticed")
    fake.reply = answer_all
    await asyncio.wait_for(asyncio.gather(*said), 2 * PATIENCE)
    await until(lambda: client.is_connected)
    await tried(client.reconnect())
    await until(lambda: client.is_connected)
    assert (await in_time(client.say("C1", "well"))).ts
    await tried(client.disconnect())
    await tried(running)
    await tried(client.close())
    assert failing.has_failed, "that step did not come"
    assert client.state is ClientState.CLOSED
    await until(lambda: not client._supervisor._open)
    assert client._supervisor._tasks == set()
    assert got
