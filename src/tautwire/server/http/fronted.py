"""A second listening socket, on loopback, for a front that speaks TLS for other host names; see ``tautwire.attach``.

The front passes on bytes and adds no headers, so the address of the client is not known here: headers that name one
come from the client itself and do not count, and the front has the limits of its connections.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, cast

from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.front import Entrance
from tautwire.server.http.probes import Probes
from tautwire.server.http.server import HttpServer, listen

LOOPBACK: Final = "127.0.0.1"


class _Unknown(Forwarded):
    """The origin of all requests: HTTPS, from an address that is not known."""

    def __init__(self) -> None:
        super().__init__("*")

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        return ""

    def origin(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str]:
        return "https", ""


class Fronted:
    """Serves the connections of a front.

    Args:
        entrance: the parts of the server's own connections.
        base_url: scheme and authority of the server for all but WebSockets.
        socket_origin: scheme and authority by which callers of the front open WebSockets.

    Raises:
        ConfigError: no port is free.
    """

    def __init__(self, entrance: Entrance, probes: Probes, base_url: str, socket_origin: str) -> None:
        self._socket = listen(LOOPBACK, 0)
        self.port: int = cast("int", self._socket.getsockname()[1])
        door = entrance.web_api.reached_as(base_url, socket_origin)
        entrance = replace(entrance, web_api=door, forwarded=_Unknown())
        self._http = HttpServer(entrance, probes._replace(metrics="off"))

    async def start(self) -> None:
        """Accept connections."""
        await self._http.start(self._socket)

    async def stop(self) -> None:
        """Accept no more connections, and finish the requests in progress; open WebSockets stay."""
        self._http.stop_listening()
        await self._http.stop()
        self._socket.close()
