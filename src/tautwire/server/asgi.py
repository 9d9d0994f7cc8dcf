"""Uvicorn on our loop, for the public HTTP server and for the control door.

Uvicorn is written to own the process: it installs signal handlers and runs the loop. Here it is a part among others, so
its subclass installs no handlers, starts on a given socket, and stops when ``stop`` is called.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn

log = logging.getLogger("tautwire.server.http")

SHUTDOWN_INTERVAL: Final = 0.002
"""Seconds between two looks whether all requests have ended."""

OF_PAGE: Final = "tautwire.page"
"""A key in the scope of requests that the web page makes with its session; programs cannot put it there."""


class AsgiServer(uvicorn.Server):
    """Serves an ASGI application on listening sockets until ``stop``."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ready = asyncio.Event()
        self._exit = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, as uvicorn does, and set what ``start`` waits for."""
        await super().startup(sockets=sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        """Refresh the Date header once a second, and end at once on ``stop``: uvicorn's own loop polls ten times."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._exit.wait()

    async def start(self, listener: socket.socket) -> None:
        """Serve the connections of a listening socket."""
        self._task = asyncio.create_task(self.serve(sockets=[listener]))
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the caller is cancelled, and cannot stop a server that has not started
            # Older versions of uvicorn go on listening if they are stopped while they start.
            await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
            await self.stop()
            raise
        finally:
            ready.cancel()
        if self._task.done():
            await self._task

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests end that were begun, as uvicorn does; but uvicorn looks every 0.1 s, and sleeps once anyway."""
        self.stop_listening()
        for listener in sockets or []:
            listener.close()
        state = self.server_state
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                    await asyncio.sleep(SHUTDOWN_INTERVAL)
                for server in self.servers:
                    await server.wait_closed()
        except TimeoutError:
            log.warning("requests that did not end are cancelled: %d", len(state.tasks))
            for task in state.tasks:
                task.cancel()

    def stop_listening(self) -> None:
        """Accept no new connections, and no new requests on open ones."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    async def stop(self) -> None:
        """Finish the requests in progress, and end."""
        self.should_exit = True
        self._exit.set()
        if self._task is not None:
            await self._task
