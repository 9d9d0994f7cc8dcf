"""One RTM connection between a client and the server, where a test does what it likes to the client's side."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from tautwire.server.faults.frames import nature_of
from tautwire.testing.plan import Plan, Upgrade
from tautwire.testing.websocket import CLOSE, CONTINUATION, PING, TEXT, Frame, FrameReader, frame_bytes

CLOSE_PATIENCE: Final = 1.0
"""Seconds that a client has to answer a Close frame before the socket ends all the same."""


class Link:
    """One RTM connection as the front sees it. What is done to it happens to the client's side."""

    def __init__(
        self,
        plan: Callable[[], Plan],
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
        loop: asyncio.AbstractEventLoop,
        kind: Upgrade | None,
        user: str,
        framed: Callable[["Link", bytes], None],
    ) -> None:
        self.user = user
        """The name of whose connection it is; empty if the front does not know."""
        self.is_welcome = False
        """Whether hello was passed on."""
        self.is_closed = False
        self.sent: list[bytes] = []
        """The text frames that the client sent."""
        self.close_code: int | None = None
        """What the client's Close frame says (1005: nothing); None before there is one."""
        self._plan = plan
        self._client = client
        self._server = server
        self._loop = loop
        self._kind = kind
        self._framed = framed
        self._is_silent = kind == "no_hello"
        self._is_over = False
        self._held: bytearray | None = None

    # -- endings --------------------------------------------------------------------------------------------

    def fin(self) -> None:
        """End with a TCP FIN and no Close frame."""
        self._do(self._client.close)

    def rst(self) -> None:
        """End with a TCP RST."""
        self._do(self._reset)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a Close frame, wait a moment for the client's, and end, as a server does."""
        self._do(self._end, frame_bytes(CLOSE, code.to_bytes(2) + reason.encode()))

    def silence(self) -> None:
        """Go half-open: the socket stays, nothing is answered or delivered any more."""
        self._do(setattr, self, "_is_silent", True)

    # -- frames ---------------------------------------------------------------------------------------------

    def inject(self, text: str) -> None:
        """Send the client a text frame that the server did not send."""
        self._do(self._write, frame_bytes(TEXT, text.encode()))

    def goodbye(self) -> None:
        """Announce the end, as the server does before maintenance."""
        self.inject('{"type":"goodbye"}')

    def migration(self) -> None:
        """Announce that the workspace moves, and end the socket, as documented."""
        self.inject('{"type":"team_migration_started"}')
        self._do(self._client.close)

    def raw(self, data: bytes) -> None:
        """Send the client these bytes, whatever they are: garbage, half a frame, bad UTF-8 in a frame."""
        self._do(self._write, data)

    def half_frame(self, text: str, pause: float) -> None:
        """Send a text frame in two halves with a pause between them; what the server says comes behind it."""
        self._do(self._halve, frame_bytes(TEXT, text.encode()), pause)

    def fragments(self, text: str, parts: int = 3) -> None:
        """Send a text message in several WebSocket fragments, with a PING between them, as is allowed."""
        data = text.encode()
        size = max(1, -(-len(data) // parts))
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        frames = [
            frame_bytes(TEXT if number == 0 else CONTINUATION, piece, final=number == len(pieces) - 1)
            for number, piece in enumerate(pieces)
        ]
        self.raw(frame_bytes(PING, b"between").join(frames))

    # -- on the server's loop -------------------------------------------------------------------------------

    async def relay(self, from_client: asyncio.StreamReader, from_server: asyncio.StreamReader) -> None:
        """Pass everything on until one side ends."""
        up = asyncio.create_task(self._relay_up(from_client))
        down = asyncio.create_task(self._relay_down(from_server))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _relay_up(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader()
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                if frame.opcode == TEXT:
                    self.sent.append(frame.payload)
                    self._framed(self, frame.payload)
                elif frame.opcode == CLOSE:
                    self.close_code = int.from_bytes(frame.payload[:2]) or 1005
            if not self._is_silent:
                self._server.write(data)

    async def _relay_down(self, reader: asyncio.StreamReader) -> None:
        self._write_unless_silent(await reader.readuntil(b"\r\n\r\n"), even_if_silent=self._kind == "no_hello")
        frames = FrameReader()
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                if not await self._pass_on(frame):
                    return

    async def _pass_on(self, frame: Frame) -> bool:
        """Send one of the server's frames to the client, as the plan wants it; return whether to go on."""
        book = self._plan().book
        slow = book.take(("slow",))
        if slow is not None:
            await asyncio.sleep(slow.seconds)
        nature = nature_of(frame.payload) if frame.opcode == TEXT else ""
        if nature == "ack" and book.take(("lost_ack",)) is not None:
            return True
        late = book.take(("late_ack",)) if nature == "ack" else None
        if late is not None:
            self._loop.call_later(late.seconds, self._write_unless_silent, frame.raw)
            return True
        self._write_unless_silent(frame.raw)
        if nature == "event" and book.take(("repeated_event",)) is not None:
            self._write_unless_silent(frame.raw)
        if frame.payload.startswith(b'{"type":"hello"'):
            self.is_welcome = not self._is_silent
            self._framed(self, frame.payload)
            return self._kind != "drop"
        return True

    def _write_unless_silent(self, data: bytes, *, even_if_silent: bool = False) -> None:
        if (not self._is_silent or even_if_silent) and not self._is_over:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
        elif not self._client.transport.is_closing():
            self._client.write(data)

    def _halve(self, data: bytes, pause: float) -> None:
        half = len(data) // 2
        self._write(data[:half])
        if self._held is None:
            self._held = bytearray()
            self._loop.call_later(pause, self._release)
        self._held += data[half:]

    def _release(self) -> None:
        held, self._held = self._held, None
        self._write(bytes(held or b""))

    def _end(self, close_frame: bytes) -> None:
        self._write(close_frame)
        self._is_over = True
        self._loop.call_later(CLOSE_PATIENCE, self._client.close)

    def _reset(self) -> None:
        raw = self._client.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._client.transport.abort()

    def _do(self, function: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)
