"""The origin of a request: the address of the socket's peer, or the one that a trusted proxy has forwarded.

The rules are uvicorn's (X-Forwarded-Proto and X-Forwarded-For, from the addresses of ``forwarded_allow_ips``). They are
applied here and not in uvicorn's middleware, because the front answers requests without an ASGI application.

Only a trusted peer may name another address: limits and the log count by address, and any client can write a header.
"""

import os
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tautwire.protocol.errors import ConfigError

DEFAULT: Final = "127.0.0.1,::1"
VARIABLE: Final = "FORWARDED_ALLOW_IPS"
"""The environment variable with the default of the setting; uvicorn uses the same."""

_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}


class Forwarded:
    """The trusted proxies.

    Args:
        trusted: addresses and networks separated by commas, or ``*`` for all; None reads the environment variable.

    Raises:
        ConfigError: an element is not an address or a network.
    """

    def __init__(self, trusted: str | None) -> None:
        hosts = os.environ.get(VARIABLE, DEFAULT) if trusted is None else trusted
        _check(hosts)
        self._trusted = ProxyHeadersMiddleware(_no_application, hosts).trusted_hosts

    def trusts(self, peer: str) -> bool:
        """Return whether the forwarding headers of a peer count."""
        return peer in self._trusted

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the address that a trusted proxy has forwarded, empty if there is none."""
        _, address = self.origin(peer, headers)
        return "" if address == peer else address

    def origin(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str]:
        """Return the scheme (http or https) and the address of the client of a request.

        Args:
            headers: of the request, their names in lower case.
        """
        scheme, hosts = "http", []
        if peer not in self._trusted:
            return scheme, peer
        for name, value in headers:
            if name == b"x-forwarded-proto":
                scheme = _SCHEMES.get(value.strip(), scheme)
            elif name == b"x-forwarded-for":
                hosts.append(value.decode("latin-1"))
        if hosts:
            host, _ = self._trusted.get_trusted_client_address(", ".join(hosts))
            try:
                return scheme, str(ip_address(host))
            except ValueError:
                pass  # not an address: a text that the proxy passes on unchecked identifies no client
        return scheme, peer


def _check(hosts: str) -> None:
    """Refuse an element that cannot be the address of a peer: uvicorn would ignore it without a word."""
    for host in hosts.split(","):
        if hosts == "*" or not host.strip():
            continue
        try:
            ip_network(host.strip())
        except ValueError as error:
            raise ConfigError(
                f"forwarded_allow_ips must be addresses or networks such as 10.0.0.0/8, separated by commas, or *, "
                f"got {host.strip()!r}: {error}"
            ) from None


async def _no_application(*_: object) -> None:
    raise NotImplementedError
