"""A bot at a gateway: it keeps what it gets, and comes back after every loss to where it was, as the client does.

What it sees is judged at once: an event that comes twice on one connection, or again although a position said that it
was delivered, is a complaint.
"""

import asyncio
import itertools
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gateway_process import GatewayProcess

Key = tuple[str, str, str]
"""Channel, type with subtype, and time of an event."""

ECHO_PATIENCE = 4.0
"""Seconds after which a gateway may give up waiting for the answer to a send, and delivers its event (5, with a margin
for a machine that is busy)."""


def key_of(frame: dict[str, Any]) -> Key | None:
    """Return what an event of a conversation is known by, None for other frames."""
    item = frame.get("item")
    channel = frame.get("channel_id") or (item.get("channel") if isinstance(item, dict) else frame.get("channel"))
    if not isinstance(channel, str) or "reply_to" in frame or "type" not in frame:
        return None
    return channel, f"{frame['type']}.{frame.get('subtype', '')}", frame.get("event_ts") or frame.get("ts", "")


@dataclass(slots=True)
class Send:
    """A message of the bot, and its outcome."""

    channel: str
    text: str
    at: float
    outcome: str = ""
    """``ack``, ``error`` or ``ended`` (the connection ended first); empty while it waits."""
    ts: str = ""
    took: float = 0.0


@dataclass(slots=True)
class _Connection:
    ws: aiohttp.ClientWebSocketResponse
    seen: set[Key] = field(default_factory=set)
    sends: dict[int, Send] = field(default_factory=dict)


class Returning:
    """A bot that always has a connection, or tries to get one, between ``come`` and ``leave``."""

    def __init__(self, name: str, gateway: GatewayProcess, http: aiohttp.ClientSession) -> None:
        self.name = name
        self._gateway = gateway
        self._http = http
        self._position = ""
        self._delivered: set[Key] = set()  # what a position has covered
        self._connection: _Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._reads = asyncio.Event()
        self._reads.set()
        self.seen: dict[Key, dict[str, Any]] = {}
        """Every event, in the order of its first arrival."""
        self.sends: list[Send] = []
        self.replays: list[dict[str, Any]] = []
        """Last messages of lost connections, that came again in place of their ack."""
        self.wrong: list[str] = []
        self.connects = 0

    @property
    def is_here(self) -> bool:
        """Whether it has come and not left."""
        return self._task is not None

    @property
    def is_connected(self) -> bool:
        """Whether it has had the hello of its connection."""
        return self._connection is not None

    @property
    def waiting(self) -> list[Send]:
        """Its messages without an outcome."""
        return [send for send in self.sends if not send.outcome]

    def come(self) -> None:
        """Connect, and stay."""
        self._task = asyncio.create_task(self._stay())

    async def leave(self) -> None:
        """Close the connection, and do not come back."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def pause(self) -> None:
        """Read nothing for now: what comes waits in the buffers of the network, then in the gateway."""
        self._reads.clear()

    def go_on(self) -> None:
        """Read again."""
        self._reads.set()

    def drop(self) -> None:
        """Lose the connection without a Close frame."""
        connection = self._connection
        if connection is not None and connection.ws._conn is not None and connection.ws._conn.transport is not None:
            connection.ws._conn.transport.abort()

    async def say(self, channel: str, text: str) -> None:
        """Send a message, if there is a connection."""
        connection = self._connection
        if connection is None:
            return
        number, send = next(self._numbers), Send(channel, text, time.monotonic())
        connection.sends[number] = send
        self.sends.append(send)
        with suppress(ConnectionError):
            await connection.ws.send_json({"type": "message", "id": number, "channel": channel, "text": text})

    async def _stay(self) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                await self._connect()
            await asyncio.sleep(0.02)  # the gateway is being started

    async def _connect(self) -> None:
        headers = {"Authorization": f"Bearer {self._gateway.token}"}
        url = self._gateway.api_url + "rtm.connect"
        async with self._http.post(url, data={"resume": self._position}, headers=headers) as response:
            answer = json.loads(await response.read())
        if not answer.get("ok"):
            self.wrong.append(f"rtm.connect: {answer}")
            return
        if self._position and answer["resume"] != "resumed":
            self.wrong.append(f"it cannot resume from {self._position}: {answer['resume']}")
        self._position = self._position or answer["position"]
        async with self._http.ws_connect(answer["url"], max_msg_size=0) as ws:
            connection = _Connection(ws)
            try:
                while True:
                    await self._reads.wait()
                    message = await ws.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return
                    self._take(connection, json.loads(message.data))
            finally:
                self._connection = None
                for send in connection.sends.values():
                    send.outcome = send.outcome or "ended"

    def _take(self, connection: _Connection, frame: dict[str, Any]) -> None:
        kind = frame.get("type")
        if kind == "hello":
            self.connects += 1
            self._connection = connection
        elif kind == "position":
            self._position = frame["position"]
            self._delivered.update(connection.seen)
        elif "reply_to" in frame and "ok" not in frame:
            self.replays.append(frame)
        elif "reply_to" in frame:
            self._take_reply(connection, frame)
        else:
            self._take_event(connection, frame)

    def _take_reply(self, connection: _Connection, frame: dict[str, Any]) -> None:
        send = connection.sends.get(frame["reply_to"])
        if send is None or send.outcome:
            self.wrong.append(f"a reply to nothing, or a second one: {frame}")
            return
        send.took = time.monotonic() - send.at
        send.outcome, send.ts = ("ack", frame["ts"]) if frame["ok"] else ("error", "")
        if frame["ok"] and frame["text"] != send.text:
            self.wrong.append(f"the ack has another text: {frame}")

    def _take_event(self, connection: _Connection, frame: dict[str, Any]) -> None:
        key = key_of(frame)
        if key is None:
            return
        if key in connection.seen:
            self.wrong.append(f"{key} came twice on one connection")
        if key in self._delivered:
            self.wrong.append(f"{key} came again behind the position that covers it")
        connection.seen.add(key)
        self.seen.setdefault(key, frame)
        for send in connection.sends.values():
            if send.ts and key == (send.channel, "message.", send.ts) and send.took < ECHO_PATIENCE:
                self.wrong.append(f"{key} is an echo of a message that this connection has an ack for")
