"""Where events may be sent: an operator says to which addresses, and a request goes to no other.

A request URL could name anything that this machine reaches: the metadata of a cloud, a database, a router. So what
counts is the address and not the name. A name is resolved here for each connection, its addresses are checked, and one
of those is connected to: a name that means something else a moment later (DNS rebinding) wins nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[..., list[tuple[Any, ...]]]
"""``socket.getaddrinfo``."""

LOOPBACK: Final = "127.0.0.0/8,::1"
"""What is allowed when the operator says nothing."""
PUBLIC: Final = "*"

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class AddressRefusedError(OSError):
    """The operator does not allow the address; the text does not name it."""


class Addresses:
    """The addresses to which events may be sent.

    Args:
        allowed: addresses and networks separated by commas, or ``*`` for the public internet; None for loopback.
    """

    def __init__(self, allowed: str | None) -> None:
        texts = [text for part in (LOOPBACK if allowed is None else allowed).split(",") if (text := part.strip())]
        self._is_public = PUBLIC in texts
        self._networks = [ipaddress.ip_network(text) for text in texts if text != PUBLIC]

    def allow(self, text: str) -> bool:
        """Return whether an address is allowed; what is not an address is not."""
        try:
            address: Address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks) or (self._is_public and _is_public(address))

    def allow_host(self, host: str) -> bool:
        """Return whether the host of a URL may be tried: an address has to be allowed, a name will be resolved.

        aiohttp asks no resolver about what looks like an address to it, such as 127.1, which is one to the system.
        """
        return self.allow(host) if ":" in host or host.replace(".", "").isdigit() else True


def _is_public(address: Address) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    # Addresses that carry one of IPv4: which, a gateway decides.
    return isinstance(address, ipaddress.IPv4Address) or (
        address.sixtofour is None and address.teredo is None and address not in _NAT64
    )


class CheckedResolver(AbstractResolver):
    """Resolves a name to those of its addresses that are allowed.

    It has a thread of its own: a name whose server does not answer holds up no other app.
    """

    def __init__(self, addresses: Addresses, lookup: Lookup = socket.getaddrinfo) -> None:
        self._addresses = addresses
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(1, "request-url")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            AddressRefusedError: none is allowed.
            OSError: the name cannot be resolved.
        """
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: self._lookup(host, port, family=family, type=socket.SOCK_STREAM)
        )
        allowed: list[ResolveResult] = [
            ResolveResult(
                hostname=host, host=place[0], port=port, family=kind, proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, place in found
            if self._addresses.allow(place[0])
        ]  # fmt: skip
        if not allowed:
            raise AddressRefusedError("request_addresses does not allow the address")
        return allowed

    async def close(self) -> None:
        """End the thread, at the end of the question that it asks."""
        self._threads.shutdown(wait=False, cancel_futures=True)
