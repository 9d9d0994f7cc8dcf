"""Frames that wait for their reply, and the last message that got its ack."""

import asyncio
from typing import NamedTuple, TypeAlias

from tautwire.client.errors import SendUnknown
from tautwire.protocol.frames import Ack, Pong
from tautwire.protocol.ids import Ts

Reply: TypeAlias = Ack | Pong


class Awaited(asyncio.Future[Reply]):
    """The reply to a frame that was sent."""

    def __init__(self, payload: bytes, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.payload = payload
        """The frame as it was sent."""

    def give_up(self) -> None:
        """Fail with ``SendUnknown``, unless the outcome is known."""
        if not self.done():
            self.set_exception(SendUnknown("the connection ended before the reply; it may or may not have been stored"))


class Stored(NamedTuple):
    """A message that got its ack."""

    payload: bytes
    """The frame as it was sent."""
    ts: Ts | None
