"""The other side of a conversation: somebody who calls the Web API and holds raw RTM connections.

Frames are sent and kept as they are on the wire, so that nothing of our own client stands between a test and the
server.
"""

import asyncio
import json
from types import TracebackType
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from conformance.inbox import Inbox, Record, Transcript


class RtmSocket:
    """One raw RTM connection; its frames are in ``inbox``."""

    def __init__(self, name: str, socket: aiohttp.ClientWebSocketResponse, transcript: Transcript) -> None:
        self.inbox = Inbox(name, transcript)
        self._name = name
        self._socket = socket
        self._transcript = transcript
        self._reader = asyncio.create_task(self._read())

    @property
    def close_code(self) -> int | None:
        """The code of the server's Close; None while the connection is open."""
        return self._socket.close_code

    async def send(self, frame: Record | str | bytes) -> None:
        """Send a frame: an object, text as it is, or bytes as a binary frame."""
        if isinstance(frame, bytes):
            await self._socket.send_bytes(frame)
            return
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self._transcript.note(f"{self._name} ->", text[:200])
        await self._socket.send_str(text)

    async def ping(self, payload: bytes) -> None:
        """Send a WebSocket PING; its PONG comes into the inbox as ``{"pong": text}``."""
        await self._socket.ping(payload)

    async def close(self) -> None:
        """Close the connection and wait until it is."""
        await self._socket.close()
        await self._reader

    async def closed(self) -> int | None:
        """Wait until the server closes the connection; return the close code."""
        async with asyncio.timeout(10):
            await asyncio.shield(self._reader)
        return self.close_code

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                await self.inbox.put(json.loads(message.data))
            elif message.type is aiohttp.WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is aiohttp.WSMsgType.PONG:
                await self.inbox.put({"pong": message.data.decode()})
            else:
                await self.inbox.end(f"closed with {self._socket.close_code}")
                return


class Person:
    """Somebody with a token: a Web API client (slack_sdk's) and any number of RTM connections.

    Args:
        name: the name in the transcript.
        api_url: base URL of the Web API, with a slash at its end.
    """

    def __init__(self, name: str, token: str, api_url: str, transcript: Transcript) -> None:
        self.name = name
        self.web = AsyncWebClient(token=token, base_url=api_url)
        self._transcript = transcript
        self._sockets: list[RtmSocket] = []

    async def __aenter__(self) -> "Person":
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for socket in self._sockets:
            await socket.close()
        await self._session.close()

    async def url(self, **arguments: Any) -> str:
        """Ask rtm.connect for a URL."""
        answer = await self.web.rtm_connect(**arguments)
        return str(answer["url"])

    async def dial(self, url: str, **options: Any) -> RtmSocket:
        """Open a WebSocket to a URL; nothing of what comes was read yet."""
        socket = await self._session.ws_connect(url, autoping=False, **options)
        self._sockets.append(RtmSocket(self.name, socket, self._transcript))
        return self._sockets[-1]

    async def connect(self, **arguments: Any) -> RtmSocket:
        """Open an RTM connection and take its hello."""
        socket = await self.dial(await self.url(**arguments))
        await socket.inbox.take(type="hello")
        return socket

    async def post(self, channel: str, text: str) -> str:
        """Post a message with chat.postMessage; return its ts."""
        answer = await self.web.chat_postMessage(channel=channel, text=text)
        return str(answer["ts"])
