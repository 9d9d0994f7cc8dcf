"""The way by which callers come: the reverse proxy with TLS in front, tried from here as a caller would."""

import http.client
import os
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

from tautwire.cli.doctor.findings import failed, ok, warning
from tautwire.gateway.setup.doctor import MAX_SKEW, Finding
from tautwire.server.config import Settings
from tautwire.server.directory import is_loopback

PATIENCE: Final = 10.0
"""Seconds for one answer."""
SOON: Final = 14
"""Days before the end of a certificate from which there is a warning."""
_DAY: Final = 86_400
_TOO_LARGE: Final = 413
_SWITCHING: Final = 101

Answer = tuple[int, http.client.HTTPMessage]


def check_front(settings: Settings, *, is_running: bool) -> Iterator[Finding]:
    """Try the public URL, or say that there is none."""
    if settings.public_url is None:
        if is_loopback(settings.host):
            yield ok(
                "front", "only this machine can reach the server; for others put TLS in front, and set --public-url"
            )
        else:
            yield warning(
                "front",
                f"others can reach {settings.host}, and tokens go over the network as they are: put TLS in front, and "
                "set --public-url",
            )
        return
    url = urlsplit(settings.public_url)
    if url.scheme != "https" and not is_loopback(url.hostname or ""):
        yield warning("front", f"{settings.public_url} has no TLS, so tokens go over the network as they are")
    if not is_running:
        yield ok("front", f"{settings.public_url} is tried while the server runs: start it, and ask again")
        return
    try:
        yield from _try(url, settings)
    except ssl.SSLCertVerificationError as error:
        yield failed(
            "front", f"the certificate of {url.netloc} is refused: {error.verify_message}; renew it, with its chain"
        )
    except (OSError, http.client.HTTPException) as error:
        why = f"no answer in {PATIENCE:.0f} seconds" if isinstance(error, TimeoutError) else str(error)
        yield failed("front", f"{settings.public_url} cannot be reached ({why}): check the proxy, DNS and the firewall")


def _try(url: SplitResult, settings: Settings) -> Iterator[Finding]:
    status, headers = _ask(url, "GET", "/healthz")
    if status != http.client.OK:
        yield failed("front", f"{url.geturl()}/healthz answers {status}: have the proxy pass everything to the server")
        return
    yield ok("front", f"{url.geturl()} leads to the server")
    if url.scheme == "https":
        yield _certificate(url)
    yield from _skew(headers)
    status, _ = _ask(url, "GET", "/rtm/doctor", _upgrade())
    if status == _SWITCHING:
        yield ok("WebSockets", "the front passes them on")
    else:
        yield failed(
            "WebSockets", f"an upgrade is answered with {status}: have the proxy pass Upgrade and Connection on"
        )
    if not is_loopback(url.hostname or "") and settings.metrics == "local":
        status, _ = _ask(url, "GET", "/metrics")
        if status == http.client.OK:
            yield failed("metrics", "all callers get them through the front: have the proxy set X-Forwarded-For")
    yield from _body(url, settings)


def _body(url: SplitResult, settings: Settings) -> Iterator[Finding]:
    """Announce the largest bodies; a proxy that refuses them does so before they are sent."""
    for what, path, limit in (
        ("calls", "/api/api.test", settings.body_limit),
        ("files", "/files-upload/doctor", settings.file_limit),
    ):
        try:
            status, _ = _ask(url, "POST", path, {"Content-Length": str(limit)}, patience=1.0)
        except TimeoutError:
            continue  # it waits for the body
        if status == _TOO_LARGE:
            yield failed(
                "body size", f"the front refuses {what} of {limit:,} bytes: raise its limit (client_max_body_size)"
            )
            return
    yield ok("body size", f"calls of {settings.body_limit:,} and files of {settings.file_limit:,} bytes pass")


def _certificate(url: SplitResult) -> Finding:
    port = url.port or http.client.HTTPS_PORT
    trust = ssl.create_default_context()
    with (
        socket.create_connection((url.hostname or "", port), PATIENCE) as plain,
        trust.wrap_socket(plain, server_hostname=url.hostname) as secure,
    ):
        ends = ssl.cert_time_to_seconds(str((secure.getpeercert() or {})["notAfter"]))
    days = (ends - time.time()) / _DAY
    text = f"it ends in {days:.0f} days"
    return ok("certificate", text) if days > SOON else warning("certificate", f"{text}: renew it")


def _skew(headers: http.client.HTTPMessage) -> Iterator[Finding]:
    try:
        skew = time.time() - parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        return
    if abs(skew) > MAX_SKEW:
        yield failed("clock", f"the front's clock differs by {abs(skew):.0f} s: synchronize both (NTP)")


def _ask(
    url: SplitResult, verb: str, path: str, headers: Mapping[str, str] = {}, *, patience: float = PATIENCE
) -> Answer:
    """Send the head of a request; return status and headers of the answer."""
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=patience)
    try:
        connection.putrequest(verb, url.path.rstrip("/") + path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.headers
    finally:
        connection.close()


def _upgrade() -> dict[str, str]:
    key = b64encode(os.urandom(16)).decode()
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
