"""One entry of the log, and the topics it can have."""

from typing import Final, Literal, NewType

import msgspec

Topic = NewType("Topic", str)
"""What the hub routes by: ``WORKSPACE``, a channel id or a user id."""

WORKSPACE: Final = Topic("*")
"""The topic of what concerns everybody."""


Kind = Literal["event", "join", "leave"]
"""What an entry does to the readers of the log: an event is delivered to the topic; from a join on the user (the
payload) sees the channel (the topic), from a leave on not any more.

Plain text and no enum: it is stored and compared with every event, and SQLite takes text twice as fast."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A durable fact at its place.

    ``skip`` is the number of the connection that must not get the event, since it is told by an ack; it is only known
    while the entry is fresh and is not stored. ``message`` is the ts of the message whose event this is, empty for any
    other: such an event is not stored a second time beside its message.
    """

    position: int
    kind: Kind
    topic: Topic
    payload: bytes
    skip: int = 0
    message: str = ""


def message_event(body: bytes, channel: str, ts: str) -> bytes:
    """Return the event of a message that was just posted, made of the JSON of the message object as it is stored."""
    return b'%b,"channel":"%b","event_ts":"%b"}' % (body[:-1], channel.encode(), ts.encode())
