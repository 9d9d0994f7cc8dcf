"""Which events wait for an acknowledgement of an app, and how far the app is done with the log. A pure state machine.

Theory. Events are opened in the order of the log and settled in any order. ``settled`` is the position below the oldest
open one: everything up to it is done. It is stored, and after a crash what is above it is sent again. An event that the
app never acknowledges holds it back for a while. So which events are open is stored with it, if they are few: without
that, an app would get again what it has acknowledged since, and answer people twice.

Three limits keep an app from filling memory. An open event is a position and a few numbers; its bytes are read from the
log again when they are needed. At most ``MAX_FLYING`` events and ``MAX_FLYING_BYTES`` bytes fly, that is, were sent and
had no time to be acknowledged yet. And at most ``MAX_OPEN`` are open: beyond, the app gets nothing new for a while.

An event that is not acknowledged in ``ACK_TIME`` no longer counts as flying, so it holds up none behind it. It is sent
``MAX_RETRIES`` times again. Then it is given up, if the app has acknowledged an event that was sent later: the app is
well, and has no listener for this one (Bolt for Python never acknowledges such an event). An app that acknowledges
nothing is given ``PATIENCE``, the time in which Slack tries over HTTP.
Source: wire/socket-mode.md#acknowledgements and wire/events-api.md#frameworks.

Over HTTP the door knows what became of each event. It is not late by a clock here; ``fail`` has it sent again after the
pauses of ``PAUSES``, and then gives it up. How often an open event was tried is stored with it, and when it is tried
next, so a restart gives an event no new tries.
"""

import heapq
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Self

import msgspec

ACK_TIME: Final = 3.0
"""Seconds for an acknowledgement. Source: wire/socket-mode.md#acknowledgements (documented)."""
MAX_RETRIES: Final = 3
"""Times that an event is sent again to an app that is well. Source: wire/events-api.md#delivery-over-http."""
SLOW_RETRY: Final = 60.0
"""Seconds between further tries for an app that acknowledges nothing."""
PATIENCE: Final = 366.0
"""Seconds after which such an event is given up: after 0, 1 and 5 minutes, with a wait each.
Source: wire/events-api.md#delivery-over-http (documented)."""
MAX_ATTEMPTS: Final = 20
"""Times that an event is sent again after its connection ended: one that ends the app each time must not do so for
ever."""
PAUSES: Final = (0.0, 60.0, 300.0)
"""Seconds before each further try over HTTP. Source: wire/events-api.md#delivery-over-http (documented)."""
DELAYED: Final = (3_600.0,) * 24
"""Seconds before each try after these, if events may be delayed.
Source: wire/events-api.md#delivery-over-http (documented)."""
MAX_FLYING: Final = 100
MAX_FLYING_BYTES: Final = 512 * 1024
MAX_OPEN: Final = 10_000

TIMEOUT: Final = "timeout"
"""Why an event is sent again: no acknowledgement came in time. Source: wire/socket-mode.md#acknowledgements."""
LOST: Final = "connection_failed"
"""Why an event is sent again: its connection ended. The word is that of HTTP; for Socket Mode none is documented."""

MAX_FAILED: Final = 100
"""Events that were given up and can be tried once more by hand, the newest."""
MAX_STORED: Final = 1_000
"""Open events that are stored. With more, only ``settled`` is."""

Place = tuple[int, int]
"""The position of an entry, and which of its events."""

Progress = tuple[int, bytes]
"""How far an app is done, as it is stored: ``settled``, and the rest in a form that only this module knows."""


class _Tries(msgspec.Struct, array_like=True):
    """What is stored of an open event that was sent again."""

    place: Place
    attempt: int
    failures: int
    reason: str
    due: int
    """When it is tried next, in seconds of the wall clock; 0 for at once."""


class _Ahead(msgspec.Struct, array_like=True):
    """What is stored besides ``settled``."""

    read: int
    open: list[Place]
    tries: list[_Tries] = []


@dataclass(slots=True)
class Open:
    """An event that is not settled."""

    place: Place
    first_sent: float = -1.0
    """When its present tries began; negative before."""
    sent_at: float = -1.0
    """When it was sent last."""
    failures: int = 0
    """How many of the present tries were not acknowledged in time, or failed as its sender said."""
    attempt: int = 0
    """How often it was sent again."""
    reason: str = ""
    """Why it was sent again."""
    envelope_id: str = ""
    event_id: str = ""
    viewer: str = ""
    """The user as whom it was sent last."""
    connection: int = 0
    """The connection that has it; 0 if it waits to be sent."""
    wanted: int = 0
    """The connection that it is meant for; 0 for any."""
    is_composed: bool = False
    """Whether a developer has made it up: the log does not have it."""
    size: int = 0
    """Its bytes while it flies."""
    due: float = 0.0
    """When it is late, or when its pause is over."""
    is_reported: bool = False
    """Whether its sender says what becomes of it."""


