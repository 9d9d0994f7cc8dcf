"""The control API as a part of the web page: a session stands for the secret of its workspace.

The browser never gets that secret.
"""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Send

from tautwire.server.asgi import OF_PAGE
from tautwire.server.services.errors import Failure

_NOT_PASSED_ON: Final = {b"authorization", b"cookie", b"origin", b"referer"}


class ControlPart:
    """Passes requests of the page on to the control API; a ``page.door.Part``.

    Args:
        control: the control API.
        path: its path.
        secret_of: returns the control secret of a workspace, None if it is not served.
    """

    def __init__(self, control: ASGIApp, path: str, secret_of: Callable[[str], str | None]) -> None:
        self._control = control
        self._path = path
        self._secret_of = secret_of

    async def __call__(self, team: str, name: str, request: Request, receive: Receive, send: Send) -> None:
        """Pass a request on, with the secret of the workspace."""
        secret = self._secret_of(team)
        if secret is None:
            raise Failure(404, "unknown_workspace", "the workspace of this session is not served any more")
        kept = [(key, value) for key, value in request.scope["headers"] if key not in _NOT_PASSED_ON]
        scope = {
            **request.scope,
            "path": self._path + name,
            "raw_path": (self._path + name).encode(),
            "headers": [*kept, (b"authorization", b"Bearer " + secret.encode())],
            OF_PAGE: True,
        }
        await self._control(scope, receive, send)
