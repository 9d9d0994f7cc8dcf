"""The composition root: it builds a running server from settings. Only it knows the port, its doors and the host.

The parts of one workspace are joined in ``served``.

The command line, tests in the same process and programs that embed a workspace use ``Server``::

    async with Server(Settings(data=path, port=0)) as server:
        print(server.api_url, server.directory)
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final, Self, cast

from msgspec.structs import replace

from tautwire.protocol.errors import ConfigError
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.control.door import ControlDoor
from tautwire.server.control.openapi import PATH as CONTROL_PATH
from tautwire.server.control.openapi import control_url
from tautwire.server.counts import Counts
from tautwire.server.directory import Directory, HostFile
from tautwire.server.files.door import FilesDoor
from tautwire.server.health import Health
from tautwire.server.hooks.door import HooksDoor
from tautwire.server.host import Host, find_data
from tautwire.server.http.connections import Connections
from tautwire.server.http.descriptors import connection_limit
from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.front import Entrance
from tautwire.server.http.fronted import Fronted
from tautwire.server.http.probes import Probes
from tautwire.server.http.server import HttpServer, listen
from tautwire.server.metrics import CONTENT_TYPE, Metrics
from tautwire.server.page.control import ControlPart
from tautwire.server.page.door import PageDoor
from tautwire.server.page.link import PageLink
from tautwire.server.page.sessions import Sessions
from tautwire.server.sandboxes.sandboxes import Sandboxes
from tautwire.server.served import Content, Observer, ServedWorkspace
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.access.tickets import LINK_PATH, RTM_PATH
from tautwire.server.services.hosting import Control
from tautwire.server.services.seed import SAMPLE, Seed, read_seed
from tautwire.server.services.workspace import Workspace
from tautwire.server.sockets.handover import Handover
from tautwire.server.store.engine import StoreError
from tautwire.server.tasks import cancel, sweep_forever
from tautwire.server.traces.opening import open_tracing
from tautwire.server.web_api.app import WebApi
from tautwire.server.web_api.methods import (
    api,
    apps,
    apps_manifest,
    assistant,
    auth,
    bots,
    chat,
    chat_scheduled,
    chat_streams,
    conversations,
    conversations_changes,
    emoji,
    files,
    oauth,
    pins,
    reactions,
    retired,
    rtm,
    search,
    team,
    usergroups,
    users,
    users_profile,
    views,
)

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

log = logging.getLogger("tautwire.server")

FAMILIES: Final = (
    api, apps, apps_manifest, assistant, auth, bots, chat, chat_scheduled, chat_streams, conversations,
    conversations_changes, emoji, files, oauth, pins, reactions, retired, rtm, search, team, usergroups, users,
    users_profile, views,
)  # fmt: skip
"""Importing a family registers its methods; a large family has several modules."""


class Server:
    """Serves a workspace from ``start`` to ``stop``.

    It installs no signal handlers and no log handlers.

    Args:
        clock: the source of time; tests pass one that they can move.
        sample: the content of an empty data directory if the settings name no seed file.
        administers: whether ``tautwire user`` and the like reach it, over a socket in the data directory.
        tracer_provider: the program's own of OpenTelemetry, for traces; the setting ``traces`` makes one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        sample: Seed = SAMPLE,
        administers: bool = True,
        tracer_provider: "TracerProvider | None" = None,
    ) -> None:
        self._tracer_provider = tracer_provider
        self._administers = administers
        self.settings = settings
        self._clock = clock or Clock()
        self._sample = sample
        self._observers: list[Observer] = []
        self._parts: _Parts | None = None
        self._failure: asyncio.Future[StoreError] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return self._running.port

    @property
    def api_url(self) -> str:
        """The base URL of the Web API, with a slash at the end, as SDKs expect."""
        return self._running.api_url

    @property
    def health(self) -> Health:
        """The present faults of the server."""
        return self._running.health

    @property
    def host(self) -> Host:
        """The workspaces being served."""
        return self._running.host

    @property
    def workspace(self) -> Workspace:
        """The workspace being served, if there is one only.

        Raises:
            ConfigError: there are several; ``host`` has them.
        """
        return self._only.workspace

    async def directory(self) -> Directory:
        """Return the users and channels of the only workspace, with the tokens of seeded users."""
        return await self._running.directory(self._only)

    async def directories(self) -> dict[Path, Directory]:
        """Return the same of each workspace, by its data directory; those that callers made are left out."""
        return {served.data: await self._running.directory(served) for served in self._running.own}

    async def listen_for_front(self, socket_origin: str) -> int:
        """Listen on one more port of loopback, for a TLS front; return the port. See ``tautwire.attach``.

        Args:
            socket_origin: scheme and authority by which programs open WebSockets through the front.

        Raises:
            ConfigError: the server is not running, or no port is free.
        """
        return await self._running.listen_for_front(socket_origin)

    def observe(self, observer: Observer) -> None:
        """Call ``observer`` on the loop with the log entries of each commit, after connections have them queued."""
        self._observers.append(observer)

    async def start(self) -> None:
        """Open the data directory, seed it, and listen.

        Raises:
            StoreError: the directory is in use, damaged, or of a newer version.
            SeedError: the seed file is not valid.
            ConfigError: the address or another setting cannot be used.
        """
        if self._parts is not None:
            raise ConfigError("the server is running: call stop() before start()")
        self._failure = asyncio.get_running_loop().create_future()
        parts = _Parts(
            self.settings, self._clock, self._sample, self._observers, self._break_down, administers=self._administers,
            tracer_provider=self._tracer_provider,
        )  # fmt: skip
        try:
            await parts.start()
        except BaseException:
            await parts.stop()
            raise
        self._parts = parts
        log.info("tautwire %s serves %s on %s", version("tautwire"), self.settings.data.resolve(), self.api_url)

    async def stop(self) -> None:
        """Send goodbye to the clients, finish requests and changes in progress, and close; no effect if not running."""
        parts, self._parts = self._parts, None
        if parts is not None:
            began = monotonic()
            await parts.stop()
            log.info("stopped after %.1f s", monotonic() - began)

    async def broken(self) -> StoreError:
        """Wait until the store is broken for good; return the reason. The caller then stops the server.

        Raises:
            ConfigError: the server was never started.
        """
        if self._failure is None:
            raise ConfigError("the server is not running: call start() first")
        return await asyncio.shield(self._failure)

    def _break_down(self, failure: StoreError) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(failure)

    @property
    def _only(self) -> ServedWorkspace:
        served = self._running.own
        if len(served) != 1:
            raise ConfigError(f"the server has {len(served)} workspaces: take one of them from its host")
        return served[0]

    @property
    def _running(self) -> "_Parts":
        if self._parts is None:
            raise ConfigError("the server is not running: call start() first")
        return self._parts


