"""The way to one app over HTTP: a request for each event, in order within a channel.

The events of a channel are sent one at a time, those of different channels beside each other, at most ``CONCURRENCY``
requests at once. An event that fails is tried again at once, and the channel waits for that. Then the channel goes on,
and the event follows by the further tries of ``window``: an event that the app cannot take holds up the ones behind it
for two requests, never longer.

An app that cannot be connected to, in two tries with no answer to another request meanwhile, is away. That is no
failure of its events, so they lose no try: the door stops the tap and begins anew when the app can be reached.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, Final, NamedTuple

from tautwire.server.clock import Clock
from tautwire.server.events_api.failures import Failures
from tautwire.server.events_api.receiver import CONCURRENCY, Outcome, Receiver
from tautwire.server.events_api.recording import Recorder
from tautwire.server.services.controls import Controls
from tautwire.server.taps.envelope import Envelope
from tautwire.server.taps.tap import Tap
from tautwire.server.taps.window import MAX_FLYING

log = logging.getLogger("tautwire.server.events_api")

MAX_RETRY_NUM: Final = 3
"""The largest ``X-Slack-Retry-Num``. Source: wire/events-api.md#delivery-over-http (documented)."""


class _Job(NamedTuple):
    envelope: Envelope
    attempt: int
    reason: str
    is_fresh: bool


class HttpLink:
    """The ``Link`` of the tap of an app with a request URL.

    Args:
        is_away: called when the app cannot be reached.
        controls: journal and faults, while the control API is on.
    """

    reports = True

    def __init__(
        self, tap: Tap, receiver: Receiver, clock: Clock, is_away: Callable[["HttpLink"], None],
        controls: Controls | None = None,
    ) -> None:  # fmt: skip
        self.tap = tap
        self.receiver = receiver
        self.failures = Failures()
        self._clock = clock
        self._note_away = is_away
        self._controls = controls
        self._recorder = Recorder("events_api", controls)
        self._lanes: dict[str, deque[_Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._queued = 0
        self._answers = 0
        self._is_closing = False

    @property
    def has_room(self) -> bool:
        """Whether another event may be queued; the window of the tap bounds their bytes."""
        return self._queued < MAX_FLYING

    def send(self, envelope: Envelope, attempt: int, reason: str, *, is_fresh: bool) -> int:
        """Queue a request behind those of the same channel."""
        self._queued += 1
        job = _Job(envelope, attempt, reason, is_fresh)
        lane = self._lanes.get(envelope.about)
        if lane is not None:
            lane.append(job)
        else:
            self._lanes[envelope.about] = lane = deque([job])
            self._spawn(self._serve(envelope.about, lane))
        return 1

    def notify(self, body: bytes) -> None:
        """Post something that is no event, once."""
        if len(self._tasks) < MAX_FLYING:
            self._spawn(self._notify(body))

    async def close(self, patience: float = 0.0) -> None:
        """Wait for the requests in progress, and end those that take longer; answers meanwhile count.

        The tap is stopped; what is queued is not sent.
        """
        self._is_closing = True
        tasks = [*self._tasks]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.receiver.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, about: str, lane: deque[_Job]) -> None:
        """Make the requests of a channel, one after another."""
        while lane and not self._is_closing:
            async with self._slots:
                if self._is_closing:
                    return
                await self._deliver(lane.popleft())
        del self._lanes[about]

    async def _deliver(self, job: _Job) -> None:
        answers, tries = self._answers, 1
        outcome = await self._try(job.envelope, job.attempt, job.reason)
        if job.is_fresh and outcome.reason and outcome.may_retry and not self._is_closing:
            tries = 2
            outcome = await self._try(job.envelope, job.attempt + 1, outcome.reason)
        self._queued -= 1
        if not outcome.reason:
            self.tap.acknowledged(job.envelope.envelope_id)
        elif not outcome.is_connected and self._answers == answers:
            if not self._is_closing:
                self._is_closing = True
                self._note_away(self)
        else:
            self.tap.failed(job.envelope.envelope_id, outcome.reason, may_retry=outcome.may_retry, tries=tries)

    async def _try(self, envelope: Envelope, attempt: int, reason: str) -> Outcome:
        began = monotonic()
        try:
            outcome = await self._request(envelope, min(attempt, MAX_RETRY_NUM), reason)
        except Exception:
            log.exception("an event of app %s could not be sent", self.tap.app)
            outcome = Outcome("unknown_error")
        self._recorder.record(
            self.tap.app, self.receiver.url, envelope.payload, outcome, began, attempt=attempt, retry=reason
        )
        self._answers += outcome.is_connected
        if not outcome.has_no_listener:
            self.failures.note(self._clock.monotonic(), is_first=not attempt, failed=bool(outcome.reason))
        return outcome

    async def _request(self, envelope: Envelope, attempt: int, reason: str) -> Outcome:
        if self._controls is not None and self._controls.faults.take(("refused_delivery",), app=self.tap.app):
            return Outcome("connection_failed")
        return await self.receiver.deliver(envelope.payload, attempt, reason)

    async def _notify(self, body: bytes) -> None:
        async with self._slots:
            outcome = await self.receiver.deliver(body, 0, "")
        if outcome.reason:
            log.info("app %s did not take a notice: %s", self.tap.app, outcome.reason)
