"""What came through the front: calls of the Web API, WebSockets, and programs that did not trust the certificate.

A program may reach us with one leg only: its calls arrive, and its WebSocket goes to an address that does not exist.
Nothing in the program says so, hence this count.
"""

import re
import ssl
from time import monotonic
from typing import Final

PATIENCE: Final = 10.0
"""Seconds between the answer of rtm.connect and the WebSocket, before a program is said to be half attached."""

_REQUEST: Final = re.compile(rb"(?:GET|POST) (?:https?://[^/ ]+)?(/[^ ?]*)")
_ASKS: Final = (b"/api/rtm.connect", b"/api/rtm.start", b"/api/apps.connections.open")
"""The calls that are followed by a WebSocket."""


class Legs:
    """Counts since the start of the front."""

    def __init__(self) -> None:
        self.calls = 0
        """Calls of the Web API."""
        self.sockets = 0
        """Requests for a WebSocket."""
        self.distrusts = 0
        """Connections that ended because a program did not take the certificate."""
        self._asked_at: float | None = None

    def see(self, data: bytes) -> None:
        """Look at the bytes of one read: a request begins a read, since a program waits for each answer."""
        request = _REQUEST.match(data)
        if request is None:
            return
        path = request[1]
        if path.startswith(b"/api/"):
            self.calls += 1
            if path.rstrip(b"/") in _ASKS:
                self._asked_at = monotonic() if self._asked_at is None else self._asked_at
        elif re.search(rb"\r\nupgrade:[ \t]*websocket", data, re.IGNORECASE):
            self.sockets += 1
            self._asked_at = None

    def fail(self, error: ssl.SSLError) -> None:
        """Count an error of TLS if it is about the certificate."""
        # The alerts of programs: unknown_ca, bad_certificate, certificate_unknown.
        self.distrusts += any(word in str(error).upper() for word in ("UNKNOWN_CA", "CERTIFICATE"))

    @property
    def fault(self) -> str | None:
        """What is wrong, and what to do about it; None if nothing is known to be."""
        if self._asked_at is not None and monotonic() - self._asked_at >= PATIENCE:
            return (
                f"the program has made {self.calls} calls of the Web API, but no WebSocket came within "
                f"{PATIENCE:.0f} s after rtm.connect: its WebSocket goes around the front. Give its library the base "
                "URL in SLACK_API_URL if it has an option for it, or start the program with --attach-by names"
            )
        if self.distrusts and not self.calls:
            return (
                "the program does not take the certificate of the front: it reads no variable that names "
                "our root (SSL_CERT_FILE and the like). Give its library the base URL in SLACK_API_URL if it has an "
                "option for it, or add the root to what the program trusts"
            )
        return None
