"""Events that a developer makes up for one app.

They go the way of those of the log, with ids, order, retries and acknowledgements. But no log has them: their bytes are
kept here, in memory. Those that the app is done with go when the next one is added.
"""

import re
from collections.abc import Callable
from itertools import count
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.protocol.errors import TautwireError
from tautwire.protocol.ids import Ts, is_ts
from tautwire.server.taps.filter import AppEvent, read_event
from tautwire.server.taps.window import Place

MAX_BYTES: Final = 1_048_576
"""Bytes of the events of one app that it is not done with; one more is refused beyond."""

_TYPE: Final = re.compile(r"[\w.:]{1,100}", re.ASCII)
_CONVERSATION: Final = re.compile(r"[CDG][A-Z0-9]{1,30}")


class BadEventError(TautwireError):
    """An event that cannot be sent to an app: the message says what is wrong."""


class SlowAppError(TautwireError):
    """Too much waits for an app: it acknowledges too slowly."""


class Composed(NamedTuple):
    """An event, and the topic whose order it keeps."""

    topic: str
    event: AppEvent


class ComposedEvents:
    """The events for one app that it is not done with.

    Args:
        first: the ordinal of the first one: far above those that an entry of the log has, and others after a restart.
    """

    def __init__(self, first: int) -> None:
        self._ordinals = count(first)
        self._kept: dict[Place, Composed] = {}

    def find(self, place: Place) -> Composed | None:
        """Return the event at a place, None if it is one of the log."""
        return self._kept.get(place)

    def add(
        self, position: int, members: dict[str, Any], kind: str | None, is_needed: Callable[[Place], bool]
    ) -> tuple[Place, Composed]:
        """Keep an event, behind those of a position of the log, and return its place.

        Args:
            kind: of the conversation that ``topic_of`` names.
            is_needed: whether the event at a place may be sent again.

        Raises:
            BadEventError: it is none.
            SlowAppError: there are too many.
        """
        self._kept = {place: each for place, each in self._kept.items() if is_needed(place)}
        place = position, next(self._ordinals)
        composed = Composed(topic_of(members), _event(members, kind, place[1]))
        if sum(len(each.event.body) for each in (*self._kept.values(), composed)) > MAX_BYTES:
            raise SlowAppError(f"the app is not done with {len(self._kept)} composed events: wait for it")
        self._kept[place] = composed
        return place, composed


def topic_of(members: dict[str, Any]) -> str:
    """Return the conversation that an event is about; empty for none."""
    item = members.get("item")
    for place in (members, item if isinstance(item, dict) else {}):
        channel = place.get("channel")
        if isinstance(channel, str) and _CONVERSATION.fullmatch(channel):
            return channel
    return ""


def _event(members: dict[str, Any], kind: str | None, ordinal: int) -> AppEvent:
    name, event_ts = members.get("type"), members.get("event_ts")
    if not isinstance(name, str) or not _TYPE.fullmatch(name):
        raise BadEventError(f"the type must be a word such as `message`, got {str(name)[:40]!r}")
    if not isinstance(event_ts, str) or not is_ts(event_ts):
        raise BadEventError(f"event_ts must be a text such as `1700000000.000100`, got {str(event_ts)[:40]!r}")
    try:
        found = read_event(msgspec.json.encode(members), kind)
    except msgspec.ValidationError as error:
        raise BadEventError(f"a client of the Events API cannot read it: {error}") from None
    return found._replace(ordinal=ordinal, event_ts=Ts(event_ts))
