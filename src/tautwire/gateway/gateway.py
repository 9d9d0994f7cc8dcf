"""The composition root of a gateway: it builds a running one from settings.

The command line, tests in the same process and programs that embed a gateway use ``Gateway``::

    async with Gateway(GatewaySettings(upstream_url=…, bot_token=…, app_token=…), Settings(data=path, port=0)) as it:
        print(it.api_url, it.local_token.reveal())

For several bots it takes a mapping from names to their settings, and has the parts of each in ``bots``.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Self, cast

from tautwire.gateway.bots import Bots
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.figures import GatewayFigures
from tautwire.gateway.page.checkup import Checkup
from tautwire.gateway.page.part import OWNER, GatewayPart
from tautwire.gateway.page.reporter import Reporter
from tautwire.gateway.places import make_root, places
from tautwire.gateway.proxy.downloads import Downloads
from tautwire.gateway.relay import Relay
from tautwire.gateway.tokens import BOT
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
from tautwire.server.page.door import PageDoor
from tautwire.server.page.link import PageLink
from tautwire.server.page.sessions import Sessions
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.access.tickets import LINK_PATH, RTM_PATH
from tautwire.server.sockets.handover import Handover
from tautwire.server.store.engine import StoreError
from tautwire.server.tasks import cancel, sweep_forever
from tautwire.server.traces.opening import open_tracing
from tautwire.server.web_api.app import WebApi

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

log = logging.getLogger("tautwire.gateway")


class Gateway:
    """Serves RTM and the Web API for its bots from ``start`` to ``stop``. It installs no signal or log handlers.

    Args:
        settings: the upstream and the tokens of the only bot, or of each of several by name.
        server: address, data directory, limits and traces; of its other settings none has an effect.
        page: whether the web page is served; its link is ``page``.
        tracer_provider: the program's own of OpenTelemetry, for traces; the setting ``traces`` makes one.

    Raises:
        ConfigError: the settings do not go together.
    """

    def __init__(
        self,
        settings: GatewaySettings | Mapping[str, GatewaySettings],
        server: Settings,
        *,
        page: bool = False,
        clock: Clock | None = None,
        tracer_provider: "TracerProvider | None" = None,
    ) -> None:
        self._tracer_provider = tracer_provider
        self._has_page = page
        self._link: PageLink | None = None
        self.settings = settings
        self.has_several = not isinstance(settings, GatewaySettings)
        self._places = places(settings, server)
        self.server = server
        self.health = Health()
        self._clock = clock or Clock()
        self._bots: Bots | None = None
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
    def base_url(self) -> str:
        """The address as programs and browsers reach it, without a slash at the end."""
        return self.server.public_url or self.api_url.removesuffix("/api/")

    @property
    def page(self) -> str | None:
        """The present link that opens the web page once; None if the page is not served."""
        return self._link.url if self._link is not None else None

    @property
    def bots(self) -> Bots:
        """The bots, with their parts."""
        if self._bots is None:
            raise ConfigError("the gateway is not running: call start() first")
        return self._bots

    @property
    def relay(self) -> Relay:
        """The parts of the only bot."""
        relay = self.bots.get(BOT)
        if relay is None:
            raise ConfigError("the gateway has several bots: take one of them from its bots")
        return relay

    @property
    def local_token(self) -> Token:
        """The token that programs of the only bot present."""
        return self.relay.local_tokens[BOT]

    @property
    def domain(self) -> str:
        """The domain of the workspace at the upstream, empty if the bots are of several workspaces."""
        domains = {relay.bot.team.domain for relay in self.bots}
        return domains.pop() if len(domains) == 1 else ""

    async def start(self) -> None:
        """Open the data directory, connect to the upstream, and listen. One of several bots may fail: see ``Bots``.

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
        count = f"{len(self.bots)} of {len(self._places)} bots" if self.has_several else "a bot"
        log.info("tautwire %s relays %s on %s", version("tautwire"), count, self.api_url)

    async def renew(self, settings: GatewaySettings | Mapping[str, GatewaySettings]) -> None:
        """Go on with other tokens of the upstream's apps, without a loss: see ``Relay.renew``, ``Bots.renew``.

        Other settings of a bot that is served stay as they were at the start.

        Raises:
            ConfigError: the settings do not go together, or tables of bots have come or gone altogether.
        """
        if isinstance(settings, GatewaySettings) is self.has_several:
            began, now = ("with", "has none") if self.has_several else ("without", "has some")
            raise ConfigError(f"the gateway was started {began} tables of bots, and the file {now} now: restart it")
        await self.bots.renew(places(settings, self.server))

    async def stop(self) -> None:
        """Say goodbye to the bots, answer what is in progress, and close."""
        await self._exit.aclose()
        self._bots = self._entrance = self._probes = self._link = None

    async def listen_for_front(self, socket_origin: str) -> int:
        """Listen on one more port of loopback, for a TLS front; return the port. See ``tautwire.attach``.

        Args:
            socket_origin: scheme and authority by which bots open WebSockets through the front.

        Raises:
            ConfigError: the gateway is not running, or no port is free.
        """
        if self._entrance is None or self._probes is None:
            raise ConfigError("the gateway is not running: call start() first")
        fronted = Fronted(self._entrance, self._probes, self.base_url, socket_origin)
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
        tracing = open_tracing(server.traces, self._tracer_provider)
        if tracing is not None:
            self._exit.push_async_callback(tracing.close)
        if self.has_several:
            make_root(server.data)
        socket = listen(server.host, server.port)
        self._exit.callback(socket.close)
        self._port = cast("int", socket.getsockname()[1])
        bots = Bots(
            self._places, clock=self._clock, health=self.health, counts=counts, broken=self._break_down,
            base_url=self.base_url, tracing=tracing,
        )  # fmt: skip
        self._exit.push_async_callback(bots.stop)
        await bots.open_all()
        self._bots = bots
        limit = connection_limit(server.max_connections)
        per_address = server.max_connections_per_address or max(1, limit // 2)
        connections = Connections(self._clock, self.health, limit=limit, per_address=per_address, counts=counts)
        forwarded = Forwarded(server.forwarded_allow_ips)
        metrics = Metrics(counts, self.health, bots.levels, server.data, more=[GatewayFigures(bots)])
        probes = Probes(self.health, metrics.render, CONTENT_TYPE, server.metrics)
        make_web_api = WebApi if tracing is None else tracing.web_api
        web_api = make_web_api(bots.find, server, self._clock, counts, fallback=bots, methods=bots.methods())
        handover = Handover({RTM_PATH: bots.listen, LINK_PATH: bots.listen_link})
        downloads = Downloads(bots.source, self._clock, has_limits=server.rate_limits)
        entrance = Entrance(connections, forwarded, web_api, None, downloads, handover, bots.receivers())
        self._entrance, self._probes = entrance, probes
        http = HttpServer(entrance, probes, page=self._open_page(bots) if self._has_page else None)
        await http.start(socket)
        self._exit.push_async_callback(http.stop)
        self._exit.push_async_callback(bots.close_doors)
        self._exit.callback(http.stop_listening)
        self._exit.push_async_callback(cancel, asyncio.create_task(sweep_forever(connections.sweep, bots.sweep)))

    def _open_page(self, bots: Bots) -> PageDoor:
        """Return the web page, and write its link."""
        sessions = Sessions(self._clock)
        self._link = link = PageLink(self.server.data, OWNER, self.base_url, sessions)
        self._exit.callback(link.close)
        checkup = Checkup(bots, self._clock)
        self._exit.push_async_callback(checkup.stop)
        return PageDoor(
            sessions, parts={"gateway": GatewayPart(Reporter(bots, self.health, self._clock), checkup)},
            used=lambda _: link.renew(), port=self.port, public_url=self.server.public_url,
            logins=FailedLogins(self._clock), has_limits=self.server.rate_limits,
        )  # fmt: skip

    def _break_down(self, failure: StoreError) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(failure)
