"""The paths below ``/_page/``: the files of the web page, its session, and the parts that the session may use.

The files are for all: they have nothing of a workspace. A part is what a program gives its page to read and to do: the
control API of a server (``page.control``), the status of a gateway (``gateway.page``). Requests with a session are
taken from the page itself only. Its cookie is sent to this path alone, and by no page of another site
(``SameSite=Strict``). But browsers count all ports of a host as one site, and send cookies to all of them. So the
headers that a browser writes and a page cannot change are checked as well.
Source: docs/adr/0034-page.md.
"""

import logging
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from tautwire.server.page.files import Files
from tautwire.server.page.sessions import Sessions
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.errors import Failure

log = logging.getLogger("tautwire.server.page")

PATH: Final = "/_page/"
SESSION: Final = "session"

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Sent with every answer. ``blob:`` shows pictures of private files, which the page gets with a token."""


class Part(Protocol):
    """What the page may read and do in its session, at paths that begin with the name of the part."""

    async def __call__(self, team: str, name: str, request: Request, receive: Receive, send: Send) -> None:
        """Answer a request of the page.

        Args:
            team: that of the session.
            name: the path behind that of the part.

        Raises:
            Failure: the request is refused.
        """


class PageDoor:
    """The ASGI application of the page.

    Args:
        parts: what the page may use, by name; the page shows the views of these.
        used: called with the team whose link was used.
        port: of the server; cookies are for all ports of a host, so it is in their name.
        public_url: the URL by which browsers reach the server, if that is not the address of this machine.
        logins: counts wrong keys by address.
        has_limits: whether an address with too many wrong keys has to wait.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        parts: Mapping[str, Part],
        used: Callable[[str], None],
        port: int,
        public_url: str | None,
        logins: FailedLogins,
        has_limits: bool,
    ) -> None:
        self._sessions = sessions
        self._parts = dict(parts)
        self._used = used
        self._cookie = f"tautwire-page-{port}"
        self._public = urlsplit(public_url or "")
        self._logins = logins
        self._has_limits = has_limits
        self._files = Files()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        path = scope["path"].removeprefix(PATH)
        try:
            self._check_host(request)
            part, slash, name = path.partition("/")
            if slash and part in self._parts:
                self._check_origin(request)
                await self._parts[part](self._team(request), name, request, receive, _with_headers(send))
            elif path == SESSION:
                await _send_json(send, 200, *self._session(request))
            else:
                await self._send_file(request, path, send)
        except Failure as failure:
            await _send_json(send, failure.status, failure.body, failure.headers)

    # --- files ---

    async def _send_file(self, request: Request, path: str, send: Send) -> None:
        if request.method not in ("GET", "HEAD"):
            text = f"the method must be GET, got {request.method[:20]!r}"
            raise Failure(405, "method_not_allowed", text, {"Allow": "GET, HEAD"})
        found, is_same = self._files.find(path)
        if found is None:
            raise Failure(404, "not_found", f"the page has no file {path[:100]!r}")
        headers = {
            "Content-Type": found.type,
            "ETag": found.etag,
            "Cache-Control": _FOR_GOOD if is_same else "no-cache",
        }
        if request.headers.get("if-none-match") == found.etag:
            await _send(send, 304, b"", headers)
            return
        headers["Content-Length"] = str(len(found.data))
        await _send(send, 200, b"" if request.method == "HEAD" else found.data, headers)

    # --- sessions ---

    def _session(self, request: Request) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Return the answer to a request about the session, and its headers."""
        self._check_origin(request)
        if request.method == "GET":
            return {"team": self._team(request), "parts": list(self._parts)}, {}
        if request.method == "POST":
            return self._open(request)
        if request.method == "DELETE":
            self._sessions.close(self._secret(request))
            return {}, {"Set-Cookie": f"{self._cookie}=; Path={PATH}; HttpOnly; SameSite=Strict; Max-Age=0"}
        text = f"the method must be GET, POST or DELETE, got {request.method[:20]!r}"
        raise Failure(405, "method_not_allowed", text, {"Allow": "GET, POST, DELETE"})

    def _open(self, request: Request) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        opened = self._sessions.open(key.strip()) if scheme.lower() == "bearer" and key else None
        if opened is None:
            address = request.client.host if request.client else ""
            wait = self._logins.count(address, "the page", "not_authorized")
            if wait and self._has_limits:
                text = f"too many wrong keys: wait {wait} s"
                raise Failure(429, "ratelimited", text, {"Retry-After": str(wait)})
            raise Failure(
                401, "not_authorized", "the link was used before, or is of an earlier start: a new one is in page.txt "
                "in the data directory",
            )  # fmt: skip
        team, secret = opened
        try:
            self._used(team)
        except OSError as error:
            log.warning("there is no new link to the page of %s: %s", team, error)
        secure = "; Secure" if request.scope["scheme"] == "https" else ""
        cookie = f"{self._cookie}={secret}; Path={PATH}; HttpOnly; SameSite=Strict{secure}"
        return {"team": team}, {"Set-Cookie": cookie}

    def _team(self, request: Request) -> str:
        team = self._sessions.find(self._secret(request))
        if team is None:
            raise Failure(
                401, "not_authorized", "the page has no session: open the link that was printed at the start, or that "
                "in page.txt in the data directory",
            )  # fmt: skip
        return team

    def _secret(self, request: Request) -> str:
        try:
            found = SimpleCookie(request.headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found is not None else ""

    # --- who asks ---

    def _check_host(self, request: Request) -> None:
        """Refuse names that are not ours: another site may have its name lead to this address (DNS rebinding)."""
        host = request.headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if name == "localhost" or _is_address(name) or (name and name == self._public.hostname):
            return
        raise Failure(
            403, "host_refused", f"the page is not served as {host[:100]!r}: use the address of this machine, or set "
            "public_url to the address that browsers use",
        )  # fmt: skip

    def _check_origin(self, request: Request) -> None:
        """Refuse what another page has a browser send, and what a browser does not say where it is from."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        ours = {f"{request.scope['scheme']}://{request.headers.get('host', '')}"}
        if self._public.netloc:
            ours.add(f"{self._public.scheme}://{self._public.netloc}")
        # Browsers send no Origin with a GET of the same origin; a GET changes nothing here.
        is_ours = origin in ours or (origin is None and request.method == "GET")
        if not is_ours or site not in (None, "same-origin"):
            raise Failure(403, "origin_refused", "only the page itself may use its session")


_FOR_GOOD: Final = "public, max-age=31536000, immutable"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    """Return what sends the answer of another door with the headers of the page."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_raw(HEADERS)]}
        await send(message)

    return sending


async def _send_json(send: Send, status: int, body: Mapping[str, Any], more: Mapping[str, str] = {}) -> None:
    data = msgspec.json.encode(body)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), "Cache-Control": "no-store"}
    await _send(send, status, data, {**headers, **more})


async def _send(send: Send, status: int, data: bytes, headers: Mapping[str, str]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _raw({**headers, **HEADERS})})
    await send({"type": "http.response.body", "body": data})


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
