"""Which URLs are the upstream's: the base URL, and hosts of its own domain, such as files.slack.com of slack.com. Pure.

A token is sent to these alone. A host that is an address, or has no domain, has no others beside it.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_DOORS: Final = ("www.", "api.")
"""First labels of a base URL that are left out to get at the domain."""


class Hosts:
    """The hosts of an upstream.

    Args:
        base_url: that of its Web API.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.scheme = parts.scheme
        self._netloc = parts.netloc.lower()
        host = parts.hostname or ""
        self._domain = "" if _is_address(host) or "." not in host else host
        for door in _DOORS:
            if self._domain.startswith(door) and self._domain.count(".") > 1:
                self._domain = self._domain.removeprefix(door)
        self._port = "" if parts.port is None else f":{parts.port}"

    @property
    def pattern(self) -> bytes:
        """A regular expression for the authority of a URL of the upstream."""
        found = re.escape(self._netloc)
        if self._domain:
            found += rf"|(?:[a-z0-9-]{{1,63}}\.){{0,3}}{re.escape(self._domain + self._port)}"
        return found.encode()

    def has(self, url: str) -> bool:
        """Whether a URL is the upstream's."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return parts.scheme == self.scheme and self._has_authority(parts)

    def _has_authority(self, parts: SplitResult) -> bool:
        return re.fullmatch(self.pattern, parts.netloc.lower().encode(errors="replace")) is not None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_of_host(url: str, host: str) -> bool:
    """Whether a WebSocket URL is at the host of the API or below the same domain: its query has a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    found = parts.hostname or ""
    return parts.scheme in ("ws", "wss") and (found == host or found.endswith("." + host.removeprefix("www.")))
