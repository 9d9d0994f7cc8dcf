"""Kill -9 while files arrive: a file that was completed is whole, of the others nothing is served."""

import asyncio
import hashlib
import json
from typing import Any

import aiohttp
import pytest

from process import Open, Served
from writers import SEED, open_channel

SIZE = 3_000_000
KILLS = 4


async def upload(
    served: Served, http: aiohttp.ClientSession, channel: str, number: int, done: dict[str, dict[str, Any]]
) -> None:
    """Upload a file; note it under ``done`` when the server has said that it is complete."""
    data = hashlib.sha256(b"%d" % number).digest() * (SIZE // 32)
    reserved = await served.call(
        http, "alice", "files.getUploadURLExternal", filename=f"{number}.bin", length=str(len(data))
    )

    async def pieces() -> Any:
        for start in range(0, len(data), 65_536):
            yield data[start : start + 65_536]

    async with http.post(reserved["upload_url"], data=pieces()) as response:
        assert response.status == 200
    files = json.dumps([{"id": reserved["file_id"]}])
    answer = await served.call(http, "alice", "files.completeUploadExternal", files=files, channel_id=channel)
    assert answer["ok"], answer
    done[reserved["file_id"]] = {"digest": hashlib.sha256(data).hexdigest()}


@pytest.mark.timeout(180)
async def test_no_part_of_a_file_is_served_after_kill_9(serve: Open) -> None:
    served = await serve(seed=SEED)
    async with aiohttp.ClientSession() as http:
        channel = await open_channel(served, http, "files")
    done: dict[str, dict[str, Any]] = {}
    number = 0
    for kill in range(KILLS):
        wanted = len(done) + 2 + kill
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            tasks = set()
            while len(done) < wanted:
                while len(tasks) < 3:
                    number += 1
                    tasks.add(asyncio.create_task(upload(served, http, channel, number, done)))
                finished, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    task.result()
            await served.kill()  # two or three are on their way
            await asyncio.gather(*tasks, return_exceptions=True)
        await served.start()

    async with aiohttp.ClientSession() as http:
        listed = (await served.call(http, "alice", "files.list"))["files"]
        assert {file["id"] for file in listed} >= set(done), "a file whose completion was acked is gone"
        headers = {"Authorization": f"Bearer {served.token('alice')}"}
        for file in listed:
            async with http.get(
                file["url_private"].replace(*ports(file["url_private"], served.api_url)), headers=headers
            ) as response:
                data = await response.read()
            assert len(data) == file["size"]
            wanted_digest = done.get(file["id"], {}).get("digest")
            assert wanted_digest in (None, hashlib.sha256(data).hexdigest())
            assert data == data[:32] * (len(data) // 32)
    assert await served.stop() == 0
    assert "Traceback" not in served.log


def ports(url: str, api_url: str) -> tuple[str, str]:
    """Return the server of a URL, and the one that serves now: it has another port since it was started again."""
    return "/".join(url.split("/")[:3]), "/".join(api_url.split("/")[:3])