class Window:
    """The open events of one app.

    Args:
        settled: the position up to which the app is done.
        pauses: seconds before each further try of an event of which the sender says that it failed.
        offset: what has to be added to its times for seconds of the wall clock.
    """

    def __init__(self, settled: int, pauses: Sequence[float] = PAUSES, offset: float = 0.0) -> None:
        self.read = settled
        """Every entry up to here was looked at."""
        self.given_up = 0
        """Events that ran out of tries."""
        self._open: dict[Place, Open] = {}  # in the order of the log
        self._by_id: dict[str, Open] = {}
        self._owed: deque[Open] = deque()
        self._late: list[tuple[float, Place]] = []  # a heap; what is settled or sent again meanwhile is left in it
        self._waiting: list[tuple[float, Place]] = []  # a heap: what failed, and when it is owed; as above
        self._failed: dict[str, Open] = {}  # what was given up, by the id of the event; the oldest first
        self._flying = 0
        self._flying_bytes = 0
        self._pauses = pauses
        self._offset = offset
        self._newest_acked = -1.0  # when the event was sent that was sent last of those acknowledged

    @classmethod
    def restored(
        cls, progress: Progress, pauses: Sequence[float] = PAUSES, offset: float = 0.0, now: float = 0.0
    ) -> Self:
        """Return a window with what was stored: the open events are owed, each with the tries it had."""
        settled, ahead = progress
        window = cls(settled, pauses, offset)
        if ahead:
            stored = msgspec.msgpack.decode(ahead, type=_Ahead)
            window.read = stored.read
            for place in stored.open:
                window.open(place)
            for tries in stored.tries:
                window._restore(tries, now)
            window._owed.extend(event for event in window._open.values() if not event.due)
        return window

    def _restore(self, tries: _Tries, now: float) -> None:
        event = self._open.get(tries.place)
        if event is None:
            return
        event.attempt, event.failures, event.reason = tries.attempt, tries.failures, tries.reason
        pause = tries.due - self._offset - now
        if pause > 0 and self._pauses:
            self._postpone(event, now + min(pause, max(self._pauses)))  # the wall clock may have been set back

    @property
    def progress(self) -> Progress:
        """How far the app is done, to be stored."""
        if not self._open or len(self._open) > MAX_STORED:
            return self.settled, b""
        tries = [
            _Tries(
                event.place, event.attempt, event.failures if event.is_reported else 0, event.reason,
                math.ceil(event.due + self._offset) if event.due and not event.connection else 0,
            )
            for event in self._open.values()
            if event.attempt
        ]  # fmt: skip
        return self.settled, msgspec.msgpack.encode(_Ahead(self.read, [*self._open], tries))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def settled(self) -> int:
        """The position up to which everything is done."""
        for position, _ in self._open:
            return position - 1
        return self.read

    @property
    def has_room(self) -> bool:
        """Whether another event may fly."""
        return self._flying < MAX_FLYING and self._flying_bytes < MAX_FLYING_BYTES and len(self._open) < MAX_OPEN

    @property
    def has_owed(self) -> bool:
        """Whether an event has to be sent again, and may be."""
        return bool(self._owed) and (self._owed[0].reason == TIMEOUT or self._flying < MAX_FLYING)

    @property
    def next_due(self) -> float | None:
        """When the next event is late, at the earliest; None if none can be."""
        return min((heap[0][0] for heap in (self._late, self._waiting) if heap), default=None)

    def list_open(self, count: int) -> list[Open]:
        """Return the first open events, in the order of the log."""
        return [*islice(self._open.values(), count)]

    def jump(self, position: int) -> None:
        """Settle all of the log up to ``position``, whatever became of it."""
        for event in [each for each in self._open.values() if each.place[0] <= position and not each.is_composed]:
            self._settle(event)
        self.read = max(self.read, position)

    def open(self, place: Place) -> Open:
        """Add an event; places come in their order."""
        event = self._open[place] = Open(place)
        return event

    def add(self, place: Place, wanted: int) -> None:
        """Add an event that is owed at once: one that a developer makes up, for a connection or for any."""
        event = self.open(place)
        event.wanted, event.is_composed = wanted, True
        self._owed.append(event)

    def take_owed(self) -> Open | None:
        """Return the next event that has to be sent again."""
        while self._owed:
            event = self._owed.popleft()
            if event.place in self._open and event.connection == 0:
                return event
        return None

    def give_back(self, event: Open) -> None:
        """Take back an event that could not be sent: it is owed next."""
        self._owed.appendleft(event)

    def sent(
        self, event: Open, envelope_id: str, size: int, connection: int, now: float, *, is_reported: bool = False
    ) -> None:
        """Note that an open event was sent on a connection.

        Args:
            is_reported: whether its sender will say what became of it; then it cannot be late.
        """
        if event.first_sent < 0:
            event.first_sent = now
        event.envelope_id, event.connection, event.sent_at = envelope_id, connection, now
        if event.reason != TIMEOUT:
            event.size = size
            self._flying += 1
            self._flying_bytes += size
        self._by_id[envelope_id] = event
        event.is_reported = is_reported
        if is_reported:
            event.due = math.inf  # also if it was sent before in another way, which left a time to be late
            return
        event.due = now + (ACK_TIME if event.failures <= MAX_RETRIES else SLOW_RETRY)
        heapq.heappush(self._late, (event.due, event.place))

    def is_open(self, event: Open) -> bool:
        """Whether an event is not settled yet."""
        return self._open.get(event.place) is event

    def needs(self, place: Place) -> bool:
        """Whether the event at a place may be sent again."""
        return place in self._open or any(event.place == place for event in self._failed.values())

    def drop(self, event: Open) -> None:
        """Settle an event without an acknowledgement, since there is nothing to send."""
        self._settle(event)

    def acknowledge(self, envelope_id: str) -> bool:
        """Settle an event; return False if no open one has the id."""
        event = self._by_id.get(envelope_id)
        if event is None:
            return False
        self._newest_acked = max(self._newest_acked, event.sent_at)
        self._settle(event)
        return True

    def fail(self, envelope_id: str, reason: str, now: float, *, may_retry: bool, tries: int = 1) -> None:
        """Have an event sent again that its sender could not deliver, or give it up.

        Args:
            tries: how many failed since it was sent.
        """
        event = self._by_id.get(envelope_id)
        if event is None or not event.connection:  # settled, or lost with its connection
            return
        event.failures += tries
        event.attempt += tries
        event.reason = reason
        if not may_retry or event.failures > len(self._pauses):
            self._give_up(event)
            self._failed[event.event_id] = event
            if len(self._failed) > MAX_FAILED:
                del self._failed[next(iter(self._failed))]
            return
        self._land(event)
        event.connection = 0
        self._postpone(event, now + self._pauses[event.failures - 1])
        self.expire(now)

    def retry(self, event_id: str | None = None) -> int:
        """Owe at once what waits for its next try, and return how many events that are.

        Args:
            event_id: one event, also one that was given up, which gets one try more; None for all that wait.
        """
        given_up = self._failed.pop(event_id or "", None)
        if given_up is not None:
            given_up.connection, given_up.due, given_up.failures = 0, 0.0, len(self._pauses)
            self._open = dict(sorted([*self._open.items(), (given_up.place, given_up)]))  # in the order of the log
            self._owed.append(given_up)
            return 1
        found = [
            event
            for event in self._open.values()
            if event.due and not event.connection and event_id in (None, event.event_id)
        ]
        for event in found:
            event.due = 0.0
            event.failures = max(1, event.failures - 1)  # this try is one more: those of ``pauses`` stay
        self._owed.extend(found)
        return len(found)

    def knows(self, event_id: str) -> bool:
        """Whether an event waits, is on its way, or can be tried once more."""
        return event_id in self._failed or any(event.event_id == event_id for event in self._open.values())

    def _postpone(self, event: Open, due: float) -> None:
        event.due = due
        heapq.heappush(self._waiting, (due, event.place))

    def expire(self, now: float) -> None:
        """Have events sent again whose pause is over or that are late, or give them up."""
        while self._waiting and self._waiting[0][0] <= now:
            due, place = heapq.heappop(self._waiting)
            waiting = self._open.get(place)
            if waiting is not None and waiting.due == due and not waiting.connection:
                waiting.due = 0.0
                self._owed.append(waiting)
        while self._late and self._late[0][0] <= now:
            due, place = heapq.heappop(self._late)
            event = self._open.get(place)
            if event is None or event.connection == 0 or event.due != due:
                continue
            self._land(event)
            event.failures += 1
            is_unheard = event.failures > MAX_RETRIES and self._newest_acked > event.first_sent
            if is_unheard or now - event.first_sent >= PATIENCE:
                self._give_up(event)
            else:
                self._owe(event, TIMEOUT)

    def lose(self, connection: int | None = None) -> None:
        """Owe the events that a connection has, or with None all connections, in the order of the log."""
        for event in [
            each for each in self._open.values() if each.connection and connection in (None, each.connection)
        ]:
            self._land(event)
            if event.attempt >= MAX_ATTEMPTS:
                self._give_up(event)
                continue
            event.first_sent = -1.0
            if not event.is_reported:
                event.failures = 0
            self._owe(event, LOST)
        self._owed = deque(sorted(self._owed, key=lambda event: event.place))

    def _owe(self, event: Open, reason: str) -> None:
        event.connection = 0
        event.due = 0.0
        event.attempt += 1
        event.reason = reason
        self._owed.append(event)

    def _land(self, event: Open) -> None:
        if event.size:
            self._flying -= 1
            self._flying_bytes -= event.size
            event.size = 0

    def _give_up(self, event: Open) -> None:
        self.given_up += 1
        self._settle(event)

    def _settle(self, event: Open) -> None:
        self._land(event)
        del self._open[event.place]
        if event.envelope_id:
            self._by_id.pop(event.envelope_id, None)
