"""Calls that wait for what a supervisor does: those that want a connection, and those that wait for the end.

Every one of them is answered: with a connection, or with the error that says why there is none.
"""

import asyncio
from typing import Generic, TypeVar

C = TypeVar("C")


class WaitingCalls(Generic[C]):
    """The calls that wait; ``C`` is the connection."""

    def __init__(self) -> None:
        self._for_connection: dict[asyncio.Future[C], None] = {}  # in the order they asked
        self._for_end: dict[asyncio.Future[Exception | None], None] = {}

    def __bool__(self) -> bool:
        return bool(self._for_connection or self._for_end)

    async def connection(self) -> C:
        """Return the next connection.

        Raises:
            Exception: there will be none, and this is why.
        """
        waiter: asyncio.Future[C] = asyncio.get_running_loop().create_future()
        self._for_connection[waiter] = None
        try:
            return await waiter
        finally:
            self._for_connection.pop(waiter, None)

    async def end(self) -> None:
        """Return when the work is over.

        Raises:
            Exception: what ended it, unless the user did.
        """
        waiter: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._for_end[waiter] = None
        try:
            error = await waiter
        finally:
            self._for_end.pop(waiter, None)
        if error is not None:
            raise error

    def connected(self, connection: C) -> None:
        """Give a connection to all that wait for one, in the order they asked."""
        for waiter in self._take():
            waiter.set_result(connection)

    def failed(self, error: Exception) -> None:
        """Fail all that wait for a connection."""
        for waiter in self._take():
            waiter.set_exception(error)

    def ended(self, error: Exception, outcome: Exception | None) -> None:
        """End all calls that wait, since the work is over. What they do next, such as connect(), begins anew.

        Args:
            error: for those that wait for a connection.
            outcome: for those that wait for the end; None if it was wanted.
        """
        self.failed(error)
        for waiter in self._for_end:
            if not waiter.done():
                waiter.set_result(outcome)

    def _take(self) -> list["asyncio.Future[C]"]:
        waiters = [each for each in self._for_connection if not each.done()]
        self._for_connection.clear()
        return waiters
