"""An entry of the log, and its topic."""

from typing import Final, Literal, NewType

import msgspec

Topic = NewType("Topic", str)
"""The routing key of an entry: ``WORKSPACE``, a channel id, a user id or the id of an app."""

WORKSPACE: Final = Topic("*")
"""The topic of events for every connection."""


Kind = Literal["event", "join", "leave", "room", "auth", "app"]
"""The kinds of entries. An event is delivered to its topic. A join makes the channel (the topic) visible to a user (the
payload) from its place on, a leave ends that. ``room`` and ``auth`` are sent to no connection: what is remembered of
the topic has changed, and tokens or users can do less or more than before (``services.access.identity``).
``app`` is an event for the app (the topic) alone: its tap delivers it, and no connection of RTM gets it.

Plain text and not an enum: the kind is stored and compared with every event, and SQLite stores text twice as fast."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A durable fact at its place.

    ``skip`` is the number of the connection that does not get the event because it gets the ack; it is known only while
    the entry is in memory, and is not stored. ``message`` is the ts of the message whose event this is, else empty: the
    log then stores a reference to the message instead of a second copy.
    """

    position: int
    kind: Kind
    topic: Topic
    payload: bytes
    skip: int = 0
    message: str = ""


def message_event(body: bytes, channel: str, ts: str) -> bytes:
    """Return the event of a new message, made from the stored JSON of the message object.

    The bytes are extended, not decoded and encoded again: this runs for every message.
    """
    return b'%b,"channel":"%b","event_ts":"%b"}' % (body[:-1], channel.encode(), ts.encode())
