"""From an event of the upstream to entries of the log. The event is acknowledged when they are durable.

An event is known by its id. The upstream repeats one whose acknowledgement it did not see, so the ids are stored in the
log with the frames, in the same transaction, and read at the start: an event is stored once, whatever ends the process.

Order. Most events need nothing besides themselves and go to the writer at once. One that has to wait (the conversation
that the bot has joined, the answer to a send) holds back the events of its channel, and no others. While messages that
were missed are looked up (``catchup``), the gate holds back the events of their channels.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.gateway.catchup.gate import Gate
from tautwire.gateway.catchup.known import CAUGHT_UP, Known, note
from tautwire.gateway.echoes import Echoes
from tautwire.gateway.translate.conversations import announce, unknown
from tautwire.gateway.translate.events import RULES, Before, Terms, Translated, translate
from tautwire.gateway.unmapped import Unmapped
from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError
from tautwire.gateway.upstream.link import Acknowledge
from tautwire.protocol.ids import Ts, is_ts, ts_to_micros
from tautwire.server.clock import Clock
from tautwire.server.counts import Distribution
from tautwire.server.log.entry import WORKSPACE
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import StoreError

log = logging.getLogger("tautwire.gateway")

APP: Final = "upstream"
"""The topic of the entries that have events as they came, for the Socket Mode connections of programs."""
ENDS: Final = frozenset({"app_uninstalled", "tokens_revoked"})
"""Events that an operator has to know of."""
LIMITED: Final = "app_rate_limited"
"""The type of what comes in place of the events of a minute. Source: wire/events-api.md#delivery-over-http."""
MAX_WAITING: Final = 16 * 1_048_576
"""Bytes of events that wait; beyond, events are left to be sent again by the upstream."""
MAX_DIRECTS: Final = 50_000
"""Direct conversations that are remembered."""
MAX_UNIT: Final = 100
"""Messages that are caught up in one transaction."""
SAME_JOIN: Final = 5.0
"""Seconds that the event of a join and its line in the channel are apart at most."""
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0)


class _Callback(msgspec.Struct, gc=False):
    """The payload of an envelope."""

    type: str = ""
    event_id: str = ""
    event: msgspec.Raw = msgspec.Raw(b"{}")


_decode: Final = msgspec.json.Decoder(_Callback).decode


@dataclass(slots=True)
class Figures:
    """The counters of the intake."""

    stored: int = 0
    repeated: int = 0
    """Events that were known already by their id."""
    caught_up: int = 0
    """Events of messages that had come from the history."""
    gone: int = 0
    """Events of messages that were deleted before the history was read."""
    without_frame: int = 0
    """Events for which RTM has nothing."""
    unread: int = 0
    """Payloads that are not an event."""
    put_off: int = 0
    """Events that were left to be sent again: too much was waiting, or the store failed."""
    left_out: int = 0
    """Minutes in which the upstream left events out: the app got more than it may."""
    lag: Distribution = field(default_factory=lambda: Distribution(SECONDS))
    """Seconds from the event at the upstream until it is stored."""
    last_lag: float | None = None
    """That of the last event; None before the first."""
    heard: float | None = None
    """When the last event came, in the time of ``Clock.monotonic``; None before the first."""
    ack: Distribution = field(default_factory=lambda: Distribution(SECONDS))
    """Seconds from the arrival of an event to its acknowledgement."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that is not stored yet."""

    id: str
    translated: Translated
    size: int
    came: float
    kept: bytes
    """The payload if it is stored too, else empty."""


