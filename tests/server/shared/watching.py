"""A watcher of the journal as the tests play it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from controlled import PATH, SECRET, root
from scene import PATIENCE, Scene


class Event(NamedTuple):
    """A server-sent event."""

    id: str | None
    name: str
    data: dict[str, Any]


class Watcher:
    """Reads a stream of server-sent events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def event(self) -> Event:
        """Return the next event; raise ``EOFError`` at the end."""
        members: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            while line := await self.response.content.readline():
                if line == b"\n" and "data" in members:
                    return Event(members.get("id"), members["event"], json.loads(members["data"]))
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    members[name] = value
        raise EOFError

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        """Return the next event that fits."""
        while not wanted(event := await self.event()):
            pass
        return event


def headers(**more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRET}", **more}


@asynccontextmanager
async def watching(scene: Scene, query: str = "", **more: str) -> AsyncIterator[Watcher]:
    """Watch, from when the server sends the stream."""
    url = f"{root(scene)}{PATH}watch?{query}"
    async with scene.http.get(url, headers=headers(**more), timeout=aiohttp.ClientTimeout(total=None)) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        assert (await response.content.readline()).startswith(b": watching")
        yield Watcher(response)


async def journal(scene: Scene, query: str = "") -> list[dict[str, Any]]:
    """Return the lines of the journal."""
    async with scene.http.get(f"{root(scene)}{PATH}journal?{query}", headers=headers()) as response:
        assert (response.status, response.content_type) == (200, "application/jsonl"), await response.text()
        return [json.loads(line) for line in (await response.text()).splitlines()]
