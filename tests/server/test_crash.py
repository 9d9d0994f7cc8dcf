"""Kill -9 at any moment: what was acked is there after the restart, in order, and nothing is half-written."""

import asyncio
import json
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tautwire.server.log.tail import read_entries
from tautwire.server.store.reader import Snapshot

ROUNDS = 8
SENDERS = 6


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--rate-limits", "off",
        "--log-level", "error", "--data", str(data),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def call(session: aiohttp.ClientSession, facts: dict[str, Any], method: str, **arguments: str) -> dict[str, Any]:
    token = facts["users"]["alice"]["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with session.post(facts["api_url"] + method, data=arguments, headers=headers) as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def send_by_rtm(session: aiohttp.ClientSession, facts: dict[str, Any], acked: dict[str, str], name: str) -> None:
    """Send one message after the other until the server is gone; note what was acked."""
    url = (await call(session, facts, "rtm.connect"))["url"]
    async with session.ws_connect(url) as socket:
        number = 0
        while True:
            number += 1
            text = f"{name} {number}"
            frame = {"id": number, "type": "message", "channel": facts["channels"]["general"], "text": text}
            await socket.send_json(frame)
            while True:
                message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                reply = json.loads(message.data)
                if reply.get("reply_to") == number:
                    assert reply["ok"], reply
                    acked[text] = reply["ts"]
                    break


async def send_by_web_api(
    session: aiohttp.ClientSession, facts: dict[str, Any], acked: dict[str, str], name: str
) -> None:
    number = 0
    while True:
        number += 1
        text = f"{name} {number}"
        answer = await call(session, facts, "chat.postMessage", channel=facts["channels"]["general"], text=text)
        assert answer["ok"], answer
        acked[text] = answer["ts"]


async def until_the_end(sender: Any) -> None:
    """Run a sender; the server's death is how it ends."""
    try:
        await sender
    except (aiohttp.ClientError, ConnectionError):
        return


async def read_history(session: aiohttp.ClientSession, facts: dict[str, Any]) -> dict[str, str]:
    """All messages of the channel by their text, oldest first."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await call(
            session, facts, "conversations.history", channel=facts["channels"]["general"], limit="1000", cursor=cursor
        )
        assert page["ok"], page
        found += page["messages"]
        cursor = page.get("response_metadata", {}).get("next_cursor", "")
        if not cursor:
            break
    found.reverse()
    stamps = [message["ts"] for message in found]
    assert stamps == sorted(set(stamps)), "one order, no timestamp twice"
    return {message["text"]: message["ts"] for message in found}


def check_files(data: Path) -> None:
    """The log has no holes, ends where the workspace says, and tells of every stored message."""
    connection = sqlite3.connect(data / "tautwire.db")
    connection.row_factory = sqlite3.Row
    try:
        assert tuple(connection.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
        count, head = connection.execute("SELECT count(*), max(position) FROM log").fetchone()
        assert count == head
        assert tuple(connection.execute("SELECT head FROM workspace").fetchone()) == (head,)
        stored = {row[0] for row in connection.execute("SELECT ts FROM message")}
        entries = read_entries(Snapshot(connection), after=0, before=head + 1)
        events = [json.loads(entry.payload) for entry in entries if entry.kind == "event"]
        assert stored == {event["ts"] for event in events if event["type"] == "message" and not event.get("hidden")}
    finally:
        connection.close()


@pytest.mark.timeout(180)
async def test_every_acked_message_survives_kill_9(tmp_path: Path) -> None:
    chance = random.Random(20170711)
    acked: dict[str, str] = {}
    newest = ""
    async with aiohttp.ClientSession() as session:
        for round_number in range(ROUNDS):
            fresh: dict[str, str] = {}
            async with serving(tmp_path) as (process, facts):
                history = await read_history(session, facts)
                assert acked.items() <= history.items(), "acked and lost"
                senders = [
                    asyncio.create_task(
                        until_the_end(send(session, facts, fresh, f"{send.__name__} {round_number}.{number}"))
                    )
                    for number in range(SENDERS)
                    for send in (send_by_rtm, send_by_web_api)
                ]
                enough = chance.randrange(20, 400)
                while len(fresh) < enough and not all(sender.done() for sender in senders):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)  # the kill is to come at no particular moment
                process.send_signal(signal.SIGKILL)
                await asyncio.wait_for(asyncio.gather(*senders), 20)
            assert min(fresh.values()) > newest, "timestamps grow across a crash"
            newest = max(fresh.values())
            acked |= fresh
            check_files(tmp_path)
        async with serving(tmp_path) as (_, facts):
            assert acked.items() <= (await read_history(session, facts)).items()
    assert len(acked) > ROUNDS * 20
