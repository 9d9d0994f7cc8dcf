"""What a wait wants of an event of the log, or of an entry of the journal.

Texts are compared, and never matched with patterns: a pattern of a caller may take the server for hours.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tautwire.server.journal.filter import Filter, same_value


class Facts(NamedTuple):
    """What an event is about, wherever it has that."""

    channel: str | None
    user: str | None
    text: str | None
    ts: str | None
    thread: str | None
    name: str | None


class WantedEvent(NamedTuple):
    """What an event of the log must fulfil; None is not looked at."""

    kind: str
    type: str | None
    channel: str | None
    user: str | None
    contains: str | None
    equals: str | None
    thread: str | None
    name: str | None

    def fits(self, event: Mapping[str, Any]) -> bool:
        """Whether it is such an event."""
        if not self._is_kind(event):
            return False
        facts = facts_of(event)
        return (
            (self.channel is None or facts.channel == self.channel)
            and (self.user is None or facts.user == self.user)
            and (self.contains is None or self.contains in (facts.text or ""))
            and (self.equals is None or self.equals == facts.text)
            and (self.thread is None or self.thread == facts.thread)
            and (self.name is None or self.name == facts.name)
        )

    def _is_kind(self, event: Mapping[str, Any]) -> bool:
        type_, subtype = event.get("type"), event.get("subtype")
        if self.kind == "event":
            return bool(type_ == self.type)
        if self.kind == "message":  # a new one: not an edit, a deletion or a reply's parent
            return type_ == "message" and not event.get("hidden")
        if self.kind in _SUBTYPES:
            return type_ == "message" and subtype == _SUBTYPES[self.kind]
        return type_ in _TYPES[self.kind]


_SUBTYPES = {"edit": "message_changed", "deletion": "message_deleted"}
_TYPES = {
    "reaction": ("reaction_added",),
    "unreaction": ("reaction_removed",),
    "file": ("file_shared",),
    "join": ("member_joined_channel",),
    "leave": ("member_left_channel",),
}


class WantedEntry(NamedTuple):
    """What an entry of the journal must fulfil besides its filter."""

    filter: Filter
    contains: str | None
    equals: str | None
    arguments: Mapping[str, Any]
    payload: Mapping[str, Any]
    direction: str | None
    state: str | None
    status: int | None

    def fits(self, line: Mapping[str, Any]) -> bool:
        """Whether a line of the journal is such an entry."""
        arguments, payload = _object(line.get("arguments")), _object(line.get("payload"))
        inner = _object(payload.get("payload")) or payload
        text = facts_of(arguments or _object(inner.get("event")) or inner).text
        return (
            (self.direction is None or line.get("direction") == self.direction)
            and (self.state is None or line.get("state") == self.state)
            and (self.status is None or line.get("status") == self.status)
            and (self.contains is None or self.contains in (text or ""))
            and (self.equals is None or self.equals == text)
            and all(name in arguments and same_value(each, arguments[name]) for name, each in self.arguments.items())
            and all(name in payload and same_value(each, payload[name]) for name, each in self.payload.items())
        )


def facts_of(event: Mapping[str, Any]) -> Facts:
    """Return what an event is about."""
    inner = _object(event.get("message")) or _object(event.get("previous_message")) or event
    item, channel = _object(event.get("item")), event.get("channel")
    return Facts(
        channel=_text(channel) or _text(_object(channel).get("id")) or _text(item.get("channel")),
        user=_text(event.get("user")) or _text(inner.get("user")),
        text=_text(inner.get("text")),
        ts=_text(inner.get("ts")) or _text(item.get("ts")),
        thread=_text(inner.get("thread_ts")),
        name=_text(event.get("reaction")),
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    """Return a text; None for what is not one, as the objects that some events have for user or channel."""
    return value if isinstance(value, str) else None
