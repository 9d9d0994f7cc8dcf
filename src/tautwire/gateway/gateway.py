"""The composition root of a gateway: it builds a running one from settings.

The command line, tests in the same process and programs that embed a gateway use ``Gateway``::

    async with Gateway(GatewaySettings(upstream_url=…, bot_token=…, app_token=…), Settings(data=path, port=0)) as it:
        print(it.api_url, it.local_token.reveal())
"""

import asyncio
import contextlib
import logging
from importlib.metadata import version
from typing import Self, cast

from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.figures import GatewayFigures
from tautwire.gateway.relay import Relay
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.tokens import Token
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.health import Health
from tautwire.server.http.connections import Connections
from tautwire.server.http.descriptors import connection_limit
from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.front import Entrance
from tautwire.server.http.fronted import Fronted
from tautwire.server.http.probes import Probes
from tautwire.server.http.server import HttpServer, listen
from tautwire.server.metrics import CONTENT_TYPE, Metrics
from tautwire.server.services.access.tickets import RTM_PATH
from tautwire.server.sockets.handover import Handover
from tautwire.server.store.engine import StoreError
from tautwire.server.tasks import cancel, sweep_forever
from tautwire.server.web_api.app import WebApi

log = logging.getLogger("tautwire.gateway")


class Gateway:
    """Serves RTM and the Web API for one bot from ``start`` to ``stop``. It installs no signal or log handlers.

    Args:
        settings: the upstream, and what bots get.
        server: address, data directory and limits; of its other settings none has an effect.
    """

    def __init__(self, settings: GatewaySettings, server: Settings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.server = server
        self.health = Health()
        self._clock = clock or Clock()
        self._relay: Relay | None = None
        self._port = 0
        self._entrance: Entrance | None = None
        self._probes: Probes | None = None
        self._exit = contextlib.AsyncExitStack()
        self._failure: asyncio.Future[StoreError] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port on which the gateway listens."""
        return self._port

    @property
    def api_url(self) -> str:
        """The base URL of the Web API for bots, with a slash at the end."""
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        return f"http://{host}:{self.port}/api/"

    @property
    def relay(self) -> Relay:
        """The parts of the bot."""
        if self._relay is None:
            raise ConfigError("the gateway is not running: call start() first")
        return self._relay

    @property
    def local_token(self) -> Token:
        """The token that bots present."""
        return self.relay.local_token

    async def start(self) -> None:
        """Open the data directory, listen, and connect to the upstream.

        Raises:
            ConfigError: a setting or a token cannot be used.
            StoreError: the directory is in use, damaged, or of a newer version.
        """
        self._failure = asyncio.get_running_loop().create_future()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        log.info("tautwire %s relays %s on %s", version("tautwire"), self.relay.bot.name, self.api_url)

    async def stop(self) -> None:
        """Say goodbye to the bots, answer what is in progress, and close."""
        await self._exit.aclose()
        self._relay = self._entrance = self._probes = None

    async def listen_for_front(self, socket_origin: str) -> int:
        """Listen on one more port of loopback, for a TLS front; return the port. See ``tautwire.attach``.

        Args:
            socket_origin: scheme and authority by which bots open WebSockets through the front.

        Raises:
            ConfigError: the gateway is not running, or no port is free.
        """
        if self._entrance is None or self._probes is None:
            raise ConfigError("the gateway is not running: call start() first")
        base_url = self.server.public_url or self.api_url.removesuffix("/api/")
        fronted = Fronted(self._entrance, self._probes, base_url, socket_origin)
        await fronted.start()
        self._exit.push_async_callback(fronted.stop)
        return fronted.port

    async def broken(self) -> StoreError:
        """Wait until the store is broken for good; return the reason. The caller then stops the gateway."""
        if self._failure is None:
            raise ConfigError("the gateway is not running: call start() first")
        return await asyncio.shield(self._failure)

    async def _start(self) -> None:
        server, counts = self.server, Counts()
        relay = Relay(
            self.settings, server, clock=self._clock, health=self.health.of(str(server.data)), counts=counts,
            broken=self._break_down,
        )  # fmt: skip
        self._exit.push_async_callback(relay.stop)
        await relay.start()
        self._relay = relay
        await relay.connect()
        socket = listen(server.host, server.port)
        self._exit.callback(socket.close)
        self._port = cast("int", socket.getsockname()[1])
        limit = connection_limit(server.max_connections)
        per_address = server.max_connections_per_address or max(1, limit // 2)
        connections = Connections(self._clock, self.health, limit=limit, per_address=per_address, counts=counts)
        forwarded = Forwarded(server.forwarded_allow_ips)
        metrics = Metrics(counts, self.health, relay.levels, server.data, more=[GatewayFigures(relay)])
        probes = Probes(self.health, metrics.render, CONTENT_TYPE, server.metrics)
        web_api = WebApi(
            lambda _: relay.workspace, server, self._clock, counts,
            fallback=relay.proxy, methods=relay.starting.methods(),
        )  # fmt: skip
        handover = Handover({RTM_PATH: relay.door.listen})
        entrance = Entrance(connections, forwarded, web_api, None, None, handover)
        self._entrance, self._probes = entrance, probes
        http = HttpServer(entrance, probes)
        await http.start(socket)
        self._exit.push_async_callback(http.stop)
        self._exit.push_async_callback(relay.close_doors)
        self._exit.callback(http.stop_listening)
        self._exit.push_async_callback(cancel, asyncio.create_task(sweep_forever(connections.sweep, relay.sweep)))

    def _break_down(self, failure: StoreError) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(failure)
