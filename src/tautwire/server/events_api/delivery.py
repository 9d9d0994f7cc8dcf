"""The door of the Events API over HTTP: which apps are served, and what becomes of their events.

An app with a request URL and without Socket Mode is served. First it has to answer a challenge at the URL. While it
does not, it is asked again, with longer pauses: a server often starts before its apps. Then its tap runs, and each
event is a request of its own (``link``). A tap with no room reads no further. So an app that does not answer has a few
requests in memory and its place in the log, and delays no other.

An app that cannot be reached any more is away. Its tap stops, as that of an app without a Socket Mode connection, and
the challenge is its sign of life: once anything answers it, the app gets what it missed.

What is sent to whom is never logged: a URL may hold a secret.
"""

import asyncio
import logging
from collections.abc import Iterable
from functools import partial
from typing import Any, Final, Literal

from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.events_api.addresses import Addresses
from tautwire.server.events_api.failures import Failures
from tautwire.server.events_api.link import HttpLink
from tautwire.server.events_api.receiver import Outcome, Receiver
from tautwire.server.log.writer import Writer
from tautwire.server.services.access.subscriptions import DISABLED, UNVERIFIED, VERIFIED, Subscription
from tautwire.server.services.access.subscriptions import note_request_state as note_state
from tautwire.server.services.controls import Controls
from tautwire.server.store.engine import StoreError
from tautwire.server.store.queries.apps import find_signing_secret
from tautwire.server.store.reader import Reader
from tautwire.server.taps.tap import Tap
from tautwire.server.taps.taps import Taps

log = logging.getLogger("tautwire.server.events_api")

FIRST_PAUSE: Final = 1.0
"""Seconds until an app is asked again that did not answer the challenge; twice as many each time."""
MAX_PAUSE: Final = 60.0


class _Start:
    """The challenge and the start of an app that is not served yet."""

    def __init__(self) -> None:
        self.url = ""
        self.task: asyncio.Task[None] | None = None
        self.due = 0.0
        self.pause = FIRST_PAUSE
        self.is_away = False
        """Whether the app was served and could not be reached."""


