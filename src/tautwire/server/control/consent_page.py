"""The page on which a browser installs an app: ``/oauth/v2/authorize``, to which apps send people.

There are no sessions of people here, so the operator decides: the page asks for a person and for the secret of the
control API, and does nothing without it. It shows nothing of the workspace, not even whether there is such an app.
Source: wire/apps.md#oauth (the arguments documented; who decides is ours).
"""

import asyncio
from collections.abc import Callable, Mapping
from html import escape
from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from tautwire.server.forms import read_form
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.administration import apps
from tautwire.server.services.administration.apps import Consented, Wanted
from tautwire.server.services.administration.lookup import find_user
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.queries.apps import AppRecord, find_app
from tautwire.server.store.queries.consents import find_client
from tautwire.server.store.records import UserRecord

PATHS: Final = ("/oauth/v2/authorize", "/oauth/v2_user/authorize")
MAX_BODY: Final = 65_536
MAX_QUERY: Final = 16_384
MAX_FIELDS: Final = 50
PATIENCE: Final = 30.0
"""Seconds for a body to arrive."""

_ASKED: Final = ("client_id", "scope", "user_scope", "redirect_uri", "state")
"""The arguments that an app sends a person with."""

_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Install an app</title></head>
<body><h1>Install an app</h1>
<p>{message}</p>
<form method="post" action="{path}">
{hidden}
<p><label>Person who installs it <input name="person" value="{person}" required></label></p>
<p><label>Secret of the control API <input name="secret" type="password" required autocomplete="off"></label></p>
<p><button>Install</button></p>
</form></body></html>
"""
_ABOUT: Final = "The app client {client} asks for these scopes: {scopes}. The operator of this server decides."

Fields = Mapping[str, str]


class ConsentPage:
    """The ASGI application of the page.

    Args:
        find: returns the workspace of a secret, None if there is none; it compares in constant time.
        logins: counts wrong secrets by address.
        has_limits: whether an address with too many wrong secrets has to wait.
    """

    def __init__(
        self, find: Callable[[bytes], Workspace | None], logins: FailedLogins | None, *, has_limits: bool
    ) -> None:
        self._find = find
        self._logins = logins
        self._has_limits = has_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            status, body, headers = await self._answer(request)
        except ClientDisconnect:
            return
        await _send(send, status, body, headers)

    async def _answer(self, request: Request) -> tuple[int, str, dict[str, str]]:
        path = request.scope["path"]
        if request.method == "GET":
            fields = _fields(request.scope["query_string"][: MAX_QUERY + 1], MAX_QUERY)
            return 200, _page(path, fields, _about(path, fields)), {}
        if request.method != "POST":
            return 405, "The method must be GET or POST.", {"Allow": "GET, POST"}
        origin = request.headers.get("origin")
        if origin not in (None, "null") and _host_of(origin) != request.headers.get("host"):
            return 403, "The form of another site is refused.", {}
        body = await _read(request)
        if body is None:
            return 413, f"The form must have at most {MAX_BODY} bytes.", {}
        fields = _fields(body, MAX_BODY)
        workspace = self._find(fields.get("secret", "").encode(errors="replace")) if fields.get("secret") else None
        if workspace is None:
            return self._refuse(request, path, fields)
        try:
            given = await _consent(workspace, path, fields)
        except Refused as refusal:
            return 400, _page(path, fields, refusal.message), {}
        except StoreError:
            return 503, "The database does not answer: try again later.", {}
        if not given.location:
            return 200, f"The app has no redirect URL. Its code: {escape(given.code)}", {}
        return 303, "", {"Location": given.location}

    def _refuse(self, request: Request, path: str, fields: Fields) -> tuple[int, str, dict[str, str]]:
        address = request.client.host if request.client else ""
        wait = self._logins.count(address, "the page of consents", "not_authorized") if self._logins else 0
        if wait and self._has_limits:
            return 429, "Too many wrong secrets: try again later.", {"Retry-After": str(wait)}
        return 401, _page(path, fields, "The secret is wrong; it is in control.json in the data directory."), {}


async def _consent(workspace: Workspace, path: str, fields: Fields) -> Consented:
    def read(query: Query) -> tuple[AppRecord, UserRecord]:
        found = find_client(query, fields.get("client_id", ""))
        record = find_app(query, found[0]) if found is not None else None
        if record is None:
            raise Refused("invalid_client_id", "there is no app with this client id; `tautwire app show` has it")
        return record, find_user(query, fields.get("person", ""), "person")

    record, person = await workspace.reader.read(read)
    bot, people = _scopes(path, fields)
    try:
        wanted = msgspec.convert(
            {
                "app": record.id, "user": person.id, "scopes": bot, "user_scopes": people,
                "redirect_uri": fields.get("redirect_uri", ""), "state": fields.get("state", ""),
            },
            Wanted,
        )  # fmt: skip
    except msgspec.ValidationError as error:
        raise Refused("invalid_scope", f"the scopes cannot be asked for: {error}") from None
    return await workspace.writer.write(lambda tx: apps.consent(tx, record, person, wanted))


def _scopes(path: str, fields: Fields) -> tuple[list[str], list[str]]:
    """Return the scopes that are asked for, of the bot and of the person; at the second path all are the person's."""
    lists = [[scope for scope in fields.get(name, "").replace(" ", ",").split(",") if scope] for name in _ASKED[1:3]]
    return (lists[0], lists[1]) if path == PATHS[0] else ([], lists[0] or lists[1])


def _about(path: str, fields: Fields) -> str:
    scopes = ", ".join(each for names in _scopes(path, fields) for each in names) or "none"
    return _ABOUT.format(client=fields.get("client_id", "")[:100], scopes=scopes[:2_000])


def _page(path: str, fields: Fields, message: str) -> str:
    hidden = "\n".join(
        f'<input type="hidden" name="{name}" value="{escape(fields[name])}">' for name in _ASKED if name in fields
    )
    return _PAGE.format(
        message=escape(message), path=escape(path), hidden=hidden, person=escape(fields.get("person", ""))
    )


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _fields(data: bytes, limit: int) -> Fields:
    if len(data) > limit:
        return {}
    try:
        return read_form(data, MAX_FIELDS)
    except ValueError:
        return {}


async def _read(request: Request) -> bytes | None:
    """Return the body; None if it is too long or too slow."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size > MAX_BODY:
                    return None
                parts.append(part)
    except TimeoutError:
        return None
    return b"".join(parts)


async def _send(send: Send, status: int, body: str, more: Mapping[str, str]) -> None:
    data = body.encode(errors="replace")
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": str(len(data)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # No form-action: browsers hold it against the redirect to the app too.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        **more,
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": data})
