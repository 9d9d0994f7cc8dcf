"""The front: one port that speaks TLS for the intercepted hosts, and HTTP as a proxy.

What a connection is shows in its first byte. TLS is ended here, and its contents go to the HTTP port behind the front.
A CONNECT to an intercepted host is answered and then served like any connection to it. Everything else that a proxy
is asked for goes to its host unread. Programs send CONNECT without a single header, with names in any case, and some
dial a hundred times a second; all of that is served.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final, cast

from tautwire.attach.heads import BadHeadError, Head, parse, peek, read_head
from tautwire.attach.hosts import NEAR, Hosts
from tautwire.attach.legs import Legs
from tautwire.attach.outside import Outside, dial
from tautwire.attach.relay import FAREWELL, Side, relay
from tautwire.protocol.errors import ConfigError

log = logging.getLogger("tautwire.attach")

MAX_CONNECTIONS: Final = 2_000
"""Connections at a time. Above it, those that have sent no complete head are closed first."""
HEAD_PATIENCE: Final = 10.0
"""Seconds for the first byte, for a head, and for the handshake of TLS."""
PAUSE: Final = 0.2
"""Seconds before the next try to accept when the process has no more descriptors."""
BACKLOG: Final = 512
MAX_DROPPED: Final = 65_536
"""Bytes that are read and dropped after a refusal."""
_TLS: Final = b"\x16"
"""The first byte of TLS: a record with a handshake."""
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_LOOPBACK: Final = "127.0.0.1"


class Front:
    """Serves from ``start`` to ``stop``.

    Args:
        port: 0 for a free one.
        context: TLS with the certificate of the front.
    """

    def __init__(
        self, hosts: Hosts, context: ssl.SSLContext, legs: Legs, outside: Outside, *, host: str, port: int
    ) -> None:
        self.legs = legs
        self.host = host
        self.port = port
        self._hosts = hosts
        self._context = context
        self._outside = outside
        context.sni_callback = self._check_name
        self._behind = self._api = 0
        self._accepting: dict[asyncio.Task[None], socket.socket] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._waiting: dict[asyncio.Task[None], None] = {}
        """Those that have sent no complete head, the oldest first."""

    def start(self, behind: int, api: int) -> None:
        """Accept connections.

        Args:
            behind: the HTTP port on loopback to which intercepted connections go.
            api: the port of the base URL. slack_sdk speaks TLS to whatever it reaches by a proxy, also for ws://.

        Raises:
            ConfigError: the address cannot be used.
        """
        self._behind, self._api = behind, api
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listener = socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise ConfigError(
                f"the front cannot listen on {self.host} port {self.port}: {error.strerror or error}; choose another "
                "with --attach-host and --attach-port (port 0 takes a free one)"
            ) from error
        self.port = cast("int", listener.getsockname()[1])
        self.serve(listener)

    def serve(self, listener: socket.socket) -> None:
        """Accept the connections of one more socket that listens; it is closed with the others."""
        listener.setblocking(False)
        self._accepting[asyncio.create_task(self._accept(listener))] = listener

    async def stop_accepting(self) -> None:
        """Accept no more connections; open ones stay."""
        accepting, self._accepting = self._accepting, {}
        for task in accepting:
            task.cancel()
        if accepting:
            await asyncio.wait(accepting)
        for listener in accepting.values():
            listener.close()

    async def stop(self) -> None:
        """Drop all connections."""
        await self.stop_accepting()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _accept(self, listener: socket.socket) -> None:
        loop, is_short = asyncio.get_running_loop(), False
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError as error:  # no more descriptors, or the peer is gone already
                if not is_short:
                    log.warning("the front cannot accept connections: %s", error.strerror or error)
                is_short = True
                await asyncio.sleep(PAUSE)
                continue
            is_short = False
            if len(self._serving) >= MAX_CONNECTIONS and not self._make_room():
                sock.close()
                continue
            sock.setblocking(False)
            task = loop.create_task(self._serve(sock))
            self._serving.add(task)
            self._waiting[task] = None
            task.add_done_callback(self._forget)

    def _make_room(self) -> bool:
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        oldest.cancel()
        self._forget(oldest)
        return True

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        self._waiting.pop(task, None)

    async def _serve(self, sock: socket.socket) -> None:
        """Serve one connection. Whatever a peer does ends only its own."""
        try:
            with contextlib.closing(sock):
                await self._answer(sock)
        except (OSError, EOFError, TimeoutError) as error:
            log.debug("a connection of the front has ended: %s", error)
        except Exception:
            log.exception("a connection of the front failed")

    async def _answer(self, sock: socket.socket) -> None:
        try:
            head = await self._begin(sock)
            if head is None:
                await self._end_tls(sock, self._behind)
            elif head.method == b"CONNECT":
                await self._connect(sock, head)
            else:
                await self._forward(sock, head)
        except BadHeadError as error:
            await _refuse(sock, error)

    async def _begin(self, sock: socket.socket) -> Head | None:
        """Return the head of a request, None for TLS."""
        async with asyncio.timeout(HEAD_PATIENCE):
            if await peek(sock) == _TLS:
                return None
            return parse(await read_head(sock))

    async def _end_tls(self, sock: socket.socket, port: int) -> None:
        """Serve TLS: what is in it goes to a port of this machine."""
        near = Side(watch=self.legs.see, failed=self.legs.fail)
        try:
            await self._adopt(sock, near, self._context)
        except ssl.SSLError as error:
            self.legs.fail(error)
            raise
        try:
            far = await dial(_LOOPBACK, port)
        except BaseException:
            near.transport.abort()
            raise
        await relay(near, far)

    async def _connect(self, sock: socket.socket, head: Head) -> None:
        """Serve a CONNECT."""
        host, port = head.authority
        is_api = port == self._api and host in NEAR
        if not is_api and host not in self._hosts:
            _check_peer(sock)
            far = await self._outside.tunnel(host, port)
            await self._bridge(sock, far, Side(), _ESTABLISHED)
            return
        await asyncio.get_running_loop().sock_sendall(sock, _ESTABLISHED)
        behind = self._api if is_api else self._behind
        inner = await self._begin(sock)
        if inner is None:
            await self._end_tls(sock, behind)
        else:
            await self._pass_on(sock, inner, behind)

    async def _forward(self, sock: socket.socket, head: Head) -> None:
        """Serve a request in the clear: one for an intercepted host, or one that goes through the proxy."""
        if head.target.startswith(b"/"):
            if head.host not in self._hosts:
                raise BadHeadError(421, "this is a proxy, and a front for hosts of slack.com")
            await self._pass_on(sock, head, self._behind)
            return
        host, _ = head.authority
        if host in self._hosts:
            await self._pass_on(sock, head, self._behind)
            return
        length = head.body_length
        _check_peer(sock)
        far = await self._outside.request(head)
        await self._bridge(sock, far, Side(length))

    async def _pass_on(self, sock: socket.socket, head: Head, port: int) -> None:
        """Send a request for us to a port of this machine."""
        data, length = head.forwarded(), head.body_length
        self.legs.see(data)
        far = await dial(_LOOPBACK, port)
        far.transport.write(data)
        await self._bridge(sock, far, Side(length))

    async def _bridge(self, sock: socket.socket, far: Side, near: Side, first: bytes = b"") -> None:
        """Pass bytes between a socket and a side that is open.

        Args:
            first: bytes for the socket before all others.
        """
        try:
            await asyncio.get_running_loop().sock_sendall(sock, first)
            await self._adopt(sock, near)
        except BaseException:
            far.transport.abort()
            raise
        await relay(near, far)

    async def _adopt(self, sock: socket.socket, side: Side, context: ssl.SSLContext | None = None) -> None:
        """Make a socket a side of a relay, after the handshake if it is one of TLS. The side owns it then."""
        owned = socket.socket(fileno=sock.detach())
        patience = {"ssl_handshake_timeout": HEAD_PATIENCE, "ssl_shutdown_timeout": FAREWELL} if context else {}
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: side, owned, ssl=context, **patience)
        self._waiting.pop(cast("asyncio.Task[None]", asyncio.current_task()), None)

    def _check_name(self, _: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        """Refuse a handshake for a host that is not intercepted. Old programs name none."""
        if name is None or name in self._hosts or name in NEAR:
            return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def _check_peer(sock: socket.socket) -> None:
    """Let only programs of this machine reach other hosts: to all others this would be an open proxy.

    Raises:
        BadHeadError: the peer is on another machine.
    """
    address = ip_address(sock.getpeername()[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_loopback:
        raise BadHeadError(403, "this proxy serves hosts of slack.com only")


async def _refuse(sock: socket.socket, error: BadHeadError) -> None:
    """Write the last answer of a connection, and wait a moment for the peer to read it.

    To close a socket with unread bytes resets the connection, and the answer would be lost.
    """
    text = f"tautwire: {error}\n".encode()
    status = HTTPStatus(error.status)
    lines = (
        f"HTTP/1.1 {status} {status.phrase}", "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(text)}", "Connection: close", "", "",
    )  # fmt: skip
    left = MAX_DROPPED
    async with asyncio.timeout(FAREWELL):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, "\r\n".join(lines).encode() + text)
        sock.shutdown(socket.SHUT_WR)
        while left > 0 and (dropped := await loop.sock_recv(sock, left)):
            left -= len(dropped)
