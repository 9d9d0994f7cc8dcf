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
    while the entry is fresh and is not stored.
    """

    position: int
    kind: Kind
    topic: Topic
    payload: bytes
    skip: int = 0
