"""One RTM connection: a socket, a session and an outbox. It holds no rules.

picows calls it with frames, the hub with events. The session (``session.server``) decides what a frame means,
``commands`` what a command does. The ``door`` is its host: it gets the calls of ``Host``.

Theory. Three limits keep a peer that does not read from filling memory. The kernel's send buffer is small
(``SEND_BUFFER``), so a stall shows early. From ``HIGH_WATER`` bytes that the kernel did not accept, the peer is *slow*:
it gets no whispers, and after ``slow_deadline`` seconds it is closed. And what may wait for it is bounded in bytes. A
closed client resumes and gets the missed events from the log, so nothing is lost, and the other connections never wait.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from tautwire.server.clock import Clock
from tautwire.server.counts import Counts
from tautwire.server.hub.frames import text_frame
from tautwire.server.hub.hub import Hub
from tautwire.server.hub.positions import Progress
from tautwire.server.rtm.endings import Ending, of_close
from tautwire.server.rtm.replays import Sent
from tautwire.server.services.identity import Identity
from tautwire.server.services.tickets import Ticket
from tautwire.session.outbox import Outbox
from tautwire.session.server import MAX_FRAME_SIZE, TOO_BIG, Answer, Close, Command, ServerSession

log = logging.getLogger("tautwire.server.rtm")

PAGE: Final = 65_536
"""Bytes written for one connection in one turn of the loop."""
BULK: Final = 262_144
"""Bytes of a queue above which it is written in pages with pauses: slack_sdk's reader recurses over the frames in its
buffer and fails on about 500 kB without a pause.
Source: wire/frames.md#the-websocket-layer (read in the SDK, measured)."""
PAUSE: Final = 0.025
"""Seconds between two such pages."""
SEND_BUFFER: Final = 65_536
"""SO_SNDBUF: with the kernel's default, megabytes of a stalled peer would not be seen by the limits."""
HIGH_WATER: Final = 262_144
"""Bytes not accepted by the kernel from which on a peer counts as slow."""
MAX_BURST: Final = 8 * 1_048_576
"""Bytes that may wait for a peer that is not slow: the entries of a commit arrive at once."""
TEXT: Final = WSMsgType.TEXT  # looked up once: members of an enum are slow to reach in Python 3.11
BROKEN_RULES: Final = 1002


def may_be_sent(code: Any) -> bool:
    """Return whether a Close frame may carry this code. Source: RFC 6455 section 7.4 and IANA's list of 2026."""
    return bool(1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999)


class Host(Protocol):
    """The server, as a connection sees it."""

    hub: Hub
    clock: Clock
    counts: Counts
    backlog_limit: int

    def opened(self, connection: "RtmConnection") -> None:
        """Called when the socket is open, before any frame."""

    def carry_out(self, connection: "RtmConnection", command: Command) -> None:
        """Called with a command of the client."""

    def overrun(self, connection: "RtmConnection") -> None:
        """Called when more bytes wait for the peer than the limit."""

    def ended(self, connection: "RtmConnection") -> None:
        """Called once when the closing handshake begins or the socket is lost: no more frames may be sent."""

    def closed(self, connection: "RtmConnection") -> None:
        """Called when the socket is closed."""

    def failed(self, connection: "RtmConnection", why: str, error: Exception) -> None:
        """Called when code of the server raised: the connection has to end."""


