"""The paths for supervisors and scrapers: ``/healthz``, ``/readyz`` and ``/metrics``.

``/healthz`` answers "is the process alive" (restart it if not), ``/readyz`` answers "can it do its work" (send no
traffic if not). Reasons of faults contain paths of the machine, and metrics show how busy the workspace is: both are
served to the same machine only, unless the settings allow more.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tautwire.server.config import MetricsAccess
from tautwire.server.health import Health

_PROXIED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that show a proxy: its address is this machine's, but the client's may not be."""
_FRESH: Final = {"Cache-Control": "no-store"}


class Probes(NamedTuple):
    """The probes and the parts they read."""

    health: Health
    render: Callable[[], bytes]
    """Returns the body of ``/metrics``."""
    content_type: str
    metrics: MetricsAccess

    def routes(self) -> list[Route]:
        """Return the routes of the probes that are served."""
        routes = [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]
        if self.metrics != "off":
            routes.append(Route("/metrics", self._metrics))
        return routes

    async def _healthz(self, _: Request) -> Response:
        """Answer 200: the loop runs."""
        return JSONResponse({"ok": True}, headers=_FRESH)

    async def _readyz(self, request: Request) -> Response:
        """Answer 503 while there is a fault; other machines get null instead of its reason."""
        faults = self.health.faults
        shown = faults if is_same_machine(request) else dict.fromkeys(faults)
        return JSONResponse({"ok": not faults, "faults": shown}, 503 if faults else 200, headers=_FRESH)

    async def _metrics(self, request: Request) -> Response:
        if self.metrics == "local" and not is_same_machine(request):
            return PlainTextResponse("the metrics are served to the same machine only; see --metrics\n", 403)
        return Response(self.render(), media_type=self.content_type, headers=_FRESH)


def is_same_machine(request: Request) -> bool:
    """Return whether a request comes from this machine and has no header of a proxy."""
    if request.client is None or any(name in request.headers for name in _PROXIED):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
