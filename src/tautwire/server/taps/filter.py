"""Which events of the Events API an entry of the log is, for one app. Pure: bytes in, bytes out.

What an RTM connection of a viewer gets is what the app may get; ``protocol.correspondence`` says under which name, and
this module adds the mentions. Source of all rules: wire/events-api.md#subscriptions, #app_mention and
#differences-to-rtm. The entries are those that a viewer was allowed to see at their time (``taps.viewers``).
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.protocol.correspondence import MESSAGES, to_events_api
from tautwire.protocol.ids import NEVER, Ts
from tautwire.server.log.entry import Entry
from tautwire.server.services.access.subscriptions import BOT_EVENTS, USER_EVENTS

SHARED: Final = 256
"""Entries that are read once for all apps."""
MAX_SHARED: Final = 8_192
"""Bytes of such an entry: with its event, they are 4 MiB in all."""

_MENTIONING: Final = frozenset({None, "bot_message", "file_share", "me_message", "thread_broadcast"})
"""The subtypes of messages that are written by someone: system messages name users too, and mention no one."""

_OTHER: Final = frozenset({"message", "app_mention", *MESSAGES.values()})
"""Events with another name in RTM than in the Events API."""


class AppEvent(NamedTuple):
    """An event of the Events API, as an entry is one for an app."""

    ordinal: int
    """Its place among the events that the entry is: 0, or 1 for ``app_mention``."""
    type: str
    event_ts: Ts
    body: bytes
    """The JSON of the event."""


class _Inner(msgspec.Struct, gc=False):
    """The message inside ``message_changed``."""

    user: str = ""
    bot_id: str = ""
    text: str = ""
    subtype: str | None = None
    edited: dict[str, Any] | None = None


class _Head(msgspec.Struct, gc=False):
    """The members of an event that decide."""

    type: str = ""
    subtype: str | None = None
    event_ts: Ts = NEVER
    is_ephemeral: bool = False


class _Text(msgspec.Struct, gc=False):
    """The members that decide whether an event is a mention: only those that have the bot's id somewhere are read."""

    user: Any = ""
    bot_id: str = ""
    text: str = ""
    ts: str = ""
    message: _Inner | None = None


_decode: Final = msgspec.json.Decoder(_Head).decode
_decode_text: Final = msgspec.json.Decoder(_Text).decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_MENTION: Final = msgspec.Raw(b'"app_mention"')


class Filter:
    """What one app gets as one viewer.

    Args:
        events: the names to which it subscribes for this viewer.
        bot_user: the bot's user id; empty for a person: mentions are the bot's.
    """

    def __init__(self, events: Collection[str], bot_user: str, bot_id: str) -> None:
        self._events = frozenset(events)
        self._names = (self._events & (BOT_EVENTS if bot_user else USER_EVENTS)) - _OTHER
        self._messages = {
            kind: "message" in self._events or name in self._events for kind, name in MESSAGES.items()
        }  # fmt: skip
        self._wants_messages = any(self._messages.values())
        self._wants_mentions = "app_mention" in self._events and bool(bot_user)
        self._bot_user = bot_user
        self._bot_id = bot_id
        self._mark = f"<@{bot_user}".encode()

    def may_want(self, entry: Entry) -> bool:
        """Whether it is worth to look at an entry; cheap."""
        return bool(self._names) or self._wants_messages or (self._wants_mentions and self._mark in entry.payload)

    def events(self, entry: Entry, kind: str | None) -> list[AppEvent]:
        """Return the events that an entry is for the app: none, one, or a message and a mention.

        Args:
            kind: of the conversation that is the entry's topic; None if the topic is not a conversation.
        """
        payload = entry.payload
        head, seen = (_read_once if len(payload) <= MAX_SHARED else _read)(payload, kind)
        if head.is_ephemeral:
            return []
        if head.type != "message":
            return [seen] if head.type in self._names else []
        if kind is None:
            return []
        found = [seen] if self._messages[kind] else []
        if self._wants_mentions and kind != "im" and self._mark in entry.payload:
            mention = self._mention(entry.payload, head.subtype, _decode_text(entry.payload))
            if mention is not None:
                found.append(AppEvent(1, "app_mention", head.event_ts, mention))
        return found

    def _mention(self, payload: bytes, subtype: str | None, head: _Text) -> bytes | None:
        """Return the ``app_mention`` that a message or its edit is, None if it mentions the bot in no text."""
        if subtype in _MENTIONING:
            if self._is_mentioned(head.user, head.bot_id, head.text):
                return _as_mention(_members(payload))
            return None
        inner = head.message
        if (
            subtype != "message_changed"
            or inner is None
            or inner.subtype not in _MENTIONING
            # A message also changes without an edit, when its thread grows.
            or (inner.edited or {}).get("ts") != head.ts
            or not self._is_mentioned(inner.user, inner.bot_id, inner.text)
        ):
            return None
        outer = _members(payload)
        message = _members(outer["message"])
        return _as_mention({**message, "channel": outer["channel"], "event_ts": outer["event_ts"]})

    def _is_mentioned(self, user: Any, bot_id: str, text: str) -> bool:
        own = user == self._bot_user or (bot_id and bot_id == self._bot_id)
        return not own and _mention_of(self._bot_user).search(text) is not None


def _read(payload: bytes, kind: str | None) -> tuple[_Head, AppEvent]:
    """Return what decides about an entry, and the event that it is for those who want it."""
    head = _decode(payload)
    if head.type == "message" and kind is not None:
        return head, AppEvent(0, "message", head.event_ts, to_events_api(payload, head.subtype, kind))
    return head, AppEvent(0, head.type, head.event_ts, payload)


def read_event(payload: bytes, kind: str | None) -> AppEvent:
    """Return what an event of RTM is in the Events API.

    Args:
        kind: of the conversation of a message; None if it is not known.
    """
    return _read(payload, kind)[1]


_read_once: Final = lru_cache(SHARED)(_read)
"""The same for all apps: each of them looks at the same entry at about the same time."""


@lru_cache(1_000)
def _mention_of(user: str) -> re.Pattern[str]:
    return re.compile(rf"<@{re.escape(user)}(\|[^>]*)?>")


def _as_mention(members: dict[str, msgspec.Raw]) -> bytes:
    return msgspec.json.encode({**members, "type": _MENTION})
