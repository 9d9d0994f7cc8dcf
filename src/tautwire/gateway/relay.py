"""One bot of the gateway: its log, its RTM door and its link to the upstream, from ``start`` to ``stop``.

The counterpart of ``server.served``: the same store, writer, feed, tail, hub and door, with another backend. The
database has the schema of a workspace, of which the workspace itself, one bot, its tokens and the log are used.
"""

import asyncio
import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from tautwire.gateway.backend import UpstreamBackend
from tautwire.gateway.catchup.gate import Gate
from tautwire.gateway.catchup.history import History
from tautwire.gateway.catchup.known import Known, read_known
from tautwire.gateway.catchup.run import CatchUp
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.downstream.door import ConsumerDoor
from tautwire.gateway.echoes import Echoes
from tautwire.gateway.identity import Bot, ask, find_stored, keep
from tautwire.gateway.intake import Intake
from tautwire.gateway.places import Place
from tautwire.gateway.presence import Presence
from tautwire.gateway.proxy.cache import Cache
from tautwire.gateway.proxy.calls import Calls
from tautwire.gateway.proxy.downloads import Source
from tautwire.gateway.proxy.proxy import Proxy
from tautwire.gateway.proxy.spool import Spool
from tautwire.gateway.sending import Sending
from tautwire.gateway.start import Start
from tautwire.gateway.tokens import APP, app_of
from tautwire.gateway.translate.events import Terms
from tautwire.gateway.translate.links import Links
from tautwire.gateway.typing_status import TypingStatus
from tautwire.gateway.unmapped import Unmapped
from tautwire.gateway.upstream.api import REFUSED, Api, RefusedError, UpstreamError
from tautwire.gateway.upstream.link import Link
from tautwire.gateway.upstream.network import Network
from tautwire.gateway.upstream.receiver import EventReceiver
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.tokens import Token
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.health import Health
from tautwire.server.hub.hub import Hub
from tautwire.server.log.epochs import Epochs, begin_epoch, read_epochs
from tautwire.server.log.feed import Feed
from tautwire.server.log.retention import Retention
from tautwire.server.log.tail import Tail, read_page
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.metrics import Levels
from tautwire.server.rtm.backend import Backend
from tautwire.server.rtm.door import Door
from tautwire.server.services.access.identity import Identities
from tautwire.server.services.access.tickets import Tickets
from tautwire.server.services.duties import Duties
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.queries.log import find_oldest
from tautwire.server.store.queries.workspace import read_head
from tautwire.server.store.reader import Reader
from tautwire.server.tasks import all_of, cancel, open_in_thread
from tautwire.server.watch import Watch
from tautwire.server.web_api.method import Method

if TYPE_CHECKING:
    from tautwire.server.traces.tracing import Tracing

log = logging.getLogger("tautwire.gateway")

DIRECTS_PATIENCE: Final = 10.0
"""Seconds that a start waits for the list of direct conversations."""


class Parts(NamedTuple):
    """What makes those parts of a relay of which there is a kind with traces."""

    api: Callable[..., Api] = Api
    writer: Callable[..., Writer] = Writer
    hub: Callable[..., Hub] = Hub
    sending: Callable[..., Sending] = Sending
    intake: Callable[..., Intake] = Intake
    backend: Callable[[Backend], Backend] = lambda backend: backend


def _traced(tracing: "Tracing") -> Parts:
    from tautwire.gateway.traces import TracedApi, TracedIntake, TracedSending

    traces, tracer = tracing.of_workspace(), tracing.tracer
    return Parts(
        api=partial(TracedApi, tracer),
        writer=traces.writer,
        hub=traces.hub,
        sending=partial(TracedSending, tracer),
        intake=partial(TracedIntake, tracer),
        backend=traces.backend,
    )


