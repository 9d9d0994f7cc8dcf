"""Routes requests: paths below ``/api/`` to the Web API, below ``/_control/v1/`` to the control API if it is served,
below ``/hooks/`` to response URLs and webhooks.

With the control API there is also the page on which apps are installed, and below ``/_page/`` the web page.

Those of files go to their door, the paths of ``more`` to their application, the root gets a short text, the others go
to the probes.
"""

from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tautwire.server.control.consent_page import PATHS as CONSENT_PATHS
from tautwire.server.control.door import ControlDoor
from tautwire.server.control.openapi import PATH as CONTROL_PATH
from tautwire.server.files.door import PATHS as FILE_PATHS
from tautwire.server.hooks.door import HooksDoor
from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.probes import Probes
from tautwire.server.page.door import PATH as PAGE_PATH
from tautwire.server.page.door import PageDoor
from tautwire.server.services.interactivity.response_urls import PATH as HOOKS_PATH
from tautwire.server.web_api.app import PATH, WebApi

WELCOME: Final = """\
tautwire {version}: a workspace for programs that speak RTM and the Slack Web API.

Point a bot here:  SLACK_API_URL={base_url}/api/ SLACK_BOT_TOKEN=<token>
                   or that address as the base URL of its SDK.
"""
WELCOME_PAGE: Final = """\
In a browser:      open the link that was printed at the start, or that in page.txt in the data directory.
"""


class Application:
    """The ASGI application that uvicorn serves."""

    def __init__(
        self,
        web_api: WebApi,
        hooks: HooksDoor | None,
        files: ASGIApp | None,
        forwarded: Forwarded,
        probes: Probes,
        control: ControlDoor | None = None,
        more: Mapping[str, ASGIApp] = MappingProxyType({}),
        page: PageDoor | None = None,
    ) -> None:
        self._web_api = web_api
        self._hooks = hooks
        self._forwarded = forwarded
        self._control = control
        self._page = page
        self._files = files
        self._more = more
        self._others: ASGIApp = Starlette(routes=[Route("/", self._welcome), *probes.routes(), Mount("/api", web_api)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        host = scope["client"][0] if scope["client"] else ""
        scope["scheme"], origin = self._forwarded.origin(host, scope["headers"])
        if origin != host:
            scope["client"] = origin, 0
        # Not through Starlette's router, which takes a third of the time of a small call.
        serve: ASGIApp = self._others
        if scope["path"].startswith(PATH):
            serve = self._web_api
        elif self._control is not None and scope["path"].startswith(CONTROL_PATH):
            serve = self._control
        elif self._control is not None and scope["path"] in CONSENT_PATHS:
            serve = self._control.consent_page
        elif self._page is not None and scope["path"].startswith(PAGE_PATH):
            serve = self._page
        elif self._hooks is not None and scope["path"].startswith(HOOKS_PATH):
            serve = self._hooks
        elif self._files is not None and scope["path"].startswith(FILE_PATHS):
            serve = self._files
        elif scope["path"] in self._more:
            serve = self._more[scope["path"]]
        await serve(scope, receive, send)

    async def _welcome(self, request: Request) -> Response:
        """Answer a person who opens the address in a browser."""
        base_url = self._web_api.base_url(request.headers, request.scope)
        text = WELCOME.format(version=version("tautwire"), base_url=base_url)
        if self._page is not None:
            text += WELCOME_PAGE
        return PlainTextResponse(text, headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})
