"""Catches up after a gap: what was posted while no event could come is read from the history and put into the log.

A run begins when events can come again, before the first of them is taken (``begin``). So whatever is missing was
posted before, and the history has it. The gate holds back the live events of a channel until its turn is over. Channels
of which an event waits come first, then those in which something was posted most recently.

A message is put into the log if it is newer than the newest one of its channel there, and not known: order is kept, and
nothing comes twice. What stays missing is logged, and counted by reason in ``gaps``.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from tautwire.gateway.catchup.gate import Gate
from tautwire.gateway.catchup.history import Channel, History
from tautwire.gateway.catchup.known import Known
from tautwire.gateway.translate.events import Terms, Translated, translate
from tautwire.gateway.translate.history import to_event, to_parent_event
from tautwire.gateway.upstream.api import RefusedError, UpstreamError
from tautwire.protocol.ids import LAST_MICROS, NEVER, is_ts, ts_from_micros
from tautwire.server.clock import Clock
from tautwire.server.store.engine import StoreError
from tautwire.server.tasks import cancel

log = logging.getLogger("tautwire.gateway.catchup")

SHORT: Final = 5.0
"""Seconds without a connection after which the history is looked at. What the upstream could not deliver in a shorter
time it sends again at once."""
SETTLE: Final = 0.5
"""Seconds from the begin to the first call: an upstream that has kept the events begins to send them."""
TRIES: Final = 5
"""Times that the list, or a channel, is tried to read while the upstream does not answer."""
PAUSE: Final = 2.0
"""Seconds between two of them."""
OWN_JOINS: Final = frozenset({"channel_join", "group_join"})


class Last(NamedTuple):
    """A run that has ended."""

    at: float
    """When, in the time of ``Clock.monotonic``."""
    messages: int
    """Messages that it has stored."""
    gaps: int
    """Gaps that remained."""


class Put(Protocol):
    """Stores messages."""

    async def __call__(self, messages: Sequence[Translated], *, is_joined: bool) -> int:
        """Store those of a channel, oldest first, that are newer than what is stored; return how many.

        Args:
            is_joined: whether the bot has joined with the first of them.

        Raises:
            StoreError: not all are stored.
        """


class CatchUp:
    """Catches up.

    Args:
        put: stores messages.
        reach: seconds back that are looked up; with 0 nothing is.
        is_new: whether this is the first start, before which nothing can be missed.
    """

    def __init__(
        self, history: History, known: Known, gate: Gate, put: Put, terms: Terms, clock: Clock, *, reach: float,
        is_new: bool,
    ) -> None:  # fmt: skip
        self._history = history
        self._known = known
        self._gate = gate
        self._put = put
        self._terms = terms
        self._clock = clock
        self._reach = reach
        self._is_new = is_new
        self._floor: str = NEVER
        self._task: asyncio.Task[None] | None = None
        self._is_unfinished = False
        self.last: Last | None = None
        """The last run; None before the first has ended."""
        self.messages = 0
        """Messages that were caught up."""
        self.gaps: Counter[str] = Counter()
        """Gaps that remain, by reason: channels, except for ``list`` (kinds of channels)."""

    @property
    def calls(self) -> int:
        """Calls that were made."""
        return self._history.calls

    @property
    def is_running(self) -> bool:
        """Whether a run is in progress."""
        return self._task is not None and not self._task.done()

    def begin(self, gap: float) -> None:
        """Events can come again after ``gap`` seconds in which none could, infinity after a start."""
        is_new, self._is_new = self._is_new, False
        if not self._reach or is_new or (gap < SHORT and not self._is_unfinished):
            return
        self._is_unfinished = True
        if self._task is not None:
            self._task.cancel()
        now = min(self._clock.micros(), LAST_MICROS)
        self._floor = max(ts_from_micros(max(0, now - int(self._reach * 1_000_000))), self._known.since)
        self._gate.close(self._floor, ts_from_micros(now))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look up nothing more."""
        if self._task is not None:
            await cancel(self._task)

    async def _run(self) -> None:
        before = self.messages
        gaps = self.gaps.total()
        try:
            await self._catch_up_all()
            self._is_unfinished = False
        except UpstreamError as error:
            self._remains("list", "of all channels", str(error))
        except Exception:
            log.exception("what was missed is not caught up")
            self._remains("failed", "of all channels", "see above")
        # Not if it is cancelled: the next run has closed the gate again.
        self._gate.hold(())
        self.last = Last(self._clock.monotonic(), self.messages - before, self.gaps.total() - gaps)
        log.info(
            "caught up: %d messages were missed and are stored; %d gaps remain", self.last.messages, self.last.gaps
        )

    async def _catch_up_all(self) -> None:
        await asyncio.sleep(SETTLE)
        if self._is_overruled():
            return
        channels, refusals = await self._channels()
        for refusal in refusals:
            self._remains("list", "of some channels", str(refusal))
        left = {channel.id: channel for channel in channels}
        order = sorted(left, key=lambda each: max(left[each].latest, self._known.newest(each)))
        self._gate.hold(left)
        failures: Counter[str] = Counter()
        while left:
            for late in self._gate.given_up & left.keys():
                del left[late]
                self._remains("late", late, "its events have waited too long and have gone on")
            if self._is_overruled() or not left:
                return
            order = [each for each in order if each in left]
            turn = next((each for each in self._gate.waiting if each in left), order[-1])
            try:
                await self._catch_up(left[turn])
            except (RefusedError, UpstreamError, StoreError) as error:
                failures[turn] += 1
                if failures[turn] < TRIES and not isinstance(error, RefusedError):
                    order.insert(0, order.pop(order.index(turn)))  # after the others
                    await asyncio.sleep(PAUSE)
                    continue
                self._remains("unread", turn, str(error))
            del left[turn]
            self._gate.open(turn)

    async def _channels(self) -> tuple[list[Channel], list[RefusedError]]:
        for _ in range(TRIES - 1):
            try:
                return await self._history.channels()
            except UpstreamError as error:
                log.info("the channels of the bot cannot be listed yet: %s", error)
                await asyncio.sleep(PAUSE)
        return await self._history.channels()

    async def _catch_up(self, channel: Channel) -> None:
        newest = self._known.newest(channel.id)
        missed = await self._history.missed(channel.id, max(newest, self._floor))
        if self._is_overruled():
            return
        if channel.id in self._gate.given_up:
            self._remains("late", channel.id, "its events have waited too long and have gone on")
            return
        self._gate.cover(channel.id, missed.oldest, missed.newest)
        if missed.is_cut:
            self._remains("long", channel.id, "more was posted than is looked up")
        lost = [
            ts for ts in missed.older
            if max(newest, self._known.since) < ts <= self._floor and not self._known.has_message(channel.id, ts)
        ]  # fmt: skip
        # If the bot has joined meanwhile, it may read what was before, but RTM would not have sent that.
        joined = [place for place, message in enumerate(missed.messages) if self._is_own_join(message)]
        if lost and not joined:
            self._remains("old", channel.id, f"{len(lost)} messages or more are older than catch_up")
        messages = missed.messages[joined[-1] if joined else 0 :]
        replies: dict[str, list[str]] = {}  # ts by that of the parent, in order
        for message in missed.messages:
            thread = message.get("thread_ts")
            if isinstance(thread, str) and thread != message["ts"]:
                replies.setdefault(thread, []).append(message["ts"])
        translated: list[Translated] = []
        for message in messages:
            try:
                translated.append(self._translate(message, channel, missed.parents, replies))
            except (msgspec.MsgspecError, RecursionError):
                self._remains("unread", channel.id, f"the message {message['ts'][:20]!r} is not one")
        self.messages += await self._put(translated, is_joined=bool(joined))

    def _translate(
        self, message: dict[str, Any], channel: Channel, parents: Mapping[str, Any], replies: Mapping[str, list[str]]
    ) -> Translated:
        """Return what RTM has for a message.

        Raises:
            msgspec.MsgspecError, RecursionError: it is not a message.
        """
        found = translate(to_event(message, channel.id, channel.type), self._terms)
        thread = message.get("thread_ts")
        if not isinstance(thread, str) or thread not in parents or thread == message["ts"] or not is_ts(message["ts"]):
            return found
        event = to_parent_event(parents[thread], message["ts"], replies[thread], channel.id, channel.type)
        return found._replace(parent=translate(event, self._terms).frame)

    def _is_own_join(self, message: dict[str, Any]) -> bool:
        return message.get("subtype") in OWN_JOINS and message.get("user") == self._terms.bot_user

    def _is_overruled(self) -> bool:
        if self._gate.is_overruled:
            log.info("the upstream sends what was missed by itself")
        return self._gate.is_overruled

    def _remains(self, why: str, where: str, text: str) -> None:
        self.gaps[why] += 1
        log.warning("events of the time without connection stay missing, %s: %s", where, text)
