"""The composition root: it builds a running server from settings. Only this module knows all concrete parts.

The command line, tests in the same process and programs that embed a workspace use ``Server``::

    async with Server(Settings(data=path, port=0)) as server:
        print(server.api_url, server.directory)
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from time import monotonic
from typing import Final, Self, cast

from tautwire.protocol.errors import ConfigError
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.control.server import ControlServer
from tautwire.server.counts import Counts
from tautwire.server.directory import Directory, TokenFile, is_loopback, read_directory
from tautwire.server.health import Health
from tautwire.server.http.connections import Connections
from tautwire.server.http.descriptors import connection_limit
from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.front import Entrance
from tautwire.server.http.probes import Probes
from tautwire.server.http.server import HttpServer, listen
from tautwire.server.hub.hub import Hub
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.epochs import Epochs, begin_epoch, read_epochs
from tautwire.server.log.feed import Feed
from tautwire.server.log.retention import Retention
from tautwire.server.log.tail import Tail, read_page
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.metrics import CONTENT_TYPE, Levels, Metrics
from tautwire.server.rtm.backend_workspace import WorkspaceBackend
from tautwire.server.rtm.door import Door
from tautwire.server.services.administration.team import read_team
from tautwire.server.services.identity import Identities
from tautwire.server.services.seed import SAMPLE, Seed, plant, read_seed
from tautwire.server.services.tickets import RTM_PATH
from tautwire.server.services.workspace import Team, Workspace
from tautwire.server.sockets.handover import Handover
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.log import find_oldest
from tautwire.server.store.membership import find_all_memberships
from tautwire.server.store.reader import Reader
from tautwire.server.store.tokens import has_tokens
from tautwire.server.store.users import find_away_users, find_bot_users
from tautwire.server.store.workspace import find_workspace
from tautwire.server.watch import Watch
from tautwire.server.web_api import api, auth, bots, chat, conversations, reactions, rtm, users
from tautwire.server.web_api.app import WebApi

log = logging.getLogger("tautwire.server")

FAMILIES: Final = (api, auth, bots, chat, conversations, reactions, rtm, users)
"""Importing a family registers its methods."""

Observer = Callable[[Sequence[Entry]], None]

SWEEP_INTERVAL: Final = 1.0
"""Seconds between two sweeps of connections, presence and positions."""

STOP_PATIENCE: Final = 7.0
"""Seconds of a stop if the disk does not answer: supervisors kill a process after ten."""
MIN_WRITER_PATIENCE: Final = 1.0
"""Seconds of these that the writer gets at least, however long the connections took to close."""


class Server:
    """Serves a workspace from ``start`` to ``stop``.

    It installs no signal handlers and no log handlers.

    Args:
        clock: the source of time; tests pass one that they can move.
        sample: the content of an empty data directory if the settings name no seed file.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None, sample: Seed = SAMPLE) -> None:
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
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self.port}/api/"

    @property
    def health(self) -> Health:
        """The present faults of the server."""
        return self._running.health

    @property
    def workspace(self) -> Workspace:
        """The workspace being served."""
        return self._running.workspace

    async def directory(self) -> Directory:
        """Return the users and channels of the workspace, with the tokens of seeded users."""
        tokens = TokenFile(self.settings.data).read()
        return await self.workspace.reader.read(lambda query: read_directory(query, self.api_url, tokens))

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
        parts = _Parts(self.settings, self._clock, self._sample, self._observers, self._break_down)
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
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sample = sample
        self._observers = observers
        self._broken = broken
        self.health = Health()
        self.counts = Counts()
        self._exit = contextlib.AsyncExitStack()
        self._stop_by = 0.0

    @property
    def port(self) -> int:
        return cast("int", self._socket.getsockname()[1])

    async def start(self) -> None:
        settings = self._settings
        seed = read_seed(settings.seed) if settings.seed else None
        engine = open_engine(settings.data, settings.database)
        self._exit.callback(engine.close)
        reader = Reader(engine)
        self._exit.callback(reader.close)
        writer = Writer(
            engine, clock=self._clock, durability=settings.durability, health=self.health, counts=self.counts,
            broken=self._broken,
        )  # fmt: skip
        self._exit.push_async_callback(self._close_writer, writer)

        is_new = await reader.read(find_workspace) is None
        tokens = TokenFile(settings.data)
        if is_new and tokens.exists:
            _refuse_or_begin_anew(tokens, settings)
        if seed is not None or is_new:

            def fill(tx: Transaction) -> None:
                # The file first: after a crash in between, a token of which only the hash is stored would be lost.
                planted = plant(tx, seed or self._sample, "seed" if seed else "sample")
                if planted:
                    tokens.add(planted)

            await writer.write(fill)
        # Before the state is read and before any client connects: positions of this run belong to this epoch.
        await writer.write(begin_epoch)
        identities = Identities(self._clock)

        def read(query: Query) -> _State:
            identities.load(query)
            return _read_state(query)

        state = await reader.read(read)
        if state.has_sample_tokens and not is_loopback(settings.host):
            raise ConfigError(
                f"this is the sample workspace, and {settings.host} can be reached from outside: "
                "bind to 127.0.0.1, or describe your own workspace in a file and start with --seed FILE --data NEWDIR"
            )
        tail = Tail(state.head, state.kept_from)
        hub = Hub(state.channels, state.epochs)
        # From here on every entry of the log reaches its readers; the state above has those before.
        feed = Feed(tail, lambda after, before: reader.read(partial(read_page, after=after, before=before)))
        self._exit.push_async_callback(feed.stop)
        self.workspace = Workspace(
            state.team, settings, clock=self._clock, writer=writer, reader=reader, identities=identities, tail=tail,
            epochs=state.epochs, hub=hub, counts=self.counts, away=state.away, bots=state.bots,
        )  # fmt: skip
        door = Door(
            WorkspaceBackend(self.workspace), hub=hub, tickets=self.workspace.tickets, settings=settings,
            clock=self._clock, counts=self.counts,
        )  # fmt: skip
        identities.on_refusal(partial(door.close_where, identities.refuses))
        # Identities before the hub: a connection that has to be closed gets nothing of the same commit.
        for tap in (identities.follow, self.workspace.follow, hub.deliver, *self._observers):
            feed.add(tap)
        writer.deliver_to(feed.deliver)
        web_api = WebApi(self.workspace)

        self._socket = listen(settings.host, settings.port)
        self._exit.callback(self._socket.close)
        limit = connection_limit(settings.max_connections)
        per_address = settings.max_connections_per_address or max(1, limit // 2)
        connections = Connections(self._clock, self.health, limit=limit, per_address=per_address, counts=self.counts)
        forwarded = Forwarded(settings.forwarded_allow_ips)
        metrics = Metrics(self.counts, self.health, partial(_levels, self.workspace, door), settings.data)
        probes = Probes(self.health, metrics.render, CONTENT_TYPE, settings.metrics)
        http = HttpServer(Entrance(connections, forwarded, web_api, Handover({RTM_PATH: door.listen})), probes)
        await http.start(self._socket)
        self._exit.push_async_callback(http.stop)
        # A stop runs these in reverse: stop listening, close RTM, finish HTTP requests, commit, close the database.
        self._exit.push_async_callback(door.stop)
        self._exit.callback(http.stop_listening)
        control = ControlServer(self.workspace, settings.data)
        await control.start()
        self._exit.push_async_callback(control.stop)
        sweeps = (connections.sweep, door.sweep, self.workspace.presence.sweep, identities.sweep)
        sweep = asyncio.create_task(_sweep(*sweeps))
        self._exit.push_async_callback(_cancel, sweep)
        retention = Retention(writer, reader, tail, self._clock, settings.log_keep)
        self._exit.push_async_callback(_cancel, asyncio.create_task(retention.run()))
        watch = Watch(self.health, engine, settings.data, writer, reader, tail)
        self._exit.push_async_callback(watch.stop)
        watch.start()

    async def stop(self) -> None:
        self._stop_by = monotonic() + STOP_PATIENCE
        await self._exit.aclose()

    async def _close_writer(self, writer: Writer) -> None:
        await writer.close(max(MIN_WRITER_PATIENCE, self._stop_by - monotonic()))


def _refuse_or_begin_anew(tokens: TokenFile, settings: Settings) -> None:
    """Refuse a directory with tokens and an empty database, unless a new workspace is wanted.

    Most likely the database was lost. A new one would start without the messages, and the loss would be seen too late.
    """
    if not settings.new:
        raise ConfigError(
            f"{settings.data} has a tokens.json, but its database is missing or empty: restore a backup "
            "(docs/how-to/back-up-a-server.md), or begin a new workspace with --new, which keeps tokens.json aside"
        )
    log.warning("a new workspace begins; the tokens of the old one are in %s", tokens.set_aside())


@dataclass(frozen=True, slots=True)
class _State:
    """The state read at the start; log entries keep it current from then on."""

    team: Team
    head: int
    kept_from: int
    epochs: Epochs
    channels: dict[str, set[Topic]]
    away: set[str]
    bots: set[str]
    has_sample_tokens: bool


def _read_state(query: Query) -> _State:
    workspace = find_workspace(query)
    if workspace is None:
        raise ConfigError("the data directory has no workspace: the first start was interrupted; use a new directory")
    oldest = find_oldest(query)
    channels: dict[str, set[Topic]] = {}
    for row in find_all_memberships(query):
        channels.setdefault(row["user_id"], set()).add(Topic(row["channel"]))
    return _State(
        team=read_team(query),
        head=workspace["head"],
        kept_from=oldest if oldest is not None else workspace["head"] + 1,
        epochs=read_epochs(query),
        channels=channels,
        away=find_away_users(query),
        bots=find_bot_users(query),
        has_sample_tokens=has_tokens(query, "sample"),
    )


def _levels(workspace: Workspace, door: Door) -> Levels:
    """Return the levels of this moment for the metrics."""
    writer, tail = workspace.writer, workspace.tail
    connections = door.connections
    return Levels(
        connections=len(workspace.hub),
        slow_connections=sum(connection.is_slow for connection in connections),
        queued_bytes=sum(connection.queued_bytes for connection in connections),
        waiting_changes=writer.waiting,
        oldest_change_seconds=writer.busy_for,
        log_head=tail.position,
        log_tail_bytes=tail.size,
    )


async def _sweep(*sweeps: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(SWEEP_INTERVAL)
        for sweep in sweeps:
            try:
                sweep()
            except Exception:
                log.exception("a sweep failed; the next one follows")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
