"""The ASGI application of the paths of files: ``/files-upload/``, ``/files-pri/`` and ``/files-pub/``.

Deny by default: an upload URL is used once and expires, and bytes are sent to those who may see the file. A file that
does not exist and one that the caller may not see have the same answer. Source: wire/files.md.
"""

import logging
import re
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tautwire.server.clock import Clock
from tautwire.server.files.bodies import content
from tautwire.server.files.downloads import Request, respond
from tautwire.server.incoming import MalformedError, SlowError, stream
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files.intake import BusyError, Intake, WrongSizeError
from tautwire.server.services.files.objects import PRIVATE_PATH, PUBLIC_PATH, UPLOAD_PATH
from tautwire.server.services.files.reading import find_public, visible_file
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError
from tautwire.server.store.queries.files import FileRecord

log = logging.getLogger("tautwire.server.files")

PATHS: Final = (UPLOAD_PATH, PRIVATE_PATH, PUBLIC_PATH)

_UPLOAD: Final = re.compile(rf"{UPLOAD_PATH}(T\w{{1,30}})-(F\w{{1,30}})-([\w-]{{1,100}})", re.ASCII)
_PRIVATE: Final = re.compile(rf"{PRIVATE_PATH}(T\w{{1,30}})-(F\w{{1,30}})(/download)?(?:/[^/]{{0,400}})?", re.ASCII)
_PUBLIC: Final = re.compile(
    rf"{PUBLIC_PATH}(T\w{{1,30}})-(F\w{{1,30}})-(\w{{1,100}})(/download)?(?:/[^/]{{0,400}})?", re.ASCII
)


class Refusal(Exception):  # noqa: N818 - an answer
    """The answer to a request that is not served."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class FilesDoor:
    """Takes and sends the bytes of files, for all workspaces of this process.

    Args:
        find: returns the workspace with the id of a team, None if it is not served.
    """

    def __init__(self, find: Callable[[str], Workspace | None], clock: Clock, *, has_limits: bool) -> None:
        self._find = find
        self._failed_logins = FailedLogins(clock)
        self._has_limits = has_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["path"].startswith(UPLOAD_PATH):
                await self._take(scope, receive, send)
            else:
                await self._give(scope, send)
        except ClientDisconnect:
            return
        except Refusal as refusal:
            await _answer(send, refusal.status, str(refusal), *refusal.headers)
        except StoreError as error:
            log.debug("a file was not served: %s", error)  # debug: the writer and the reader log such failures
            await _answer(send, 503, "the database does not answer: try again later", (b"retry-after", b"5"))

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Store the bytes that come to an upload URL."""
        if scope["method"] not in ("POST", "PUT"):
            raise Refusal(405, "the method must be POST or PUT", (b"allow", b"POST, PUT"))
        match = _UPLOAD.fullmatch(scope["path"])
        workspace = self._find(match[1]) if match else None
        if match is None or workspace is None:
            raise _unknown_url()
        headers = Headers(scope=scope)
        try:
            intake = await workspace.files.begin(match[2], match[3])
            if intake is None:
                raise _unknown_url()
            async with intake:
                size = await _store(intake, receive, headers.get("content-type", ""))
        except WrongSizeError:
            raise Refusal(400, "the bytes must be as many as were announced: ask for another upload URL") from None
        except MalformedError as error:
            raise Refusal(400, f"the body must be valid multipart: {error}") from None
        except SlowError:
            raise Refusal(408, "the bytes did not come in time: ask for another upload URL") from None
        except BusyError:
            raise Refusal(503, "too many files arrive: try again later", (b"retry-after", b"5")) from None
        except MethodError as error:
            status = 507 if error.code == "storage_limit_reached" else 404
            raise Refusal(status, f"{error.code}: the bytes are not stored") from None
        except StoreError:
            raise Refusal(507, "the bytes cannot be stored: ask for another upload URL later") from None
        await _answer(send, 200, f"OK - {size}")

    async def _give(self, scope: Scope, send: Send) -> None:
        """Send the bytes of a file."""
        verb, headers = scope["method"], Headers(scope=scope)
        if verb not in ("GET", "HEAD"):
            raise Refusal(405, "the method must be GET or HEAD", (b"allow", b"GET, HEAD"))
        if scope["path"].startswith(PUBLIC_PATH):
            workspace, record, attachment = await self._find_public(scope["path"])
        else:
            address = scope["client"][0] if scope["client"] else ""
            workspace, record, attachment = await self._find_private(
                scope["path"], headers.get("authorization", ""), address
            )
        request = Request(verb == "GET", headers.get("range"), headers.get("if-range"), attachment)
        await respond(send, workspace, record, request)

    async def _find_public(self, path: str) -> tuple[Workspace, FileRecord, bool]:
        match = _PUBLIC.fullmatch(path)
        workspace = self._find(match[1]) if match else None
        if match is None or workspace is None:
            raise _no_file()
        record = await workspace.reader.read(partial(find_public, file=match[2], secret=match[3]))
        if record is None:
            raise _no_file()
        return workspace, record, match[4] is not None

    async def _find_private(self, path: str, authorization: str, address: str) -> tuple[Workspace, FileRecord, bool]:
        match = _PRIVATE.fullmatch(path)
        workspace = self._find(match[1]) if match else None
        scheme, _, token = authorization.partition(" ")
        if not token.strip() or scheme.lower() != "bearer":
            raise Refusal(401, "the header Authorization must be Bearer and a token", _CHALLENGE)
        if match is None or workspace is None:
            raise _no_file()
        try:
            who = workspace.identities.authenticate(token.strip())
        except MethodError as error:
            wait = self._failed_logins.count(address, "a file", error.code)
            if wait and self._has_limits:
                raise Refusal(429, "too many wrong tokens", (b"retry-after", str(wait).encode())) from None
            raise Refusal(401, f"{error.code}: the token is not accepted", _CHALLENGE) from None
        if workspace.enforces_scopes and not who.has_one_of(("files:read",)):
            raise Refusal(403, "missing_scope: the token needs files:read")
        try:
            record = await workspace.reader.read(partial(visible_file, who=who, file=match[2]))
        except MethodError:
            raise _no_file() from None
        return workspace, record, match[3] is not None


_CHALLENGE: Final = (b"www-authenticate", b"Bearer")


def _unknown_url() -> Refusal:
    return Refusal(404, "the upload URL is unknown, used or too old: ask for another one")


def _no_file() -> Refusal:
    return Refusal(403, "there is no such file, or the user of the token may not see it")


async def _store(intake: Intake, receive: Receive, content_type: str) -> int:
    async with (
        aclosing(stream(receive, lambda: intake.size)) as source,
        aclosing(content(source, content_type)) as data,
    ):
        async for piece in data:
            await intake.feed(piece)
    await intake.end()
    return intake.size


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = text.encode()
    fixed = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
