"""The paths of a gateway below its web page: ``status`` and ``doctor``. A ``server.page.door.Part``."""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send

from tautwire.gateway.page.checkup import Checkup
from tautwire.gateway.page.reporter import Reporter
from tautwire.server.services.errors import Failure

OWNER: Final = "gateway"
"""Whose the sessions of the page are: the gateway's, for all its bots."""


class GatewayPart:
    """Answers the page.

    ``GET status`` returns a ``page.status.Status``. ``POST doctor`` begins the checks; what they find is in the status.
    """

    def __init__(self, reporter: Reporter, checkup: Checkup) -> None:
        self._reporter = reporter
        self._checkup = checkup

    async def __call__(self, team: str, name: str, request: Request, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if name == "status":
            _check_method(request, "GET")
            body = msgspec.json.encode(self._reporter.status(self._checkup.found))
        elif name == "doctor":
            _check_method(request, "POST")
            body = msgspec.json.encode({"has_begun": self._checkup.begin()})
        else:
            raise Failure(404, "not_found", f"the page of a gateway has no path {name[:100]!r}")
        answer = Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
        await answer(request.scope, receive, send)


def _check_method(request: Request, wanted: str) -> None:
    if request.method != wanted:
        text = f"the method must be {wanted}, got {request.method[:20]!r}"
        raise Failure(405, "method_not_allowed", text, {"Allow": wanted})
