"""Routes requests: paths below ``/api/`` to the Web API, the others to the probes."""

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.probes import Probes
from tautwire.server.web_api.app import PATH, WebApi


class Application:
    """The ASGI application that uvicorn serves."""

    def __init__(self, web_api: WebApi, forwarded: Forwarded, probes: Probes) -> None:
        self._web_api = web_api
        self._forwarded = forwarded
        self._others: ASGIApp = Starlette(routes=[*probes.routes(), Mount("/api", web_api)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        host = scope["client"][0] if scope["client"] else ""
        scope["scheme"], origin = self._forwarded.origin(host, scope["headers"])
        if origin != host:
            scope["client"] = origin, 0
        # Not through Starlette's router, which takes a third of the time of a small call.
        serve = self._web_api if scope["path"].startswith(PATH) else self._others
        await serve(scope, receive, send)
