"""The bots of one process: each found by a local token or a ticket; one that fails costs the others nothing.

A bot has a log, a link and connections of its own. They share the port, the limits of connections, the counters and the
event loop. A bot that cannot be served is a fault, and is tried again: its upstream may have been down, or the database
may have been in use.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import astuple, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from picows import WSListener
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.places import Place
from tautwire.gateway.proxy.downloads import Source
from tautwire.gateway.relay import Relay
from tautwire.gateway.upstream.receiver import EventReceiver, events_path
from tautwire.protocol.errors import ConfigError, TautwireError
from tautwire.server.clock import Clock
from tautwire.server.counts import Counts
from tautwire.server.health import Health
from tautwire.server.metrics import Levels
from tautwire.server.services.access.identity import Identities, TokenKind, hash_token
from tautwire.server.services.access.tickets import team_of
from tautwire.server.services.errors import MethodError
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError
from tautwire.server.tasks import all_of, cancel
from tautwire.server.web_api.fallback import Passed, Stream
from tautwire.server.web_api.file_bodies import Sink
from tautwire.server.web_api.method import Answer, Arguments, Call, Caller, Method

if TYPE_CHECKING:
    from tautwire.server.traces.tracing import Tracing

log = logging.getLogger("tautwire.gateway")

RETRY: Final = 30.0
"""Seconds to the next try to serve a bot that cannot be served."""

PATIENCE: Final = 20.0
"""Seconds that a start waits for all bots, if one at least is served: an upstream may not answer for minutes."""


class SlowError(TautwireError):
    """A bot takes long to be served."""


class ChangedError(TautwireError):
    """The settings of a bot have changed while it was started: most have an effect at a start only."""


speaking: ContextVar[str] = ContextVar("speaking", default="")
"""The bot that the present task works for, for the log."""


class Bots:
    """Opens, finds and closes the relays of the bots.

    Args:
        broken: called with the reason when no bot is left whose store can be used.
        base_url: the address of the gateway as programs reach it, without a slash at the end.
        tracing: the traces of the process; None for none.
    """

    def __init__(
        self, places: Sequence[Place], *, clock: Clock, health: Health, counts: Counts,
        broken: Callable[[StoreError], None], base_url: str, tracing: "Tracing | None" = None,
    ) -> None:  # fmt: skip
        self._base_url = base_url
        self._tracing = tracing
        self._places = {place.name: place for place in places}
        self._clock = clock
        self._health = health
        self._counts = counts
        self._broken = broken
        self._absent: dict[str, Health] = {}
        """The faults of those that are not served."""
        self._withheld: dict[str, set[bytes]] = {}
        """The hashes of their local tokens."""
        self._served: dict[str, Relay] = {}
        self._tokens: dict[bytes, Identities] = {}  # by the hash of the token
        self._homes: dict[Identities, Relay] = {}
        self._failed: set[str] = set()
        """Those whose store broke while they were served."""
        self._retries: dict[str, asyncio.Task[None]] = {}
        """The tries to serve those that are not."""
        self._ending: set[asyncio.Task[None]] = set()
        """Bots that were taken out, and are being closed."""
        self._mended: dict[str, asyncio.Event] = {}
        """Set for those that are to be tried at once: they have other settings."""

    def __iter__(self) -> Iterator[Relay]:
        return iter(list(self._served.values()))

    def __len__(self) -> int:
        return len(self._served)

    @property
    def names(self) -> list[str]:
        """The names of all bots, also of those that are not served."""
        return list(self._places)

    @property
    def settings(self) -> dict[str, GatewaySettings]:
        """The settings of each bot, as they were given last."""
        return {name: place.settings for name, place in self._places.items()}

    def get(self, name: str) -> Relay | None:
        """Return the relay of a bot, None if it is not served."""
        return self._served.get(name)

    def fault(self, name: str) -> str:
        """Return why a bot is not served, an empty text if it is."""
        return self._absent[name].faults["bot"] if name in self._absent else ""

    async def open_all(self) -> None:
        """Serve the bots, at the same time. One of several that fails, or is slow, is a fault and is tried again.

        Raises:
            ConfigError, StoreError: no bot can be served; the reason is that of the first.
        """
        tries = {name: asyncio.create_task(self._open(name)) for name in self._places}
        try:
            await asyncio.wait(tries.values(), timeout=PATIENCE)
            while not any(each.done() and each.result() is None for each in tries.values()):
                pending = [each for each in tries.values() if not each.done()]
                if not pending:
                    break
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            for each in tries.values():
                each.cancel()
            await asyncio.gather(*tries.values(), return_exceptions=True)
            raise
        outcomes = {name: each.result() for name, each in tries.items() if each.done()}
        failures = [outcome for outcome in outcomes.values() if outcome is not None]
        if len(failures) == len(tries):
            raise failures[0]
        for name, each in tries.items():
            failure = outcomes.get(name, SlowError("it takes long"))
            if failure is not None:
                self._keep_trying(name, failure, each)

    async def renew(self, places: Sequence[Place]) -> None:
        """Go on with the tokens that the settings have now; serve bots that are new, and no longer those that are gone.

        What cannot be done is logged, and leaves the bot as it was.
        """
        names = {place.name for place in places}
        for name in self._places.keys() - names:
            try:
                await self._remove(name)
            except Exception:
                log.exception("%s was not closed in order", name)
        await asyncio.gather(*(self._renew(place) for place in places))

    async def _renew(self, place: Place) -> None:
        """Renew one. To be run as a task: see ``_open``."""
        name, is_new = place.name, place.name not in self._places
        if len(self._places) > 1:
            speaking.set(name)
        relay = self._served.get(name)
        if relay is not None:
            try:
                await relay.renew(place.settings)
                self._places[name] = place
            except ConfigError as error:
                log.error("a new token has no effect, and the one before it stays in use: %s", error)  # noqa: TRY400
            except Exception:
                log.exception("the tokens of %s were not renewed", name)
        elif place.settings.events == "http" and (is_new or self._places[name].settings.events != "http"):
            # The paths of requests are made at the start.
            log.warning("%s is not served yet: a new bot whose events come over HTTP needs a restart", name)
        elif is_new:
            self._places[name] = place
            attempt = asyncio.create_task(self._open(name))
            failure = await attempt
            if failure is not None:
                self._keep_trying(name, failure, attempt)
        elif name in self._mended:
            self._places[name] = place
            self._mended[name].set()
        else:
            log.warning("%s is not served any more, since its store broke: it needs a restart", name)

    async def _remove(self, name: str) -> None:
        """Serve a bot no longer."""
        del self._places[name]
        self._failed.discard(name)
        retry = self._retries.pop(name, None)
        if retry is not None:
            await cancel(retry)
        self._mended.pop(name, None)
        if name in self._absent:
            self._health.drop(self._absent.pop(name))
            del self._withheld[name]
        relay = self._served.get(name)
        if relay is not None:
            self._forget(relay)
            self._health.drop(relay.health)
            ending = asyncio.create_task(relay.stop())
            self._ending.add(ending)  # ``stop`` waits for it, also if the signal for the end comes meanwhile
            ending.add_done_callback(self._ending.discard)
            await asyncio.shield(ending)
        log.info("%s is not served any more: the settings have no such bot", name)
        if self._failed and self._failed >= self._served.keys():
            self._broken(StoreError("the bots that are left have lost their stores"))

    def find(self, token: str | None) -> Workspace:
        """Return the workspace of a local token; for an unknown one that of another bot, which then refuses it.

        Raises:
            StoreError: it is the token of a bot that is not served.
        """
        if token and len(self._places) > 1:
            digest = hash_token(token)
            identities = self._tokens.get(digest)
            if identities is not None:
                return self._homes[identities].workspace
            if any(digest in known for known in self._withheld.values()):
                raise StoreError("the bot of the token is not served: /readyz has the reason")
        return self._any().workspace

    async def __call__(self, passed: Passed) -> Answer | Stream | None:
        """Pass a call on to the upstream of its bot; see ``server.web_api.fallback.Fallback``."""
        if passed.who is not None and passed.who.kind is TokenKind.APP:
            raise MethodError("not_allowed_token_type")
        relay = self._home(passed.workspace) if passed.who is not None else self._any()
        with _speaking(relay.name):
            return await relay.proxy(passed)

    async def open_sink(self, caller: Caller, name: str, size: int) -> AbstractAsyncContextManager[Sink]:
        """Take the file of a call; see ``server.web_api.fallback.Fallback``."""
        return await self._home(caller.workspace).spool.open(caller, name, size)

    def source(self, token: str) -> Source:
        """Return where the files of the bot of a local token are; for an unknown one, what refuses it.

        Raises:
            StoreError, MethodError: the bot is not served, or was just lost.
        """
        return self._home(self.find(token)).source

    def methods(self) -> dict[str, Method]:
        """Return the methods that the gateway answers itself, each for the bot that calls it."""
        return {
            name: replace(method, function=partial(self._run, name)) for name, method in self._any().methods.items()
        }

    async def _run(self, name: str, call: Call, arguments: Arguments) -> Answer:
        relay = self._home(call.workspace)
        with _speaking(relay.name):
            return await relay.methods[name].function(call, arguments)

    def listen(self, ticket: str, query: str) -> WSListener | None:
        """Return the RTM connection for a ticket; a wrong one gets its error from any bot."""
        relay = self._served.get(team_of(ticket)) or next(iter(self), None)
        return relay.door.listen(ticket, query) if relay is not None else None

    def listen_link(self, ticket: str, query: str) -> WSListener | None:
        """Return the Socket Mode connection for a ticket, as ``listen`` does for RTM."""
        relay = self._served.get(team_of(ticket)) or next(iter(self), None)
        return relay.consumers.listen(ticket, query) if relay is not None else None

    def receivers(self) -> dict[str, ASGIApp]:
        """Return the applications of the paths to which upstreams post events, for bots that get them over HTTP."""
        return {
            events_path(name if len(self._places) > 1 else ""): partial(self._receive, name)
            for name, place in self._places.items()
            if place.settings.events == "http"
        }

    async def _receive(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        relay = self._served.get(name)
        if relay is None or not isinstance(relay.link, EventReceiver):
            await PlainTextResponse("service_unavailable", 503)(scope, receive, send)  # the upstream sends it again
            return
        with _speaking(name if len(self._places) > 1 else ""):
            await relay.link(scope, receive, send)

    def sweep(self) -> None:
        """Look after all bots; one for which that fails costs the others nothing."""
        for relay in self:
            try:
                relay.sweep()
            except Exception:
                log.exception("a sweep of %s failed; the next one follows", relay.name)

    def levels(self) -> Levels:
        """Return the levels of all bots together; of the oldest change the age, of any."""
        levels = [astuple(relay.levels()) for relay in self] or [astuple(Levels(0, 0, 0, 0, 0.0, 0, 0))]
        names = Levels.__dataclass_fields__
        return Levels(
            **{
                name: (max if name == "oldest_change_seconds" else sum)(column)
                for name, column in zip(names, zip(*levels, strict=True), strict=True)
            }
        )

    async def close_doors(self) -> None:
        """Try no bot again, take no more events, answer the messages of programs, and say goodbye to them."""
        for task in self._retries.values():
            task.cancel()
        await asyncio.gather(*self._retries.values(), return_exceptions=True)
        await all_of(*(relay.close_doors() for relay in self))

    async def stop(self) -> None:
        """Close all bots; all of them, also if one raises."""
        await self.close_doors()
        relays, self._served = list(self), {}
        await all_of(*self._ending, *(relay.stop() for relay in relays))

    async def _open(self, name: str) -> Exception | None:
        """Serve a bot; return why that is not possible. To be run as a task: what it starts speaks for this bot."""
        if len(self._places) > 1:
            speaking.set(name)
        health, place = self._health.of(name), self._places[name]
        relay = Relay(
            place, clock=self._clock, health=health, counts=self._counts,
            broken=partial(self._lose, name), base_url=self._base_url, tracing=self._tracing,
        )  # fmt: skip
        try:
            await relay.start()
            self._serve(relay)
            await relay.connect()
            self._check_current(place)
        except BaseException as error:
            self._forget(relay)
            try:
                await relay.stop()
            except Exception:
                log.exception("%s was not closed in order", name)
            finally:
                self._health.drop(health)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, TautwireError):
                log.exception("%s cannot be served", name)
            return error
        log.info("%s (%s) of %s is served", relay.bot.name, relay.bot.user, relay.bot.team.name)
        return None

    def _check_current(self, place: Place) -> None:
        if self._places[place.name] != place:
            raise ChangedError("its settings have changed while it was started")

    def _serve(self, relay: Relay) -> None:
        for other in self:
            if other.bot.is_same(relay.bot):
                raise ConfigError(
                    f"{other.name} and {relay.name} are the same app, and each would get a part of its events: keep "
                    "one table, and give each program a token with programs"
                )
        for title, token in relay.local_tokens.items():
            holder = self._tokens.get(hash_token(token.reveal()))
            if holder is not None:
                raise ConfigError(
                    f"the local token {title} of {relay.name} is that of {self._homes[holder].name} too: a token leads "
                    "to one bot"
                )
        self._served[relay.name] = relay
        self._homes[relay.workspace.identities] = relay
        relay.workspace.identities.publish(self._tokens)

    def _forget(self, relay: Relay) -> None:
        if self._served.get(relay.name) is relay:
            del self._served[relay.name]
            self._homes.pop(relay.workspace.identities)
            relay.workspace.identities.withdraw()

    def _keep_trying(self, name: str, failure: Exception, attempt: asyncio.Task[Exception | None]) -> None:
        self._report(name, failure)
        self._mended[name] = asyncio.Event()
        self._retries[name] = asyncio.create_task(self._retry(name, attempt))

    def _report(self, name: str, failure: Exception) -> None:
        if name not in self._absent:
            self._absent[name] = self._health.of(name)
        self._absent[name].fault("bot", f"not served: {failure}; it is tried again each {RETRY:.0f} s")
        self._withheld[name] = self._known(name)

    async def _retry(self, name: str, attempt: asyncio.Task[Exception | None]) -> None:
        while (failure := await attempt) is not None:
            self._report(name, failure)
            if not isinstance(failure, ChangedError):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY):
                        await self._mended[name].wait()
            self._mended[name].clear()
            attempt = asyncio.create_task(self._open(name))
        self._health.drop(self._absent.pop(name))
        del self._withheld[name]
        if self._mended.pop(name).is_set():  # the settings have changed while the last try was made
            await self._renew(self._places[name])

    def _known(self, name: str) -> set[bytes]:
        """Return the hashes of the local tokens of a bot that is not served, as far as they can be read."""
        place = self._places[name]
        try:
            known = place.settings.local_tokens(place.server.data).known()
        except ConfigError:
            return set()
        return {hash_token(token.reveal()) for token in known.values()}

    def _home(self, workspace: Workspace) -> Relay:
        """Return the bot of a workspace.

        Raises:
            MethodError: it was lost while its call was on the way; no other bot may answer for it.
        """
        relay = self._homes.get(workspace.identities)
        if relay is None:
            raise MethodError("service_unavailable")
        return relay

    def _any(self) -> Relay:
        """Return a bot that is served.

        Raises:
            StoreError: there is none.
        """
        for relay in self:
            return relay
        raise StoreError("no bot is served: restart the gateway")

    def _lose(self, name: str, failure: StoreError) -> None:
        self._failed.add(name)
        if self._failed >= self._served.keys():
            self._broken(failure)
        else:
            log.error("%s is not served any more: %s", name, failure)


@contextlib.contextmanager
def _speaking(name: str) -> Iterator[None]:
    token = speaking.set(name)
    try:
        yield
    finally:
        speaking.reset(token)
