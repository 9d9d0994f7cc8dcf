"""The end of a process whose disk does not answer, and of one whose database broke down."""

import asyncio
import json
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp

from rawsocket import RawSocket

PATIENCE = 60.0
SENDERS = 4
MESSAGES = 1_500
"""Of each sender: more than a connection may have under way."""
LIMIT = 10.0
"""Seconds from the signal to the end, whatever the disk does."""


class Process:
    """A server process, what it said first, and a client."""

    def __init__(self, process: asyncio.subprocess.Process, facts: dict[str, Any], http: aiohttp.ClientSession) -> None:
        self.process = process
        self.facts = facts
        self.http = http

    async def call(self, method: str, **arguments: str) -> dict[str, Any]:
        async with self.http.post(self.facts["api_url"] + method, data=arguments) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def post(self, text: str) -> dict[str, Any]:
        return await self.call("chat.postMessage", channel=self.facts["channels"]["general"], text=text)

    async def ends(self) -> tuple[int | None, str]:
        """Wait for the end; return status and log."""
        _, log = await asyncio.wait_for(self.process.communicate(), PATIENCE)
        return self.process.returncode, log.decode()


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--rate-limits", "off",
        "--data", str(data),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        facts = json.loads(await process.stdout.readline())
        headers = {"Authorization": f"Bearer {facts['users']['alice']['token']}"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(PATIENCE)) as http:
            yield Process(process, facts, http)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def send_many(server: Process, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Send all messages, as far as the server reads them."""
    channel = server.facts["channels"]["general"]
    for number in range(MESSAGES):
        await socket.send_json({"id": number, "type": "message", "channel": channel, "text": "x"})


async def read_replies(socket: aiohttp.ClientWebSocketResponse) -> dict[int, bool]:
    """Read to the end of the connection; return whether each message that was answered was stored."""
    replies: dict[int, bool] = {}
    async for message in socket:
        frame = json.loads(message.data)
        if "reply_to" in frame:
            assert frame["reply_to"] not in replies
            replies[frame["reply_to"]] = frame["ok"]
    return replies


async def test_sigterm_ends_the_process_though_the_database_is_locked(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server:
        acked = (await server.post("before"))["ts"]
        dead = (await server.call("rtm.connect"))["url"]
        sockets = [await server.http.ws_connect((await server.call("rtm.connect"))["url"]) for _ in range(SENDERS)]
        with closing(sqlite3.connect(tmp_path / "data" / "tautwire.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            reading = [asyncio.create_task(read_replies(socket)) for socket in sockets]
            sending = [asyncio.create_task(send_many(server, socket)) for socket in sockets]
            calling = asyncio.create_task(server.post("under way"))
            async with RawSocket.dialled(dead):  # which answers no Close
                await wait_for_waiting(server)
                await wait_for_fault(server, "writer")
                began = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                status, log = await server.ends()
                took = time.monotonic() - began
            replies = await asyncio.gather(*reading)
            for task in (*sending, calling):
                task.cancel()
            results = await asyncio.gather(*sending, calling, return_exceptions=True)
            other.execute("ROLLBACK")

        assert took < LIMIT
        assert status in (0, 1), log
        assert all(not ok for reply in replies for ok in reply.values()), "nothing was stored"
        answer = results[-1]
        assert isinstance(answer, Exception | asyncio.CancelledError) or not answer["ok"]
    async with serving(tmp_path / "data") as server:
        kept = await server.call("conversations.history", channel=server.facts["channels"]["general"])
        assert [message["ts"] for message in kept["messages"]] == [acked]


async def wait_for_fault(server: Process, name: str) -> None:
    """Wait until the server, which is alive, reports a fault."""
    base = server.facts["api_url"].removesuffix("api/")
    async with asyncio.timeout(PATIENCE):
        while True:
            async with server.http.get(base + "readyz") as answer:
                if name in (await answer.json())["faults"]:
                    assert answer.status == 503
                    break
            await asyncio.sleep(0.02)
    async with server.http.get(base + "healthz") as answer:
        assert answer.status == 200


async def wait_for_waiting(server: Process) -> None:
    """Wait until thousands of changes wait."""
    url = server.facts["api_url"].replace("/api/", "/metrics")
    async with asyncio.timeout(PATIENCE):
        while True:
            async with server.http.get(url) as answer:
                text = await answer.text()
            (waiting,) = (line for line in text.splitlines() if line.startswith("tautwire_waiting_changes "))
            if float(waiting.split()[1]) > 1_000 * SENDERS:
                return
            await asyncio.sleep(0.05)


async def test_a_process_whose_database_breaks_down_ends_with_status_1_and_says_why(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server:
        assert (await server.post("before"))["ok"]
        with closing(sqlite3.connect(tmp_path / "data" / "tautwire.db", isolation_level=None)) as other:
            other.execute("UPDATE workspace SET head = head + 1")

        status, log = await server.ends()

    assert status == 1
    assert "Traceback" not in log
    lines = [line for line in log.splitlines() if line.startswith("tautwire: ")]
    assert len(lines) == 1
    assert log.splitlines()[-1] == lines[0]
    assert "was deleted" in lines[0]
    assert lines[0].endswith("restart the server")
