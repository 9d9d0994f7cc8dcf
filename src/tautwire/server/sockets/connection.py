"""The shell of one server WebSocket: a socket and an outbox. It holds no rules; a door's subclass knows its messages.

picows calls it with frames, the flusher when there is something to write. It joins fragments, answers PING and Close,
writes in pages, and notices a peer that does not read. The ``Host``, which is the door, gets the calls of its life.

Theory. Three limits keep a peer that does not read from filling memory. The kernel's send buffer is small
(``SEND_BUFFER``), so a stall shows early. From ``HIGH_WATER`` bytes that the kernel did not accept, the peer is *slow*:
it gets no whispers, and after ``slow_deadline`` seconds it is closed. And what may wait for it is bounded in bytes. A
closed client comes back and gets what it missed from the log, so nothing is lost, and the other connections never wait.

Words: ``end`` is an orderly Close, ``abort`` drops the socket; the host is called: ``ended``, at last ``closed``.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, ClassVar, Final

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from tautwire.server.sockets.endings import BROKEN_RULES, TOO_BIG, TOO_SLOW, Ending, may_be_sent
from tautwire.server.sockets.frames import text_frame
from tautwire.server.sockets.host import Host
from tautwire.session.outbox import Outbox

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


class SocketConnection(WSListener):
    """One live WebSocket of a door.

    A subclass overrides ``receive``, and where it needs to ``goodbye``, ``queue_last``, ``is_full`` and ``user``.

    Args:
        number: unique among the connections of this process; never 0.
    """

    __slots__ = (
        "_flusher",
        "_fragments",
        "_held",
        "_host",
        "_is_pinged",
        "_limit",
        "_loop",
        "_paging",
        "_probe",
        "_socket",
        "_traffic",
        "_transport",
        "_unanswered_ping",
        "_write",
        "ended",
        "ending",
        "heard",
        "is_mute",
        "left",
        "number",
        "opened",
        "outbox",
        "pinged",
        "program",
        "round_trip",
        "slow_since",
    )

    max_message: ClassVar[int] = 65_536
    """Bytes of a fragmented message from the peer. One frame is bounded by the HTTP room, where picows is set up."""

    def __init__(self, number: int, host: Host) -> None:
        self.number = number
        self.outbox = Outbox()
        self.heard = 0.0
        """The time of the peer's last frame."""
        self.pinged = 0.0
        """The time of the last PING to the peer."""
        self.opened = 0.0
        """When the socket was upgraded."""
        self.program = ""
        """What the peer calls itself (User-Agent), cut; empty if it does not say it."""
        self.round_trip: float | None = None
        """Seconds from the last PING to its PONG; None before the first."""
        self.slow_since: float | None = None
        self.ended: float | None = None
        self.ending: Ending | None = None
        """The server's reason to close; None while there is none, and if the peer closes."""
        self.left = False
        """Whether the peer sent a Close frame; a connection that ends without one is lost."""
        self.is_mute = False
        """Whether the server neither reads nor writes, as the fault ``half_open`` wants it."""
        self._host = host
        self._flusher = host.flusher
        self._traffic = host.traffic
        self._fragments: bytearray | None = None
        self._held = False
        self._is_pinged = False
        self._limit = max(MAX_BURST, host.backlog_limit)
        self._paging = False
        self._probe = host.probe
        self._loop = asyncio.get_running_loop()
        self._socket: Any = None
        self._transport: Any = None
        self._unanswered_ping: bytes | None = None
        self._write: Callable[[bytes], None]

    # A door's class overrides the members that follow.

    @property
    def user(self) -> str:
        """The id of the user or app it belongs to, for the log; empty if that is unknown."""
        return ""

    @property
    def is_full(self) -> bool:
        """Whether so many messages of the peer wait for an answer that it should not be read for a while."""
        return False

    def receive(self, data: bytes) -> None:
        """Take one complete message of the peer; not called after the end."""
        raise NotImplementedError

    def goodbye(self) -> bytes | None:
        """Return the payload that announces the end, once; None if there is none, or the peer had it before."""
        return None

    def queue_last(self) -> None:
        """Queue what belongs behind everything the peer got; called before goodbye and Close, if the peer reads."""

    # The door calls the members that follow.

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

    @property
    def address(self) -> str:
        """The address of the peer, or of the proxy before it, with its port; empty if that is unknown."""
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""

    def send(self, payload: bytes) -> None:
        """Queue a frame for this connection alone."""
        self._flusher.answer(self, text_frame(payload))
        if self._held and not self.is_full and not self.is_mute:
            self.hold(False)

    def hold(self, held: bool) -> None:
        """Stop or resume reading: a flood of messages then waits in the kernel and not in memory."""
        self._held = held
        if not self._transport.is_closing():
            (self._transport.pause_reading if held else self._transport.resume_reading)()

    def mute(self) -> None:
        """Read and write nothing from now on, with the socket open; the sweep drops it as one that is silent."""
        self.is_mute = True
        self.hold(True)

    def reset(self, linger: bytes) -> None:
        """Drop the socket with a TCP RST, as the value of SO_LINGER makes it."""
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.abort()

    def write_late(self, frame: bytes) -> None:
        """Write a frame that the probe held back, unless the connection has ended."""
        if self.ended is None and not self.is_mute and not self._socket.is_close_frame_sent:
            self._write_counted([frame])

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
        outbox, traffic = self.outbox, self._traffic
        if self._probe is not None:
            self._write_counted(self._passed(outbox.take(outbox.size)))
            return
        traffic.frames_out += len(outbox)
        traffic.bytes_out += outbox.size
        self._write(outbox.take_all())

    def _write_counted(self, frames: list[bytes]) -> None:
        self._traffic.frames_out += len(frames)
        self._traffic.bytes_out += sum(map(len, frames))
        self._write(b"".join(frames))

    def _passed(self, frames: list[bytes]) -> list[bytes]:
        """Return the frames that the probe lets pass."""
        if self._probe is None:
            return frames
        return [] if self.is_mute else self._probe.sending(self, frames)

    def _flush_backlog(self) -> bool:
        """Write for a peer that is slow, or a queue that is long.

        Behind a backlog the frames are written one by one: the transport then keeps references to the frames that all
        connections share, instead of a joined copy for each.
        """
        outbox, backlog = self.outbox, self._transport.get_write_buffer_size()
        if backlog + outbox.size > self._limit:
            self.ending = "backlog"
            self.end(TOO_SLOW, "too slow", self._host.clock.monotonic())
            return False
        bulk = outbox.size > BULK
        frames = self._passed(outbox.take(BULK if bulk else PAGE))
        self._traffic.frames_out += len(frames)
        self._traffic.bytes_out += sum(map(len, frames))
        for data in frames if backlog else (b"".join(frames),):
            self._write(data)
        if bulk and outbox:
            self._paging = True
            self._loop.call_later(PAUSE, self._next_page)
            return False
        return bool(outbox)

    def end(self, code: int, reason: str, now: float) -> None:
        """Send goodbye, unless that was done, and a Close; the sweep drops the socket if the peer sends no Close.

        Frames still queued for a slow peer are dropped: it gets them when it comes back.
        """
        if self.ended is not None:
            return
        if self._socket.is_close_frame_sent:
            self._end(now)
            return
        goodbye = self.goodbye()
        if self.slow_since is None and not self._paging:
            self.queue_last()
            if self.outbox:
                self._write_all()
        if goodbye is not None:
            self._write(b"".join(self._passed([text_frame(goodbye)])))
        self._socket.send_close(WSCloseCode(code), reason.encode())
        self._end(now)

    def refuse(self, payload: bytes, now: float) -> None:
        """Send one payload, which says why the URL is not valid, and close."""
        if self._socket is not None:
            self.ending = "refused"
            self._write(b"".join(self._passed([text_frame(payload)])))
            self._socket.send_close(WSCloseCode.OK, b"")
            self._end(now)

    def ping(self, now: float) -> None:
        """Send a PING."""
        if self._socket is not None and self.ended is None and not self.is_mute:
            self.pinged = now
            self._is_pinged = True
            self._socket.send_ping(b"")

    def fail(self) -> None:
        """Drop the socket because of an internal error: the peer would miss a frame unless it connects again."""
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
            self.heard = self.pinged = self.opened = self._host.clock.monotonic()
            if self._probe is not None:
                self._probe.opened(self)
            self._host.opened(self)
            self._loop.call_soon(self._loop.call_soon, self._end_opening)
        except Exception as error:  # noqa: BLE001 - logged there
            self._host.failed(self, "it could not be opened", error)

    def _end_opening(self) -> None:
        """Write to the socket from now on: during the opening the HTTP room holds what is written (``websocket``).

        This runs after the first frame. Every delivery is a write, so one call less counts.
        """
        self._write = self._transport.write

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Called with each frame."""
        try:
            self.heard = self._host.clock.monotonic()
            kind = frame.msg_type
            if kind == TEXT and frame.fin and self._fragments is None and self.ended is None:
                self._traffic.frames_in += 1
                data = frame.get_payload_as_bytes()
                if self._probe is None or self._probe.received(self, data):
                    self.receive(data)
            elif kind == WSMsgType.CLOSE:
                self._peer_closed(transport, frame)
            elif self.ended is not None:
                return
            elif kind == WSMsgType.PING:
                self._pong(frame.get_payload_as_bytes())
            elif kind != WSMsgType.PONG:
                self._assemble(frame)
            elif self._is_pinged:
                self._is_pinged = False
                self.round_trip = self.heard - self.pinged
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

    def _pong(self, payload: bytes) -> None:
        """Answer a PING. A slow peer gets one PONG, for its last PING, when it reads again, or PONGs would pile up.

        Source: RFC 6455 section 5.5.3.
        """
        if self.slow_since is None:
            self._socket.send_pong(payload)
        else:
            self._unanswered_ping = payload

    def _end(self, now: float) -> None:
        """End the connection, except for the peer's Close: release its outbox and its place in the server."""
        self.ended = now
        if self.ending is None and not self.left and self._socket is not None and self._socket.is_close_frame_sent:
            self.ending = "protocol"  # picows sent the Close
        self.outbox.clear()
        self._fragments = None
        if self._held:
            self.hold(False)
        if self._probe is not None:
            self._probe.ended(self)
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
        if len(self._fragments) > self.max_message:
            self.ending = "too big"
            self.end(TOO_BIG, f"message over {self.max_message} bytes", self.heard)
        elif frame.fin:
            data, self._fragments = bytes(self._fragments), None
            self._traffic.frames_in += 1
            if self._probe is None or self._probe.received(self, data):
                self.receive(data)

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
                self._flusher.flush_later(self)
        except Exception as error:  # noqa: BLE001 - logged there
            self._host.failed(self, "its next page could not be written", error)
