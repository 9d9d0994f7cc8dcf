"""Tokens, tickets and what people write are nowhere in the log, at any level, whatever goes wrong."""

import asyncio
import io
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rawsocket import TEXT, RawSocket, frame

SAID = "the-words-of-alice"


async def call(http: aiohttp.ClientSession, facts: dict[str, Any], method: str, **options: Any) -> dict[str, Any]:
    async with http.post(facts["api_url"] + method, **options) as answer:
        with suppress(aiohttp.ContentTypeError):
            found: dict[str, Any] = await answer.json()
            return found
    return {}


async def live(facts: dict[str, Any]) -> set[str]:
    """Do what is done on a server, right and wrong; return the secrets that were used."""
    tokens = [user["token"] for user in facts["users"].values()]
    token, general = facts["users"]["alice"]["token"], facts["channels"]["general"]
    wrong = "xoxb-000000000000-000000000000-thisTokenIsNobodys00000x"
    tickets = []
    headers = {"Authorization": f"Bearer {token}"}
    as_json = {"Content-Type": "application/json"}
    message = {"channel": general, "text": SAID}

    async def dial() -> str:
        grant = await call(http, facts, "rtm.connect", headers=headers)
        tickets.append(grant["url"].rpartition("/")[2])
        return str(grant["url"])

    async with aiohttp.ClientSession() as http:
        posted = await call(http, facts, "chat.postMessage", headers=headers, data=message)
        await call(http, facts, "chat.postMessage", headers=headers, json=message)
        await call(http, facts, "chat.postMessage", params={"token": token, **message})
        await call(http, facts, "chat.postMessage", data={"token": token, **message})
        multipart = aiohttp.FormData({"token": token, **message}, default_to_multipart=True)
        await call(http, facts, "chat.postMessage", data=multipart)
        await call(http, facts, "chat.update", headers=headers, data={"ts": posted["ts"], **message})
        await call(http, facts, "chat.postMessage", headers=headers, data={"channel": SAID, "text": SAID})
        await call(http, facts, "chat.postMessage", headers=headers, data={"blocks": "[" + SAID, **message})
        await call(http, facts, "conversations.create", headers=headers, data={"name": SAID})
        await call(http, facts, "auth.test", headers={"Authorization": f"Bearer {wrong}"})
        await call(http, facts, "auth.test", params={"token": wrong})
        await call(http, facts, f"no.such.method?token={token}", data={"token": token})
        await call(
            http,
            facts,
            "chat.postMessage",
            data=b'{"token": "' + token.encode(),
            headers=as_json,
        )
        await call(http, facts, "chat.postMessage", data=io.BytesIO(b"x" * 2_000_000), headers=headers)
        async with http.get(facts["api_url"].removesuffix("api/") + f"elsewhere?token={token}") as answer:
            assert answer.status == 404

        url = await dial()
        async with http.ws_connect(url) as socket, RawSocket.dialled(url, hello=False):
            for data in (
                {"type": "message", "id": 1, **message},
                {"type": "message", "id": 2, "channel": SAID, "text": SAID},
                {"type": "message", "id": 3, "channel": general, "text": SAID * 300},
                {"type": "ping", "id": 4, "text": SAID, "token": token},
                {"type": SAID, "text": SAID},
            ):
                await socket.send_str(json.dumps(data))
            await socket.send_str('{"type": "message", "text": "' + SAID)
            await socket.send_bytes(b"\xff" + SAID.encode())
            while json.loads(await socket.receive_str()).get("reply_to") != 1:
                pass
        async with RawSocket.dialled(await dial()) as raw:
            raw.write(frame(SAID.encode(), 3))
            await raw.closed()
        async with RawSocket.dialled(await dial()) as raw:
            raw.write(frame(SAID.encode() * 2_000, TEXT))
            await raw.closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(facts["api_url"].split(":")[2].split("/")[0]))
        writer.write(f"GET /rtm/{tickets[0]} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode())
        await reader.read(1_000)
        writer.write(f"{token} {SAID}\r\n\r\n".encode())
        writer.close()
    return {*tokens, wrong, *tickets}


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_no_secret_is_logged(tmp_path: Path, level: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-m", "tautwire", "serve", "--port", "0", "--json", "--log-level", level,
        "--data", str(tmp_path / "data"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    facts = json.loads(await process.stdout.readline())
    try:
        secrets = await live(facts)
    finally:
        process.terminate()
        _, stderr = await process.communicate()
    log = stderr.decode()

    assert process.returncode == 0
    assert "opened" in log, "something is logged"
    for secret in (*secrets, SAID):
        assert secret not in log, next(line for line in log.splitlines() if secret in line)
        assert secret[6:30] not in log, next(line for line in log.splitlines() if secret[6:30] in line)
    assert "Traceback" not in log, log
    assert " ERROR " not in log, log
    assert "Warning" not in log, log