class Relay:
    """One bot, from ``start`` to ``stop``.

    Args:
        health: gets its faults.
        broken: called on the loop with the reason when the store cannot be used any more.
        base_url: the address of the gateway as programs reach it, without a slash at the end.
        tracing: the traces of the process; None for none.
    """

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        health: Health,
        counts: Counts,
        broken: Callable[[StoreError], None],
        base_url: str,
        tracing: "Tracing | None" = None,
    ) -> None:
        self._parts = Parts() if tracing is None else _traced(tracing)
        self.name, self._settings, self._server = place
        self._clock = clock
        self.health = health
        self._counts = counts
        self._broken = broken
        self._base_url = base_url
        self._exit = contextlib.AsyncExitStack()
        self._doors = contextlib.AsyncExitStack()
        self.api: Api
        self.bot: Bot
        self.local_tokens: Mapping[str, Token]
        """The tokens of its programs, by name."""
        self.workspace: Workspace
        self.door: Door
        self.consumers: ConsumerDoor
        self.link: Link | EventReceiver
        self.intake: Intake
        self.catch_up: CatchUp
        self.sending: Sending
        self.echoes = Echoes()
        self.presence: Presence
        self.typing: TypingStatus
        self.cache: Cache
        self.spool: Spool
        self.files: Counter[str] = Counter()
        """Files that bots fetched, by outcome."""
        self.unmapped = Unmapped(clock)
        self.links: Links | None = None
        self.proxy: Proxy
        self.methods: Mapping[str, Method]
        """Those of the Web API that the gateway answers itself."""

    @property
    def source(self) -> Source:
        """Where the files of the bot are."""
        return Source(self.workspace, self.api, self.files)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._server.data

    @property
    def is_token_given(self) -> bool:
        """Whether the token that each program may present is that of the settings."""
        settings = self._settings
        return any((settings.local_token, settings.local_token_env, settings.local_token_file))

    async def start(self) -> None:
        """Open the database, learn who the bot is, and be ready for connections. The link is started by ``connect``.

        Raises:
            ConfigError: a token is missing or wrong, or the directory is that of another bot.
            StoreError: the database cannot be opened.
        """
        settings, server = self._settings, self._server
        _check_upstream(settings, server)
        bot_token, secret = settings.read_bot_token(), _read_secret(settings)
        self._secret = secret
        network = Network(settings.upstream_proxy, settings.upstream_ca)
        make = self._parts
        api = make.api(settings.base_url, bot_token, network, self._clock)
        self._exit.push_async_callback(api.close)
        engine = await open_in_thread(open_engine, server.data, server.database)
        self._exit.callback(engine.close)
        reader = Reader(engine)
        self._exit.callback(reader.close)
        writer = make.writer(
            engine, clock=self._clock, durability=server.durability, health=self.health, counts=self._counts,
            broken=self._broken,
        )  # fmt: skip
        self._exit.push_async_callback(writer.close)
        stored = await reader.read(find_stored)
        self.bot = await _identify(api, stored)
        api.health = self.health
        self.local_tokens = settings.local_tokens(server.data).all()
        await writer.write(partial(_begin, bot=self.bot, local_tokens=self.local_tokens))
        identities = Identities(self._clock)
        epochs, tail, known = await self._open_log(reader, identities)
        hub = make.hub({}, epochs)
        feed = Feed(tail, lambda after, before: reader.read(partial(read_page, after=after, before=before)))
        self._exit.push_async_callback(feed.stop)
        team = self.bot.team
        # Nothing is due here, and they are never swept: messages, files and statuses are the upstream's.
        duties = Duties(team, server, clock=self._clock, writer=writer, reader=reader, disk=None)
        self.workspace = Workspace(
            team, server, clock=self._clock, writer=writer, reader=reader, identities=identities, tail=tail,
            epochs=epochs, hub=hub, counts=self._counts, away=set(), bots={self.bot.user},
            schedule=duties.schedule, streams=duties.streams, files=duties.files, status_ends=duties.status_ends,
        )  # fmt: skip
        # Several bots may be in one workspace: a ticket has to lead to its bot.
        self.workspace.tickets, self.workspace.link_tickets = (
            Tickets(self.name, self._clock, server.ticket_lifetime, identities.find) for _ in range(2)
        )
        self.cache = Cache(self._clock, is_on=settings.answer_cache, is_current=lambda: self.link.is_up)
        self.sending = make.sending(api, self.echoes, self._clock, paces=settings.pace, said=self.cache.said)
        self.presence = Presence(api, hub, settings.presence_budget)
        self.typing = TypingStatus(api, self._clock, self.bot.user, is_on=settings.typing_status)
        self.door = Door(
            make.backend(
                UpstreamBackend(self.sending, self.presence, self.typing, hub=hub, tail=tail, reader=reader)
            ),
            hub=hub, tickets=self.workspace.tickets, settings=server, clock=self._clock, counts=self._counts,
        )  # fmt: skip
        self.links = Links(api.hosts.scheme, api.hosts.pattern, self._base_url) if settings.file_links else None
        terms = Terms(
            self.bot.user, self.bot.bot_id, legacy_bot_messages=settings.legacy_bot_messages,
            all_events=settings.all_events, links=self.links,
        )  # fmt: skip
        gate = Gate()
        self.intake = make.intake(
            api,
            writer,
            self.echoes,
            terms,
            known,
            gate,
            self._clock,
            unmapped=self.unmapped,
            keeps_payloads=settings.socket_mode,
        )
        self.catch_up = CatchUp(
            History(api, self._clock, settings.catch_up_calls), known, gate, self.intake.put, terms, self._clock,
            reach=min(settings.catch_up, server.log_keep), is_new=stored is None,
        )  # fmt: skip
        if settings.events == "http":
            self.link = EventReceiver(secret, self.intake.receive, self._clock, self.catch_up.begin)
        else:
            self.link = Link(api, secret, self.intake.receive, self.health, self.catch_up.begin)
        self.spool = Spool(server.data / "uploads", server.file_limit)
        self.spool.prepare()
        self.proxy = Proxy(Calls(api, self.cache), self.spool, self.presence, self.links, self.unmapped)
        self.consumers = ConsumerDoor(
            tail, reader, tickets=self.workspace.link_tickets, settings=server, clock=self._clock, counts=self._counts
        )
        opening = self.consumers.method()
        starting = Start(api, self._clock)
        self.methods = {**starting.methods(), opening.name: opening}
        for door in (self.door, self.consumers):
            identities.on_refusal(partial(door.close_where, identities.refuses))
        # The caches before the hub: a bot that asks because of an event gets what is so after it.
        for follow in (
            identities.follow, self.workspace.follow, self.cache.follow, starting.follow, self.typing.follow,
            hub.deliver, self.consumers.follow,
        ):  # fmt: skip
            feed.add(follow)
        writer.deliver_to(feed.deliver)
        watch = Watch(self.health, engine, server.data, writer, reader, tail)
        self._exit.push_async_callback(watch.stop)
        watch.start()
        self._doors.push_async_callback(self._stop_doors)
        self._doors.push_async_callback(self.sending.stop)
        self._doors.push_async_callback(self.intake.stop)
        self._doors.push_async_callback(self.catch_up.stop)
        self._doors.push_async_callback(self.presence.stop)
        self._doors.push_async_callback(self.typing.stop)
        self._doors.push_async_callback(
            cancel, asyncio.create_task(Retention(writer, reader, tail, self._clock, server.log_keep).run())
        )
        self._doors.push_async_callback(self.link.stop)
        self.api = api

    async def connect(self) -> None:
        """Begin to take events from the upstream: before bots are served, so that a hello says that events come."""
        await _learn_directs(self.api, self.intake)
        await self.link.start()
        self.presence.start()

    async def renew(self, settings: GatewaySettings) -> None:
        """Go on with the tokens that the settings have now. Connections of programs stay, and no event is missed.

        Raises:
            ConfigError: a token cannot be read, the upstream does not take it, or it is that of another bot. It has no
                effect, and the one before it stays in use.
        """
        if settings.base_url != self.api.base_url:  # its token is not for the upstream of now
            raise ConfigError(f"upstream_url is another, {settings.upstream_url}, which needs a restart")
        wrong = []
        for renew in (self._renew_bot_token, self._renew_secret):
            try:
                await renew(replace(settings, events=self._settings.events))
            except RefusedError as refusal:
                wrong.append(f"{self.api.host} refuses the new token: {refusal}")
            except UpstreamError as error:
                wrong.append(f"the new token cannot be tried: {error}")
            except ConfigError as error:
                wrong.append(str(error))
        if wrong:
            raise ConfigError("; ".join(wrong))

    async def _renew_bot_token(self, settings: GatewaySettings) -> None:
        token = settings.read_bot_token()
        if token == self.api.token:
            return
        bot = await ask(self.api, token)
        if not bot.is_same(self.bot):
            raise ConfigError(
                f"the new bot token is that of {bot}, and the old one that of {self.bot}: give a token of the same app"
            )
        if REFUSED in self.health.faults:  # the upstream sends no events of that time
            self.catch_up.begin(math.inf)
        self.api.use(token)
        log.info("the new bot token of %s is in use", self.bot.name)

    async def _renew_secret(self, settings: GatewaySettings) -> None:
        secret = _read_secret(settings)
        if secret == self._secret:
            return
        new, old = app_of(secret), app_of(self._secret)
        if new != old and new and old:
            raise ConfigError(
                f"the new app-level token is that of the app {new}, and the old one that of {old}: give a token of the "
                "same app"
            )
        await self.link.renew(secret)
        self._secret = secret
        what = "is in use" if settings.events == "http" else "is accepted: a connection with it is opened"
        log.info("the new %s of %s %s", _name_of_secret(settings), self.bot.name, what)

    async def close_doors(self) -> None:
        """Take no more events, answer the messages of the bots, and say goodbye to them."""
        await self._doors.aclose()

    async def stop(self) -> None:
        """Commit what waits, and close the database."""
        try:
            await self._doors.aclose()
        finally:
            await self._exit.aclose()

    def sweep(self) -> None:
        """Look after connections and tokens; to be called about once a second."""
        self.door.sweep()
        self.consumers.sweep()
        self.workspace.identities.sweep()

    def levels(self) -> Levels:
        """Return the levels of this moment for the metrics."""
        writer, tail, connections = self.workspace.writer, self.workspace.tail, self.door.connections
        return Levels(
            connections=len(self.workspace.hub),
            slow_connections=sum(connection.is_slow for connection in connections),
            queued_bytes=sum(connection.queued_bytes for connection in connections),
            waiting_changes=writer.waiting,
            oldest_change_seconds=writer.busy_for,
            log_head=tail.position,
            log_tail_bytes=tail.size,
            socket_mode_connections=len(self.consumers.connections),
            open_deliveries=self.consumers.open_events,
        )

    async def _stop_doors(self) -> None:
        """Close the doors at a time: each waits for its clients."""
        await all_of(self.door.stop(), self.consumers.stop())

    async def _open_log(self, reader: Reader, identities: Identities) -> tuple[Epochs, Tail, Known]:
        def read(query: Query) -> tuple[Epochs, Tail, Known]:
            identities.load(query)
            head, oldest = read_head(query), find_oldest(query)
            tail = Tail(head, oldest if oldest is not None else head + 1)
            return read_epochs(query), tail, read_known(query)

        return await reader.read(read)


