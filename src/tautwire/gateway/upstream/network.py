"""The ways out of the gateway: the HTTP proxy for both the Web API and the WebSocket, and whom TLS trusts.

aiohttp's own look at the environment does not cover WebSockets, so the proxy is chosen here for each URL.
Credentials of a proxy are in its URL; no text that is made here has them.
"""

import ssl
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from tautwire.protocol.errors import ConfigError
from tautwire.server.values import ProxyUrl, WrongValueError

DENIALS: Final = (401, 407)
"""What proxies answer to wrong credentials: 407 is meant for it, but tinyproxy keeps that for none at all."""
_SECURE: Final = ("https", "wss")


class Network:
    """How the upstream is reached.

    Args:
        proxy: ``http://host:port`` or ``http://user:password@host:port``; None for what the environment says.
        ca: file with the certificates that are trusted, in place of those of the system.

    Raises:
        ConfigError: one of them cannot be used.
    """

    def __init__(self, proxy: str | None = None, ca: Path | None = None) -> None:
        self._proxy = None if proxy is None else _checked(proxy, "upstream_proxy")
        self.ssl: ssl.SSLContext | bool = True
        """What aiohttp takes as ``ssl``."""
        if ca is not None:
            try:
                self.ssl = ssl.create_default_context(cafile=ca)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(
                    f"upstream_ca must be a file with certificates in PEM, and {ca} cannot be read: "
                    f"{error.strerror or error}"
                ) from None
        self.proxy_for("https://example.invalid")  # a wrong variable is found at the start

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy for a URL, with its credentials: that of the settings, else as HTTPS_PROXY, HTTP_PROXY and
        NO_PROXY say.

        Raises:
            ConfigError: the one of the environment cannot be used.
        """
        if self._proxy is not None:
            return self._proxy
        parts = urlsplit(url)
        if parts.hostname is None or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
            return None
        name = "https" if parts.scheme in _SECURE else "http"
        found = urllib.request.getproxies().get(name)
        return _checked(found, f"{name.upper()}_PROXY") if found else None


def shown(proxy: str) -> str:
    """Return a proxy as texts may have it: host and port."""
    parts = urlsplit(proxy)
    return f"{parts.hostname}:{parts.port or 80}"


def _checked(proxy: str, name: str) -> str:
    try:
        return ProxyUrl().check(proxy)
    except WrongValueError as error:
        raise ConfigError(f"{name} {error}") from None


def explain(error: Exception, url: str, network: Network) -> str | None:
    """Return what a proxy has to do with an error, None if it is not about a proxy. The text has no credentials."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        hint = "check its user and password" if error.status in DENIALS else "it does not let the gateway through"
        return f"the proxy refuses the connection (HTTP {error.status}): {hint}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy {shown(network.proxy_for(url) or '')} cannot be reached: {error.strerror or 'no connection'}"
    return None
