"""The ASGI application behind ``/api/``: from a request to a method and back. Source: webapi.md sections 2 and 3.

Every outcome of a method is HTTP 200 with a JSON object; only rate limiting (429) and bodies over the limit (413) are
not, since SDKs take any other status for the end of the world.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tautwire.protocol.errors import TautwireError
from tautwire.server.services.errors import MethodError
from tautwire.server.services.identity import SCOPES, Identities, Identity
from tautwire.server.services.presence import Presence
from tautwire.server.services.tickets import Tickets
from tautwire.server.services.workspace import Workspace
from tautwire.server.web_api.answers import encode_answer
from tautwire.server.web_api.arguments import Given, TooBig, convert, read_arguments
from tautwire.server.web_api.known import fault_of_unserved
from tautwire.server.web_api.limits import Limits, RateLimited
from tautwire.server.web_api.method import METHODS, Call, Tier

log = logging.getLogger("tautwire.server.web_api")

PATH: Final = "/api/"
NOBODY: Final = Identity("", "", None, None)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Reply:
    """What of a response is known before its body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class WebApi:
    """Serves the Web API of one workspace."""

    def __init__(self, workspace: Workspace, *, identities: Identities, presence: Presence, tickets: Tickets) -> None:
        self._workspace = workspace
        self._identities = identities
        self._presence = presence
        self._tickets = tickets
        limited = workspace.settings.rate_limits
        self._limits = Limits(workspace.clock) if limited else None
        self._posts = Limits(workspace.clock) if limited else None
        self._long_reads = asyncio.Semaphore(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        name = scope["path"].removeprefix(PATH).strip("/")
        reply = _Reply()
        try:
            answer = {"ok": True, **await self._answer(name, scope, receive, reply)}
        except RateLimited as error:
            reply.status, reply.headers["Retry-After"] = 429, str(error.wait)
            answer = {"ok": False, "error": error.code}
        except MethodError as error:
            answer = {"ok": False, "error": error.code, **error.members}
        except TooBig:
            reply.status = 413
            answer = {"ok": False, "error": "request_too_large"}
        except ClientDisconnect:
            return
        except TautwireError as error:
            log.error("%s could not be answered: %s", name, error)  # noqa: TRY400 - the writer has logged the trace
            answer = {"ok": False, "error": "service_unavailable"}
        except Exception:
            log.exception("%s failed", name)
            answer = {"ok": False, "error": "internal_error"}
        _warn(answer, reply.warnings)
        await _respond(send, reply, answer)

    async def _answer(self, name: str, scope: Scope, receive: Receive, reply: "_Reply") -> Mapping[str, Any]:
        headers = Headers(scope=scope)
        limit = self._workspace.settings.body_limit
        given, reply.warnings = await read_arguments(scope["query_string"], headers, receive, limit)
        method = METHODS.get(name)
        if method is None:
            raise fault_of_unserved(name)
        who = NOBODY
        if method.needs_token:
            who = await self._identities.authenticate(_token(headers, given))
            reply.headers["X-OAuth-Scopes"] = SCOPES
            if self._limits is not None and method.tier is not Tier.POST:
                self._limits.take(method.tier.value, who.user, method.name)
        given.pop("token", None)
        call = Call(
            self._workspace, self._presence, self._tickets, who, _base_url(headers, scope), given,
            self._long_reads, self._posts,
        )  # fmt: skip
        return await method.function(call, convert(given, method.arguments))


def _token(headers: Headers, given: Given) -> str | None:
    """Return the token from the header, else from the arguments. Source: webapi.md section 2."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    argument = given.get("token")
    return argument if isinstance(argument, str) else None


def _base_url(headers: Headers, scope: Scope) -> str:
    """Return where the caller reached us, so that the RTM URL leads back the same way."""
    host, port = scope["server"] or ("127.0.0.1", 80)
    return f"{scope['scheme']}://{headers.get('host') or f'{host}:{port}'}"


def _warn(answer: dict[str, Any], warnings: list[str]) -> None:
    if warnings:
        answer["warning"] = ",".join([*filter(None, [answer.get("warning")]), *warnings])
        metadata = dict(answer.get("response_metadata", {}))
        metadata["warnings"] = [*metadata.get("warnings", []), *warnings]
        answer["response_metadata"] = metadata


async def _respond(send: Send, reply: _Reply, answer: Mapping[str, Any]) -> None:
    pieces = encode_answer(answer)
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(sum(map(len, pieces))).encode()),
        (b"cache-control", b"private, no-cache, no-store, must-revalidate"),
        *((name.lower().encode(), value.encode()) for name, value in reply.headers.items()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for piece in pieces[:-1]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)  # megabytes are not written in one turn of the loop
    await send({"type": "http.response.body", "body": pieces[-1]})
