"""The ASGI application below ``/hooks/``: a body at a secret path becomes a message.

The secret in the path is all that a caller needs. Only its hash is looked up, and an address with many wrong secrets
has to wait. Paths are never logged. Source: wire/interactivity.md#response_url and wire/webhooks.md.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tautwire.protocol.errors import TautwireError
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.limits import RateLimited
from tautwire.server.services.access.logins import FailedLogins
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity import response_urls, webhooks
from tautwire.server.services.interactivity.answers import Reply, read_body, read_reply
from tautwire.server.services.interactivity.response_urls import PATH
from tautwire.server.services.workspace import Workspace
from tautwire.server.web_api.bodies import Bodies, TooBig, TooMany
from tautwire.server.web_api.method import Tier

log = logging.getLogger("tautwire.server.hooks")

_PARTS: Final = 4
"""Folder, workspace, number or webhook, secret."""
_WRONG: Final = frozenset({"expired_url", "no_service", "no_team"})
"""Errors of a secret that is not, or no longer, accepted."""
_STATUSES: Final[Mapping[str, int]] = {
    "channel_is_archived": 410, "channel_not_found": 404, "expired_url": 404, "internal_error": 500,
    "message_not_found": 404, "method_not_allowed": 405, "no_service": 404, "no_team": 404, "request_timeout": 408,
    "request_too_large": 413, "service_unavailable": 503, "used_url": 404,
}  # fmt: skip
"""The statuses of errors; of others 400. Source: wire/webhooks.md (documented; those of response URLs uncertain)."""
_NAMES: Final[Mapping[str, str]] = {
    "invalid_blocks_format": "invalid_blocks", "is_archived": "channel_is_archived",
    "msg_blocks_too_long": "invalid_blocks",
}  # fmt: skip
"""Errors that have another name here. Source: wire/webhooks.md."""
_IN_JSON: Final = frozenset({"expired_url", "used_url"})
"""Errors that are answered as JSON; the others are plain text."""


class HooksDoor:
    """Serves response URLs and webhooks of all workspaces of this process.

    Args:
        find: returns the workspace with an id, None if it is not served.
    """

    def __init__(self, find: Callable[[str], Workspace | None], settings: Settings, clock: Clock) -> None:
        self._find = find
        self._bodies = Bodies(settings.body_limit)
        self._logins = FailedLogins(clock)
        self._has_limits = settings.rate_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        wait = 0
        try:
            await self._serve(scope, receive)
            code = ""
        except ClientDisconnect:
            return
        except RateLimited as error:
            code, wait = error.code, error.wait
        except MethodError as error:
            code = _NAMES.get(error.code, error.code)
            if code in _WRONG:
                wait = self._count(scope, code)
                code = "ratelimited" if wait else code
        except TooBig:
            code = "request_too_large"
        except TooMany:
            code, wait = "ratelimited", 1
        except TautwireError as error:
            log.debug("a message could not be stored: %s", error)
            code = "service_unavailable"
        except Exception:
            log.exception("a message at a hook failed")
            code = "internal_error"
        await _answer(send, code, wait)

    async def _serve(self, scope: Scope, receive: Receive) -> None:
        if scope["method"] != "POST":
            raise MethodError("method_not_allowed")
        parts = scope["path"].removeprefix(PATH).split("/")
        if len(parts) != _PARTS or parts[0] not in (webhooks.FOLDER, *response_urls.FOLDERS.values()):
            raise MethodError("no_service")
        folder, team, name, secret = parts
        body = await self._bodies.read(receive, is_known=False)
        workspace = self._find(team)
        if workspace is None:
            raise MethodError("no_team")
        reply = read_reply(read_body(body, Headers(scope=scope).get("content-type", "")))
        if folder == webhooks.FOLDER:
            unit = partial(_post, workspace=workspace, webhook=name, secret=secret, reply=reply)
            await workspace.writer.write(unit)
        else:
            await workspace.writer.write(partial(response_urls.use, team=workspace.team, secret=secret, reply=reply))

    def _count(self, scope: Scope, code: str) -> int:
        """Count a wrong secret; return the seconds to wait, 0 below the rate."""
        address = scope["client"][0] if scope["client"] else ""
        wait = self._logins.count(address, "a hook", code)
        return wait if self._has_limits else 0


def _post(tx: Transaction, workspace: Workspace, webhook: str, secret: str, reply: Reply) -> None:
    webhooks.post(tx, workspace.team, webhook, secret, reply)
    # After the checks, so that only posts that are stored count, and in the writer's thread, as other posts.
    if workspace.posts is not None:
        workspace.posts.take(Tier.POST.value, webhook)


async def _answer(send: Send, code: str, wait: int) -> None:
    is_json = code in _IN_JSON
    body = msgspec.json.encode({"ok": False, "error": code}) if is_json else (code or "ok").encode()
    status = 429 if wait else _STATUSES.get(code, 400) if code else 200
    headers = [
        (b"content-type", b"application/json; charset=utf-8" if is_json else b"text/html"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *([(b"retry-after", str(wait).encode())] if wait else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
