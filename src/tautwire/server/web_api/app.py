"""The ASGI application behind ``/api/``: from a request to a method and back. Source: wire/web-api.md.

Every outcome of a method is HTTP 200 with a JSON object, errors too: SDKs treat most other statuses as a failure of the
server and raise. Exceptions are rate limits (429), which SDKs wait for, and bodies over the limit (413).
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from copy import copy
from functools import partial
from typing import Final, NamedTuple, Protocol, Self

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tautwire.protocol.errors import TautwireError
from tautwire.protocol.ids import UserId
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.incoming import is_multipart
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.limits import RateLimited
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.errors import MethodError
from tautwire.server.services.workspace import Workspace
from tautwire.server.web_api.answers import encode_answer
from tautwire.server.web_api.arguments import Given, convert, read_arguments
from tautwire.server.web_api.bodies import Bodies, TooBig, TooMany
from tautwire.server.web_api.credentials import header_client, header_token, take_token
from tautwire.server.web_api.fallback import Fallback, Passed, Stream, Upload
from tautwire.server.web_api.file_bodies import FileBody
from tautwire.server.web_api.method import COMMON_ERRORS, METHODS, Answer, Call, Caller, Method, Tier, missing_scope
from tautwire.server.web_api.replies import Draft, Reply, finished, spoiled, streamed, warn
from tautwire.server.web_api.spoiling import Spoiled, spoil
from tautwire.server.web_api.streams import send_stream
from tautwire.server.web_api.unserved import fault_of_unserved

log = logging.getLogger("tautwire.server.web_api")

PATH: Final = "/api/"
_STRANGER: Final = Identity(UserId(""), "", None, None, scopes=frozenset())
"""The caller of a method that needs no token."""
_NAME: Final = re.compile(r"[\w.]{1,100}", re.ASCII)
"""Names that a fallback is asked for."""


class Request(NamedTuple):
    """A call over HTTP, without its body."""

    method: str
    query: bytes
    headers: Mapping[str, str]
    """By name in lower case."""
    base_url: str
    """Scheme and authority by which the caller reached the server."""
    address: str
    """The caller's address, or the one that a trusted proxy has forwarded."""
    verb: str = "POST"
    receive: Receive | None = None
    """The body as it comes, for methods that take a file."""


class ReadBody(Protocol):
    """Reads the body of a request; see ``Bodies.read``."""

    def __call__(self, *, is_known: bool) -> Awaitable[bytes]:
        """Return the body."""