class Intake:
    """Stores the events of the upstream.

    Args:
        terms: what decides besides the event.
        known: what the log has.
        gate: holds back the events of channels.
        unmapped: counts the events that become no frame.
        keeps_payloads: whether events are stored as they came, too.
    """

    def __init__(
        self,
        api: Api,
        writer: Writer,
        echoes: Echoes,
        terms: Terms,
        known: Known,
        gate: Gate,
        clock: Clock,
        *,
        unmapped: Unmapped,
        keeps_payloads: bool = False,
    ) -> None:
        self._keeps_payloads = keeps_payloads
        self._unmapped = unmapped
        self._api = api
        self._writer = writer
        self._echoes = echoes
        self._terms = terms
        self._known = known
        self._gate = gate
        self._clock = clock
        self._open: dict[str, list[Acknowledge]] = {}  # events that are not durable yet
        self._lanes: dict[str, deque[Arrival]] = {}  # what waits, by channel
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._directs: set[str] = set()
        self._joined: dict[str, str] = {}  # ts of own joins that were caught up, by channel
        self.figures = Figures()

    @property
    def waiting(self) -> int:
        """Events that are not durable yet."""
        return len(self._open)

    def know_directs(self, channels: Iterable[str]) -> None:
        """Take direct conversations for known: they are not announced."""
        self._directs.update(channels)

    def receive(self, payload: bytes, acknowledge: Acknowledge) -> None:
        """Take the payload of an envelope; ``acknowledge`` is called when it is durable, or needs not be."""
        self.figures.heard = self._clock.monotonic()
        try:
            callback = _decode(payload)
            if callback.type == LIMITED:
                self.figures.left_out += 1
                log.warning("the upstream leaves events out: the app gets more than it may in an hour")
                acknowledge()
                return
            translated = translate(bytes(callback.event), self._terms)
        except (msgspec.MsgspecError, RecursionError):
            log.warning("an event of the upstream cannot be read; it has %d bytes", len(payload))
            self.figures.unread += 1
            acknowledge()
            return
        # Without an id, which was never seen, a copy is known by its bytes.
        event_id = callback.event_id or hashlib.sha256(payload).hexdigest()
        if translated.type in ENDS:
            log.warning("the upstream says %s: calls and events of the app may end", translated.type)
            self._spawn(self._try_token())
        self._gate.saw(translated.event_ts)
        if self._known.has_event(event_id):
            self.figures.repeated += 1
            acknowledge()
        elif event_id in self._open:
            self.figures.repeated += 1
            self._open[event_id].append(acknowledge)
        elif translated.frame is None and not self._keeps_payloads:
            self.figures.without_frame += 1
            self._note_unmapped(translated)
            acknowledge()
        elif self._waiting + len(payload) > MAX_WAITING:
            self.figures.put_off += 1
            log.warning("an event is left to be sent again: %d bytes of others wait", self._waiting)
        else:
            if translated.frame is None:
                self._note_unmapped(translated)
            self._open[event_id] = [acknowledge]
            self._waiting += len(payload)
            try:
                kept = payload if self._keeps_payloads else b""
                self._enter(Arrival(event_id, translated, len(payload), self._clock.monotonic(), kept))
            except BaseException:
                del self._open[event_id]  # else the copy that comes again would wait for this one
                self._waiting -= len(payload)
                raise

    def _note_unmapped(self, event: Translated) -> None:
        self._unmapped.note("event", event.type, "only_events_api" if event.type in RULES else "not_known")

    async def put(self, messages: Sequence[Translated], *, is_joined: bool) -> int:
        """Store messages of the history; see ``catchup.run.Put``."""
        count = 0
        for start in range(0, len(messages), MAX_UNIT):
            count += await self._put(messages[start : start + MAX_UNIT], is_joined=is_joined and not start)
        return count

    async def stop(self) -> None:
        """Give up what waits: it is not acknowledged, so the upstream sends it again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _enter(self, arrival: Arrival) -> None:
        channel = arrival.translated.channel
        lane = self._lanes.get(channel)
        if lane is not None:
            lane.append(arrival)
        elif self._gate.holds(channel) or self._has_to_wait(arrival.translated):
            self._lanes[channel] = deque([arrival])
            self._spawn(self._drain(channel))
        else:
            self._store(arrival, [])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try_token(self) -> None:
        """Make a call, whose outcome says whether the bot token is still taken; the bot may make none for hours."""
        with contextlib.suppress(RefusedError, UpstreamError):
            await self._api.read("auth.test")

    def _has_to_wait(self, event: Translated) -> bool:
        return (
            event.before is Before.JOINED
            or (event.before is Before.DIRECT and event.channel not in self._directs)
            or (bool(event.own_ts) and self._echoes.is_in_flight(event.channel))
        )

    async def _drain(self, channel: str) -> None:
        lane = self._lanes[channel]
        while lane:
            arrival = lane[0]
            await self._gate.passed(channel)
            try:
                before = await self._prepare(arrival.translated) if self._has_to_wait(arrival.translated) else []
            except Exception:
                log.exception("what comes before a %s was not found", arrival.translated.type)
                before = []
            if not before and self._gate.holds(channel):  # there was another gap meanwhile
                continue
            lane.popleft()
            self._store(arrival, before)
        del self._lanes[channel]

    async def _prepare(self, event: Translated) -> list[bytes]:
        """Wait for what the event needs; return the frames that come before it."""
        if event.own_ts and self._echoes.is_in_flight(event.channel):
            await self._echoes.known(event.channel, event.own_ts)
        if event.before is Before.JOINED and not self._is_announced(event):
            return announce(await self._describe(event.channel), self._terms.bot_user, event.event_ts)
        if event.before is Before.DIRECT and event.channel not in self._directs:
            if len(self._directs) >= MAX_DIRECTS:
                self._directs.clear()
            self._directs.add(event.channel)
            return announce(await self._describe(event.channel), self._terms.bot_user, event.event_ts)
        return []

    def _is_announced(self, join: Translated) -> bool:
        """Whether the channel was announced when the line of the same join was caught up."""
        line = self._joined.pop(join.channel, "")
        return bool(line) and abs(_seconds(line) - _seconds(join.event_ts)) < SAME_JOIN

    async def _describe(self, channel: str) -> dict[str, Any]:
        """Return the conversation as the upstream describes it."""
        try:
            found = (await self._api.read("conversations.info", channel=channel)).get("channel")
        except (RefusedError, UpstreamError) as error:
            log.warning("the conversation %s is announced with its id alone: %s", channel, error)
            found = None
        return found if isinstance(found, dict) else unknown(channel)

    def _store(self, arrival: Arrival, before: list[bytes]) -> None:
        event = arrival.translated
        if self._is_settled(event):
            if not arrival.kept:
                self._acknowledge(arrival)
                return
            event = event._replace(
                frame=None, ts=""
            )  # it is stored as it came only: its message is known, and stays so
            arrival = replace(arrival, translated=event)
        self._known.expect(event.channel, event.ts)
        entry = self._entry(arrival.id, event, before, arrival.kept)
        try:
            self._writer.post(partial(_store_all, [entry]), self._done(arrival))
        except StoreError as error:
            self._done(arrival)(None, error)

    def _is_settled(self, event: Translated) -> bool:
        """Whether the history has settled an event: its message came from there, or is there no more."""
        if not event.ts and not event.latest_reply:
            return False
        if self._known.was_caught_up(event.channel, event.ts or event.latest_reply):
            self.figures.caught_up += 1
            return True
        is_gone = (
            bool(event.ts)
            and not event.is_reply
            and self._gate.is_covered(event.channel, event.ts)
            and not self._known.has_message(event.channel, event.ts)
        )
        self.figures.gone += is_gone
        return is_gone

    async def _put(self, messages: Sequence[Translated], *, is_joined: bool) -> int:
        """Store some messages in one transaction."""
        entries: list[_Entry] = []
        for message in messages:
            channel, ts = message.channel, message.ts
            if not ts or ts <= self._known.newest(channel) or self._known.has_message(channel, ts):
                is_joined = False
                continue
            before = await self._prepare(message) if self._has_to_wait(message) else []
            if is_joined:
                before = announce(await self._describe(channel), self._terms.bot_user, ts)
                self._joined[channel], is_joined = ts, False
            if not self._known.has_message(channel, ts):  # its event may have gone on meanwhile
                self._known.expect(channel, ts)
                entries.append(self._entry(CAUGHT_UP, message, before))
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(_: Any, error: BaseException | None) -> None:  # also if nothing waits for it any more
            for entry in entries:
                if error is None:
                    self._known.add(CAUGHT_UP, entry.event.channel, entry.event.ts)
                else:
                    self._known.forget(entry.event.channel, entry.event.ts)
            if stored.done():
                return
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error)

        try:
            self._writer.post(partial(_store_all, entries), done)
        except StoreError as error:
            done(None, error)
        await stored
        return len(entries)

    def _entry(self, event_id: str, event: Translated, before: list[bytes], kept: bytes = b"") -> "_Entry":
        skip = (self._echoes.sender(event.channel, event.own_ts) if event.own_ts else None) or 0
        return _Entry(event_id, event, before, skip, kept)

    def _done(self, arrival: Arrival) -> Callable[[Any, BaseException | None], None]:
        def done(_: Any, error: BaseException | None) -> None:
            event = arrival.translated
            if error is not None:
                del self._open[arrival.id]
                self._waiting -= arrival.size
                self._known.forget(event.channel, event.ts)
                self.figures.put_off += 1
                if not isinstance(error, StoreError):
                    log.error("an event of the upstream could not be stored", exc_info=error)
                return
            self.figures.stored += 1
            if is_ts(event.event_ts):
                self.figures.last_lag = max(0.0, self._clock.micros() / 1_000_000 - _seconds(event.event_ts))
                self.figures.lag.observe(self.figures.last_lag)
            self._known.add(arrival.id, event.channel, event.ts)
            self._acknowledge(arrival)

        return done

    def _acknowledge(self, arrival: Arrival) -> None:
        self._waiting -= arrival.size
        self.figures.ack.observe(self._clock.monotonic() - arrival.came)
        for acknowledge in self._open.pop(arrival.id):
            acknowledge()


class _Entry(NamedTuple):
    """What is stored for an event or a message of the history."""

    id: str
    event: Translated
    before: list[bytes]
    skip: int
    kept: bytes
    """The payload if it is stored too, else empty."""


def _store_all(entries: Sequence[_Entry], tx: Transaction) -> None:
    """Store entries (a unit)."""
    for entry in entries:
        for each in entry.before:
            tx.emit(WORKSPACE, each)
        if entry.event.frame is not None:
            tx.emit(WORKSPACE, entry.event.frame, skip=entry.skip)
        if entry.event.parent is not None:
            tx.emit(WORKSPACE, entry.event.parent)
        if entry.kept:
            tx.emit_to_app(APP, entry.kept)
        note(tx, entry.id, entry.event.channel, entry.event.ts)


def _seconds(ts: str) -> float:
    return ts_to_micros(Ts(ts)) / 1_000_000 if is_ts(ts) else 0.0
