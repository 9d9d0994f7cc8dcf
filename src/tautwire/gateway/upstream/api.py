"""The Web API of the upstream: one call, with a token of the upstream app.

Every call goes to the one base URL of the settings, files come from hosts of its domain (``hosts``), and no redirect is
followed: a token reaches no other host.
slack_sdk's client is not used here. It opens a connection for every call, reads answers without a limit, and turns a
refusal into an exception whose text has the whole answer.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import msgspec

from tautwire.gateway.tally import Tally
from tautwire.gateway.upstream.hosts import Hosts
from tautwire.gateway.upstream.network import Network, explain
from tautwire.gateway.upstream.pace import time_to_send
from tautwire.gateway.upstream.scopes import Scopes
from tautwire.protocol.errors import TautwireError
from tautwire.protocol.tokens import Token
from tautwire.server.clock import Clock
from tautwire.server.health import Health

REFUSED: Final = "token"
"""The fault that means: the upstream takes the bot token no longer."""
TOKEN_ERRORS: Final = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})
"""Errors of any method that are about its token. Source: wire/web-api.md#common-errors."""
PASSING: Final = frozenset({"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"})
"""Errors that a later call may not get. Source: wire/web-api.md#common-errors."""
MAX_ANSWER: Final = 32 * 1_048_576
"""Bytes of an answer."""
TIMEOUT: Final = 30.0
"""Seconds of a call."""
CONNECT_TIMEOUT: Final = 10.0
LONG: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=TIMEOUT)
"""The limits of a request whose answer is passed on as it comes: of silence only."""
SENDING: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
"""Those of a request with a file, which ``pace`` bounds: to aiohttp the time in which the file goes is silence."""
DEFAULT_RETRY_AFTER: Final = 30.0
"""Seconds to wait after a 429 that does not say how long."""
PAGE: Final = 200
"""Items of a page of a list. Source: wire/web-api.md#pages (recommended)."""
MAX_PAGES: Final = 500
TRIES: Final = 3
"""Times that a reading call is made."""
PAUSE: Final = 0.4
"""Seconds between the first two; the next pause is twice as long."""
MAX_PAUSE: Final = 60.0
"""Seconds that a reading call waits when it came too early; after a longer Retry-After it fails."""
KEEP_ALIVE: Final = 4.0
"""Seconds that an idle connection is kept: less than servers keep it (uvicorn 5). A call on a connection that the
server closes in the same moment has no answer, and must not be repeated."""

_CHUNK: Final = 65_536


class UpstreamError(TautwireError):
    """A call has no answer.

    Args:
        was_sent: whether the upstream may have carried it out.
    """

    def __init__(self, text: str, *, was_sent: bool) -> None:
        super().__init__(text)
        self.was_sent = was_sent


class RefusedError(TautwireError):
    """The upstream refuses a call with an error string."""

    def __init__(self, method: str, code: str, needed: str = "") -> None:
        super().__init__(f"{method}: {code}" + (f", the scope {needed} is missing" if needed else ""))
        self.code = code
        self.needed = needed

    @property
    def is_passing(self) -> bool:
        """Whether the upstream is busy or has a fault: the refusal says nothing of the call."""
        return self.code in PASSING or self.code.startswith("HTTP status 5")


