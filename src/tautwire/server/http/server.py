"""The public HTTP server: uvicorn accepts connections, makes a ``Front`` for each, and runs the application."""

import socket
from typing import Any, Final, cast

import uvicorn

from tautwire.protocol.errors import ConfigError
from tautwire.server.asgi import AsgiServer
from tautwire.server.control.door import ControlDoor
from tautwire.server.http.application import Application
from tautwire.server.http.connections import PATIENCE, Connections, Phase
from tautwire.server.http.front import Entrance, front_factory
from tautwire.server.http.probes import Probes
from tautwire.server.http.websocket import WebSocket
from tautwire.server.page.door import PageDoor

BACKLOG: Final = 4_096
"""Connections that may wait to be accepted: in a reconnect storm thousands arrive in a second."""


class HttpServer:
    """The HTTP server of a workspace. It installs no signal handlers."""

    def __init__(
        self, entrance: Entrance, probes: Probes, control: ControlDoor | None = None, page: PageDoor | None = None
    ) -> None:
        application = Application(
            entrance.web_api, entrance.hooks, entrance.files, entrance.forwarded, probes, control, entrance.more, page
        )
        self.connections: Connections = entrance.connections
        self._uvicorn = AsgiServer(_config(application, entrance))

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
