"""Requests to apps over HTTP: within three seconds, to an allowed address, without following a redirect.

A receiver may be hostile. Its answer is not read, except to a challenge, and of that a few kilobytes; nothing is
unpacked; what it says is not logged. Source: wire/events-api.md#delivery-over-http.
"""

import asyncio
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from tautwire.protocol.signing import signed
from tautwire.server.clock import Clock
from tautwire.server.events_api.addresses import Addresses, AddressRefusedError, CheckedResolver
from tautwire.server.events_api.verification import MAX_ANSWER, is_answer, new_challenge, request
from tautwire.server.services.access.subscriptions import is_request_url

TIME_LIMIT: Final = 3.0
"""Seconds for an answer. Source: wire/events-api.md#delivery-over-http (documented)."""
JSON: Final = "application/json"
USER_AGENT: Final = "Slackbot 1.0 (tautwire)"
CONCURRENCY: Final = 16
"""Requests to one app at a time."""

# The documented words of X-Slack-Retry-Reason.
TIMEOUT: Final = "http_timeout"
_REDIRECT: Final = "too_many_redirects"
_CONNECTION: Final = "connection_failed"
_SSL: Final = "ssl_error"
_HTTP: Final = "http_error"
_UNKNOWN: Final = "unknown_error"
_SUCCESSES: Final = range(200, 300)
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class Outcome(NamedTuple):
    """What became of a request."""

    reason: str = ""
    """Why it failed, as ``X-Slack-Retry-Reason`` has it; empty if it succeeded."""
    may_retry: bool = True
    has_no_listener: bool = False
    """Whether the answer is that of a framework without a listener for the event."""
    body: bytes = b""
    """The begin of the answer, if it was asked for."""
    status: int = 0
    """That of the answer; 0 without one."""
    content_type: str = ""

    @property
    def is_connected(self) -> bool:
        """Whether the app was reached, as far as the server knows; a late answer is one too."""
        return self.reason != _CONNECTION


class Poster:
    """Posts signed bodies to apps.

    Args:
        limit: requests at a time; 0 if the caller bounds them.
    """

    def __init__(self, addresses: Addresses, clock: Clock, *, limit: int) -> None:
        self._addresses = addresses
        self._clock = clock
        connector = aiohttp.TCPConnector(limit=limit, resolver=CheckedResolver(addresses), use_dns_cache=False)
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None), headers={"User-Agent": USER_AGENT},
        )  # fmt: skip

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def post(
        self, url: str, secret: str, body: bytes, *, content_type: str = JSON, more: Mapping[str, str] = {}, wanted: int
    ) -> Outcome:
        """Post a body.

        Args:
            secret: signs it.
            more: further headers.
            wanted: how many bytes of the answer are read.
        """
        # The host is plain ASCII (``is_request_url``), so no other parser sees another host in the URL.
        host = (urlsplit(url).hostname or "") if is_request_url(url) else ""
        if not host or not self._addresses.allow_host(host):
            return Outcome(_CONNECTION)
        headers = {"Content-Type": content_type, **signed(secret, body, self._clock.seconds()), **more}
        try:
            async with (
                asyncio.timeout(TIME_LIMIT),
                self._session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                # What is not read closes the connection, so an endless body ends here.
                if response.status in _SUCCESSES:
                    begin = await _begin(response.content, wanted)
                    return Outcome(body=begin, status=response.status, content_type=response.content_type)
                return Outcome(
                    _REDIRECT if response.status in _REDIRECTS else _HTTP,
                    may_retry=response.headers.get("X-Slack-No-Retry") != "1",
                    has_no_listener=response.status == HTTPStatus.NOT_FOUND,
                    status=response.status,
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Outcome(_reason(error))


class Receiver:
    """The way to the request URL of one app, for events."""

    def __init__(self, url: str, secret: str, addresses: Addresses, clock: Clock) -> None:
        self.url = url
        self._secret = secret
        self._poster = Poster(addresses, clock, limit=CONCURRENCY)

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()

    async def deliver(self, body: bytes, attempt: int, reason: str) -> Outcome:
        """Post an event.

        Args:
            attempt: how often it was sent again.
            reason: why.
        """
        retry = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
        return await self._poster.post(self.url, self._secret, body, more=retry, wanted=0)

    async def verify(self) -> Outcome:
        """Ask whether the URL is the app's own; without the challenge in its answer the request fails."""
        challenge = new_challenge()
        outcome = await self._poster.post(self.url, self._secret, request(challenge), wanted=MAX_ANSWER)
        if outcome.reason or is_answer(outcome.body, challenge):
            return outcome
        return Outcome("no_challenge")


async def _begin(stream: aiohttp.StreamReader, wanted: int) -> bytes:
    """Return at most ``wanted`` bytes."""
    found = b""
    while len(found) < wanted and (part := await stream.read(wanted - len(found))):
        found += part
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return _SSL
    if isinstance(error, (aiohttp.ClientConnectionError, AddressRefusedError, OSError)):
        return _CONNECTION
    return _UNKNOWN
