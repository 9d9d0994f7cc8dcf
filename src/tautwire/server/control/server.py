"""The control door on its unix socket, from the start of a server to its stop."""

import hmac
from pathlib import Path
from typing import Final

import uvicorn

from tautwire.server.asgi import AsgiServer
from tautwire.server.control.door import ControlDoor
from tautwire.server.control.rendezvous import Rendezvous
from tautwire.server.services.workspace import Workspace

MAX_AT_ONCE: Final = 64
"""Connections at once; a request on a further one gets 503."""


class ControlServer:
    """Serves the control door of a data directory."""

    def __init__(self, workspace: Workspace, data: Path, secret: str) -> None:
        self._rendezvous = Rendezvous(data, secret)
        expected = secret.encode()

        def find(given: bytes) -> Workspace | None:
            return workspace if hmac.compare_digest(given, expected) else None

        self._server = AsgiServer(
            uvicorn.Config(
                ControlDoor(find),
                http="h11",  # unlike uvicorn's other protocol it limits the head of a request, to 64 KiB
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MAX_AT_ONCE,
                timeout_graceful_shutdown=3,
            )
        )

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the socket cannot be made.
        """
        listener = self._rendezvous.open()
        try:
            await self._server.start(listener)
        except BaseException:
            self._rendezvous.close()
            raise

    async def stop(self) -> None:
        """Answer the requests in progress, accept no others, and remove the socket."""
        try:
            await self._server.stop()
        finally:
            self._rendezvous.close()
