"""slack_sdk's asyncio client for the calls the client makes by itself, with bounds on what a server may answer.

A broken proxy or a captive portal may answer without end, or redirect in circles. ``AsyncWebClient`` reads all of it.
"""

import json
import zlib
from typing import Any, Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.errors import ConnectError
from tautwire.client.net.resolver import Resolver
from tautwire.protocol.lenient import mended

MAX_CONNECT_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer of ``rtm.connect``, which has about 500."""

MAX_PAGE: Final = 32 * 1024 * 1024
"""Bytes of one page of a list or history: 200 messages with 16 kB of blocks and attachments each have a tenth of it."""

MAX_REDIRECTS: Final = 3
"""Redirects that one call follows. All of them count as one attempt."""

NO_OBJECT: Final = "the answer of the Web API is not a JSON object"

_CHUNK: Final = 64 * 1024


class BoundedClient(AsyncWebClient):
    """slack_sdk's client with limits.

    Answers are limited in size and redirects in number; no redirect leads from https to http. JSON is read whatever its
    content type: a fake server may say text/plain. A name look-up that hangs does not delay the end of the program.
    """

    limit: int = MAX_PAGE
    """Bytes of an answer, packed or not."""

    async def _request(self, *, http_verb: str, api_url: str, req_args: dict[str, Any]) -> dict[str, Any]:
        """Make a call as slack_sdk's own method of this name does.

        Raises:
            ConnectError: the answer is too long or no JSON object, or there are too many redirects.
            aiohttp.ClientError, OSError, TimeoutError: there is no answer.
        """
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Resolver()),
            timeout=aiohttp.ClientTimeout(total=self.timeout),
            headers={"Accept-Encoding": "gzip"},
            auto_decompress=False,  # aiohttp unpacks without a limit, up to version 3.13
        )
        self._logger.debug("%s %s", http_verb, api_url)
        async with session:
            try:
                # aiohttp raises when it would follow the last one of max_redirects
                async with session.request(http_verb, api_url, max_redirects=MAX_REDIRECTS + 1, **req_args) as response:
                    if api_url.startswith("https:") and response.url.scheme != "https":
                        raise ConnectError(
                            "the Web API redirects from https to http: give the right address as base_url"
                        )
                    body = await self._body(response)
                    self._logger.debug(
                        "HTTP status %d, %s bytes", response.status, "too many" if body is None else len(body)
                    )
                    return {
                        "data": self._data(response.status, body),
                        "headers": response.headers,
                        "status_code": response.status,
                    }
            except aiohttp.TooManyRedirects:
                raise ConnectError(
                    f"the Web API redirects more than {MAX_REDIRECTS} times: give the right address as base_url"
                ) from None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes | None:
        """Return the body of an answer, None if it is too long."""
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self.limit:
                return None
        if response.headers.get("Content-Encoding", "identity").lower() == "identity":
            return bytes(body)
        try:
            unpacked = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, self.limit + 1)
        except zlib.error as error:
            raise ConnectError(f"the answer of the Web API cannot be unpacked: {error}") from None
        return unpacked if len(unpacked) <= self.limit else None

    def _data(self, status: int, body: bytes | None) -> dict[str, Any]:
        """Return the members of an answer; {} for a refusal without any, which is known by its status."""
        if body is None and status == 200:
            raise ConnectError(f"the Web API answered with more than {self.limit} bytes")
        try:
            found = json.loads(next(mended(body or b"")), strict=False)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
        if status == 200:
            raise ConnectError(NO_OBJECT)
        return {}
