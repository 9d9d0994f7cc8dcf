"""The requests of the control door: each is checked, decoded, passed to its operation, and answered with JSON.

The same application is served on the unix socket of a data directory and, if the setting ``control`` is on, on the port
of the server. Deny by default: without the secret every request gets the same answer, whatever its path. An error is
``{"error": {"code", "message"}}``; the message says what to do.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from tautwire.server.asgi import OF_PAGE
from tautwire.server.control import openapi, watching
from tautwire.server.control.consent_page import ConsentPage
from tautwire.server.control.openapi import PATH
from tautwire.server.control.operation import OPERATIONS, Hosts, Operation
from tautwire.server.control.operations import (
    acts,
    apps,
    channels,
    composing,
    faults,
    files,
    interactions,
    looking,
    people,
    team,
    times,
    tokens,
    views,
    waits,
    webhooks,
    workspaces,
)
from tautwire.server.journal.entry import Origin
from tautwire.server.services import nesting
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.administration.refusals import NotFound, Refused, explained
from tautwire.server.services.errors import Failure, MethodError
from tautwire.server.services.hosting import Hosting
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError

log = logging.getLogger("tautwire.server.control")

FAMILIES: Final = (
    acts, apps, channels, composing, faults, files, interactions, looking, people, team, times, tokens, views, waits,
    webhooks, workspaces,
)  # fmt: skip
"""Importing a family registers its operations."""

_ORIGIN: Final = Origin("control")
PATIENCE: Final = 30.0
"""Seconds for a body to arrive."""


class ControlDoor:
    """The ASGI application of the control door.

    Args:
        find: returns the workspace of a secret, None if there is none; how long it takes tells nothing of the secret.
        hosting: all workspaces of the server; None where there is only one, on the socket of its data directory.
        is_host: whether a secret is that of the host.
        logins: counts wrong secrets by address; None where only the owner of the data directory can connect.
        has_limits: whether an address with too many wrong secrets has to wait.
    """

    def __init__(
        self,
        find: Callable[[bytes], Workspace | None],
        *,
        hosting: Hosting | None = None,
        is_host: Callable[[bytes], bool] = lambda secret: False,
        logins: FailedLogins | None = None,
        has_limits: bool = False,
    ) -> None:
        self.consent_page = ConsentPage(find, logins, has_limits=has_limits)
        """The page on which a browser installs an app, for the port of the server."""
        self._find = find
        self._hosting = hosting
        self._is_host = is_host
        self._logins = logins
        self._has_limits = has_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            request = Request(scope, receive)
            workspace = self._admit(request)
            stream = await self._stream(workspace, request)
            answer = await self._answer(workspace, request) if stream is None else {}
        except Failure as failure:
            await _send(send, failure.status, failure.body, failure.headers)
        except ClientDisconnect:
            return  # the request was not complete, so nothing was done
        else:
            if stream is not None:
                await stream(receive, send)
            else:
                await _send(send, 200, answer)

    async def _stream(self, workspace: Workspace | None, request: Request) -> watching.Stream | None:
        """Return what sends a stream of the journal; None for other requests."""
        name = request.scope["path"].removeprefix(PATH)
        if request.method != "GET" or name not in openapi.STREAMS:
            return None
        try:
            return await watching.prepare(_one(workspace), name, request)
        except Refused as refusal:
            raise _refused(refusal) from None
        except StoreError as error:
            raise Failure(503, "store_failed", str(error)) from error

    async def _answer(self, workspace: Workspace | None, request: Request) -> Mapping[str, Any]:
        if request.scope["path"] == PATH + openapi.NAME and request.method == "GET":
            return openapi.document()
        wanted = _operation_of(request)
        body = await _read(request, wanted.max_body)
        arguments = _decode(body, wanted)
        status = 200
        try:
            answer = await self._carry_out(workspace, wanted, arguments)
        except Failure as failure:
            status = failure.status
            raise
        finally:
            is_look = wanted.reads and OF_PAGE in request.scope
            if workspace is not None and workspace.controls is not None and not is_look:
                details = {"method": wanted.name, "status": status}
                workspace.controls.journal.note("control", _ORIGIN, details, arguments=body)
        log.info("an operator's %s is done", wanted.name)
        return answer

    def _admit(self, request: Request) -> Workspace | None:
        """Return the workspace of the secret in the header, None for the secret of the host.

        A wrong secret is counted by the caller's address.
        """
        if "origin" in request.headers:
            raise Failure(403, "origin_refused", "web pages are refused: call without the header Origin")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        secret = given.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
        workspace = self._find(secret) if secret else None
        if workspace is None and not (secret and self._is_host(secret)):
            if secret and self._logins is not None:
                address = request.client.host if request.client else ""
                wait = self._logins.count(address, "the control API", "not_authorized")
                if wait and self._has_limits:
                    raise Failure(
                        429, "ratelimited", f"too many wrong secrets: wait {wait} s", {"Retry-After": str(wait)}
                    )
            raise Failure(
                401,
                "not_authorized",
                "the header Authorization must be Bearer and the secret of control.json in the data directory, "
                "which changes at each start of the server",
            )
        return workspace

    def _target(self, workspace: Workspace | None, wanted: Operation) -> Workspace | Hosts:
        """Return what an operation works on; raise ``Refused`` if the secret does not open that."""
        if wanted.is_on_hosts:
            if self._hosting is None:
                raise Refused(
                    "not_offered", "operations on workspaces are on the port of the server, started with --control on"
                )
            return Hosts(self._hosting, workspace.team.id if workspace is not None else None)
        return _one(workspace)

    async def _carry_out(
        self, workspace: Workspace | None, wanted: Operation, arguments: msgspec.Struct
    ) -> Mapping[str, Any]:
        try:
            return await wanted.function(self._target(workspace, wanted), arguments)
        except Refused as refusal:
            raise _refused(refusal) from None
        except MethodError as error:
            reason = explained(error, f"{wanted.name} is refused")
            raise Failure(400, reason.code, reason.message) from None
        except StoreError as error:
            raise Failure(503, "store_failed", str(error)) from error
        except Exception as error:
            log.exception("an operator's %s failed", wanted.name)
            raise Failure(
                500, "internal_error", "the server failed, its log says why; the change may or may not be stored"
            ) from error


def _refused(refusal: Refused) -> Failure:
    return Failure(404 if isinstance(refusal, NotFound) else 400, refusal.code, refusal.message)


def _one(workspace: Workspace | None) -> Workspace:
    """Return the workspace that a secret opens; raise ``Refused`` for the secret of the host."""
    if workspace is None:
        raise Refused(
            "workspace_secret_needed",
            "this operation is on one workspace: use its secret, which workspaces.list shows",
        )
    return workspace


def _operation_of(request: Request) -> Operation:
    """Return the operation that a request names; raise ``Failure`` for an unknown one or a wrong HTTP method."""
    path = request.scope["path"]
    name = path.removeprefix(PATH) if path.startswith(PATH) else ""
    if name == openapi.NAME or name in openapi.STREAMS:
        raise Failure(
            405, "method_not_allowed", f"the method must be GET, got {request.method[:20]!r}", {"Allow": "GET"}
        )
    found = OPERATIONS.get(name)
    if found is None:
        raise Failure(
            404, "unknown_operation", f"the server has no {path[:200]!r}: is it of another version than the caller?"
        )
    if request.method != "POST":
        raise Failure(
            405, "method_not_allowed", f"the method must be POST, got {request.method[:20]!r}", {"Allow": "POST"}
        )
    return found


async def _read(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    text = f"a body must be at most {limit} bytes: send less at once"
                    raise Failure(413, "body_too_large", text)
                parts.append(part)
    except TimeoutError:
        raise Failure(408, "request_timeout", f"the body did not arrive in {PATIENCE:.0f} seconds") from None
    return b"".join(parts)


def _decode(body: bytes, wanted: Operation) -> msgspec.Struct:
    try:
        arguments = msgspec.json.decode(body or b"{}", type=wanted.arguments)
        is_deep = nesting.is_deep(body)
    except RecursionError:
        is_deep = True
    except ValueError as error:  # msgspec's own, or bytes that are not UTF-8
        raise Failure(400, "invalid_arguments", f"the body must be an object of arguments: {error}") from None
    if is_deep:
        text = f"the body must have at most {nesting.MAX_DEPTH} levels of lists and objects"
        raise Failure(400, "invalid_arguments", text)
    return arguments


async def _send(send: Send, status: int, body: Mapping[str, Any], more: Mapping[str, str] = {}) -> None:
    data = msgspec.json.encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode()),
               (b"cache-control", b"no-store")]  # fmt: skip
    headers += [(name.lower().encode(), value.encode()) for name, value in more.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
