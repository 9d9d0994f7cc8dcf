"""Replies to frames that were sent, and the last message that got its ack.

A frame that waits for its reply is kept by the session, with the future of its sender as ``waiter``.
"""

from typing import NamedTuple, TypeAlias

from tautwire.client.errors import SendUnknown
from tautwire.protocol.frames import Ack, Pong
from tautwire.protocol.ids import Ts
from tautwire.session.outgoing import Sent

Reply: TypeAlias = Ack | Pong


class Stored(NamedTuple):
    """A message that got its ack."""

    payload: bytes
    """The frame as it was sent."""
    ts: Ts | None


def settle(sent: Sent, outcome: Reply | Exception) -> None:
    """End the wait for a reply, unless its sender gave it up or it is over already."""
    if sent.waiter.done():
        return
    if isinstance(outcome, Exception):
        sent.waiter.set_exception(outcome)
    else:
        sent.waiter.set_result(outcome)


def give_up(sent: Sent) -> None:
    """End the wait for a reply that will not come, since its connection is over."""
    settle(sent, SendUnknown("the connection ended before the reply; it may or may not have been stored"))
