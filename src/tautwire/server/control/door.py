"""The requests of the control door: each is checked, decoded, passed to its operation, and answered with JSON.

Deny by default: without the secret every request gets the same answer, whatever its path. An error is
``{"error": {"code", "message"}}``; the message says what to do.
"""

import hmac
import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from tautwire.server.control import apps, channels, people, team, tokens
from tautwire.server.control.operation import OPERATIONS, Operation
from tautwire.server.services.administration.refusals import NotFound, Refused, explained
from tautwire.server.services.errors import MethodError
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError

log = logging.getLogger("tautwire.server.control")

FAMILIES: Final = (apps, channels, people, team, tokens)
"""Importing a family registers its operations."""

PATH: Final = "/_control/v1/"
MAX_BODY: Final = 262_144
"""Bytes of a request's body: some thousand names."""


class Failure(Exception):  # noqa: N818 - an answer
    """The answer to a request that is not carried out."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message}}


class ControlDoor:
    """The ASGI application of the control door."""

    def __init__(self, workspace: Workspace, secret: str) -> None:
        self._workspace = workspace
        self._expected = f"Bearer {secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._answer(Request(scope, receive))
        except Failure as failure:
            await _send(send, failure.status, failure.body)
        except ClientDisconnect:
            return  # the request was not complete, so nothing was done
        else:
            await _send(send, 200, answer)

    async def _answer(self, request: Request) -> Mapping[str, Any]:
        self._check_secret(request)
        wanted = _find(request)
        arguments = _decode(await _read(request), wanted)
        answer = await self._carry_out(wanted, arguments)
        log.info("an operator's %s is done", wanted.name)
        return answer

    def _check_secret(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, self._expected):
            raise Failure(
                401,
                "not_authorized",
                "the header Authorization must be Bearer and the secret of control.json in the data directory, "
                "which changes at each start of the server",
            )

    async def _carry_out(self, wanted: Operation, arguments: msgspec.Struct) -> Mapping[str, Any]:
        try:
            return await wanted.function(self._workspace, arguments)
        except Refused as refusal:
            raise Failure(404 if isinstance(refusal, NotFound) else 400, refusal.code, refusal.message) from None
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


def _find(request: Request) -> Operation:
    path = request.scope["path"]
    found = OPERATIONS.get(path.removeprefix(PATH)) if path.startswith(PATH) else None
    if found is None:
        raise Failure(
            404, "unknown_operation", f"the server has no {path[:200]!r}: is it of another version than the caller?"
        )
    if request.method != "POST":
        raise Failure(405, "method_not_allowed", f"the method must be POST, got {request.method[:20]!r}")
    return found


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise Failure(413, "body_too_large", f"a body must be at most {MAX_BODY} bytes: send fewer names at once")
        parts.append(part)
    return b"".join(parts)


def _decode(body: bytes, wanted: Operation) -> msgspec.Struct:
    try:
        return msgspec.json.decode(body or b"{}", type=wanted.arguments)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Failure(400, "invalid_arguments", f"the body must be an object of arguments: {error}") from None


async def _send(send: Send, status: int, body: Mapping[str, Any]) -> None:
    data = msgspec.json.encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode()),
               (b"cache-control", b"no-store")]  # fmt: skip
    if status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
