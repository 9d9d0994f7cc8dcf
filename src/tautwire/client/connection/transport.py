"""The WebSocket under a connection: the only module that knows picows.

It delivers whole text messages as bytes, those of one read together, and reports once how the socket ended. What
picows leaves to its user is done here: fragments are put together, PING and CLOSE are answered, an oversized message
ends the connection. Extensions are never offered. Nothing here knows RTM; ``client/connection/connection`` owns a
transport.
"""

import asyncio
import contextlib
import socket
import ssl as ssl_module
import struct
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import aiohappyeyeballs
from picows import WSCloseCode, WSFrame, WSInvalidURL, WSListener, WSMsgType, WSParsedURL, WSTransport, ws_connect

from tautwire.client.errors import ConnectError
from tautwire.client.log import LOG, SOCKET_LOG
from tautwire.client.net.network_errors import away_proxy, explain
from tautwire.client.net.resolver import look_up
from tautwire.protocol.tokens import redact
from tautwire.session.client import Cause

MAX_MESSAGE_SIZE: Final = 4 * 1024 * 1024
"""Bytes of one incoming message. Source: wire/reconnecting.md#a-clients-algorithm (recommended)."""

RECEIVE_BUFFER: Final = 256 * 1024
"""Bytes the system may keep for us unread. It bounds what is decoded in one go, and what still comes for a full queue.
With half of it an event of 5 kB costs a tenth more; with twice as much, events of 300 bytes fall out of the processor's
cache before coroutine handlers run, and cost a third more."""

PONG_ROOM: Final = 64 * 1024
"""Bytes that may wait to be sent before PINGs are no longer answered: their sender does not read."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds we wait for the other side's part of the closing handshake."""

_BROKEN: Final = "the server broke the WebSocket protocol"

_LAST_DATA_RECV: Final = 8 + 4 * 11
"""Offset of tcpi_last_data_recv, milliseconds, in Linux' struct tcp_info."""

_LAST_ACK_RECV: Final = 8 + 4 * 12
"""Offset of tcpi_last_ack_recv, milliseconds."""


class End(NamedTuple):
    """How a socket ended: the code and reason of the peer's Close frame, or what happened instead of one."""

    code: int | None
    reason: str
    cause: Cause


class Transport(Protocol):
    """An open WebSocket."""

    def send(self, data: bytes) -> None:
        """Send one text message; does nothing once the socket is closing."""

    def quiet_for(self) -> float | None:
        """Return the seconds since the last byte came in, None where the system does not tell."""

    def acked_for(self) -> float | None:
        """Return the seconds since the peer's system last said what it got, None where ours does not tell."""

    def read(self, wanted: bool) -> None:
        """Stop to read from the socket, or go on. What was read already comes in all the same."""

    async def close(self) -> None:
        """Send a Close frame, wait a moment for the answer, and end the socket whatever comes. Safe to call twice."""


class Receiver(Protocol):
    """What a transport reports to. All methods are called on the loop and must not raise."""

    def connected(self, transport: Transport) -> None:
        """Called when the WebSocket is open, before anything comes in."""

    def receive(self, frames: Sequence[bytes]) -> None:
        """Called with complete text messages that came in together, in order, not checked for UTF-8."""

    def closed(self, end: End) -> None:
        """Called once, when nothing will come any more."""


async def dial(
    url: str, receiver: Receiver, *, ssl: ssl_module.SSLContext | None, proxy: str | None, within: float
) -> None:
    """Open a WebSocket to ``url`` (used as it is, byte for byte) within ``within`` seconds.

    Raises:
        ConnectError: unreachable, refused, not a WebSocket, or too slow.
    """
    sockets: list[socket.socket] = []

    async def open_socket(target: WSParsedURL) -> socket.socket:
        """Connect to the server or the proxy. The socket is made here so that it can be ended from here."""
        try:
            addresses = await look_up(target.host, target.port)
            sock = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=0.25)
        except OSError as error:
            if proxy is None:
                raise
            raise ConnectionError(away_proxy(error)) from None
        sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return sock

    try:
        async with asyncio.timeout(within):
            _, listener = await ws_connect(
                lambda: _Listener(receiver),
                url,
                ssl_context=ssl,
                proxy=proxy,
                socket_factory=open_socket,
                websocket_handshake_timeout=within,
                max_frame_size=MAX_MESSAGE_SIZE,
                enable_auto_pong=False,  # or the last frame of a read might be one that the listener never sees
                max_redirects=0,
                logger_name=SOCKET_LOG,
            )
    except BaseException as error:
        for sock in sockets:
            with contextlib.suppress(OSError):  # closed already
                sock.shutdown(socket.SHUT_RDWR)  # makes the transport, which picows keeps to itself, end and close it
        if isinstance(error, WSInvalidURL):
            raise ConnectError("the url in the answer of rtm.connect is no WebSocket address") from None
        if isinstance(error, TimeoutError):
            raise ConnectError(f"the WebSocket did not open within {within:g} s") from None
        if not isinstance(error, Exception):
            raise
        # whatever breaks on the way, the next try may work; the text of layers below may hold the URL, hence the ticket
        raise ConnectError(f"the WebSocket did not open: {explain(error)}") from None
    if listener is None:  # how picows tells of an end in the middle of the handshake
        raise ConnectError("the server dropped the connection instead of opening the WebSocket")


