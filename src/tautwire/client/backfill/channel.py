"""One channel's events from two sources, in one order: what the connection brings, and what its history says.

Nothing here does I/O or knows the time. ``client/backfill/filler`` owns the channels and reports to them.

While a channel is filled, its live events are held. Then everything comes out: live events in the order they came, and
each found message before the first live event that is younger. A message that came both ways is delivered once, as
the live event.
"""

import math
from collections import OrderedDict, deque
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.client.backfill.marked import mark
from tautwire.protocol.events import (
    AnyMessage,
    Event,
    MessageChangedEvent,
    MessageDeletedEvent,
    MessageRepliedEvent,
    UnknownEvent,
)
from tautwire.protocol.events.conversation import conversation_of
from tautwire.protocol.ids import ChannelId, Ts, micros, ts_from_micros

RECENT: Final = 2_000
"""Messages of a channel that are remembered, to be known again in its history."""

OVERLAP: Final = 2_000_000
"""Microseconds that a filling goes back beyond the newest message delivered: servers do not always deliver by ts."""

_NEWS: Final = (MessageChangedEvent, MessageDeletedEvent, MessageRepliedEvent)
"""Events about messages. They have a ts of their own, which no history shows."""


class Place(NamedTuple):
    """The channel and moment of an event."""

    channel: str
    """"" for an event of the workspace."""
    moment: int | None
    """When it happened, in microseconds of the server's clock; None if the event does not say."""
    is_message: bool
    """Whether it is a message as a history lists them; then the moment is its ts."""


class _Header(msgspec.Struct):
    """The members that are read of a message of an unknown subtype."""

    channel: Any = None
    ts: Any = None


def place_of(event: Event) -> Place:
    """Return the channel and moment of an event."""
    if isinstance(event, UnknownEvent):
        return _unknown_place(event)
    is_message = isinstance(event, AnyMessage) and not isinstance(event, _NEWS)
    moment = micros(getattr(event, "ts", None)) if isinstance(event, AnyMessage) else None
    if moment is None:
        is_message, moment = False, micros(getattr(event, "event_ts", None))
    return Place(conversation_of(event), moment, is_message)


def _unknown_place(event: UnknownEvent) -> Place:
    if event.type != "message":
        return Place("", None, False)
    try:
        header = msgspec.json.decode(event.raw, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Place("", None, False)
    moment = micros(header.ts)
    return Place(header.channel if isinstance(header.channel, str) else "", moment, moment is not None)


class ChannelFill:
    """One channel being filled: which messages were delivered, and which events are held or found meanwhile.

    Args:
        id: its id.
        limit: messages that one filling may deliver; the newest win.
        held: live events that may be held.
    """

    def __init__(self, id: ChannelId, limit: int, held: int) -> None:  # noqa: A002 (the wire's word)
        self.id = id
        self.is_filling = False
        self._oldest = 0
        self._limit = limit
        self._most_held = held
        self._held: list[tuple[Event, Place]] = []
        self._live: set[int] = set()  # the messages among the held events
        self._found: dict[int, Event] = {}
        self._known: OrderedDict[int, bool] = OrderedDict()  # the last messages; True: found in the history
        self._newest: int | None = None
        self._forgotten = 0

    @property
    def oldest(self) -> Ts:
        """Where the filling begins: what is younger may be missing."""
        return ts_from_micros(self._oldest)

    @property
    def is_overfull(self) -> bool:
        """Whether more live events are held than may be."""
        return len(self._held) > self._most_held

    def take(self, event: Event, place: Place) -> bool:
        """Take a live event of this channel; return whether it is to be delivered now.

        If not, it is held, or it was found in the history and delivered before.
        """
        if place.is_message and place.moment is not None:
            if self._known.get(place.moment):
                return False
            if self.is_filling:
                self._live.add(place.moment)
            else:
                self.know(place.moment)
        if self.is_filling:
            self._held.append((event, place))
        return not self.is_filling

    def know(self, moment: int, *, was_found: bool = False) -> None:
        """Remember that a message was delivered, or is our own."""
        self._known[moment] = was_found
        if self._newest is None or moment > self._newest:
            self._newest = moment
        if len(self._known) > RECENT:
            self._forgotten = max(self._forgotten, self._known.popitem(last=False)[0])

    def hold(self, began: int, started: int) -> None:
        """Hold live events from now on. What is filled already goes on from where it began.

        Args:
            began: microseconds at which the gap began, for a channel of which no message is known.
            started: microseconds before which nothing was missed, 0 if that is not known.
        """
        if self.is_filling:
            return
        self.is_filling = True
        if self._newest is None:
            newest, floor = began, started
        else:
            newest, floor = self._newest, max(started, self._forgotten)
        self._oldest = max(newest - OVERLAP, min(floor, newest), 0)

    def find(self, moment: int, event: Event) -> bool:
        """Take a message of the history; return whether it is new, as far as is known before the end."""
        if moment in self._known:
            return False
        self._found[moment] = mark(event)
        return True

    def release(self, *, is_complete: bool) -> tuple[list[Event], int]:
        """Stop holding; return what is to be delivered, in order, and how many messages of it were found.

        What an incomplete filling left out stays out: later it would come behind younger messages.
        """
        news = sorted(each for each in self._found if each not in self._live and each not in self._known)
        found = deque(news[-self._limit :])
        count = len(found)
        ordered: list[Event] = []
        for (event, _), due in zip(self._held, self._dues(), strict=True):
            while found and found[0] < due:
                ordered.append(self._found[found.popleft()])
            ordered.append(event)
        ordered += [self._found[each] for each in found]
        for moment in news[-self._limit :]:
            self.know(moment, was_found=True)
        for moment in sorted(self._live):
            self.know(moment)
        if not is_complete and self._newest is not None:
            self._forgotten = self._newest
        self._held, self._live, self._found, self.is_filling = [], set(), {}, False
        return ordered, count

    def _dues(self) -> list[float]:
        """Return when each held event happened. An event without a moment has that of the next one that has."""
        dues: list[float] = []
        due = math.inf
        for _, place in reversed(self._held):
            due = due if place.moment is None else place.moment
            dues.append(due)
        return dues[::-1]
