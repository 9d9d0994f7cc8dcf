"""What an event is about: whose doing it is, which message it is about, and which thread that message is in.

Predicates and contexts ask. The channel is found by ``tautwire.protocol.events.conversation``.
"""

from typing import Any, Final

from tautwire.protocol.events import AnyMessage, Event, MessageDeletedEvent

_SLACKBOT: Final = "USLACKBOT"
"""The user that the service itself speaks as. Source: wire/ids-and-timestamps.md#ids."""


def user_of(event: Event) -> str | None:
    """Return the id of the user an event comes from; for an edited message its author; None if no user is named."""
    found = getattr(event, "user", None) or getattr(_inner(event), "user", None)
    found = getattr(found, "id", found)
    return found if isinstance(found, str) else None


def is_from_bot(event: Event) -> bool:
    """Return whether a program spoke: the message has a ``bot_id``, or is the service's own."""
    bot = getattr(event, "bot_id", None) or getattr(_inner(event), "bot_id", None)
    return bool(bot) or user_of(event) == _SLACKBOT


def message_of(event: Event) -> str | None:
    """Return the ts of the message an event is about: the message itself, the one edited, the one reacted to."""
    if isinstance(event, MessageDeletedEvent):  # its ts is that of the deletion, and the message is gone
        return None
    if isinstance(event, AnyMessage):
        return getattr(_inner(event), "ts", None) or getattr(event, "ts", None)
    item = getattr(event, "item", None)
    return getattr(item, "ts", None) or getattr(getattr(item, "message", None), "ts", None)


def thread_of(event: Event) -> str | None:
    """Return the ts of the parent of the thread an event happened in; None outside of threads."""
    return getattr(event, "thread_ts", None) or getattr(_inner(event), "thread_ts", None)


def _inner(event: Event) -> Any:
    """Return the message within an event of an edit or a reply."""
    return getattr(event, "message", None) if isinstance(event, AnyMessage) else None