class Answer(NamedTuple):
    """An answer of the upstream."""

    status: int
    headers: Mapping[str, str]
    """By name, in any case."""
    members: dict[str, msgspec.Raw]

    @property
    def is_ok(self) -> bool:
        """Whether the call succeeded."""
        return self.status == 200 and bytes(self.members.get("ok", b"")) == b"true"

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait if the call came too early, else None."""
        if self.status != 429 and self.text("error") not in ("ratelimited", "rate_limited"):
            return None
        try:
            return min(3_600.0, max(0.0, float(self.headers.get("Retry-After", ""))))
        except ValueError:
            return DEFAULT_RETRY_AFTER

    def get(self, name: str) -> Any:
        """Return a member, None if it is missing or cannot be read."""
        try:
            return msgspec.json.decode(self.members.get(name, b"null"))
        except (msgspec.MsgspecError, RecursionError):  # nested too deep, or half of a surrogate pair
            return None

    def text(self, name: str) -> str:
        """Return a member that is a text, else an empty text."""
        found = self.get(name)
        return found if isinstance(found, str) else ""


class Api:
    """Calls methods of the upstream. To be closed.

    Args:
        base_url: with a slash at the end.
        token: the bot token, with which methods are called unless a call names another.
        network: the proxy and the certificates; None for those of the environment.
    """

    def __init__(self, base_url: str, token: Token, network: Network | None = None, clock: Clock | None = None) -> None:
        self.base_url = base_url
        self.hosts = Hosts(base_url)
        self.scopes = Scopes(clock or Clock())
        self.limited = Tally()
        """Calls that came too early, by method."""
        self.health: Health | None = None
        """Gets a fault while the bot token is refused."""
        self.host = urlsplit(base_url).hostname or ""
        self._token = token
        self.network = network or Network()
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE, ssl=self.network.ssl),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=CONNECT_TIMEOUT),
            # Not packed: what an answer takes in memory is bounded by the bytes that are read.
            headers={"Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[_stays()],
        )

    @property
    def token(self) -> Token:
        """The bot token in use."""
        return self._token

    def use(self, token: Token) -> None:
        """Make calls with another token of the same bot from now on."""
        self._token = token
        if self.health is not None:
            self.health.clear(REFUSED)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def dial(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket, on the way that calls go; ``options`` as of ``ClientSession.ws_connect``."""
        ws: aiohttp.ClientWebSocketResponse = await self._http.ws_connect(
            url, proxy=self.network.proxy_for(url), **options
        )
        return ws

    async def call(self, method: str, arguments: Mapping[str, Any], token: Token | None = None) -> Answer:
        """Return the answer to a call; the arguments that are not text are sent as JSON.

        Raises:
            UpstreamError: there is no answer, or it is not a JSON object, or too long.
        """
        token = token or self._token
        async with self.open("POST", self.base_url + method, data=form(arguments), token=token) as response:
            answer = Answer(response.status, response.headers, await _read(method, response))
        return self.noted(method, answer, token)

    def noted(self, method: str, answer: Answer, token: Token) -> Answer:
        """Return an answer, after noting what it tells of the app: whether its token is taken, and its scopes.

        Args:
            token: the one of the call. Of one that is not in use, or no longer, nothing is noted.
        """
        if token is self._token:
            self.scopes.read(answer.headers)
            self._note_token(method, answer)
        if answer.retry_after is not None:
            self.limited.count(method)
        if not answer.is_ok and answer.text("error") == "missing_scope":
            self.scopes.missing(method, answer.text("needed"))
        return answer

    def _note_token(self, method: str, answer: Answer) -> None:
        if self.health is None:
            return
        if answer.is_ok:
            self.health.clear(REFUSED)
        elif (code := answer.text("error")) in TOKEN_ERRORS:
            self.health.fault(
                REFUSED,
                f"{self.host} refuses the bot token ({method}: {code}): install the app again, write its new token to "
                "where the settings have it, and send the gateway SIGHUP; a token in SLACK_BOT_TOKEN needs a restart",
            )

    @asynccontextmanager
    async def open(
        self,
        verb: str,
        url: str,
        *,
        token: Token | None = None,
        has_token: bool = True,
        is_long: bool = False,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        size: int | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Make a request to a URL of the upstream; what fails in the block fails as the request.

        Args:
            has_token: whether a token is sent, by default the bot token.
            is_long: whether the answer may take as long as it comes, and is not read here.
            size: bytes of a file in ``data``: they have to go at the pace of ``upstream.pace``.

        Raises:
            UpstreamError: the URL is another's, or there is no answer.
        """
        if not self.hosts.has(url):
            raise UpstreamError(f"a URL of another host than {self.host} is not asked for", was_sent=False)
        own = {"Authorization": f"Bearer {(token or self._token).reveal()}"} if has_token else {}
        limits = self._http.timeout
        if is_long:
            limits = LONG if size is None else SENDING
        try:
            async with (
                asyncio.timeout(None if size is None else time_to_send(size)) as sending,
                self._http.request(
                    verb,
                    url,
                    data=data,
                    headers={**(headers or {}), **own},
                    allow_redirects=False,
                    timeout=limits,
                    proxy=self.network.proxy_for(url),
                ) as response,
            ):
                sending.reschedule(None)  # the answer has begun
                yield response
        except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError) as error:
            raise UpstreamError(str(explain(error, url, self.network)), was_sent=False) from None
        except aiohttp.ClientConnectorError as error:
            raise UpstreamError(f"{self.host} cannot be reached: {error.strerror or error}", was_sent=False) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            what = url.removeprefix(self.base_url) if url.startswith(self.base_url) else "a request"
            raise UpstreamError(f"no answer to {what}: {type(error).__name__}", was_sent=True) from None

    async def read(self, method: str, token: Token | None = None, /, **arguments: Any) -> Answer:
        """Return the answer of a method that changes nothing; it is repeated if it comes too early or has no answer.

        Raises:
            RefusedError, UpstreamError: it does not succeed.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = await self.call(method, arguments, token)
            except UpstreamError:
                if attempt == TRIES:
                    raise
                await asyncio.sleep(PAUSE * 2 ** (attempt - 1))
                continue
            pause = answer.retry_after
            if answer.is_ok:
                return answer
            if pause is None or pause > MAX_PAUSE or attempt == TRIES:
                raise RefusedError(
                    method, answer.text("error") or f"HTTP status {answer.status}", answer.text("needed")
                )
            await asyncio.sleep(pause)

    async def pages(self, method: str, member: str, /, limit: int = PAGE, **arguments: Any) -> AsyncIterator[list[Any]]:
        """Read a list page by page; as ``read``.

        Raises:
            UpstreamError: the list does not end.
        """
        cursor = ""
        for _ in range(MAX_PAGES):
            answer = await self.read(method, **arguments, limit=limit, **({"cursor": cursor} if cursor else {}))
            found = answer.get(member)
            yield found if isinstance(found, list) else []
            metadata = answer.get("response_metadata")
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
            if not cursor:
                return
        raise UpstreamError(f"{method} has more than {MAX_PAGES} pages", was_sent=True)


def form(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return arguments as a form: booleans as words, numbers as digits, structures as JSON; null is left out."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in arguments.items()
        if value is not None
    }


def _stays() -> aiohttp.TraceConfig:
    """Return what ends a request that is redirected: also the handshake of a WebSocket, which has no option for it."""

    async def refuse(*_: Any) -> None:
        raise UpstreamError("the upstream leads to another address, which is not followed", was_sent=True)

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


async def _read(method: str, response: aiohttp.ClientResponse) -> dict[str, msgspec.Raw]:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise UpstreamError(f"the answer of {method} has more than {MAX_ANSWER} bytes", was_sent=True)
    return members_of(method, response.status, body)


def members_of(method: str, status: int, body: bytes | bytearray) -> dict[str, msgspec.Raw]:
    """Return the members of an answer.

    Raises:
        UpstreamError: it is not a JSON object.
    """
    try:
        body.decode()  # members are passed on as they are: they have to be text
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if status == 429:
            return {}
        raise UpstreamError(
            f"the answer of {method} is not a JSON object, HTTP status {status}", was_sent=True
        ) from None
