"""Which RTM frames an event of the Events API is. Pure: bytes in, bytes out.

This is the inverse of ``server.taps.filter``, which makes events of the Events API from a log of RTM frames. Both take
the names from ``protocol.correspondence``; here is what a gateway adds. Source of all rules:
wire/events-api.md#differences-to-rtm and #event-by-event.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.gateway.translate.links import Links
from tautwire.protocol.correspondence import ONLY_EVENTS_API, SAME, SAME_FOR_USERS, to_rtm


class Rule(Enum):
    """What RTM has for an event."""

    SAME = "the same frame"
    MESSAGE = "a message without channel_type; message_replied gets its subtype back"
    JOIN = "the same frame; of the bot itself the channel comes before it"
    NONE = "no frame: only the Events API has it"


RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(SAME | SAME_FOR_USERS, Rule.SAME),
    **dict.fromkeys(ONLY_EVENTS_API, Rule.NONE),
    "message": Rule.MESSAGE,
    "member_joined_channel": Rule.JOIN,
}
"""Every event by name. An event that is not here is treated as one that only the Events API has."""

_WRITTEN: Final = frozenset({None, "bot_message", "file_share", "me_message", "thread_broadcast"})
"""The subtypes of messages that a program can have posted: candidates for an echo."""
_ABOUT_ANOTHER: Final = frozenset({"message_changed", "message_deleted", "message_replied"})
"""The subtypes of messages that are about another message."""


class Terms(NamedTuple):
    """What decides besides the event."""

    bot_user: str
    bot_id: str
    legacy_bot_messages: bool = True
    """Whether messages of other apps get the subtype ``bot_message``, by which old bots tell them from people."""
    all_events: bool = False
    """Whether events that only the Events API has become frames too."""
    links: Links | None = None
    """Changes the URLs of files, if that is wanted."""


class Before(Enum):
    """What a connection has to get before a frame; the event alone does not say all of it."""

    NOTHING = ""
    JOINED = "joined"
    """The conversation that the bot has joined."""
    DIRECT = "direct"
    """The direct conversation, unless the bot knows it."""


class Translated(NamedTuple):
    """An event of the Events API as RTM has it."""

    type: str
    channel: str
    """The conversation, within which order is kept; empty if there is none."""
    frame: bytes | None
    """None if RTM has no such event."""
    before: Before = Before.NOTHING
    own_ts: str = ""
    """The timestamp, if it is a message of the bot itself; else empty."""
    event_ts: str = ""
    ts: str = ""
    """The timestamp, if it is a new message of anybody; else empty."""
    is_reply: bool = False
    """Whether it is a message in a thread alone."""
    latest_reply: str = ""
    """The timestamp of the reply that the event follows, if it is a parent with new counters; else empty."""
    parent: bytes | None = None
    """The frame of such an event, if it is stored with the reply: of a reply that was read from the history."""


class _Head(msgspec.Struct, gc=False):
    """The members of an event that decide."""

    type: str = ""
    subtype: str | None = None
    channel: Any = None
    channel_id: str = ""
    channel_type: str = ""
    item: Any = None
    user: Any = None
    bot_id: str | None = None
    bot_profile: Any = None
    username: str | None = None
    ts: str = ""
    event_ts: str = ""
    thread_ts: str = ""
    hidden: bool = False
    message: Any = None


_decode: Final = msgspec.json.Decoder(_Head).decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode: Final = msgspec.json.encode


def translate(event: bytes, terms: Terms) -> Translated:
    """Return what RTM has for the ``event`` of an ``event_callback``.

    Raises:
        msgspec.MsgspecError: it is not an event.
    """
    if terms.links is not None:
        event = terms.links.localize(event)
    head = _decode(event)
    rule = RULES.get(head.type, Rule.NONE)
    channel = _channel_of(head)
    if rule is Rule.MESSAGE:
        return _message(event, head, channel, terms)
    if rule is Rule.NONE and not terms.all_events:
        return Translated(head.type, channel, None)
    before = Before.JOINED if rule is Rule.JOIN and head.user == terms.bot_user else Before.NOTHING
    return Translated(head.type, channel, event, before, event_ts=head.event_ts)


def _message(event: bytes, head: _Head, channel: str, terms: Terms) -> Translated:
    frame = to_rtm(event) or event
    is_own = head.user == terms.bot_user or (bool(head.bot_id) and head.bot_id == terms.bot_id)
    is_plain = head.subtype is None and not head.hidden
    if is_plain and head.bot_id and not is_own and terms.legacy_bot_messages:
        frame = _as_bot_message(frame, head)
    before = Before.DIRECT if head.channel_type in ("im", "mpim") else Before.NOTHING
    own_ts = head.ts if is_own and head.subtype in _WRITTEN and not head.hidden else ""
    ts = "" if head.hidden or head.subtype in _ABOUT_ANOTHER else head.ts
    is_reply = head.thread_ts not in ("", head.ts) and head.subtype != "thread_broadcast"
    return Translated("message", channel, frame, before, own_ts, head.event_ts, ts, is_reply, _latest_reply(head))


def _latest_reply(head: _Head) -> str:
    is_parent = head.hidden and head.subtype in (None, "message_replied") and isinstance(head.message, dict)
    found = head.message.get("latest_reply") if is_parent else None
    return found if isinstance(found, str) else ""


def _as_bot_message(frame: bytes, head: _Head) -> bytes:
    """Return a message of another app as classic bots knew them."""
    members = _members(frame)
    members["subtype"] = msgspec.Raw(b'"bot_message"')
    name = _name_of(head.bot_profile)
    if not head.username and name:
        members["username"] = msgspec.Raw(_encode(name))
    return _encode(members)


def _name_of(profile: Any) -> str:
    name = profile.get("name") if isinstance(profile, dict) else None
    return name if isinstance(name, str) else ""


def _channel_of(head: _Head) -> str:
    for place in (head.channel, head.item):
        if isinstance(place, str):
            return place
        if isinstance(place, dict):
            found = place.get("id") or place.get("channel")
            if isinstance(found, str):
                return found
    return head.channel_id
