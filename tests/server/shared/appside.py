"""An app in Socket Mode as the tests play it: raw frames, so that nothing stands between a test and the server."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from scene import PATIENCE, SEED, ConnectionEnded, Frame, Scene, eventually

EVENTS = (
    "[app_mention, message.channels, message.groups, message.im, message.mpim, reaction_added, "
    "member_joined_channel, member_left_channel]"
)

APP_SEED = f"""{SEED}
  - {{name: lounge, members: [alice, bob]}}
apps:
  - {{name: desk, socket_mode: true, bot_events: {EVENTS}}}
  - {{name: quiet, socket_mode: true, bot_events: [app_mention]}}
  - {{name: offline, tokens: [bot, app], bot_events: [app_mention]}}
""".replace("[alice, bob, relaybot]", "[alice, bob, relaybot, desk, quiet]").replace(
    "[alice, relaybot]", "[alice, relaybot, desk]"
)


class LinkSocket:
    """One Socket Mode connection."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def frame(self) -> Frame:
        """Return the next frame; raise ``ConnectionEnded`` at the end."""
        message = await self.ws.receive(PATIENCE)
        if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
            raise ConnectionEnded(self.ws.close_code)
        found: Frame = json.loads(message.data)
        return found

    async def envelope(self) -> Frame:
        """Return the next envelope."""
        frame = await self.frame()
        assert frame["type"] == "events_api", frame
        return frame

    async def ack(self, envelope: Frame, **members: Any) -> None:
        """Acknowledge an envelope."""
        await self.ws.send_str(json.dumps({"envelope_id": envelope["envelope_id"], **members}))

    async def take(self) -> Frame:
        """Return the next event, acknowledged."""
        envelope = await self.envelope()
        await self.ack(envelope)
        event: Frame = envelope["payload"]["event"]
        return event

    async def until(self, wanted: Callable[[Frame], bool]) -> list[Frame]:
        """Return the events up to one that fits, all acknowledged."""
        events = [await self.take()]
        while not wanted(events[-1]):
            events.append(await self.take())
        return events

    async def ended(self) -> tuple[list[Frame], int | None]:
        """Wait for the end; return the last frames and the code."""
        frames = []
        try:
            while True:
                frames.append(await self.frame())
        except ConnectionEnded as end:
            return frames, end.code

    async def close(self) -> None:
        await self.ws.close()


class AppSide:
    """An app: its tokens, and its connections."""

    def __init__(self, scene: Scene, name: str = "desk") -> None:
        self.scene = scene
        self.name = name
        facts = scene.directory.apps[name]
        self.id = facts["id"] or ""
        self.bot = scene.users[name]
        scene.tokens[f"{name} app"] = facts["app_token"] or ""

    @property
    def tap(self) -> Any:
        """The tap of the app in the server."""
        (served,) = self.scene.server.host
        return served.taps.find(self.id)

    async def url(self) -> str:
        return str((await self.scene.ok(f"{self.name} app", "apps.connections.open"))["url"])

    async def dial(self, url: str) -> LinkSocket:
        """Open a socket; nothing is read."""
        ws = await self.scene.http.ws_connect(url, compress=0, max_msg_size=0)
        return LinkSocket(ws)

    async def connect(self) -> LinkSocket:
        """Connect, up to and including the hello."""
        socket = await self.dial(await self.url())
        frame = await socket.frame()
        assert frame["type"] == "hello", frame
        return socket

    async def leave(self, *sockets: LinkSocket) -> None:
        """End connections, and wait until the server knows."""
        for socket in sockets:
            await socket.close()
        await eventually(lambda: not self.tap.is_running)

    async def settled(self) -> None:
        """Wait until the app is done with the log."""
        await eventually(lambda: self.tap.settled == self.scene.server.workspace.tail.position)

    async def sweep(self, seconds: float) -> None:
        """Let time pass for the server."""
        self.scene.clock.offset += seconds
        await self.scene.server_swept()


async def gather_acks(sockets: list[LinkSocket], count: int) -> list[Frame]:
    """Return ``count`` envelopes that come on any of the sockets, acknowledged."""
    found: list[Frame] = []

    async def read(socket: LinkSocket) -> None:
        while len(found) < count:
            envelope = await socket.envelope()
            found.append(envelope)
            await socket.ack(envelope)

    tasks = [asyncio.create_task(read(socket)) for socket in sockets]
    await eventually(lambda: len(found) >= count or any(task.done() for task in tasks))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found
