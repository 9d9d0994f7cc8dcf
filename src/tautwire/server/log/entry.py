"""One entry of the log, and the topics it can have."""

from enum import StrEnum
from typing import Final, NewType

import msgspec

Topic = NewType("Topic", str)
"""What the hub routes by: ``WORKSPACE``, a channel id or a user id."""

WORKSPACE: Final = Topic("*")
"""The topic of what concerns everybody."""


class Kind(StrEnum):
    """What an entry does to the readers of the log."""

    EVENT = "event"
    """Is delivered to the topic."""
    JOIN = "join"
    """From here on the user (the payload) sees the channel (the topic)."""
    LEAVE = "leave"
    """From here on the user (the payload) does not see the channel (the topic) any more."""


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
