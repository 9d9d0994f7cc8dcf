"""The pace at which an answer has to come, and a file has to go; else only silence is bounded (``api.LONG``).

An upstream that sends a byte now and then would keep its place for ever, and there are few. So what has come earns
patience at ``RATE``, up to ``PATIENCE``, and waiting uses it up: as web servers do it with slow requests (MinRate of
Apache's mod_reqtimeout). Only the time in which nothing is there to be read counts: a bot that reads slowly loses
nothing here.
"""

import asyncio
from time import monotonic
from typing import Final

import aiohttp

RATE: Final = 8_192
"""Bytes a second."""
PATIENCE: Final = 30.0
"""Seconds that an answer may be slower, or silent."""
PIECE: Final = 65_536


def time_to_send(size: int) -> float:
    """Return the seconds that a body of so many bytes may take, until its answer begins."""
    return PATIENCE + size / RATE


class Body:
    """The body of an answer as it comes."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._content = response.content
        self._patience = PATIENCE

    async def read(self, most: int = PIECE) -> bytes:
        """Return what is there, ``most`` bytes at most; wait for the first one. At the end it is empty.

        Raises:
            TimeoutError: it comes too slowly.
            aiohttp.ClientError, OSError: it comes no more.
        """
        began = monotonic()
        async with asyncio.timeout(self._patience):
            found = await self._content.read(most)
        self._patience = min(PATIENCE, self._patience - (monotonic() - began) + len(found) / RATE)
        return found
