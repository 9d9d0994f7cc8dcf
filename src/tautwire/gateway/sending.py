"""Messages of bots on their way to the upstream: a queue for each channel, at the pace that the upstream allows.

A message is answered when the upstream has accepted or refused it. A call that came too early, or that never left, is
made again; one whose outcome is not known is not, since the message could be there twice: its sender gets an error.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tautwire.gateway.echoes import Echoes
from tautwire.gateway.tally import Tally
from tautwire.gateway.upstream.api import Answer as Reply
from tautwire.gateway.upstream.api import Api, UpstreamError
from tautwire.protocol.frames import Message
from tautwire.protocol.ids import Ts
from tautwire.server.clock import Clock
from tautwire.server.counts import Distribution
from tautwire.server.rtm.backend import Answer, Peer
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import StoreError
from tautwire.session.ratelimit import Rate, TokenBucket

log = logging.getLogger("tautwire.gateway")

PACE: Final = Rate(per_second=1.0, burst=4)
"""Messages to one channel. Source: wire/web-api.md#rate-limits (one a second documented, short bursts tolerated)."""
MAX_WAIT: Final = 60.0
"""Seconds that a message waits for an upstream that limits or cannot be reached, then it is refused."""
SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LAST_PATIENCE: Final = 2.0
"""Seconds that a stop waits for answers."""
MAX_WAITING: Final = 16 * 1_048_576
"""Characters of the messages that wait; a message beyond is refused with slow down."""
MAX_PACED: Final = 1_000
"""Channels whose pace is remembered; those that were quiet for a while are dropped beyond."""


class Sent(NamedTuple):
    """A message that the upstream has accepted: a ``server.rtm.backend.Posted``."""

    channel: str
    ts: Ts
    body: dict[str, Any]


@dataclass(slots=True)
class Figures:
    """The counters of sends."""

    accepted: int = 0
    paced: int = 0
    """Messages that waited because of ``PACE``."""
    limited: int = 0
    """Calls that the upstream answered with Retry-After."""
    unknown: int = 0
    """Messages whose outcome is not known."""
    errors: Tally = field(default_factory=Tally)
    """Messages that were refused, by error."""
    seconds: Distribution = field(default_factory=lambda: Distribution(SECONDS))
    """From a frame to its answer."""


class Job(NamedTuple):
    """A message that waits."""

    peer: Peer
    message: Message
    answer: Answer
    since: float


