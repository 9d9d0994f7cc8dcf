"""How a WebSocket leaves the HTTP server: uvicorn reads the upgrade request, picows gets the socket.

This is the only module that knows both libraries' insides: uvicorn's ``ws=`` protocol class (documented) and the
constructor of picows' ``WSProtocol`` (not documented, therefore pinned below 2.4 and held by a contract test).
Why one port and why picows: docs/adr/0001-libraries.md.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Final, cast

from picows import WSAutoPingStrategy, WSListener, WSUpgradeRequest
from picows.picows import WSProtocol  # type: ignore[attr-defined]

MAX_MESSAGE: Final = 65_536
"""Bytes of one WebSocket frame; above it picows closes. The session's own limit is 16 kB."""
READ_BUFFER: Final = 2_048
HANDSHAKE_TIMEOUT: Final = 10.0

_CONNECTION: Final = re.compile(rb"\r\nconnection:[^\r\n]*", re.IGNORECASE)

ListenerFactory = Callable[[WSUpgradeRequest], WSListener | None]


class _QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """picows logs request lines, which hold tickets, and makes a logger per connection out of a plain one."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name is logging's
        return level >= logging.ERROR

    def error(self, msg: object, *args: object, **options: Any) -> None:
        """Log an error of ours; that a peer broke the rules of WebSocket is none."""
        level = logging.INFO if str(msg).startswith("WS parser error") else logging.ERROR
        self.logger.log(level, msg, *args, **options)


_quiet: Final = _QuietLogger(logging.getLogger("tautwire.server.rtm.socket"), {})


class Handover(asyncio.Protocol):
    """Uvicorn makes one for each upgrade; it passes the request on to picows and steps aside.

    Args:
        listener: makes the listener for a request, None for 404.
    """

    def __init__(self, listener: ListenerFactory, **_: Any) -> None:
        self._protocol = WSProtocol(
            None, None, False, listener, _quiet, True, HANDSHAKE_TIMEOUT,
            False, 10.0, 10.0, WSAutoPingStrategy.PING_WHEN_IDLE, False,
            MAX_MESSAGE, None, READ_BUFFER,
        )  # fmt: skip
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket over from uvicorn."""
        self._transport = cast("asyncio.Transport", transport)
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Replay the upgrade request that uvicorn has read.

        Browsers and proxies write more than ``Upgrade`` into the Connection header, which uvicorn understands and
        picows does not. Uvicorn installs this object as the protocol when this call returns, so picows takes its place
        a turn later.
        """
        rest = memoryview(_CONNECTION.sub(b"\r\nConnection: Upgrade", data))
        while rest:  # the read buffer starts small and grows as it fills
            buffer = self._protocol.get_buffer(len(rest))
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            rest = rest[size:]
            self._protocol.buffer_updated(size)
        asyncio.get_running_loop().call_soon(self._step_aside)

    def pause_writing(self) -> None:
        """Pass on what the first writes may cause before the change of protocol."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on the end of it."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on a loss between the upgrade and the change of protocol."""
        self._protocol.connection_lost(exc)

    def _step_aside(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.set_protocol(self._protocol)