class _PicowsTransport:
    """``Transport`` over picows."""

    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport
        raw = transport.underlying_transport.get_extra_info("socket")
        self._tcp_info = raw if sys.platform == "linux" and raw.family != socket.AF_UNIX else None

    def send(self, data: bytes) -> None:
        self._transport.send(WSMsgType.TEXT, data)

    def quiet_for(self) -> float | None:
        return self._since(_LAST_DATA_RECV)

    def acked_for(self) -> float | None:
        return self._since(_LAST_ACK_RECV)

    def _since(self, offset: int) -> float | None:
        """Return the seconds since something that the system notes, by its place in what the system tells."""
        if self._tcp_info is None:
            return None
        info: bytes = self._tcp_info.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, offset + 4)
        (milliseconds,) = struct.unpack_from("@I", info, offset)
        return float(milliseconds) / 1000

    def read(self, wanted: bool) -> None:
        if self._transport.is_disconnected:
            return
        if wanted:
            self._transport.underlying_transport.resume_reading()
        else:
            self._transport.underlying_transport.pause_reading()

    async def close(self) -> None:
        self.read(True)  # the answer to our Close frame is to come in
        if not self._transport.is_disconnected:
            self._transport.send_close(WSCloseCode.OK)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._transport.wait_disconnected()
        except TimeoutError:
            self._transport.disconnect(graceful=False)
        except Exception as error:  # noqa: BLE001 (what went wrong in the socket was reported when it ended)
            LOG.debug("socket ended with %s", redact(repr(error)))


def _has_refused(transport: WSTransport) -> bool:
    """Whether picows sent a Close frame by itself, because the server broke the protocol."""
    handshake = transport.close_handshake
    return (
        handshake is not None
        and handshake.sent is not None
        and handshake.sent.code != WSCloseCode.OK
        and not handshake.recv_then_sent
    )


def _is_allowed(code: int) -> bool:
    """Whether a Close frame may have a code. Source: RFC 6455 7.4 and IANA's list of close codes."""
    return code in _DEFINED or 3000 <= code < 5000


_DEFINED: Final = frozenset({*range(1000, 1004), *range(1007, 1015)})

_TEXT: Final = WSMsgType.TEXT  # looking up a member of an enum takes longer than reading the rest of a frame


class _Listener(WSListener):
    """Puts messages together, hands over those of one read at once, and reports the end once."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._messages: list[bytes] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._is_text = True
        self._end: End | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._receiver.connected(_PicowsTransport(transport))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is _TEXT and frame.fin and not (frame.rsv1 or frame.rsv2 or frame.rsv3 or self._parts):
            self._messages.append(frame.get_payload_as_bytes())
        else:
            self._take_other(transport, frame)
        if frame.last_in_buffer:
            self._hand_over()

    def _take_other(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take any frame but a text message of one piece."""
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:  # no extension was agreed on; mostly we lost the thread
            self._break_off(transport, WSCloseCode.PROTOCOL_ERROR, _BROKEN)
        elif kind is WSMsgType.PING:
            if transport.underlying_transport.get_write_buffer_size() < PONG_ROOM:
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            self._close(transport, frame)
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._collect(transport, frame)

    def _hand_over(self) -> None:
        frames, self._messages = self._messages, []
        if frames and self._end is None:
            self._receiver.receive(frames)

    def _collect(self, transport: WSTransport, frame: WSFrame) -> None:
        """Keep a fragment; hand over the message with the last one. Binary messages are no part of RTM: ignored."""
        is_first = frame.msg_type is not WSMsgType.CONTINUATION
        if is_first == bool(self._parts):
            self._break_off(transport, WSCloseCode.PROTOCOL_ERROR, _BROKEN)
            return
        if is_first:
            self._is_text = frame.msg_type is WSMsgType.TEXT
        self._parts.append(frame.get_payload_as_bytes())
        self._size += frame.payload_size
        if self._size > MAX_MESSAGE_SIZE:
            reason = f"a message of more than {MAX_MESSAGE_SIZE} bytes came in"
            self._break_off(transport, WSCloseCode.MESSAGE_TOO_BIG, reason)
        elif frame.fin:
            message, self._parts, self._size = b"".join(self._parts), [], 0
            if self._is_text:
                self._messages.append(message)

    def _close(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a Close frame, unless it answers one that picows sent because the server broke the protocol."""
        if _has_refused(transport):
            transport.disconnect()
            self._finish(End(None, _BROKEN, Cause.BROKEN))
            return
        code = int(frame.get_close_code().value) if frame.payload_size else None
        if code is not None and not _is_allowed(code):
            self._break_off(transport, WSCloseCode.PROTOCOL_ERROR, f"{_BROKEN}: a Close frame with the code {code}")
            return
        if not transport.is_close_frame_sent:
            transport.send_close(WSCloseCode(code or 1000))
        transport.disconnect()
        reason = redact(frame.get_close_reason() or "") or "the server closed the connection"
        self._finish(End(code, reason, Cause.CLOSED))

    def _break_off(self, transport: WSTransport, code: WSCloseCode, reason: str) -> None:
        transport.send_close(code)
        transport.disconnect()
        self._finish(End(None, reason, Cause.BROKEN))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if _has_refused(transport):
            self._finish(End(None, _BROKEN, Cause.BROKEN))
        self._finish(End(None, "the server dropped the connection without a Close frame", Cause.DROPPED))

    def _finish(self, end: End) -> None:
        """Report the end, the first time. picows goes on with what it has read, without effect."""
        if self._end is None:
            self._hand_over()
            self._end = end
            self._parts.clear()
            self._receiver.closed(end)

    def pause_writing(self) -> None:
        """Nothing to do: what a client sends is bounded by its limiter and by the frame size."""

    def resume_writing(self) -> None:
        """See ``pause_writing``."""
