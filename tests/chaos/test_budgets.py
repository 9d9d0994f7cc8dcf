"""Resource budgets: hostile connections of each kind cost a bounded amount of memory, and nobody else much time.

The bounds are wide (MiB and seconds): what they catch is what grows with the
attacker's patience.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import pytest

from neighbour import Neighbour
from process import Open, Served, eventually
from tautwire.testing.websocket import upgrade_request

pytestmark = pytest.mark.only_on("sqlite")  # what connections cost does not depend on the database

MEMORY = 64.0
"""MiB that an attack may cost."""

PATIENCE = 2.5
"""Seconds that a well-behaved client may wait for an ack, except for one message in a hundred."""

SEED = """
team: {name: Acme, domain: acme}
users: [{name: alice}, {name: bob}, {name: mallory}]
channels:
  - {name: general, members: [alice, bob, mallory]}
  - {name: large, private: true, members: [bob, mallory]}
"""

MIB = 1_048_576

T = TypeVar("T")


class Attack:
    """What a test sets on the server, beside a neighbour that is measured."""

    def __init__(self, served: Served, neighbour: Neighbour, http: aiohttp.ClientSession) -> None:
        self.served = served
        self.neighbour = neighbour
        self.http = http
        self.enemies: list[Enemy] = []

    async def dial(self, first: bytes = b"") -> "Enemy":
        """Open a connection and write to it; it ends with the test at the latest."""
        parts = urlsplit(self.served.api_url)
        enemy = Enemy(*await asyncio.open_connection(parts.hostname, parts.port))
        self.enemies.append(enemy)
        await enemy.write(first)
        return enemy

    async def upgrade(self, path: str) -> "Enemy":
        """Open a WebSocket that reads nothing."""
        return await self.dial(upgrade_request(path, "x"))

    async def call(self, who: str, method: str, /, **arguments: Any) -> dict[str, Any]:
        return await self.served.call(self.http, who, method, **arguments)

    async def linger(self) -> None:
        """Let the neighbour have some more answers, with the attack as it stands."""
        neighbour, seen = self.neighbour, len(self.neighbour.waits)
        await eventually(
            lambda: neighbour.is_gone or len(neighbour.waits) > seen + 10, "the neighbour is not answered any more", 60
        )

    def descriptors(self) -> int:
        """How many files and sockets the server has open."""
        return len(list(Path(f"/proc/{self.served.process.pid}/fd").iterdir()))


@asynccontextmanager
async def attack(serve: Open, *options: str, memory: float = MEMORY) -> AsyncIterator[Attack]:
    """Serve, and check what the attack in the block did to the server and to a neighbour."""
    served = await serve(None, *options, seed=SEED)
    is_limited = "--rate-limits" in options
    async with aiohttp.ClientSession() as http, Neighbour(served, is_limited=is_limited) as neighbour:
        found = Attack(served, neighbour, http)
        try:
            yield found
            await found.linger()
        finally:
            for enemy in found.enemies:
                enemy.go()
    print(f"{neighbour.growth:.0f} MiB, p99 {neighbour.p99 * 1000:.0f} ms of {len(neighbour.waits)}")
    assert neighbour.growth < memory
    assert neighbour.p99 < PATIENCE
    assert "Traceback" not in served.log


class Enemy:
    """A TCP connection that writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def write(self, data: bytes) -> bool:
        """Write; return whether the server still wanted it."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return False
        return not self._reader.at_eof()

    async def flood(self, chunk: bytes, times: int) -> None:
        """Write as long as it is taken."""
        for _ in range(times):
            if not await self.write(chunk):
                return

    async def is_ended(self, within: float) -> bool:
        """Wait for the server to end the connection; return whether it did."""
        try:
            async with asyncio.timeout(within):
                while await self._reader.read(65_536):
                    continue
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def go(self) -> None:
        self._writer.transport.abort()


async def together(count: int, work: Callable[[int], Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*(work(number) for number in range(count))))


HEADS = {
    "header": (b"GET /api/api.test HTTP/1.1\r\nHost: x\r\nX-Long: ", b"x" * 65_536),
    "url": (b"GET /api/api.test?", b"x" * 65_536),
    "headers": (b"GET /api/api.test HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n" * 8_192),
}


@pytest.mark.parametrize("kind", HEADS)
async def test_a_request_head_that_does_not_end(kind: str, serve: Open) -> None:
    """10 connections of up to 16 MiB each; of short headers 4 MiB, which cost many times their size."""
    begin, more = HEADS[kind]
    async with attack(serve) as it:

        async def do(_number: int) -> bool:
            enemy = await it.dial(begin)
            await enemy.flood(more, (4 if kind == "headers" else 16) * MIB // len(more))
            return await enemy.is_ended(15)

        ended = await together(10, do)
    assert all(ended)


@pytest.mark.parametrize("header", [b"Authorization: Bearer xoxp-wrong\r\n", b""], ids=["wrong token", "no token"])
async def test_bodies_of_strangers(header: bytes, serve: Open) -> None:
    """200 connections that owe the end of a body just under the limit."""
    async with attack(serve, memory=128) as it:

        async def do(_number: int) -> None:
            enemy = await it.dial(
                b"POST /api/chat.postMessage HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                + header
                + b"Content-Length: 1000000\r\n\r\n"
            )
            await enemy.flood(b"x" * 50_000, 18)

        await asyncio.wait_for(together(200, do), 60)


async def test_wrong_tokens(serve: Open) -> None:
    """3,000 requests of 20 connections, each with another token of 1 kB."""
    async with attack(serve) as it:

        async def do(number: int) -> None:
            for turn in range(150):
                headers = {"Authorization": f"Bearer xoxp-{number}-{turn}-{'x' * 1_000}"}
                async with it.http.post(it.served.api_url + "auth.test", headers=headers) as answer:
                    assert answer.status in (200, 429)
                    assert not (await answer.json())["ok"]

        await together(20, do)


async def test_upgrades_with_dead_tickets_that_do_not_answer_the_close(serve: Open) -> None:
    async with attack(serve) as it:
        before = it.descriptors()
        await together(300, lambda number: it.upgrade(f"/rtm/dead{number}"))
        assert all(await together(300, lambda number: it.enemies[number].is_ended(30)))
        await eventually(lambda: it.descriptors() <= before + 5, "the connections are not given back")


async def test_channel_names_of_a_megabyte(serve: Open) -> None:
    """What rate limits remember of a call is small, whatever it asks for; they are on here."""
    async with attack(serve, "--rate-limits", "on") as it:
        for number in range(100):
            answer = await it.call("mallory", "chat.postMessage", channel=f"{number}-{'x' * 900_000}", text="x")
            assert not answer["ok"]


async def test_resumes_that_do_not_read(serve: Open) -> None:
    """24 MiB of messages wait for each of 8 connections of one user, who reads nothing."""
    async with attack(serve, memory=100) as it:
        position = str((await it.call("mallory", "rtm.connect", resume=""))["position"])
        section = {"type": "rich_text_section", "elements": [{"type": "text", "text": "x" * 190_000}]}
        block = json.dumps([{"type": "rich_text", "elements": [section]}])
        attachment = json.dumps([{"text": "x" * 190_000}])
        for number in range(60):
            answer = await it.call(
                "bob", "chat.postMessage", channel=it.served.channel("large"), text=f"{number}", blocks=block,
                attachments=attachment,
            )  # fmt: skip
            assert answer["ok"], answer
        for _ in range(8):
            grant = await it.call("mallory", "rtm.connect", resume=position)
            await it.upgrade(urlsplit(grant["url"]).path)
        await it.linger()


async def test_subscriptions_to_the_presence_of_many(serve: Open) -> None:
    """200 connections, each of which asks about 500 users that there are not."""
    async with attack(serve) as it:

        async def do(number: int) -> None:
            grant = await it.call("mallory", "rtm.connect")
            socket = await it.http.ws_connect(grant["url"], compress=0)
            for turn in range(3):
                ids = [f"U{number:05}{turn}{each:04}AAAA" for each in range(500)]
                await socket.send_json({"type": "presence_sub", "ids": ids})
            await socket.send_json({"type": "ping", "id": 1})
            while "reply_to" not in (await socket.receive_json()):
                continue

        await together(200, do)


async def test_a_flood_of_typing(serve: Open) -> None:
    """With rate limits on, a neighbour hears a small part of 20,000 typing frames."""
    async with attack(serve, "--rate-limits", "on") as it:
        frame = json.dumps({"type": "typing", "channel": it.served.channel("general")})

        async def do(_number: int) -> None:
            grant = await it.call("mallory", "rtm.connect")
            socket = await it.http.ws_connect(grant["url"], compress=0)
            try:
                for _ in range(4_000):
                    await socket.send_str(frame)
            except ConnectionError:
                return  # it was thrown out

        await together(5, do)
        await it.linger()
    heard = sum(frame.get("type") == "user_typing" for frame in it.neighbour.heard)
    assert heard < 2_000


@pytest.mark.chaos
async def test_connections_that_say_nothing_are_ended(serve: Open) -> None:
    """Silent ones, and some that have said half of a request: each is gone within the time that a head may take."""
    async with attack(serve) as it:
        before = it.descriptors()
        await together(200, lambda number: it.dial(b"GET / HTTP/1.1\r\nHost: x\r\nX-Half: " if number % 2 else b""))
        ended = await together(200, lambda number: it.enemies[number].is_ended(30))
        assert all(ended)
        await eventually(lambda: it.descriptors() <= before + 5, "the connections are not given back")


@pytest.mark.chaos
async def test_a_head_that_drips_is_ended(serve: Open) -> None:
    """One byte a second keeps nothing alive."""
    async with attack(serve) as it:

        async def do(number: int) -> None:
            enemy = await it.dial(b"GET / HTTP/1.1\r\nX: " if number % 2 else b"")
            while await enemy.write(b"G"):  # noqa: ASYNC110 - this is the attack
                await asyncio.sleep(1.0)

        await asyncio.wait_for(together(20, do), 40)