class Sending:
    """Sends the messages of all connections.

    The session of a connection bounds how many of its messages wait (``session.server.MAX_PENDING``), and
    ``MAX_WAITING`` those of all.

    Args:
        paces: whether messages are slowed down before the upstream does it.
        said: called with the channel of a message that the upstream has accepted, before its sender has the ack.
    """

    def __init__(
        self, api: Api, echoes: Echoes, clock: Clock, *, paces: bool, said: Callable[[str], None] = lambda channel: None
    ) -> None:
        self._said = said
        self._api = api
        self._echoes = echoes
        self._clock = clock
        self._paces = paces
        self._lanes: dict[str, deque[Job]] = {}
        self._buckets: dict[str, TokenBucket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._size = 0  # characters of the messages that wait
        self.figures = Figures()

    @property
    def waiting(self) -> int:
        """Messages that have no answer yet."""
        return sum(map(len, self._lanes.values()))

    def post(self, peer: Peer, message: Message, answer: Answer) -> None:
        """Queue a message behind the others of its channel; see ``server.rtm.backend.Backend.post``."""
        job = Job(peer, message, answer, self._clock.monotonic())
        if self._is_stopping:
            _answer(job, StoreError("the gateway stops"))
            return
        if self._size + len(message.text) > MAX_WAITING:
            _answer(job, MethodError("ratelimited"))
            return
        self._size += len(message.text)
        lane = self._lanes.get(message.channel)
        if lane is not None:
            lane.append(job)
            return
        self._lanes[message.channel] = deque([job])
        task = asyncio.create_task(self._drain(message.channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Wait a moment for answers that are on their way, then refuse what waits and what still comes."""
        self._is_stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_PATIENCE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drain(self, channel: str) -> None:
        lane = self._lanes[channel]
        try:
            while lane:
                job = lane[0]
                await self._pace(channel)
                outcome = await self._send(job)
                lane.popleft()
                self._size -= len(job.message.text)
                self._count(job, outcome)
                _answer(job, outcome)
        except asyncio.CancelledError:
            for job in lane:
                self._size -= len(job.message.text)
                _answer(job, StoreError("the gateway stops; whether the message was accepted is not known"))
            raise
        finally:
            del self._lanes[channel]

    def _count(self, job: Job, outcome: Sent | BaseException) -> None:
        self.figures.seconds.observe(self._clock.monotonic() - job.since)
        if isinstance(outcome, MethodError):
            self.figures.errors.count(outcome.code)
        elif isinstance(outcome, BaseException):
            self.figures.errors.count(type(outcome).__name__)

    async def _pace(self, channel: str) -> None:
        if not self._paces:
            return
        now = self._clock.monotonic()
        bucket = self._buckets.get(channel)
        if bucket is None:
            if len(self._buckets) >= MAX_PACED:
                self._buckets = {name: each for name, each in self._buckets.items() if not each.is_full(now)}
            bucket = self._buckets[channel] = TokenBucket(PACE, now)
        if bucket.take(self._clock.monotonic()):
            return
        self.figures.paced += 1
        while not bucket.take(self._clock.monotonic()):  # noqa: ASYNC110 - a pause is wanted
            await asyncio.sleep(bucket.wait(self._clock.monotonic()))

    async def _send(self, job: Job) -> Sent | BaseException:
        """Return the accepted message, or why there is none."""
        place = self._echoes.begin(job.message.channel)
        try:
            reply = await self._call(job)
            if isinstance(reply, MethodError):
                return reply
            if not reply.is_ok:
                return MethodError(reply.text("error") or "service_unavailable")
            body, ts = reply.get("message"), reply.text("ts")
            if not ts:
                self.figures.unknown += 1
                log.warning("the answer for a message to %s does not say which one it is", job.message.channel[:80])
                return MethodError("service_unavailable")
            channel = reply.text("channel") or job.message.channel
            body = body if isinstance(body, dict) else {}
            self._echoes.sent(channel, ts, job.peer.number)
            self._said(channel)
            self.figures.accepted += 1
            user = str(body.get("user") or job.peer.user)
            return Sent(
                channel, Ts(ts), {**body, "user": user, "text": str(body.get("text", job.message.text)), "ts": ts}
            )
        except Exception as error:  # noqa: BLE001 - the door logs it, and the next message of the channel goes on
            return error
        finally:
            self._echoes.end(place)

    async def _call(self, job: Job) -> Reply | MethodError:
        """Make the call until it has an outcome."""
        message = job.message
        arguments: dict[str, Any] = {"channel": message.channel, "text": message.text}
        if message.thread_ts is not None:
            arguments |= {"thread_ts": message.thread_ts}
        if message.reply_broadcast:
            arguments |= {"reply_broadcast": True}
        end = self._clock.monotonic() + MAX_WAIT
        attempt = 0
        while True:
            attempt += 1
            try:
                reply = await self._api.call("chat.postMessage", arguments)
            except UpstreamError as error:
                if error.was_sent:
                    self.figures.unknown += 1
                    log.warning("whether a message to %s was accepted is not known: %s", message.channel[:80], error)
                    return MethodError("service_unavailable")
                pause, refusal = min(5.0, 0.05 * 2.0**attempt), MethodError("service_unavailable")
            else:
                wait = reply.retry_after
                if wait is None:
                    return reply
                self.figures.limited += 1
                pause, refusal = max(0.01, wait), MethodError("ratelimited")
            if self._clock.monotonic() + pause > end:
                return refusal
            await asyncio.sleep(pause)


def _answer(job: Job, outcome: Sent | BaseException) -> None:
    try:
        if isinstance(outcome, BaseException):
            job.answer(None, outcome)
        else:
            job.answer(outcome, None)
    except Exception:
        log.exception("the answer to a message could not be given")
