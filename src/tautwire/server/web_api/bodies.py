"""Request bodies: read within limits of size and time, for one body and for all together.

The total counts only callers without a valid token: anyone can open connections and send bodies, and a limit that
counted all would let strangers keep out the users.
"""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from tautwire.server.services.errors import MethodError

PATIENCE: Final = 30.0
"""Seconds for a body to arrive."""
FREE: Final = 4_096
"""Bytes of each body that do not count: small calls are read even when the total is reached."""
MAX_ANONYMOUS: Final = 67_108_864
"""Bytes, without the free ones, of all bodies of callers without a token in the header."""


class TooBig(Exception):  # noqa: N818 - an outcome of reading, not a fault
    """The body is longer than the limit."""


class TooMany(Exception):  # noqa: N818 - an outcome of reading, not a fault
    """Too many bytes are held for callers without a token in the header; the caller has to try again."""


class Bodies:
    """Reads bodies.

    Args:
        limit: bytes of one body.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._anonymous = 0

    @property
    def limit(self) -> int:
        """Bytes of one body."""
        return self._limit

    def hold(self, size: int) -> None:
        """Count bytes that are held for an unknown caller; raise ``TooMany`` if all reach their limit."""
        if self._anonymous + size > MAX_ANONYMOUS:
            raise TooMany
        self._anonymous += size

    def release(self, size: int) -> None:
        """Stop counting bytes."""
        self._anonymous -= size

    async def read(self, receive: Receive, *, is_known: bool) -> bytes:
        """Return the body of an ASGI request.

        Args:
            is_known: whether the header had a valid token.

        Raises:
            TooBig: it is longer than the limit of one body.
            TooMany: the bodies of unknown callers reach their limit.
            MethodError: it did not arrive in time (request_timeout).
            ClientDisconnect: the caller has closed the connection.
        """
        parts: list[bytes] = []
        size = counted = 0
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    part = message.get("body", b"")
                    size += len(part)
                    if size > self._limit:
                        raise TooBig
                    if not is_known and size - counted > FREE:
                        more = size - counted - FREE
                        self.hold(more)
                        counted += more
                    parts.append(part)
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise MethodError("request_timeout") from None
        finally:
            self.release(counted)
