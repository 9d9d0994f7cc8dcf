"""The shell of one RTM connection: a socket, a session and an outbox. It holds no rules.

picows calls it with frames, the hub with events. What a frame means is the session's business, what a command does is
in ``commands``; the ``door`` is its host and is told when it opens, commands and closes.
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
"""Above this a queue is paged out with pauses: slack_sdk's reader recurses over what it finds in its buffer and
fails on about 500 kB without a pause. Source: wire/frames.md#the-websocket-layer (read in the SDK, measured)."""
PAUSE: Final = 0.025
SEND_BUFFER: Final = 65_536
"""SO_SNDBUF: with the kernel's default a stalled peer hides megabytes from the slow-consumer policy."""
HIGH_WATER: Final = 262_144
"""Bytes that the system has not taken, from which on a peer counts as slow."""
MAX_BURST: Final = 8 * 1_048_576
"""Bytes that may wait for a peer that is not slow: what is committed together is delivered together."""
TEXT: Final = WSMsgType.TEXT  # looked up once: members of an enum are slow to reach in Python 3.11
BROKEN_RULES: Final = 1002


def may_be_sent(code: Any) -> bool:
    """Tell whether a Close may carry this code. Source: RFC 6455 section 7.4 and IANA's list of 2026."""
    return bool(1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999)


class Host(Protocol):
    """What a connection needs of the server."""

    hub: Hub
    clock: Clock
    counts: Counts
    backlog_limit: int

    def opened(self, connection: "RtmConnection") -> None:
        """The socket is open, nothing was said yet."""

    def carry_out(self, connection: "RtmConnection", command: Command) -> None:
        """The client wants something done."""

    def overrun(self, connection: "RtmConnection") -> None:
        """More waits for the peer than may."""

    def ended(self, connection: "RtmConnection") -> None:
        """Nothing more may be sent: the closing handshake began."""

    def closed(self, connection: "RtmConnection") -> None:
        """The socket is gone."""

    def failed(self, connection: "RtmConnection", why: str, error: Exception) -> None:
        """Something of ours raised: the connection cannot go on."""


class RtmConnection(WSListener):
    """One live RTM connection.

    Args:
        number: tells connections of this process apart; never 0.
        ticket: what was agreed at rtm.connect; None if the URL was no good.
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
        """Why the server ends it, as soon as that is known; None if the peer does."""
        self.left = False
        """Whether the peer said that it closes; else the connection was lost."""
        self.sent: Sent | None = None
        """The last message of the peer that was stored."""
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
        """Whose connection this is; only for one with a ticket."""
        if self.ticket is None:
            raise RuntimeError("a connection without a ticket has no user")
        return self.ticket.who

    @property
    def user(self) -> str:
        """The user's id, empty for a connection without a ticket."""
        return self.ticket.who.user if self.ticket else ""

    @property
    def batches_presence(self) -> bool:
        """Whether it wants ``users`` in presence_change. Source: wire/connecting.md#rtmconnect (documented)."""
        return self.ticket is not None and self.ticket.batches_presence

    @property
    def is_slow(self) -> bool:
        """Whether the peer does not read as fast as we write."""
        return self.slow_since is not None

    @property
    def has_room(self) -> bool:
        """Whether the peer has taken so much that the next page may be queued."""
        return not self.outbox and not self._paging and self.slow_since is None

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the peer to read them."""
        return self.outbox.size + (self._transport.get_write_buffer_size() if self._transport is not None else 0)

    def send(self, payload: bytes) -> None:
        """Queue a frame for this connection alone."""
        self._host.hub.answer(self, text_frame(payload))
        if self._held and not self.session.is_full:
            self._hold(False)

    def flush(self) -> bool:
        """Write what is queued, in one go if possible; return True if some of it has to wait for the next turn."""
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
        """Flush several frames or none, or for a peer that is slow or leaving."""
        outbox = self.outbox
        if self.ended is not None or self._paging or not outbox:
            return False
        if self._socket.is_close_frame_sent:  # by picows, which does not tell us when a peer breaks the rules
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

        Behind a backlog the shared frames are passed on one by one, so that stalled connections hold references
        instead of copies.
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
        """Say goodbye if that was not done, close, and wait for the peer's Close until the sweep runs out of patience.

        What is still queued is dropped: whoever is ended for slowness has to ask again for what is missing.
        """
        if self.ended is not None:
            return
        if self._socket.is_close_frame_sent:
            self._end(now)
            return
        goodbye = self.session.goodbye()
        if self.slow_since is None and not self._paging:
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
        """Ask the peer whether it is there."""
        if self._socket is not None and self.ended is None:
            self.pinged = True
            self._socket.send_ping(b"")

    def fail(self) -> None:
        """Drop the socket because of a failure of ours: the peer has to come again, or it would miss something."""
        self.ending = self.ending or "failed"
        self.abort()

    def abort(self) -> None:
        """Drop the socket without another word."""
        if self._transport is not None:
            self._transport.abort()

    # What follows is called by picows.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade is done."""
        try:
            self._socket = transport
            self._transport = transport.underlying_transport
            self._write = self._transport.write
            raw = self._transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            self._transport.set_write_buffer_limits(high=HIGH_WATER)
            self.heard = self._host.clock.monotonic()
            self._host.opened(self)
        except Exception as error:  # noqa: BLE001 - logged there
            self._host.failed(self, "it could not be opened", error)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came in."""
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
        """The socket is gone."""
        try:
            if self.ended is None:
                self._end(self._host.clock.monotonic())
        finally:
            self._host.closed(self)

    def pause_writing(self) -> None:
        """The socket's buffer is full.

        What waits already may have come at once (a large batch, a replay): only what comes from now on is the backlog
        of a peer that does not read.
        """
        self.slow_since = self._host.clock.monotonic()
        self._limit = self._host.backlog_limit + self.queued_bytes

    def resume_writing(self) -> None:
        """The peer caught up."""
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
        if isinstance(outcome, Answer):  # no match: the ladder costs more than many an answer
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
        """Answer a PING: of a peer that does not read only the last one, when it reads again, or its PONGs pile up.

        Source: RFC 6455 section 5.5.3.
        """
        if self.slow_since is None:
            self._socket.send_pong(payload)
        else:
            self._unanswered_ping = payload

    def _hold(self, held: bool) -> None:
        """Stop or go on reading: a flood of messages waits in the kernel, not in our memory."""
        self._held = held
        if not self._transport.is_closing():
            (self._transport.pause_reading if held else self._transport.resume_reading)()

    def _end(self, now: float) -> None:
        """Be through with everything but the peer's Close."""
        self.ended = now
        if self.ending is None and not self.left and self._socket is not None and self._socket.is_close_frame_sent:
            self.ending = "protocol"  # picows closed
        self.session.close()
        self.outbox.clear()
        self._fragments = None
        if self._held:
            self._hold(False)
        self._host.ended(self)

    def _assemble(self, frame: WSFrame) -> None:
        """Join the parts of a fragmented frame. A binary frame is read as if it were text.

        Parts without a beginning, and a beginning between parts, break the rules. Source: RFC 6455 section 5.4.
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
        transport.disconnect()

    def _next_page(self) -> None:
        self._paging = False
        try:
            if self.ended is None:
                self._host.hub.flush_later(self)
        except Exception as error:  # noqa: BLE001 - logged there
            self._host.failed(self, "its next page could not be written", error)
