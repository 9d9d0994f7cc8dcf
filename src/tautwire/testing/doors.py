"""Acting as a person through the server's own doors: the Web API, and an RTM connection for what only RTM has.

People reach the server beside the front, so faults hit bots only, and the records of the front are of bots only.
"""

import asyncio
import io
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from tautwire.client.rtm_client import RTMClient
from tautwire.protocol.errors import TautwireError

PATIENCE: Final = 30.0
"""Seconds that a call may take, the times included that the server asks to wait for."""


class CallRefused(TautwireError):  # noqa: N818 - like SendRefused of the client
    """The server refused what a person wanted to do.

    Args:
        who: the name of the person.
        method: the Web API method that was called for them.
        code: the server's error, such as ``cant_update_message``.
    """

    def __init__(self, who: str, method: str, code: str) -> None:
        super().__init__(f"{who} called {method}, and the server refused: {code}")
        self.who = who
        self.method = method
        self.code = code


class Doors:
    """The doors of a running server, on its loop.

    Args:
        api_url: returns the base URL of the Web API.
        token: returns the token of a name.
    """

    def __init__(self, api_url: Callable[[], str], token: Callable[[str], str]) -> None:
        self._api_url = api_url
        self._token = token
        self._online: dict[str, RTMClient] = {}
        self._dialling = asyncio.Lock()

    async def call(self, who: str, method: str, **arguments: str | bool | None) -> dict[str, Any]:
        """Call a method as a person, wait where the server says that it was too fast, and return the answer.

        Raises:
            CallRefused: the answer is not ok.
        """
        form = {name: _form(value) for name, value in arguments.items() if value is not None}
        headers = {"Authorization": f"Bearer {self._token(who)}"}
        # One connection a call: an idle one may be closed by the server at the very moment of the next call.
        connector = aiohttp.TCPConnector(force_close=True)
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(connector=connector, headers=headers) as session:
            while True:
                async with session.post(self._api_url() + method, data=form) as response:
                    answer: dict[str, Any] = await response.json()
                if response.status != 429:
                    break
                await asyncio.sleep(float(response.headers["Retry-After"]))
        if not answer["ok"]:
            raise CallRefused(who, method, answer["error"])
        return answer

    async def send(self, url: str, data: bytes) -> None:
        """Send the bytes of a file to an upload URL of the server."""
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            asyncio.timeout(PATIENCE),
            aiohttp.ClientSession(connector=connector, raise_for_status=True) as session,
            session.post(url, data=io.BytesIO(data)),
        ):
            pass

    async def stay_online(self, who: str) -> None:
        """Open an RTM connection as a person, which stays open."""
        async with self._dialling:
            if who not in self._online:
                client = self._client(who)
                self._online[who] = client  # first: what fails half-way is closed as well
                await client.connect()

    async def type(self, who: str, channel: str, thread_ts: str | None) -> None:
        """Show that a person types; the server has it when this returns."""
        client = self._online.get(who)
        if client is not None:
            await client.typing(channel, thread_ts=thread_ts)
            await client.ping()  # the server reads in order
            return
        async with self._client(who) as client:
            await client.typing(channel, thread_ts=thread_ts)

    async def close(self) -> None:
        """End the RTM connections."""
        while self._online:
            _, client = self._online.popitem()
            await client.close()

    def _client(self, who: str) -> RTMClient:
        return RTMClient(self._token(who), self._api_url(), proxy="", message_rate=None)


def _form(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value
