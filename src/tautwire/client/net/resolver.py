"""Host name look-ups that can be left before they end.

The system's look-up cannot be cancelled and may take half a minute. The loop's own threads hold up ``asyncio.run`` and
the end of the program until it is over; the threads here are daemons, and a cancelled caller returns at once. Used by
``client/connection/transport`` and, through ``Resolver``, by the client's own calls of the Web API.
"""

import asyncio
import concurrent.futures
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from aiohttp.abc import AbstractResolver, ResolveResult

T = TypeVar("T")

AddressInfo = tuple[Any, Any, int, str, Any]
"""What ``socket.getaddrinfo`` returns one of for each address."""

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class _Daemons(concurrent.futures.Executor):
    """Runs each function in a daemon thread of its own."""

    def submit(self, function: Callable[..., T], /, *args: Any, **options: Any) -> "concurrent.futures.Future[T]":
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                result = function(*args, **options)
            except BaseException as error:  # noqa: BLE001 (for the one who waits, as executors do)
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name="tautwire-lookup", daemon=True).start()
        return future


_DAEMONS: Final = _Daemons()


async def look_up(host: str, port: int, *, family: int = 0, flags: int = 0) -> list[AddressInfo]:
    """Return the TCP addresses of a host as ``socket.getaddrinfo`` does. Cancelling it leaves only a thread behind.

    Raises:
        OSError: there are none.
    """
    ask = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=flags)
    try:
        return await asyncio.get_running_loop().run_in_executor(_DAEMONS, ask)
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: a name that no host can have
        code, reason = error.args if isinstance(error, socket.gaierror) else (socket.EAI_NONAME, "it is no host name")
        raise socket.gaierror(code, f"the host {host!r} is not found: {reason}") from None


class Resolver(AbstractResolver):
    """``look_up`` as aiohttp wants it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host."""
        found = await look_up(host, port, family=family, flags=socket.AI_ADDRCONFIG)
        return [
            ResolveResult(hostname=host, host=_numeric(address), port=port, family=kind, proto=protocol, flags=_NUMERIC)
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _numeric(address: Any) -> str:
    """Return an address without its port, with the scope that a link-local one of IPv6 needs."""
    host = str(address[0])
    return f"{host}%{address[3]}" if len(address) > 3 and address[3] else host
