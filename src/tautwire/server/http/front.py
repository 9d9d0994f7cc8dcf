"""The first protocol of a connection: it answers the requests of a reconnect storm; uvicorn answers all others.

In a storm each client sends one ``rtm.connect`` and one upgrade. Uvicorn's machinery (parser, task, event, cycle) is
most of their cost, and for the upgrade all of it is discarded at once. The front answers these two requests if their
bytes have an exact shape (``shapes``). At the first read of any other shape it passes the socket and the bytes to
``HttpProtocol``, and never gets them back: a connection that can change its reader twice is hard to reason about.

``front_factory`` is the value of uvicorn's documented ``http=`` setting. Reasons and figures: docs/adr/0007-front.md.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from starlette.types import ASGIApp

from tautwire.server.hooks.door import HooksDoor
from tautwire.server.http.connections import Connections, Phase
from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.protocol import HttpProtocol, peer_address, say_farewell
from tautwire.server.http.responses import response
from tautwire.server.http.shapes import CallShape, UpgradeShape, read_call, read_upgrade
from tautwire.server.http.websocket import WebSocket
from tautwire.server.sockets.handover import Handover
from tautwire.server.web_api.app import Request, WebApi

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entrance:
    """The parts that all connections of a server share."""

    connections: Connections
    forwarded: Forwarded
    web_api: WebApi
    hooks: HooksDoor | None
    files: ASGIApp | None
    handover: Handover
    more: Mapping[str, ASGIApp] = field(default_factory=dict)
    """Further applications by path."""


class Front(asyncio.Protocol):
    """The protocol of a connection until a request has another shape than the two it answers."""

    __slots__ = ("_entrance", "_options", "_peer", "_state", "_transport", "address", "phase")

    def __init__(self, entrance: Entrance, **options: Any) -> None:
        self.address: str | None = None
        self.phase: Phase | None = None
        self._entrance = entrance
        self._options = options
        self._state = options["server_state"]
        self._peer = ""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count a new connection, or refuse it."""
        self._transport = cast("asyncio.Transport", transport)
        self._peer = peer_address(transport)
        entrance = self._entrance
        address = "" if entrance.forwarded.trusts(self._peer) else self._peer
        if entrance.connections.enter(self, address):
            self._state.connections.add(self)
            entrance.connections.wait(self, Phase.HEAD)
        else:
            self._refuse()

    def data_received(self, data: bytes) -> None:
        """Answer a request of a known shape; pass any other bytes to ``HttpProtocol``."""
        if data.startswith(self._entrance.handover.request_starts):
            upgrade = read_upgrade(data)
            if upgrade is not None:
                self._open(upgrade)
                return
        else:
            call = read_call(data)
            if call is not None and self._answer(call):
                return
        self._hand_over(data)

    def pause_writing(self) -> None:
        """Called when the peer does not read its responses: stop reading requests."""
        self._transport.pause_reading()
        self._entrance.connections.wait(self, Phase.STALLED)

    def resume_writing(self) -> None:
        """Called when the peer reads again."""
        self._transport.resume_reading()
        self._entrance.connections.wait(self, Phase.IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._entrance.connections.leave(self)
        self._state.connections.discard(self)

    def shutdown(self) -> None:
        """Called when the server stops. The front awaits nothing, so no response is incomplete here."""
        self._transport.close()

    def expire(self, phase: Phase) -> None:
        """Close the connection; see ``Connections``."""
        if phase is Phase.STALLED:
            self._transport.abort()
        else:
            self._transport.close()

    def _open(self, request: UpgradeShape) -> None:
        entrance = self._entrance
        client = entrance.forwarded.client(self._peer, request.headers.items())
        if not entrance.connections.settle(self, client):
            self._refuse()
            return
        self._state.connections.discard(self)
        socket = WebSocket(entrance.handover.listen, entrance.connections, request.target)
        entrance.connections.move(self, socket)
        socket.open(self._transport, request.target, request.headers.items())

    def _answer(self, call: CallShape) -> bool:
        """Answer rtm.connect; return False if the answer has to await something.

        A call that resumes may have to read the log from disk. ``HttpProtocol`` then repeats it in a task.
        """
        entrance = self._entrance
        scheme, origin = entrance.forwarded.origin(self._peer, call.headers.items())
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers.items()}
        request = Request("rtm.connect", call.query, headers, f"{scheme}://{headers['host']}", origin)

        async def body(*, is_known: bool) -> bytes:
            return call.body

        reply = _at_once(entrance.web_api.answer(request, body))
        if reply is None:
            return False
        self._state.total_requests += 1
        default = self._state.default_headers
        self._transport.write(
            response(reply.status, [*default, *reply.headers], b"".join(reply.body), close=call.closes)
        )
        if call.closes:
            self._transport.close()
        elif self.phase is not Phase.STALLED:
            entrance.connections.wait(self, Phase.IDLE)
        return True

    def _hand_over(self, data: bytes) -> None:
        entrance, transport = self._entrance, self._transport
        protocol = HttpProtocol(entrance.connections, entrance.handover.listen, entrance.forwarded, **self._options)
        phase = self.phase
        self._state.connections.discard(self)
        entrance.connections.move(self, protocol)
        entrance.connections.wait(protocol, phase or Phase.HEAD)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def _refuse(self) -> None:
        say_farewell(self, self._transport, self._entrance.connections, self._state, 503, "service_unavailable")


def front_factory(entrance: Entrance) -> Callable[..., Front]:
    """Return the factory that uvicorn calls for each connection."""

    def make(**options: Any) -> Front:
        return Front(entrance, **options)

    return make


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of a coroutine that awaits nothing; close one that does, and return None."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    return None