class Delivery:
    """Serves the apps of a workspace that have a request URL.

    Args:
        taps: decide what apps get.
        signing_clock: the time of signatures: receivers compare it with their own, so it must not be turned.
        controls: journal and faults, while the control API is on.
    """

    def __init__(
        self, taps: Taps, *, writer: Writer, reader: Reader, settings: Settings, clock: Clock,
        signing_clock: Clock | None = None, controls: Controls | None = None,
    ) -> None:  # fmt: skip
        self._taps = taps
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._signing_clock = signing_clock or clock
        self._controls = controls
        self._drain = settings.drain
        self._addresses = Addresses(settings.request_addresses)
        self._links: dict[str, HttpLink] = {}
        self._starts: dict[str, _Start] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_stopping = False
        taps.on_change(self._check)

    @property
    def served(self) -> int:
        """The number of apps that get their events over HTTP."""
        return len(self._links)

    def state_of(self, app: str) -> Literal["served", "away"] | None:
        """Return whether an app is served, or cannot be reached; None if it is neither yet."""
        if app in self._links:
            return "served"
        start = self._starts.get(app)
        return "away" if start is not None and start.is_away else None

    def ask_now(self, app: str) -> None:
        """Ask an app at once that is not served yet, or cannot be reached."""
        start = self._starts.get(app)
        if start is not None:
            start.due, start.pause = 0.0, FIRST_PAUSE
        self.sweep()

    def sweep(self) -> None:
        """Begin with apps that are not served yet; to be called about once a second."""
        if self._is_stopping:
            return
        now = self._clock.monotonic()
        for tap in self._taps:
            app = tap.app
            if app in self._links:
                self._disable(self._links[app])
            elif _is_wanted(tap.subscription):
                start = self._starts.setdefault(app, _Start())
                if start.task is None and (start.due <= now or start.url != tap.subscription.request_url):
                    start.task = self._spawn(self._begin(tap, start))

    async def stop(self) -> None:
        """Send no more events; answers that come in the drain time count."""
        self._is_stopping = True
        await _end([start.task for start in self._starts.values() if start.task is not None])
        for link in self._links.values():
            link.tap.stop()
        await asyncio.gather(*(link.close(self._drain) for link in self._links.values()))
        await _end(self._tasks)

    def _note_away(self, link: HttpLink) -> None:
        """Stop the tap of an app that cannot be reached; look for it from now on."""
        app = link.tap.app
        if self._is_stopping or self._links.get(app) is not link:
            return
        del self._links[app]
        link.tap.stop()
        start = self._starts[app] = _Start()
        start.url, start.is_away = link.receiver.url, True
        self._postpone(start)
        log.warning("app %s cannot be reached over HTTP; its events wait for it", app)
        self._spawn(link.close())

    def _check(self, subscription: Subscription) -> None:
        """Serve an app no longer whose URL is another now, or that is not to be served."""
        app = subscription.app
        link = self._links.get(app)
        is_wanted = _is_wanted(subscription) and subscription.request_state == VERIFIED
        if link is not None and not (is_wanted and link.receiver.url == subscription.request_url):
            del self._links[app]
            link.tap.stop()
            self._spawn(link.close())
        if not _is_wanted(subscription):
            start = self._starts.pop(app, None)
            if start is not None and start.task is not None:
                start.task.cancel()

    async def _begin(self, tap: Tap, start: _Start) -> None:
        """Verify the URL of an app if it is not, else begin to send."""
        subscription = tap.subscription
        if start.url != subscription.request_url:
            start.url, start.pause = subscription.request_url, FIRST_PAUSE
        try:
            secret = await self._reader.read(partial(find_signing_secret, app=tap.app))
            if not secret:  # the app is deleted
                return
            receiver = Receiver(start.url, secret, self._addresses, self._signing_clock)
            if subscription.request_state == UNVERIFIED:
                try:
                    outcome = await receiver.verify()
                finally:
                    await receiver.close()
                await self._note_verification(tap.app, start, outcome)
            elif start.is_away and not (await self._find(receiver)):
                self._postpone(start)
            elif tap.is_running or tap.subscription != subscription:  # its Socket Mode ends yet, or it has changed
                await receiver.close()
            else:
                self._links[tap.app] = link = HttpLink(tap, receiver, self._clock, self._note_away, self._controls)
                self._taps.start(tap, link)
                self._starts.pop(tap.app, None)
                log.info("app %s gets its events over HTTP", tap.app)
        except StoreError as error:
            log.warning("app %s is not served over HTTP yet: %s", tap.app, error)
            self._postpone(start)
        except Exception:
            log.exception("app %s is not served over HTTP yet", tap.app)
            self._postpone(start)
        finally:
            start.task = None

    async def _find(self, receiver: Receiver) -> bool:
        """Whether anything answers at a URL; else the receiver is closed."""
        is_found = (await receiver.verify()).is_connected
        if not is_found:
            await receiver.close()
        return is_found

    async def _note_verification(self, app: str, start: _Start, outcome: Outcome) -> None:
        if outcome.reason:
            log.warning(
                "the request URL of app %s did not answer the challenge (%s); asking again in %g s",
                app, outcome.reason, start.pause,
            )  # fmt: skip
            self._postpone(start)
            return
        await self._writer.write(partial(note_state, app=app, url=start.url, state=VERIFIED))

    def _postpone(self, start: _Start) -> None:
        start.due = self._clock.monotonic() + start.pause
        start.pause = min(2 * start.pause, MAX_PAUSE)

    def _disable(self, link: HttpLink) -> None:
        """Switch an app off that fails too often."""
        if link.failures.are_too_many and self._writer.accepts:
            link.failures = Failures()
            log.warning(
                "app %s gets no more events over HTTP: nearly all attempts of the last hour failed; repair it, and set "
                "its request URL again", link.tap.app,
            )  # fmt: skip
            unit = partial(note_state, app=link.tap.app, url=link.receiver.url, state=DISABLED)
            self._spawn(self._writer.write(unit))

    def _spawn(self, work: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, StoreError):
            log.warning("an app that fails is not switched off yet: %s", error)
        else:
            log.error("serving an app over HTTP failed", exc_info=error)


def _is_wanted(subscription: Subscription) -> bool:
    """Whether an app is to get its events over HTTP."""
    return (
        bool(subscription.request_url)
        and not subscription.socket_mode
        and not subscription.deleted
        and subscription.request_state != DISABLED
    )


async def _end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks, and wait for them."""
    ending = [*tasks]
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