class _Parts:
    """The parts of one run. ``start`` builds them in order, ``stop`` closes them in reverse order."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        sample: Seed,
        observers: Sequence[Observer],
        broken: Callable[[StoreError], None],
        *,
        administers: bool,
        tracer_provider: "TracerProvider | None",
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sample = sample
        self._observers = observers
        self.health = Health()
        self.counts = Counts()
        self._tracing = tracing = open_tracing(settings.traces, tracer_provider)
        self.host = Host(
            settings, clock=clock, health=self.health, counts=self.counts, broken=broken, administers=administers,
            tracing=tracing,
        )  # fmt: skip
        self.sandboxes: Sandboxes | None = None
        """Those that callers made; None if the control API is not served."""
        self._links: dict[str, PageLink] = {}
        """The links to the web page, by team."""
        self._exit = contextlib.AsyncExitStack()

    @property
    def own(self) -> list[ServedWorkspace]:
        """The workspaces of the data directory, without those that callers made."""
        made = self.sandboxes
        return [served for served in self.host if made is None or not made.has(served)]

    @property
    def api_url(self) -> str:
        """The base URL of the Web API."""
        return _api_url(_origin(self._settings, self.port))

    @property
    def host_control(self) -> Control | None:
        """How the operations on whole workspaces are reached; None if they are not."""
        return Control(control_url(self.api_url), self.sandboxes.secret) if self.sandboxes is not None else None

    @property
    def port(self) -> int:
        return cast("int", self._socket.getsockname()[1])

    async def directory(self, served: ServedWorkspace) -> Directory:
        """Return the users and channels of a workspace, and how it is reached."""
        link = self._links.get(served.workspace.team.id)
        page = link.url if link is not None else None
        return replace(await served.directory(self.api_url), host=self.host_control, page=page)

    async def start(self) -> None:
        settings, host = self._settings, self.host
        seed = read_seed(settings.seed) if settings.seed else None
        found = find_data(settings)
        if seed is not None and len(found) > 1:
            raise ConfigError(
                f"a seed file describes one workspace, and {settings.data} has {len(found)}: start without --seed, or "
                "name the directory of one of them with --data"
            )
        if self._tracing is not None:
            self._exit.push_async_callback(self._tracing.close)
        self._exit.push_async_callback(host.stop)
        await host.open_all(found, Content(seed, self._sample), self._observers)

        self._socket = listen(settings.host, settings.port)
        public = settings.public_url or _origin(settings, self.port)
        host.listens_at(public)
        self._exit.callback(self._socket.close)
        made_limit = settings.max_workspaces if host.is_controlled else 0
        limit = connection_limit(settings.max_connections, workspaces=made_limit)
        per_address = settings.max_connections_per_address or max(1, limit // 2)
        connections = Connections(self._clock, self.health, limit=limit, per_address=per_address, counts=self.counts)
        forwarded = Forwarded(settings.forwarded_allow_ips)
        metrics = Metrics(self.counts, self.health, host.levels, settings.data)
        probes = Probes(self.health, metrics.render, CONTENT_TYPE, settings.metrics)
        make_web_api = WebApi if self._tracing is None else self._tracing.web_api
        web_api = make_web_api(host.find, settings, self._clock, self.counts, find_client=host.find_client)
        hooks = HooksDoor(host.find_team, settings, self._clock)
        handover = Handover({RTM_PATH: host.listen, LINK_PATH: host.listen_link})
        control = page = None
        if host.is_controlled:
            logins = FailedLogins(self._clock)
            made = Sandboxes(host, settings, self._clock, self.health, _api_url(public))
            self._exit.push_async_callback(made.stop)
            self._exit.push_async_callback(host.stop)  # before: no thread of theirs may be in use
            await made.start()
            self.sandboxes = made
            self._exit.callback(HostFile(settings.data, Control(control_url(self.api_url), made.secret)).close)
            control = ControlDoor(
                host.find_controlled, hosting=made, is_host=made.is_host, logins=logins,
                has_limits=settings.rate_limits,
            )  # fmt: skip
            page = self._page(control, logins, public)
        files_door = FilesDoor(host.find_team, self._clock, has_limits=settings.rate_limits)
        entrance = Entrance(connections, forwarded, web_api, hooks, files_door, handover)
        self._entrance, self._probes = entrance, probes
        http = HttpServer(entrance, probes, control, page)
        await http.start(self._socket)
        self._exit.push_async_callback(http.stop)
        # A stop runs these in reverse: stop listening, close RTM, finish HTTP requests, commit, close the databases.
        self._exit.push_async_callback(host.close_doors)
        self._exit.callback(http.stop_listening)
        self._exit.push_async_callback(cancel, asyncio.create_task(sweep_forever(connections.sweep, host.sweep)))

    async def listen_for_front(self, socket_origin: str) -> int:
        base_url = self._settings.public_url or _origin(self._settings, self.port)
        fronted = Fronted(self._entrance, self._probes, base_url, socket_origin)
        await fronted.start()
        self._exit.push_async_callback(fronted.stop)
        return fronted.port

    def _page(self, control: ControlDoor, logins: FailedLogins, public: str) -> PageDoor | None:
        """Return the web page, with a link for each workspace that has it; None if there is no such workspace."""
        sessions = Sessions(self._clock)
        for served in self.own:
            if served.has_page:
                team = served.workspace.team.id
                self._links[team] = link = PageLink(served.data, team, public, sessions)
                self._exit.callback(link.close)
        if not self._links:
            return None

        def secret_of(team: str) -> str | None:
            served = self.host.get(team)
            return served.secret if served is not None else None

        return PageDoor(
            sessions, parts={"control": ControlPart(control, CONTROL_PATH, secret_of)},
            used=lambda team: self._links[team].renew(), port=self.port, public_url=self._settings.public_url,
            logins=logins, has_limits=self._settings.rate_limits,
        )  # fmt: skip

    async def stop(self) -> None:
        await self._exit.aclose()


def _origin(settings: Settings, port: int) -> str:
    """Return the URL of the server without a path."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{port}"


def _api_url(origin: str) -> str:
    return f"{origin}/api/"
