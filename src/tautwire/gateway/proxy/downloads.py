"""Files of the upstream for bots: the local token comes in, that of the app goes out, the bytes pass as they come.

Paths are those of ``translate.links``: ``/files-pri/`` and the URL of the upstream without its scheme. The token goes
to hosts of the upstream alone and to paths of files alone, else a bot could call any method with it. A redirect is
followed within these bounds. Slack answers a token that may not see a file with a page for signing in; bots get 403.
Source: wire/files.md#urls-and-downloads.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tautwire.gateway.upstream.api import Api, UpstreamError
from tautwire.gateway.upstream.pace import Body
from tautwire.server.clock import Clock
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files.objects import PRIVATE_PATH
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError

log = logging.getLogger("tautwire.gateway.proxy")

PLACES: Final = ("/files-pri/", "/files-tmb/", "/files-pub/")
"""Paths of files at the upstream."""
SCOPE: Final = "files:read"
MAX_DOWNLOADS: Final = 32
"""Files that are passed on at a time; others wait."""
MAX_REDIRECTS: Final = 3
_ASKED: Final = ("range", "if-range", "if-none-match", "if-modified-since")
_ANSWERED: Final = frozenset(
    {"content-type", "content-length", "content-range", "content-disposition", "accept-ranges", "etag", "last-modified"}
)
_FIXED: Final = {
    "cache-control": "private, no-store", "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox", "referrer-policy": "no-referrer",
}  # fmt: skip
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Source(NamedTuple):
    """Where the files of a bot are."""

    workspace: Workspace
    """That of the local token."""
    api: Api
    outcomes: Counter[str]
    """Its requests by outcome: ``ok``, ``refused``, ``unreachable``. Those with a wrong token are not counted."""


class _Refusal(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Downloads:
    """The ASGI application of the URLs of files.

    Args:
        find: returns the source of a local token; for a wrong one a source that refuses it. It raises ``StoreError`` or
            ``MethodError`` for one whose bot is not served.
    """

    def __init__(self, find: Callable[[str], Source], clock: Clock, *, has_limits: bool) -> None:
        self._find = find
        self._failed_logins = FailedLogins(clock)
        self._has_limits = has_limits
        self._places = asyncio.Semaphore(MAX_DOWNLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["method"] not in ("GET", "HEAD"):
                raise _Refusal(405, "the method must be GET or HEAD")  # noqa: TRY301
            source = self._admit(Headers(scope=scope).get("authorization", ""), scope)
        except _Refusal as refusal:
            await _answer(send, refusal.status, str(refusal))
            return
        try:
            await self._give(source, scope, send)
        except _Refusal as refusal:
            source.outcomes["refused"] += 1
            await _answer(send, refusal.status, str(refusal))
        except UpstreamError as error:
            source.outcomes["unreachable"] += 1
            log.warning("a file was not fetched: %s", error)
            await _answer(send, 502, "the upstream does not send the file: try again later")

    async def _give(self, source: Source, scope: Scope, send: Send) -> None:
        headers = Headers(scope=scope)
        url = _url_of(scope, source.api)
        asked = {name: headers[name] for name in _ASKED if name in headers}
        async with self._places, AsyncExitStack() as stack:
            response = await _fetch(source.api, stack, scope["method"], url, asked)
            source.outcomes["ok"] += 1
            kept = {name.lower(): value for name, value in response.headers.items() if name.lower() in _ANSWERED}
            sent = [(name.encode(), value.encode("latin-1", "replace")) for name, value in {**kept, **_FIXED}.items()]
            await send({"type": "http.response.start", "status": response.status, "headers": sent})
            try:
                body = Body(response)
                while piece := await body.read():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                # Without an end of the response uvicorn closes the connection, so the bot sees that bytes are missing.
                log.warning("a file broke off: %s", type(error).__name__)
                return
            await send({"type": "http.response.body", "body": b""})

    def _admit(self, authorization: str, scope: Scope) -> Source:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _Refusal(401, "the header Authorization must be Bearer and the token for bots")
        try:
            source = self._find(token.strip())
        except (StoreError, MethodError):
            raise _Refusal(503, "the bot of the token is not served: try again later") from None
        try:
            source.workspace.identities.authenticate(token.strip())
        except MethodError as error:
            address = scope["client"][0] if scope["client"] else ""
            if self._failed_logins.count(address, "a file", error.code) and self._has_limits:
                raise _Refusal(429, "too many wrong tokens") from None
            raise _Refusal(401, f"{error.code}: the token is not accepted") from None
        return source


def _url_of(scope: Scope, api: Api) -> str:
    """Return the URL at the upstream; raise ``_Refusal`` if it is not one of a file."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.decode("latin-1").removeprefix(PRIVATE_PATH)
    query = scope["query_string"].decode("latin-1")
    url = f"{api.hosts.scheme}://{path}" + (f"?{query}" if query else "")
    if not _is_file(url, api):
        raise _Refusal(404, "there is no such file")
    return url


def _is_file(url: str, api: Api) -> bool:
    if not api.hosts.has(url):
        return False
    path = unquote(urlsplit(url).path)
    return path.startswith(PLACES) and not {".", ".."} & set(path.split("/")) and "\\" not in path and "%" not in path


async def _fetch(
    api: Api, stack: AsyncExitStack, verb: str, url: str, asked: Mapping[str, str]
) -> aiohttp.ClientResponse:
    for _ in range(MAX_REDIRECTS + 1):
        response = await stack.enter_async_context(api.open(verb, url, headers=asked, is_long=True))
        if response.status not in _REDIRECTS:
            break
        url = urljoin(url, response.headers.get("Location", ""))
        if not _is_file(url, api):
            raise _forbidden(api)
    else:
        raise UpstreamError("the URL of a file has too many redirects", was_sent=True)
    if response.status in (401, 403) or _is_page(response, url):
        raise _forbidden(api)
    if response.status >= 500:
        raise UpstreamError(f"HTTP status {response.status}", was_sent=True)
    if response.status >= 400 and response.status != 416:
        raise _Refusal(404, "there is no such file")
    return response


def _is_page(response: aiohttp.ClientResponse, url: str) -> bool:
    """Whether the answer is a page in place of the file."""
    is_html = response.content_type == "text/html"
    return is_html and "Content-Disposition" not in response.headers and not url.lower().endswith((".html", ".htm"))


def _forbidden(api: Api) -> _Refusal:
    if api.scopes.lacks(SCOPE):
        api.scopes.missing("a file that a bot fetches", SCOPE)
    return _Refusal(403, f"the upstream does not give the file: the app needs {SCOPE}, and must be where the file is")


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **_FIXED}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
