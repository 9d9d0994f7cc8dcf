"""The origin of a request: the address of the socket's peer, or the one that a trusted proxy has forwarded.

The rules are uvicorn's (X-Forwarded-Proto and X-Forwarded-For, from the addresses of ``forwarded_allow_ips``). They are
applied here and not in uvicorn's middleware, because the front answers requests without an ASGI application.

Only a trusted peer may name another address: limits and the log count by address, and any client can write a header.
"""

import os
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tautwire.protocol.errors import ConfigError
from tautwire.server.config import PROXIES_VARIABLE
from tautwire.server.values import Networks, WrongValueError

DEFAULT: Final = "127.0.0.1,::1"
_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}


class Forwarded:
    """The trusted proxies.

    Args:
        trusted: addresses and networks separated by commas, or ``*`` for all; None reads the environment variable.

    Raises:
        ConfigError: an element is not an address or a network.
    """

    def __init__(self, trusted: str | None) -> None:
        hosts = os.environ.get(PROXIES_VARIABLE, DEFAULT) if trusted is None else trusted
        try:
            Networks().check(hosts)
        except WrongValueError as wrong:
            raise ConfigError(
                f"{PROXIES_VARIABLE if trusted is None else 'forwarded_allow_ips'} {wrong}, got {hosts!r}"
            ) from None
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


async def _no_application(*_: object) -> None:
    raise NotImplementedError
