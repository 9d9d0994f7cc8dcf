"""A workspace as it is served: opened from its data directory, with its store, log, rules and doors.

Only this module knows all concrete parts of a workspace.

``host`` has one of these for each workspace, and shares the HTTP server, the counters and the clock between them.
``start`` opens the parts in order, ``stop`` closes them in reverse order.
"""

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from tautwire.protocol.errors import ConfigError
from tautwire.server.clock import Clock, TurnableClock
from tautwire.server.config import Settings
from tautwire.server.control.openapi import control_url
from tautwire.server.control.probe import SocketProbe
from tautwire.server.control.sending import Sender
from tautwire.server.control.server import ControlServer
from tautwire.server.counts import Counts
from tautwire.server.directory import Directory, TokenFile, is_loopback, read_directory
from tautwire.server.events_api.addresses import Addresses
from tautwire.server.events_api.delivery import Delivery
from tautwire.server.events_api.requests import RequestDoor
from tautwire.server.faults.book import Book
from tautwire.server.health import Health
from tautwire.server.hub.hub import Hub
from tautwire.server.journal.journal import Journal
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.epochs import Epochs, begin_epoch, read_epochs
from tautwire.server.log.feed import Feed
from tautwire.server.log.retention import Retention
from tautwire.server.log.tail import Tail, read_page
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.metrics import Levels
from tautwire.server.rtm.backend import Backend
from tautwire.server.rtm.backend_workspace import WorkspaceBackend
from tautwire.server.rtm.door import Door
from tautwire.server.services.access.identity import Identities
from tautwire.server.services.access.subscriptions import Subscription, read_subscriptions
from tautwire.server.services.administration.team import read_team
from tautwire.server.services.connected import Connected, is_live, live, served_app
from tautwire.server.services.controls import Controls
from tautwire.server.services.duties import Duties
from tautwire.server.services.hosting import Control
from tautwire.server.services.planting import plant
from tautwire.server.services.seed import Seed
from tautwire.server.services.status import Connections, Status, commits_of
from tautwire.server.services.workspace import Team, Workspace
from tautwire.server.socket_mode.door import Door as LinkDoor
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.queries.log import find_oldest
from tautwire.server.store.queries.membership import find_all_memberships
from tautwire.server.store.queries.tokens import has_tokens
from tautwire.server.store.queries.users import find_away_users, find_bot_users
from tautwire.server.store.queries.workspace import find_workspace
from tautwire.server.store.reader import Reader
from tautwire.server.taps.tap import Tap
from tautwire.server.taps.taps import Taps
from tautwire.server.tasks import all_of, cancel, open_in_thread
from tautwire.server.watch import Watch

if TYPE_CHECKING:
    from tautwire.server.traces.tracing import Tracing

log = logging.getLogger("tautwire.server")

Observer = Callable[[Sequence[Entry]], None]

STOP_PATIENCE: Final = 7.0
"""Seconds of a stop if the disk does not answer: supervisors kill a process after ten."""
SHARED_PACE: Final = 10.0
"""By how much the checks of a workspace that shares its readers are rarer."""
MIN_WRITER_PATIENCE: Final = 1.0
"""Seconds of these that the writer gets at least, however long the connections took to close."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a workspace is given at its start."""

    seed: Seed | None
    """Users, bots and channels to add, also to a workspace that exists."""
    sample: Seed
    """The content of an empty data directory if there is no seed."""