def _read_secret(settings: GatewaySettings) -> Token:
    """Return the secret by which events come: the app-level token, or the signing secret."""
    return settings.read_signing_secret() if settings.events == "http" else settings.read_app_token()


def _name_of_secret(settings: GatewaySettings) -> str:
    return "signing secret" if settings.events == "http" else "app-level token"


def _check_upstream(settings: GatewaySettings, server: Settings) -> None:
    """Refuse an upstream that is the gateway itself: bots are pointed at it by the same variable."""
    parts = urlsplit(settings.upstream_url)
    if parts.port == server.port != 0 and parts.hostname in (server.host, "localhost", "127.0.0.1", "::1"):
        raise ConfigError(
            f"upstream_url is {settings.upstream_url}, the address of the gateway itself: SLACK_API_URL of the gateway "
            "names the upstream, that of the bot the gateway"
        )


async def _identify(api: Api, stored: Bot | None) -> Bot:
    """Return who the bot is; if the upstream does not say it now, who it was at the last start."""
    try:
        return await ask(api)
    except (RefusedError, UpstreamError) as error:
        if isinstance(error, RefusedError) and not error.is_passing:
            raise ConfigError(
                f"{api.host} refuses the bot token: {error}; check SLACK_BOT_TOKEN, or what the table of the bot names"
            ) from None
        if stored is None:
            raise ConfigError(f"the first start needs the upstream: {error}") from None
        log.warning("the upstream does not say who the bot is (%s): it is taken for %s", error, stored.name)
        return stored


def _begin(tx: Transaction, *, bot: Bot, local_tokens: Mapping[str, Token]) -> None:
    secrets = {name: token.reveal() for name, token in local_tokens.items()}
    app_token = secrets.pop(APP, None)
    keep(tx, bot, secrets.values(), app_token)
    begin_epoch(tx)


async def _learn_directs(api: Api, intake: Intake) -> None:
    """Learn the direct conversations that the bot has: a later one is new to it."""
    try:
        async with asyncio.timeout(DIRECTS_PATIENCE):
            async for page in api.pages("conversations.list", "channels", types="im,mpim"):
                found = [each.get("id") for each in page if isinstance(each, dict)]
                intake.know_directs(channel for channel in found if isinstance(channel, str))
    except (RefusedError, UpstreamError, TimeoutError) as error:
        log.warning("not all direct conversations of the bot are known; the others count as new: %s", error)
