"""From an event of the upstream to entries of the log. The event is acknowledged when they are durable.

An event is known by its id. The upstream repeats one whose acknowledgement it did not see, so the ids are stored in the
log with the frames, in the same transaction, and read at the start: an event is stored once, whatever ends the process.

Order. Most events need nothing besides themselves and go to the writer at once. One that has to wait (the conversation
that the bot has joined, the answer to a send) holds back the events of its channel, and no others.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tautwire.gateway.echoes import Echoes
from tautwire.gateway.translate.conversations import announce, unknown
from tautwire.gateway.translate.events import Before, Terms, Translated, translate
from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError
from tautwire.gateway.upstream.link import Acknowledge
from tautwire.server.log.entry import WORKSPACE, Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import StoreError

log = logging.getLogger("tautwire.gateway")

UPSTREAM: Final = Topic("upstream")
"""The topic of the entries that have the ids of events; they are sent to no connection."""
APP: Final = "upstream"
"""The topic of the entries that have events as they came, for the Socket Mode connections of programs."""
ENDS: Final = frozenset({"app_uninstalled", "tokens_revoked"})
"""Events that an operator has to know of."""
MAX_IDS: Final = 20_000
"""Ids that are remembered: the upstream repeats an event for an hour or so."""
MAX_WAITING: Final = 16 * 1_048_576
"""Bytes of events that wait; beyond, events are left to be sent again by the upstream."""
MAX_DIRECTS: Final = 50_000
"""Direct conversations that are remembered."""


class _Callback(msgspec.Struct, gc=False):
    """The payload of an envelope."""

    event_id: str = ""
    event: msgspec.Raw = msgspec.Raw(b"{}")


_decode: Final = msgspec.json.Decoder(_Callback).decode


@dataclass(slots=True)
class Figures:
    """The counters of the intake."""

    stored: int = 0
    repeated: int = 0
    """Events that were known already."""
    without_frame: int = 0
    """Events for which RTM has nothing."""
    unread: int = 0
    """Payloads that are not an event."""
    put_off: int = 0
    """Events that were left to be sent again: too much was waiting, or the store failed."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    id: str
    translated: Translated
    size: int
    kept: bytes
    """The payload if it is stored too, else empty."""


class Intake:
    """Stores the events of the upstream.

    Args:
        terms: what decides besides the event.
        ids: of the newest events in the log, oldest first.
        keeps_payloads: whether events are stored as they came, too.
    """

    def __init__(
        self,
        api: Api,
        writer: Writer,
        echoes: Echoes,
        terms: Terms,
        ids: Iterable[str],
        *,
        keeps_payloads: bool = False,
    ) -> None:
        self._keeps_payloads = keeps_payloads
        self._api = api
        self._writer = writer
        self._echoes = echoes
        self._terms = terms
        self._known: dict[str, None] = dict.fromkeys(ids)  # oldest first
        self._open: dict[str, list[Acknowledge]] = {}  # events that are not durable yet
        self._lanes: dict[str, deque[_Arrival]] = {}  # what waits, by channel
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._directs: set[str] = set()
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
        try:
            callback = _decode(payload)
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
        if event_id in self._known:
            self.figures.repeated += 1
            acknowledge()
        elif event_id in self._open:
            self.figures.repeated += 1
            self._open[event_id].append(acknowledge)
        elif translated.frame is None and not self._keeps_payloads:
            self.figures.without_frame += 1
            acknowledge()
        elif self._waiting + len(payload) > MAX_WAITING:
            self.figures.put_off += 1
            log.warning("an event is left to be sent again: %d bytes of others wait", self._waiting)
        else:
            self._open[event_id] = [acknowledge]
            self._waiting += len(payload)
            try:
                kept = payload if self._keeps_payloads else b""
                self._enter(_Arrival(event_id, translated, len(payload), kept))
            except BaseException:
                del self._open[event_id]  # else the copy that comes again would wait for this one
                self._waiting -= len(payload)
                raise

    async def stop(self) -> None:
        """Give up what waits: it is not acknowledged, so the upstream sends it again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _enter(self, arrival: _Arrival) -> None:
        channel = arrival.translated.channel
        lane = self._lanes.get(channel)
        if lane is not None:
            lane.append(arrival)
        elif self._has_to_wait(arrival.translated):
            self._lanes[channel] = deque([arrival])
            task = asyncio.create_task(self._drain(channel))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._store(arrival, [])

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
            try:
                before = await self._prepare(arrival.translated) if self._has_to_wait(arrival.translated) else []
            except Exception:
                log.exception("what comes before a %s was not found", arrival.translated.type)
                before = []
            lane.popleft()
            self._store(arrival, before)
        del self._lanes[channel]

    async def _prepare(self, event: Translated) -> list[bytes]:
        """Wait for what the event needs; return the frames that come before it."""
        if event.own_ts and self._echoes.is_in_flight(event.channel):
            await self._echoes.known(event.channel, event.own_ts)
        if event.before is Before.JOINED:
            return announce(await self._describe(event.channel), self._terms.bot_user, event.event_ts)
        if event.before is Before.DIRECT and event.channel not in self._directs:
            if len(self._directs) >= MAX_DIRECTS:
                self._directs.clear()
            self._directs.add(event.channel)
            return announce(await self._describe(event.channel), self._terms.bot_user, event.event_ts)
        return []

    async def _describe(self, channel: str) -> dict[str, Any]:
        """Return the conversation as the upstream describes it."""
        try:
            found = (await self._api.read("conversations.info", channel=channel)).get("channel")
        except (RefusedError, UpstreamError) as error:
            log.warning("the conversation %s is announced with its id alone: %s", channel, error)
            found = None
        return found if isinstance(found, dict) else unknown(channel)

    def _store(self, arrival: _Arrival, before: list[bytes]) -> None:
        event = arrival.translated
        skip = (self._echoes.sender(event.channel, event.own_ts) if event.own_ts else None) or 0
        try:
            self._writer.post(_unit(arrival, before, skip), self._done(arrival))
        except StoreError as error:
            self._done(arrival)(None, error)

    def _done(self, arrival: _Arrival) -> Callable[[Any, BaseException | None], None]:
        def done(_: Any, error: BaseException | None) -> None:
            acknowledgements = self._open.pop(arrival.id)
            self._waiting -= arrival.size
            if error is not None:
                self.figures.put_off += 1
                if not isinstance(error, StoreError):
                    log.error("an event of the upstream could not be stored", exc_info=error)
                return
            self.figures.stored += 1
            self._known[arrival.id] = None
            while len(self._known) > MAX_IDS:
                del self._known[next(iter(self._known))]
            for acknowledge in acknowledgements:
                acknowledge()

        return done


def _unit(arrival: _Arrival, before: list[bytes], skip: int) -> Callable[[Transaction], None]:
    def store(tx: Transaction) -> None:
        for each in before:
            tx.emit(WORKSPACE, each)
        if arrival.translated.frame is not None:
            tx.emit(WORKSPACE, arrival.translated.frame, skip=skip)
        if arrival.kept:
            tx.emit_to_app(APP, arrival.kept)
        tx.note("room", UPSTREAM, arrival.id.encode())

    return store
