"""A door that is not RTM, on the shell of server WebSockets, and a listening port for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from picows import WSListener
from starlette.applications import Starlette

from tautwire.server.clock import Clock
from tautwire.server.counts import Traffic
from tautwire.server.health import Health
from tautwire.server.http.connections import Connections
from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.front import Entrance
from tautwire.server.http.probes import Probes
from tautwire.server.http.server import HttpServer, listen
from tautwire.server.sockets.connection import SocketConnection
from tautwire.server.sockets.flusher import Flusher
from tautwire.server.sockets.handover import Handover, Opener
from tautwire.server.sockets.keeper import Keeper, Policy

PREFIX = "/tiny/"


class Wire:
    """The transport and the socket in one: what was written, and what was asked for."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.waiting = 0
        self.reading: list[bool] = []
        self.pings = 0
        self.is_close_frame_sent = False
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.is_aborted

    def pause_reading(self) -> None:
        self.reading.append(False)

    def resume_reading(self) -> None:
        self.reading.append(True)

    def abort(self) -> None:
        self.is_aborted = True

    def send_ping(self, payload: bytes) -> None:
        self.pings += 1

    def send_close(self, code: int, reason: bytes) -> None:
        self.written.append(b"close %d" % code)
        self.is_close_frame_sent = True


class FakeLoop:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> None:
        self.later.append((delay, call))


class TinyConnection(SocketConnection):
    """Gives back every message, in capitals."""

    __slots__ = ("got", "has_left", "is_drowning")

    max_message = 1_000

    def __init__(self, number: int, host: "TinyDoor") -> None:
        super().__init__(number, host)
        self.got: list[bytes] = []
        self.has_left = False
        self.is_drowning = False

    @property
    def user(self) -> str:
        return "A1"

    @property
    def is_full(self) -> bool:
        return self.is_drowning

    def receive(self, data: bytes) -> None:
        self.got.append(data)
        self.send(data.upper())

    def goodbye(self) -> bytes | None:
        if self.has_left:
            return None
        self.has_left = True
        return b'{"type":"disconnect"}'

    def queue_last(self) -> None:
        self._flusher.push(self, b"\x81\x04last")


class TinyDoor:
    """The host of such connections, with all that a door has to write for the shell."""

    def __init__(self, policy: Policy | None = None, *, clock: Clock | None = None, backlog_limit: int = 10_000_000):
        self.clock = clock or Clock()
        self.traffic = Traffic()
        self.backlog_limit = backlog_limit
        self.probe = None
        self.flusher = Flusher[TinyConnection]()
        policy = policy or Policy(ping_interval=30, silence_limit=150, slow_deadline=10, drain=0)
        self.keeper = Keeper[TinyConnection](
            policy, clock=self.clock, traffic=self.traffic, give_up=self.flusher.give_up
        )
        self.calls: list[str] = []

    def open(self, secret: str, query: str) -> WSListener | None:
        self.calls.append(f"open {secret} {query}")
        return None if self.keeper.is_stopping else TinyConnection(self.keeper.next_number(), self)

    def opened(self, connection: TinyConnection) -> None:
        self.calls.append("opened")
        self.keeper.add(connection)

    def ended(self, connection: TinyConnection) -> None:
        self.calls.append("ended")
        self.keeper.note_end(connection)

    def closed(self, connection: TinyConnection) -> None:
        self.calls.append("closed")
        self.keeper.remove(connection)

    def failed(self, connection: TinyConnection, why: str, error: Exception) -> None:
        self.flusher.give_up(connection, why, error)


@asynccontextmanager
async def served(doors: Mapping[str, Opener]) -> AsyncIterator[str]:
    """Serve doors on a port, by the HTTP entrance of a server without a Web API; return the beginning of their URLs."""
    health = Health()
    connections = Connections(Clock(), health, limit=1_000, per_address=1_000)
    no_web_api = no_hooks = no_files = cast("Any", Starlette())  # answers 404
    probes = Probes(health, lambda: b"", "text/plain", "off")
    http = HttpServer(
        Entrance(connections, Forwarded("127.0.0.1"), no_web_api, no_hooks, no_files, Handover(doors)), probes
    )
    listener = listen("127.0.0.1", 0)
    await http.start(listener)
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await http.stop()


async def connected(door: TinyDoor) -> TinyConnection:
    """Wait for the only connection of a door."""
    async with asyncio.timeout(10):
        while not door.keeper.connections:  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(0.002)
    (connection,) = door.keeper.connections
    return connection
