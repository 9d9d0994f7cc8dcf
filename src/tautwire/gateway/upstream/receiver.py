"""The other upstream: the Events API over HTTP. The upstream posts each event to a path of the gateway.

A request is believed if its signature is right. An event is answered with 200 when it is durable, which has to be
within three seconds; else with 503, and the upstream sends it again. Commands, buttons and the like are answered with
nothing, as over Socket Mode. Source: wire/events-api.md#delivery-over-http, #signatures, #url-verification.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tautwire.gateway.upstream.condition import Condition
from tautwire.gateway.upstream.link import Acknowledge
from tautwire.protocol.signing import is_signed
from tautwire.protocol.tokens import Token
from tautwire.server.clock import Clock
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.bodies import Bodies, TooBig, TooMany

log = logging.getLogger("tautwire.gateway.link")

_PATH: Final = "/slack/events"
MAX_BODY: Final = 4 * 1_048_576
"""Bytes of a request."""
TIME_LIMIT: Final = 2.5
"""Seconds until a request is answered: the upstream waits for three. Source: wire/events-api.md#delivery-over-http."""
MAX_OPEN: Final = 500
"""Requests that wait for their event to be durable; more are put off."""


def events_path(bot: str = "") -> str:
    """Return where the request URLs of an app lead: of events, of interactivity and of slash commands.

    Args:
        bot: the name of its table, if the gateway has several bots.
    """
    return f"{_PATH}/{bot}" if bot else _PATH


class _Outer(msgspec.Struct, gc=False):
    """The body of a request in JSON."""

    type: str = ""
    challenge: str = ""


_decode: Final = msgspec.json.Decoder(_Outer).decode


class EventReceiver:
    """Takes the requests of the upstream. It has the figures of a ``Link``, whose place it takes.

    Args:
        receive: called with the body of each event, and what acknowledges it.
        came_up: called at the start: what was posted before may be missing.
    """

    def __init__(
        self, secret: Token, receive: Callable[[bytes, Acknowledge], None], clock: Clock,
        came_up: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._secret = secret
        self._receive = receive
        self._clock = clock
        self._came_up = came_up
        self._bodies = Bodies(MAX_BODY)
        self._open = 0
        self.is_up = False
        """Whether requests are taken. Whether the upstream sends any, it alone knows."""
        self.connects = self.connections = 0
        self.endings: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self.condition = Condition()
        self.requests: Counter[int] = Counter()
        """Requests by the status of the answer."""

    async def start(self) -> None:
        """Take requests from now on."""
        self.is_up = True
        self.condition.up_at = monotonic()
        self._came_up(math.inf)

    async def renew(self, secret: Token) -> None:
        """Take requests that are signed with another secret, and no others."""
        self._secret = secret
        if self.requests[401]:  # they may have been the upstream's, which gives up after a while
            self._came_up(math.inf)

    async def stop(self) -> None:
        """Put off what comes from now on."""
        self.is_up = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            status, body = await self._answer(scope, receive)
        except ClientDisconnect:
            return
        except TooBig:
            status, body = 413, b"request_too_large"
        except TooMany:
            status, body = 503, b"service_unavailable"
        except MethodError as error:  # the body did not come in time
            status, body = 408, error.code.encode()
        except Exception:
            log.exception("a request of the upstream was not taken; an event in it comes again")
            status, body = 500, b"internal_error"
        self.requests[status] += 1
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"),
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        if scope["method"] != "POST":
            return 405, b"method_not_allowed"
        headers = Headers(scope=scope)
        timestamp, given = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if not timestamp or not given:
            return 401, b"not_signed"
        body = await self._bodies.read(receive, is_known=False)
        if not is_signed(self._secret.reveal(), body, timestamp, given, self._clock.seconds()):
            text = "a request with a wrong signature is refused: check SLACK_SIGNING_SECRET and the clock"
            self.condition.failed(text)
            log.warning(text)
            return 401, b"wrong_signature"
        if not self.is_up:
            return 503, b"service_unavailable"
        if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            return 200, b""  # a command, a button and the like: a person must not see an error
        return await self._take(body)

    async def _take(self, body: bytes) -> tuple[int, bytes]:
        try:
            outer = _decode(body)
        except (msgspec.MsgspecError, RecursionError):
            log.warning("a request of the upstream cannot be read; it has %d bytes", len(body))
            return 400, b"invalid_json"
        match outer.type:
            case "url_verification":
                return 200, outer.challenge.encode()
            case "event_callback":
                return await self._store(body)
            case "app_rate_limited":
                self._receive(body, lambda: None)
        return 200, b""

    async def _store(self, body: bytes) -> tuple[int, bytes]:
        """Answer an event when it is durable."""
        if self._open >= MAX_OPEN:
            return 503, b"service_unavailable"
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def acknowledge() -> None:
            if not stored.done():
                stored.set_result(None)

        self._open += 1
        try:
            self._receive(body, acknowledge)
            async with asyncio.timeout(TIME_LIMIT):
                await stored
        except TimeoutError:
            return 503, b"service_unavailable"
        finally:
            self._open -= 1
        return 200, b""