class RtmConnection(WSListener):
    """One live RTM connection.

    Args:
        number: unique among the connections of this process; never 0.
        ticket: the terms agreed at rtm.connect; None if the ticket in the URL is not valid.
    """

    __slots__ = (
        "_counts",
        "_fragments",
        "_held",
        "_host",
        "_limit",
        "_loop",
        "_paging",
        "_socket",
        "_transport",
        "_unanswered_ping",
        "_write",
        "ended",
        "ending",
        "heard",
        "left",
        "number",
        "outbox",
        "pinged",
        "progress",
        "sent",
        "session",
        "slow_since",
        "ticket",
        "watched",
    )

    def __init__(self, number: int, ticket: Ticket | None, session: ServerSession, host: "Host") -> None:
        self.number = number
        self.ticket = ticket
        self.session = session
        self.outbox = Outbox()
        self.progress = Progress() if ticket is not None and ticket.wants_positions else None
        self.watched: tuple[str, ...] = ()
        self.heard = 0.0
        self.pinged = False
        self.slow_since: float | None = None
        self.ended: float | None = None
        self.ending: Ending | None = None
        """The server's reason to close; None while there is none, and if the peer closes."""
        self.left = False
        """Whether the peer sent a Close frame; a connection that ends without one is lost."""
        self.sent: Sent | None = None
        """The last message of the peer that was stored, for ``replays``."""
        self._counts = host.counts
        self._host = host
        self._fragments: bytearray | None = None
        self._held = False
        self._limit = max(MAX_BURST, host.backlog_limit)
        self._paging = False
        self._loop = asyncio.get_running_loop()
        self._socket: Any = None
        self._transport: Any = None
        self._unanswered_ping: bytes | None = None
        self._write: Callable[[bytes], None]

    @property
    def who(self) -> Identity:
        """The identity of the user; only for a connection with a ticket."""
        if self.ticket is None:
            raise RuntimeError("a connection without a ticket has no user")
        return self.ticket.who

    @property
    def user(self) -> str:
        """The user's id, empty for a connection without a ticket."""
        return self.ticket.who.user if self.ticket else ""

    @property
    def batches_presence(self) -> bool:
        """Whether presence_change carries ``users``. Source: wire/connecting.md#rtmconnect (documented)."""
        return self.ticket is not None and self.ticket.batches_presence

    @property
    def is_slow(self) -> bool:
        """Whether the peer reads more slowly than the server writes."""
        return self.slow_since is not None

    @property
    def has_room(self) -> bool:
        """Whether everything queued was accepted by the kernel, so that the next page may be queued."""
        return not self.outbox and not self._paging and self.slow_since is None

    @property
    def queued_bytes(self) -> int:
        """Bytes queued for the peer, here and in the transport."""
        return self.outbox.size + (self._transport.get_write_buffer_size() if self._transport is not None else 0)

    def send(self, payload: bytes) -> None:
        """Queue a frame for this connection alone."""
        self._host.hub.answer(self, text_frame(payload))
        if self._held and not self.session.is_full:
            self._hold(False)

    def flush(self) -> bool:
        """Write the queued frames; return True if some of them have to wait for the next turn.

        One frame for a healthy peer is the usual case and is written without a further look.
        """
        outbox = self.outbox
        if (
            len(outbox) == 1
            and self.slow_since is None
            and not self._paging
            and not self._socket.is_close_frame_sent
            and self.ended is None
        ):
            self._write_all()
            return False
        return self._flush_otherwise()

    def _flush_otherwise(self) -> bool:
        """Flush no frame, several frames, or for a peer that is slow or closing."""
        outbox = self.outbox
        if self.ended is not None or self._paging or not outbox:
            return False
        if self._socket.is_close_frame_sent:  # by picows, which closes without a callback if a peer breaks the protocol
            self._end(self._host.clock.monotonic())
            return False
        if self.slow_since is not None or outbox.size > PAGE:
            return self._flush_backlog()
        self._write_all()
        return False

    def _write_all(self) -> None:
        outbox, counts = self.outbox, self._counts
        counts.frames_out += len(outbox)
        counts.bytes_out += outbox.size
        self._write(outbox.take_all())

    def _flush_backlog(self) -> bool:
        """Write for a peer that is slow, or a queue that is long.

        Behind a backlog the frames are written one by one: the transport then keeps references to the frames that all
        connections share, instead of a joined copy for each.
        """
        outbox, backlog = self.outbox, self._transport.get_write_buffer_size()
        if backlog + outbox.size > self._limit:
            self._host.overrun(self)
            return False
        bulk = outbox.size > BULK
        frames = outbox.take(BULK if bulk else PAGE)
        self._counts.frames_out += len(frames)
        self._counts.bytes_out += sum(map(len, frames))
        for data in frames if backlog else (b"".join(frames),):
            self._write(data)
        if bulk and outbox:
            self._paging = True
            self._loop.call_later(PAUSE, self._next_page)
            return False
        return bool(outbox)

    def end(self, code: int, reason: str, now: float) -> None:
        """Send goodbye, unless that was done, and a Close; the sweep drops the socket if the peer sends no Close.

        Frames still queued for a slow peer are dropped: it gets them when it resumes.
        """
        if self.ended is not None:
            return
        if self._socket.is_close_frame_sent:
            self._end(now)
            return
        goodbye = self.session.goodbye()
        if self.slow_since is None and not self._paging:
            # Only to a peer that reads: behind a backlog the position would claim events that were dropped.
            position = self._host.hub.last_position(self)
            if position is not None:
                self.outbox.append(position)
            if self.outbox:
                self._write_all()
        if goodbye is not None:
            self._write(text_frame(goodbye))
        self._socket.send_close(WSCloseCode(code), reason.encode())
        self._end(now)

    def refuse(self, payload: bytes, now: float) -> None:
        """Send the error event of a dead URL and close. Source: wire/connecting.md#a-refused-url (documented)."""
        if self._socket is not None:
            self.ending = "refused"
            self._write(text_frame(payload))
            self._socket.send_close(WSCloseCode.OK, b"")
            self._end(now)

    def ping(self) -> None:
        """Send a PING."""
        if self._socket is not None and self.ended is None:
            self.pinged = True
            self._socket.send_ping(b"")

    def fail(self) -> None:
        """Drop the socket because of an internal error: the peer would miss an event unless it connects again."""
        self.ending = self.ending or "failed"
        self.abort()

    def abort(self) -> None:
        """Drop the socket without a closing handshake."""
        if self._transport is not None:
            self._transport.abort()

    # picows calls the methods that follow.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Called when the upgrade is done."""
        try:
            self._socket = transport
            self._transport = transport.underlying_transport
            self._write = self._transport.write
            raw = self._transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            # asyncio calls ``pause_writing`` above this mark, which is how a slow peer is noticed.
            self._transport.set_write_buffer_limits(high=HIGH_WATER)
            self.heard = self._host.clock.monotonic()
            self._host.opened(self)
        except Exception as error:  # noqa: BLE001 - logged there
            self._host.failed(self, "it could not be opened", error)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Called with each frame."""
        try:
            self.heard = self._host.clock.monotonic()
            self.pinged = False
            kind = frame.msg_type
            if kind == TEXT and frame.fin and self._fragments is None:
                self._receive(frame.get_payload_as_bytes())
            elif kind == WSMsgType.CLOSE:
                self._peer_closed(transport, frame)
            elif self.ended is not None:
                return
            elif kind == WSMsgType.PING:
                self._pong(frame.get_payload_as_bytes())
            elif kind != WSMsgType.PONG:
                self._assemble(frame)
        except Exception as error:  # noqa: BLE001 - logged there
            self._host.failed(self, "its frame could not be handled", error)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Called when the socket is closed."""
        try:
            if self.ended is None:
                self._end(self._host.clock.monotonic())
        finally:
            self._host.closed(self)

    def pause_writing(self) -> None:
        """Called when more than ``HIGH_WATER`` bytes wait in the transport.

        Bytes that wait already may have come at once (a large batch, a replay). Only bytes from now on count against
        the backlog of a peer that does not read.
        """
        self.slow_since = self._host.clock.monotonic()
        self._limit = self._host.backlog_limit + self.queued_bytes

    def resume_writing(self) -> None:
        """Called when the peer has read the waiting bytes."""
        self.slow_since = None
        self._limit = max(MAX_BURST, self._host.backlog_limit)
        payload, self._unanswered_ping = self._unanswered_ping, None
        if payload is not None and self.ended is None:
            self._pong(payload)

    def _receive(self, data: bytes) -> None:
        self._counts.frames_in += 1
        outcome = self.session.receive(data, self.heard)
        if outcome is None:
            return
        if isinstance(outcome, Answer):  # no match statement: it costs more than many an answer
            if outcome.error is not None:
                self._counts.rtm_errors[int(outcome.error)] += 1
            self._host.hub.answer(self, text_frame(outcome.payload), first=True)
        elif isinstance(outcome, Close):
            self.ending = of_close(outcome.code)
            self.end(outcome.code, outcome.reason, self.heard)
        else:
            self._host.carry_out(self, outcome)
            if self.session.is_full and not self._held:
                self._hold(True)

    def _pong(self, payload: bytes) -> None:
        """Answer a PING. A slow peer gets one PONG, for its last PING, when it reads again, or PONGs would pile up.

        Source: RFC 6455 section 5.5.3.
        """
        if self.slow_since is None:
            self._socket.send_pong(payload)
        else:
            self._unanswered_ping = payload

    def _hold(self, held: bool) -> None:
        """Stop or resume reading: a flood of messages then waits in the kernel and not in memory."""
        self._held = held
        if not self._transport.is_closing():
            (self._transport.pause_reading if held else self._transport.resume_reading)()

    def _end(self, now: float) -> None:
        """End the connection, except for the peer's Close: release its session, outbox and place in the server."""
        self.ended = now
        if self.ending is None and not self.left and self._socket is not None and self._socket.is_close_frame_sent:
            self.ending = "protocol"  # picows sent the Close
        self.session.close()
        self.outbox.clear()
        self._fragments = None
        if self._held:
            self._hold(False)
        self._host.ended(self)

    def _assemble(self, frame: WSFrame) -> None:
        """Join the frames of a fragmented message. A binary message is read as text.

        A continuation without a first frame, or a first frame before the last continuation, is a protocol error.
        Source: RFC 6455 section 5.4.
        """
        if (frame.msg_type == WSMsgType.CONTINUATION) is (self._fragments is None):
            self.end(BROKEN_RULES, "a continuation frame out of place", self.heard)
            return
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += frame.get_payload_as_memoryview()
        if len(self._fragments) > MAX_FRAME_SIZE:
            self.ending = "too big"
            self.end(TOO_BIG, f"message over {MAX_FRAME_SIZE} bytes", self.heard)
        elif frame.fin:
            data, self._fragments = bytes(self._fragments), None
            self._receive(data)

    def _peer_closed(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.ended is None:
            self.left = True
            self._end(self.heard)
            code = frame.get_close_code()
            if code == WSCloseCode.NO_INFO:
                code = WSCloseCode.OK
            transport.send_close(code if may_be_sent(code) else WSCloseCode.PROTOCOL_ERROR, b"")
        # Both sides have sent a Close: the server closes the TCP connection first (RFC 6455, 7.1.1).
        transport.disconnect()

    def _next_page(self) -> None:
        self._paging = False
        try:
            if self.ended is None:
                self._host.hub.flush_later(self)
        except Exception as error:  # noqa: BLE001 - logged there
            self._host.failed(self, "its next page could not be written", error)