class WebApi:
    """Serves the Web API of all workspaces of this process.

    Args:
        find: returns the workspace of a token; for an unknown or missing one, a workspace that refuses it.
        find_client: returns the workspace of an app by its client id, or one that refuses it; None if there is only
            one.
        fallback: answers calls of methods that the registry does not have.
        methods: the registry.
    """

    def __init__(
        self,
        find: Callable[[str | None], Workspace],
        settings: Settings,
        clock: Clock,
        counts: Counts,
        *,
        find_client: Callable[[str], Awaitable[Workspace]] | None = None,
        fallback: Fallback | None = None,
        methods: Mapping[str, Method] = METHODS,
    ) -> None:
        self._methods = methods
        self._find = find
        self._find_client = find_client
        self._counts = counts
        self._fallback = fallback
        self._failed_logins = FailedLogins(clock)
        self._has_limits = settings.rate_limits
        self._bodies = Bodies(settings.body_limit)
        self._public_url = settings.public_url
        self._socket_origin: str | None = None

    def reached_as(self, base_url: str, socket_origin: str) -> Self:
        """Return the same door for callers behind a front that speaks for another host.

        Args:
            base_url: scheme and authority for all URLs in answers but those of WebSockets. Files are seen by callers
                that do not come through the front, so their URLs must not name its host.
            socket_origin: scheme and authority for the URLs of WebSockets.
        """
        door = copy(self)
        door._public_url, door._socket_origin = base_url, socket_origin  # noqa: SLF001 - it is one of us
        return door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as an ASGI application."""
        name = scope["path"].removeprefix(PATH).strip("/")
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope["client"] else ""
        request = Request(
            name, scope["query_string"], headers, _base_url(headers, scope), address, scope["method"], receive
        )
        try:
            reply = await self.answer(request, partial(self._bodies.read, receive))
        except ClientDisconnect:
            return
        if reply.stream is not None:
            await send_stream(reply, receive, send)
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        for piece in reply.body[:-1]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)  # a long answer must not be written in one turn of the loop
        await send({"type": "http.response.body", "body": reply.body[-1]})

    def base_url(self, headers: Headers, scope: Scope) -> str:
        """Return scheme and authority by which a caller reaches the server, without a slash at the end."""
        return self._public_url or _base_url(headers, scope)

    async def answer(self, request: Request, read_body: ReadBody) -> Reply:
        """Return the answer of a call; every failure becomes an error answer.

        Raises:
            ClientDisconnect: from ``read_body``.
        """
        name = request.method
        draft = Draft()
        try:
            found = await self._answer(request, read_body, draft)
            if isinstance(found, Stream):
                self._counts.answers[draft.status, ""] += 1
                return streamed(draft, found)
            answer = {"ok": True, **found}
        except Spoiled as fault:
            draft.trace.note(name, fault.answer.status, [fault.answer.body])
            return spoiled(fault)
        except RateLimited as error:
            draft.status, draft.headers["Retry-After"] = 429, str(error.wait)
            answer = {"ok": False, "error": error.code}
        except MethodError as error:
            answer = {"ok": False, "error": error.code, **error.members}
        except TooBig:
            draft.status = 413
            answer = {"ok": False, "error": "request_too_large"}
        except TooMany:
            draft.status, draft.headers["Retry-After"] = 429, "1"
            answer = {"ok": False, "error": "ratelimited"}
        except ClientDisconnect:
            raise
        except TautwireError as error:
            # debug: the writer logs such a failure once a second
            log.debug("%s could not be answered: %s", name, error)
            answer = {"ok": False, "error": "service_unavailable"}
        except Exception:
            log.exception("%s failed", name)
            answer = {"ok": False, "error": "internal_error"}
        try:
            warn(answer, draft.warnings)
            body = encode_answer(answer)
        except Exception:  # the members of a fallback's answer may be anything
            log.exception("the answer of %s is not JSON", name)
            answer = {"ok": False, "error": "internal_error"}
            body = encode_answer(answer)
        error_code = answer.get("error")
        self._counts.answers[draft.status, self._counted(name, str(error_code)) if error_code else ""] += 1
        draft.trace.note(name, draft.status, body)
        return finished(draft, body)

    def _counted(self, name: str, error: str) -> str:
        """Return the name under which an error is counted. Callers must not be able to create counters without end."""
        if name == "api.test":
            return "as_asked"
        return error if name in self._methods or error in COMMON_ERRORS else "fallback"

    async def _answer(self, request: Request, read_body: ReadBody, draft: Draft) -> Answer | Stream:
        """Run a method. Refusals that need no body come before the body is read."""
        method = self._methods.get(request.method)
        if method is None:
            return await self._fall_back(request, read_body, draft)
        if method.is_post_only and request.verb != "POST":
            raise MethodError("insecure_request")
        caller, token = None, header_token(request.headers)
        if method.access and token is not None:
            caller = self._admit(method, request, token, draft)
        else:
            draft.trace.workspace = self._find(None)  # until the token is found among the arguments
        if method.takes_file and request.receive is not None and is_multipart(request.headers.get("content-type", "")):
            return await self._answer_file(method, request, request.receive, caller, draft)
        given, draft.warnings = await read_arguments(
            request.query, request.headers, partial(read_body, is_known=caller is not None)
        )
        token = take_token(given)
        if "client_id" in method.arguments.__struct_fields__:
            given |= header_client(request.headers)
        if caller is None and method.access:
            caller = self._admit(method, request, token, draft)
        elif caller is None:
            client = given.get("client_id")
            workspace = self._find(None)
            if self._find_client is not None and isinstance(client, str):
                workspace = await self._find_client(client)
            caller = Caller(workspace, _STRANGER)
        self._count(method, caller)
        return await self._run(method, request, caller, given, draft)

    async def _answer_file(
        self, method: Method, request: Request, receive: Receive, caller: Caller | None, draft: Draft
    ) -> Answer:
        """Run a method with a file in its body. The token may come behind the file: see ``file_bodies``."""

        def admit(token: str | None) -> Caller:
            admitted = caller or self._admit(method, request, token, draft)
            self._count(method, admitted)
            return admitted

        async with FileBody(request.headers, receive, self._bodies) as body:
            given = await body.read(request.query, admit, is_known=caller is not None)
            return await self._run(method, request, body.caller, given, draft, body.file)

    def _count(self, method: Method, caller: Caller) -> None:
        """Count a call; raise ``RateLimited`` if it comes too early."""
        calls = caller.workspace.calls if method.access and method.tier is not Tier.POST else None
        if calls is not None:
            calls.take(method.tier.value, caller.who.user or caller.who.app_id or "", method.name)

    async def _run(
        self, method: Method, request: Request, caller: Caller, given: Given, draft: Draft, file: str | None = None
    ) -> Answer:
        """Call the function of a method."""
        workspace, who = caller
        if workspace.controls is not None:
            draft.trace.workspace, draft.trace.who, draft.trace.arguments = workspace, who, given
            await spoil(workspace.controls.faults, method.name, who)
        call = Call(workspace, who, self._public_url or request.base_url, given, file, self._socket_origin)
        try:
            return await method.function(call, convert(given, method.arguments))
        except GeneratorExit:  # the front has closed this coroutine; uvicorn makes the call again
            if workspace.calls is not None:
                workspace.calls.give_back(who.user or who.app_id or "", method.name)
            raise

    async def _fall_back(self, request: Request, read_body: ReadBody, draft: Draft) -> Answer | Stream:
        """Return the answer of the fallback; without one, no method of this name is served."""
        unserved = fault_of_unserved(request.method)
        workspace = draft.trace.workspace = self._find(header_token(request.headers))
        fallback = self._fallback
        if fallback is None or not _NAME.fullmatch(request.method):
            raise unserved
        who, token = None, header_token(request.headers)
        if token is not None:
            workspace, who = self._authenticate(request, token, draft)
        async with AsyncExitStack() as stack:
            file = None
            if (
                fallback.open_sink is not None
                and request.receive is not None
                and is_multipart(request.headers.get("content-type", ""))
            ):
                known = Caller(workspace, who) if who is not None else None
                body = FileBody(request.headers, request.receive, self._bodies, fallback.open_sink)
                await stack.enter_async_context(body)
                given = await body.read(
                    request.query,
                    lambda token: known or self._authenticate(request, token, draft),
                    is_known=known is not None,
                )
                workspace, who = body.caller
                file = None if body.file is None else Upload(body.field, body.name or "", body.file)
            else:
                given, draft.warnings = await read_arguments(
                    request.query, request.headers, partial(read_body, is_known=who is not None)
                )
                token = take_token(given)
                if who is None and token:
                    workspace, who = self._authenticate(request, token, draft)
            base_url = self._public_url or request.base_url
            answer = await fallback(Passed(request.method, who, given, workspace, base_url, file))
        if answer is None:
            draft.headers.pop("X-OAuth-Scopes", None)  # the answer is that of a server without a fallback
            raise unserved
        if who is not None:
            draft.headers["X-OAuth-Scopes"] = who.scope_list
        return answer

    def _admit(self, method: Method, request: Request, token: str | None, draft: Draft) -> Caller:
        """Return the caller, whose token permits the method."""
        caller = self._authenticate(request, token, draft)
        workspace, who = caller
        if who.kind not in method.access:
            raise MethodError("not_allowed_token_type")
        if method.access[who.kind]:
            draft.headers["X-Accepted-OAuth-Scopes"] = ",".join(method.access[who.kind])
        refusal = missing_scope(method, who) if workspace.enforces_scopes else None
        if refusal is not None:
            raise refusal
        return caller

    def _authenticate(self, request: Request, token: str | None, draft: Draft) -> Caller:
        """Return the caller; a failure is counted by the caller's address."""
        workspace = draft.trace.workspace = self._find(token)
        try:
            who = workspace.identities.authenticate(token)
        except MethodError as error:
            if token:
                wait = self._failed_logins.count(request.address, request.method, error.code)
                if wait and self._has_limits:
                    draft.status, draft.headers["Retry-After"] = 429, str(wait)
                    raise MethodError("ratelimited") from None
            raise
        draft.headers["X-OAuth-Scopes"] = who.scope_list
        return Caller(workspace, who)


def _base_url(headers: Headers, scope: Scope) -> str:
    """Return the base URL by which the caller reached the server, for the RTM URL."""
    host, port = scope["server"] or ("127.0.0.1", 80)
    return f"{scope['scheme']}://{headers.get('host') or f'{host}:{port}'}"
