"""What a connection knows of the frames that wait for their reply, and of the last one that got it."""

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
        """Let the caller know that the outcome is unknown, unless it is known."""
        if not self.done():
            self.set_exception(SendUnknown("the connection ended before the reply; it may have happened or not"))


class Stored(NamedTuple):
    """A message that got its ack."""

    payload: bytes
    """The frame as it was sent."""
    ts: Ts | None
