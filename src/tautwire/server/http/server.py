"""Uvicorn on our loop: it accepts connections, makes a ``Front`` for each, and runs the application.

Uvicorn is written to own the process: it installs signal handlers and runs the loop. Here it is a part among others, so
its subclass installs no handlers, starts on a given socket, and stops when ``stop`` is called.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any, Final, cast

import uvicorn

from tautwire.protocol.errors import ConfigError
from tautwire.server.http.application import Application
from tautwire.server.http.connections import PATIENCE, Connections, Phase
from tautwire.server.http.front import Entrance, front_factory
from tautwire.server.http.probes import Probes
from tautwire.server.http.websocket import WebSocket

log = logging.getLogger("tautwire.server.http")

BACKLOG: Final = 4_096
"""Connections that may wait to be accepted: in a reconnect storm thousands arrive in a second."""
SHUTDOWN_INTERVAL: Final = 0.002
"""Seconds between two looks whether all requests have ended."""


class HttpServer:
    """The HTTP server of a workspace. It installs no signal handlers."""

    def __init__(self, entrance: Entrance, probes: Probes) -> None:
        application = Application(entrance.web_api, entrance.forwarded, probes)
        self.connections: Connections = entrance.connections
        self._uvicorn = _Uvicorn(_config(application, entrance))

    async def start(self, listener: socket.socket) -> None:
        """Serve the connections of a listening socket."""
        await self._uvicorn.start(listener)

    def stop_listening(self) -> None:
        """Accept no new connections, and no new requests on open ones: rtm.connect would return a URL of no use."""
        self._uvicorn.stop_listening()

    async def stop(self) -> None:
        """Finish the requests in progress, and stop uvicorn."""
        await self._uvicorn.stop()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; "
            "choose another with --host and --port (port 0 takes a free one)"
        ) from error


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ready = asyncio.Event()
        self._exit = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        """Refresh the Date header once a second, and end at once on ``stop``: uvicorn's own loop polls ten times."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._exit.wait(), 1.0)

    async def start(self, listener: socket.socket) -> None:
        self._task = asyncio.create_task(self.serve(sockets=[listener]))
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
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
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    async def stop(self) -> None:
        self.should_exit = True
        self._exit.set()
        if self._task is not None:
            await self._task


def _config(application: Application, entrance: Entrance) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=cast("Any", front_factory(entrance)),
        ws=cast("Any", WebSocket),  # uvicorn only checks that it is set: Front and HttpProtocol make the protocol
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # Forwarded applies them, in the front as well
        backlog=BACKLOG,
        server_header=False,
        timeout_keep_alive=int(PATIENCE[Phase.IDLE]),
        timeout_graceful_shutdown=3,
    )
