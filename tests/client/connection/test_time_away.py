"""Since when the client was away, and when it notices: also over a suspend of the system and a clock that is set."""

import asyncio
import datetime as real
import sys
import time
from typing import Any

import pytest

from drive import MakeAsync, MakeClient, peer, until
from fake import FakeServer, message
from tautwire import Cause, Closed, Gap, MessageEvent, Timeouts
from tautwire.client import clock

HOURS = 8 * 3600.0


class Machine:
    """The clocks of a machine that can be suspended and whose clock can be set, without waiting for it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.slept = 0.0
        self.was_set = real.timedelta()
        machine = self

        class Clock(real.datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return real.datetime.now(tz) + machine.was_set + real.timedelta(seconds=machine.slept)

        for each in ("connection", "delivery"):
            patch.setattr(f"tautwire.client.{each}.{each}.elapsed", lambda: time.monotonic() + self.slept)
        patch.setattr("tautwire.client.connection.connection.suspended", lambda: self.slept)
        patch.setattr("tautwire.client.delivery.delivery.datetime", Clock)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("tautwire.client.connection.connection._LOOK", 0.1)
    return Machine(monkeypatch)


async def away(fake: FakeServer, client: Any) -> tuple[list[Gap], list[Closed]]:
    """Connect a client; collect how it loses the connection and comes back."""
    gaps: list[Gap] = []
    closes: list[Closed] = []

    async def note_gap(gap: Gap) -> None:
        gaps.append(gap)

    async def note_close(closed: Closed) -> None:
        closes.append(closed)

    client.add_gap_handler(note_gap)
    client.add_close_handler(note_close)
    await client.connect()
    return gaps, closes


async def test_a_suspend_is_part_of_the_gap_and_the_loss_is_noticed_soon(
    fake: FakeServer, make: MakeAsync, machine: Machine
) -> None:
    """Not by the answer to a ping: silence is allowed for longer than this test may take."""
    client = make()
    gaps, closes = await away(fake, client)
    await peer(fake)
    fake.reply = lambda _: None
    machine.slept += HOURS
    await until(lambda: gaps)
    assert closes[0].cause is Cause.SILENCE
    assert HOURS <= (gaps[0].ended - gaps[0].began).total_seconds() < HOURS + 60


async def test_what_came_in_during_a_suspend_keeps_the_connection(
    fake: FakeServer, make: MakeAsync, machine: Machine
) -> None:
    """It waits in the socket, which is read before anything is decided; after that a ping is answered in time."""
    client = make(timeouts=Timeouts(idle=0.2, silence=30.0))
    _, closes = await away(fake, client)
    first = await peer(fake)
    machine.slept += HOURS
    first.send({"type": "unheard_of"})
    time.sleep(0.2)  # noqa: ASYNC251 (the loop stands still, as the machine does)
    pinged = client.round_trip
    await until(lambda: client.round_trip not in (None, pinged))
    assert closes == []


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_is_set_meanwhile_makes_no_gap_longer_or_shorter(
    fake: FakeServer, make: MakeAsync, machine: Machine, hours: int
) -> None:
    client = make()
    gaps, closes = await away(fake, client)
    first = await peer(fake)
    fake.upgrades.extend([503] * 1000)
    first.drop()
    await until(lambda: closes)
    machine.was_set = real.timedelta(hours=hours)
    fake.upgrades.clear()
    await until(lambda: gaps)
    now = real.datetime.now(real.UTC) + machine.was_set
    assert gaps[0].began <= gaps[0].ended <= now
    assert (now - gaps[0].began).total_seconds() < 60


def test_the_clock_counts_on_like_the_steady_one_while_nothing_is_suspended() -> None:
    began, slept = clock.elapsed(), clock.suspended()
    steady = time.monotonic()
    time.sleep(0.05)
    assert clock.elapsed() - began >= 0.05
    assert abs((clock.elapsed() - began) - (time.monotonic() - steady)) < 1.0
    assert abs(clock.suspended() - slept) < 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other clocks for it")
def test_the_clock_is_the_one_that_counts_a_suspend() -> None:
    assert abs(clock.elapsed() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60.0


async def test_the_system_is_asked_when_the_last_byte_came(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are no message yet are a sign of life, where the system tells of them."""
    monkeypatch.setattr("tautwire.client.connection.transport._PicowsTransport.quiet_for", lambda _: 0.01)
    fake.reply = lambda _: None
    client = make(timeouts=Timeouts(idle=0.1, silence=0.3))
    _, closes = await away(fake, client)
    await asyncio.sleep(1.0)  # three times as long as silence is allowed
    assert closes == []
    monkeypatch.setattr("tautwire.client.connection.transport._PicowsTransport.quiet_for", lambda _: 60.0)
    await until(lambda: closes)
    assert closes[0].cause is Cause.SILENCE


def test_a_program_that_was_held_up_reads_what_waits_before_it_calls_the_server_silent(
    fake: FakeServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the system does not tell when the last byte came, and timers come before sockets, as on uvloop."""
    monkeypatch.setattr("tautwire.client.connection.transport._PicowsTransport.quiet_for", lambda _: None)
    monkeypatch.setattr("tautwire.client.connection.connection._LATE", 0.2)
    client = make_client(timeouts=Timeouts(idle=0.2, silence=1.0))
    closes: list[Closed] = []
    client.add_close_handler(closes.append)
    client.register(lambda _: time.sleep(1.3), MessageEvent, inline=True)
    client.connect()
    first = fake.peer()
    first.send(message(1))  # its handler holds up the loop
    time.sleep(0.2)
    first.send({"type": "unheard_of"})
    client.ping()
    assert closes == []