class ServedWorkspace:
    """One workspace, from ``start`` to ``stop``.

    Args:
        data: its data directory.
        health: gets its faults.
        broken: called on the loop with the reason when its store cannot be used any more.
        administers: whether the commands that administer a workspace reach it.
        readers: threads that read for many workspaces; without them it has its own.
        tracing: the traces of the process; None for none.
    """

    def __init__(
        self,
        data: Path,
        settings: Settings,
        *,
        clock: Clock,
        health: Health,
        counts: Counts,
        broken: Callable[[StoreError], None],
        administers: bool,
        readers: ThreadPoolExecutor | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.data = data
        self._traces = tracing.of_workspace() if tracing is not None else None
        self._readers = readers
        self._administers = administers
        self.health = health
        self._settings = settings
        self._sockets_clock = clock
        # What the control API turns; sockets and signatures keep to the other clock, as their peers do.
        self._clock = self._turnable = TurnableClock(clock)
        self._counts = counts
        self._broken = broken
        self._exit = contextlib.AsyncExitStack()
        self._doors = contextlib.AsyncExitStack()
        self._stop_by = 0.0
        self._began = monotonic()
        self._started = clock.seconds()
        # Made here, not with the socket: a server without a socket can serve the port.
        self.secret = settings.control_secret or secrets.token_urlsafe(32)
        """The secret of its control API."""
        self.is_controlled = False
        """Whether the control API on the port of the server reaches this workspace."""
        self.has_page = False
        """Whether the web page can be opened for it."""
        self.is_closing = False
        """Whether it is or will be closed."""
        self.workspace: Workspace
        self.door: Door
        self.link_door: LinkDoor
        self.event_door: Delivery
        self._duties: Duties
        self.taps: Taps

    async def start(self, content: Content, observers: Sequence[Observer] = ()) -> None:
        """Open the data directory, seed it, and be ready for connections.

        Raises:
            StoreError: the database is in use, damaged, or of a newer version.
            ConfigError: the directory has no workspace, or one that may not be served so.
        """
        settings = self._settings
        # In a thread, as the close below: files are flushed, and the other workspaces are served meanwhile.
        engine = await open_in_thread(open_engine, self.data, settings.database)
        self._exit.callback(engine.close)
        reader = Reader(engine, pool=self._readers)
        self._exit.push_async_callback(asyncio.to_thread, reader.close)
        traces = self._traces
        writer = (Writer if traces is None else traces.writer)(
            engine, clock=self._clock, durability=settings.durability, health=self.health, counts=self._counts,
            broken=self._broken,
        )  # fmt: skip
        self._exit.push_async_callback(self._close_writer, writer)
        await self._fill(content, reader, writer)
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
        has_page = state.has_sample_tokens if settings.page is None else settings.page
        self.is_controlled = state.has_sample_tokens or has_page if settings.control is None else settings.control
        self.has_page = has_page and self.is_controlled
        tail = Tail(state.head, state.kept_from)
        hub = (Hub if traces is None else traces.hub)(state.channels, state.epochs)
        # From here on every entry of the log reaches its readers; the state above has those before.
        feed = Feed(tail, lambda after, before: reader.read(partial(read_page, after=after, before=before)))
        self._exit.push_async_callback(feed.stop)
        self._duties = duties = Duties(
            state.team, settings, clock=self._clock, writer=writer, reader=reader,
            disk=None if settings.database else self.data,
        )  # fmt: skip
        self.workspace = Workspace(
            state.team, settings, clock=self._clock, writer=writer, reader=reader, identities=identities, tail=tail,
            epochs=state.epochs, hub=hub, counts=self._counts, away=state.away, bots=state.bots,
            schedule=duties.schedule, streams=duties.streams, files=duties.files, status_ends=duties.status_ends,
        )  # fmt: skip
        controls, rtm_probe, link_probe = self._controls()
        self.workspace.controls = controls
        self.workspace.status = self.status
        self.workspace.connected = self.connected
        self._database = engine.name
        backend: Backend = WorkspaceBackend(self.workspace)
        self.door = Door(
            backend if traces is None else traces.backend(backend), hub=hub, tickets=self.workspace.tickets,
            settings=settings, clock=self._sockets_clock, counts=self._counts, probe=rtm_probe,
        )  # fmt: skip
        identities.on_refusal(partial(self.door.close_where, identities.refuses))
        self.taps = Taps(self.workspace, state.subscriptions, Tap if self._traces is None else self._traces.tap)
        self.link_door = LinkDoor(
            self.taps, self.workspace.requests, tickets=self.workspace.link_tickets, settings=settings,
            clock=self._sockets_clock, counts=self._counts, probe=link_probe,
        )  # fmt: skip
        identities.on_refusal(partial(self.link_door.close_where, identities.refuses))
        self.event_door = Delivery(
            self.taps, writer=writer, reader=reader, settings=settings, clock=self._clock,
            signing_clock=self._sockets_clock, controls=controls,
        )  # fmt: skip
        request_door = RequestDoor(Addresses(settings.request_addresses), self._sockets_clock, controls)
        self._exit.push_async_callback(request_door.close)
        self.workspace.requests.send_by(self.link_door, request_door)
        # Identities before the hub: a connection that has to be closed gets nothing of the same commit.
        for each in (identities.follow, self.workspace.follow, hub.deliver, self.taps.follow, *observers):
            feed.add(each)
        writer.deliver_to(feed.deliver)
        self._doors.push_async_callback(self.taps.stop)
        self._doors.push_async_callback(self._stop_doors)
        self._doors.push_async_callback(duties.stop)
        retention = Retention(writer, reader, tail, self._clock, settings.log_keep)
        self._doors.push_async_callback(cancel, asyncio.create_task(retention.run()))
        self._doors.push_async_callback(cancel, asyncio.create_task(self.workspace.filling.run()))
        # Many workspaces share the readers: checks of each twice a second would be most of what an idle server does.
        pace = SHARED_PACE if self._readers is not None else 1.0
        watch = Watch(self.health, engine, self.data, writer, reader, tail, pace=pace)
        self._doors.push_async_callback(watch.stop)
        watch.start()
        if self._administers:
            control = ControlServer(self.workspace, self.data, self.secret)
            await control.start()
            self._doors.push_async_callback(control.stop)
        if controls is not None:
            self._doors.callback(controls.journal.close)
        # First of all: the doors finish the requests in progress.
        self._doors.callback(self.workspace.requests.close)
        self._doors.callback(self.workspace.news.close)

    async def close_doors(self) -> None:
        """Say goodbye to the clients, and close their connections."""
        self.is_closing = True
        self._stop_by = monotonic() + STOP_PATIENCE
        await self._doors.aclose()

    async def stop(self) -> None:
        """Commit what waits, and close the database; after ``close_doors`` and the end of requests in progress."""
        self.is_closing = True
        self._stop_by = self._stop_by or monotonic() + STOP_PATIENCE
        try:
            await self._doors.aclose()
        finally:
            await self._exit.aclose()

    def sweep(self) -> None:
        """Look after connections, apps, presence, tokens and scheduled messages; to be called about once a second."""
        self.door.sweep()
        self.link_door.sweep()
        self.event_door.sweep()
        self.taps.sweep()
        self.workspace.presence.sweep()
        self.workspace.identities.sweep()
        self.workspace.statuses.sweep()
        self._duties.sweep()

    async def directory(self, api_url: str) -> Directory:
        """Return users and channels, with the tokens of seeded users."""
        tokens = TokenFile(self.data).read()
        control = self.control(api_url)
        return await self.workspace.reader.read(lambda query: read_directory(query, api_url, tokens, control))

    def control(self, api_url: str) -> Control | None:
        """Return how the control API of this workspace is reached, None if it is not served."""
        return Control(control_url(api_url), self.secret) if self.is_controlled else None

    def levels(self) -> Levels:
        """Return the levels of this moment for the metrics."""
        writer, tail = self.workspace.writer, self.workspace.tail
        connections = self.door.connections
        return Levels(
            connections=len(self.workspace.hub),
            slow_connections=sum(connection.is_slow for connection in connections),
            queued_bytes=sum(connection.queued_bytes for connection in connections),
            waiting_changes=writer.waiting,
            oldest_change_seconds=writer.busy_for,
            log_head=tail.position,
            log_tail_bytes=tail.size,
            socket_mode_connections=len(self.link_door.connections),
            open_deliveries=sum(tap.open_events for tap in self.taps),
        )

    def status(self) -> Status:
        """Return how the server and this workspace are."""
        levels, faults = self.levels(), self.health.whole.faults
        team = self.workspace.team
        return Status(
            version=version("tautwire"),
            started=self._started,
            uptime=monotonic() - self._began,
            api_url=f"{self.workspace.base_url}/api/",
            team={"id": team.id, "name": team.name, "domain": team.domain},
            database=self._database,
            data=str(self.data.resolve()),
            ready=not faults,
            faults={str(name): reason for name, reason in faults.items()},
            connections=Connections(
                rtm=levels.connections,
                socket_mode=levels.socket_mode_connections,
                http_apps=self.event_door.served,
                slow=levels.slow_connections,
                queued=levels.queued_bytes,
            ),
            commits=commits_of(self._counts),
            head=levels.log_head,
            waiting=levels.waiting_changes,
            oldest_wait=levels.oldest_change_seconds,
            events_open=levels.open_deliveries,
            metrics=self._settings.metrics,
        )

    def connected(self) -> Connected:
        """Return who is connected, and how far apps are behind."""
        now, wall = self._sockets_clock.monotonic(), self._sockets_clock.micros() / 1_000_000
        linked = (tap for tap in self.taps if tap.subscription.socket_mode)
        has = Counter(event.connection for tap in linked for event in tap.list_open(tap.open_events))
        found = [live(each, "rtm", now=now, wall=wall) for each in self.door.connections if is_live(each)]
        found += [
            live(each, "socket_mode", now=now, wall=wall, has=has[each.number])
            for each in self.link_door.connections
            if is_live(each)
        ]
        head, steady = self.workspace.tail.position, self._clock.monotonic()
        apps = [served_app(tap, self.event_door.state_of(tap.app), head=head, now=steady) for tap in self.taps]
        return Connected(now=wall, connections=sorted(found, key=lambda each: each.since), apps=apps)

    def _controls(self) -> tuple[Controls | None, SocketProbe | None, SocketProbe | None]:
        """Return what the control API has besides the rules, and what looks at the sockets of the two doors."""
        if not self.is_controlled:
            return None, None, None
        # The entries have the time of the machine: it goes on while the workspace's stands.
        journal, faults = Journal(self._sockets_clock), Book()
        rtm, link = SocketProbe("rtm", journal, faults), SocketProbe("socket_mode", journal, faults)

        def strike() -> None:
            rtm.strike()
            link.strike()

        found = Controls(journal, faults, self._turnable, turned=self.sweep, strike=strike, sender=Sender(self))
        return found, rtm, link

    async def _stop_doors(self) -> None:
        """Close the doors at a time: each waits for its clients."""
        await all_of(self.door.stop(), self.link_door.stop(), self.event_door.stop())

    async def _fill(self, content: Content, reader: Reader, writer: Writer) -> None:
        """Add what the seed has and the workspace lacks."""
        is_new = await reader.read(find_workspace) is None
        tokens = TokenFile(self.data)
        if is_new and tokens.exists:
            _refuse_or_begin_anew(tokens, self.data, may_begin=self._settings.new)
        seed = content.seed
        if seed is None and not is_new:
            return

        def fill(tx: Transaction) -> None:
            # The file first: after a crash in between, a token of which only the hash is stored would be lost.
            planted = plant(tx, seed or content.sample, "seed" if seed else "sample")
            if planted:
                tokens.add(planted)

        await writer.write(fill)

    async def _close_writer(self, writer: Writer) -> None:
        await writer.close(max(MIN_WRITER_PATIENCE, self._stop_by - monotonic()))


def _refuse_or_begin_anew(tokens: TokenFile, data: Path, *, may_begin: bool) -> None:
    """Refuse a directory with tokens and an empty database, unless a new workspace is wanted.

    Most likely the database was lost. A new one would start without the messages, and the loss would be seen too late.
    """
    if not may_begin:
        raise ConfigError(
            f"{data} has a tokens.json, but its database is missing or empty: restore a backup "
            "(docs/how-to/server/back-up-a-server.md), or begin a new one with --new, which keeps tokens.json aside"
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
    subscriptions: list[tuple[Subscription, tuple[int, bytes]]]


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
        subscriptions=read_subscriptions(query),
    )
