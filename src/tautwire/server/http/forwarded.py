"""Where a request came from: what the socket says, or the proxy in front, if it is trusted.

The rules are uvicorn's (X-Forwarded-Proto and X-Forwarded-For, from the addresses of ``forwarded_allow_ips``), kept
here because the front needs them without an application.
"""

import os
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tautwire.protocol.errors import ConfigError

DEFAULT: Final = "127.0.0.1,::1"
VARIABLE: Final = "FORWARDED_ALLOW_IPS"
"""The environment variable that stands for the setting, as with uvicorn."""

_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}


class Forwarded:
    """Knows the trusted proxies.

    Args:
        trusted: addresses and networks with commas between them, or ``*`` for all; None asks the environment.

    Raises:
        ConfigError: something else stands among them.
    """

    def __init__(self, trusted: str | None) -> None:
        hosts = os.environ.get(VARIABLE, DEFAULT) if trusted is None else trusted
        _check(hosts)
        self._trusted = ProxyHeadersMiddleware(_no_application, hosts).trusted_hosts

    def trusts(self, peer: str) -> bool:
        """Tell whether a peer's word about the origin of its requests counts."""
        return peer in self._trusted

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the address that a trusted proxy has named, empty if there is none."""
        _, address = self.origin(peer, headers)
        return "" if address == peer else address

    def origin(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str]:
        """Return scheme (http or https) and address from which a request came.

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
                pass  # not an address: what the proxy passes on unseen is worth nothing
        return scheme, peer


def _check(hosts: str) -> None:
    """Refuse what could never be the address of a peer; it would be ignored otherwise."""
    for host in hosts.split(","):
        if hosts == "*" or not host.strip():
            continue
        try:
            ip_network(host.strip())
        except ValueError as error:
            raise ConfigError(
                f"forwarded_allow_ips must be addresses or networks such as 10.0.0.0/8 with commas between them, or *, "
                f"got {host.strip()!r}: {error}"
            ) from None


async def _no_application(*_: object) -> None:
    raise NotImplementedError
