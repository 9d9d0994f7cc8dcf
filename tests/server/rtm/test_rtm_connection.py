"""One RTM connection between its session and the door, with a transport that notes what is asked of it."""

from typing import Any

import pytest

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Tickle
from tautwire.protocol.ids import UserId
from tautwire.server.clock import Clock
from tautwire.server.counts import Counts
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.tickets import Ticket
from tautwire.server.sockets import connection as connection_module
from tautwire.server.sockets.frames import text_frame
from tautwire.session.server import ServerSession
from tinydoor import FakeLoop, Wire


class FakeHub:
    """Puts answers into the outbox, and no more."""

    position: bytes | None = None

    def last_position(self, connection: RtmConnection) -> bytes | None:
        return self.position

    def answer(self, connection: RtmConnection, frame: bytes, *, first: bool = False) -> None:
        connection.outbox.append(frame)


class FakeHost:
    """What a connection needs of the server."""

    def __init__(self) -> None:
        self.hub: Any = FakeHub()
        self.flusher: Any = self.hub
        self.clock = Clock()
        self.counts = Counts()
        self.traffic = self.counts.rtm
        self.backlog_limit = 10_000_000
        self.probe = None
        self.commands: list[object] = []
        self.endings: list[str | None] = []

    def opened(self, connection: RtmConnection) -> None: ...

    def closed(self, connection: RtmConnection) -> None: ...

    def carry_out(self, connection: RtmConnection, command: object) -> None:
        self.commands.append(command)

    def ended(self, connection: RtmConnection) -> None:
        self.endings.append(connection.ending)

    def failed(self, connection: RtmConnection, why: str, error: Exception) -> None:
        raise error


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    loop = FakeLoop()
    monkeypatch.setattr(connection_module.asyncio, "get_running_loop", lambda: loop)
    return loop


@pytest.fixture
def connection(host: FakeHost, wire: Wire, loop: FakeLoop) -> RtmConnection:
    who = Identity(UserId("U1"), "alice", None, None)
    ticket = Ticket(b"", 0.0, who, 0, batches_presence=False, wants_positions=False)
    connection = RtmConnection(1, ticket, ServerSession(message_rate=None), host)
    connection._socket = connection._transport = wire
    connection._write = wire.write
    connection.session.welcome()
    return connection


def test_reading_stops_when_too_much_waits_and_goes_on_when_there_is_room(
    connection: RtmConnection, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.session.server.MAX_PENDING", 2)
    message = b'{"type":"message","id":1,"channel":"C1","text":"x"}'
    for _ in range(4):  # in one read of the socket
        connection.receive(message)
    assert wire.reading == [False]
    for _ in range(4):
        reply = connection.session.reject(1, RtmErrorCode.CANNOT_PROCESS)
        assert reply is not None
        connection.send(reply)
    assert wire.reading == [False, True]


@pytest.mark.parametrize("position", [None, b"position"])
def test_before_the_end_a_peer_gets_what_waits_and_its_position(
    connection: RtmConnection, wire: Wire, host: FakeHost, position: bytes | None
) -> None:
    host.hub.position = position
    connection.outbox.append(b"event")
    connection.end(1001, "the server stops", 1.0)
    connection.end(1001, "again", 2.0)
    assert wire.written == [b"event" + (position or b""), text_frame(b'{"type":"goodbye"}'), b"close 1001"]
    assert not connection.outbox
    assert connection.ended == 1.0


def test_only_commands_are_carried_out(connection: RtmConnection, host: FakeHost) -> None:
    for data in (b'{"type":"of_tomorrow"}', b'{"type":"ping","id":1}', b"no frame", b'{"type":"tickle","id":2}'):
        connection.receive(data)
    assert host.commands == [Tickle(2)]
    assert len(connection.outbox) == 2
