"""The drill of docs/how-to/server/back-up-a-server.md, as the page has it: a kill under load, a restore, no loss."""

import asyncio
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from operated import PATIENCE, operated

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "server" / "back-up-a-server.md"
WRITERS = 8
ENOUGH = 200
"""Messages that are acked before the first backup."""


def drill() -> str:
    """Return the commands of the page."""
    found = re.search(r"<!-- drill: .*? -->\n+```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


class Load:
    """People who post without a pause, and remember what was acked."""

    def __init__(self, api_url: str, token: str, channel: str) -> None:
        self.acked: list[str] = []
        self.is_enough = asyncio.Event()
        self._request = (api_url + "chat.postMessage", {"Authorization": f"Bearer {token}"})
        self._channel = channel

    async def run(self, number: int) -> None:
        """Post until the server is gone."""
        url, headers = self._request
        count = 0
        async with aiohttp.ClientSession(headers=headers) as http:
            with suppress(aiohttp.ClientError):
                while True:
                    text = f"{number}.{count}"
                    async with http.post(url, data={"channel": self._channel, "text": text}) as response:
                        if (await response.json())["ok"]:
                            self.acked.append(text)
                        if len(self.acked) >= ENOUGH:
                            self.is_enough.set()
                    count += 1


async def texts(api_url: str, token: str, channel: str) -> set[str]:
    """Return all texts of a channel."""
    found: set[str] = set()
    cursor = ""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        while True:
            form = {"channel": channel, "limit": "999", "cursor": cursor}
            async with http.post(f"{api_url}conversations.history", data=form) as response:
                answer = await response.json()
            found |= {message["text"] for message in answer["messages"]}
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return found


@pytest.mark.timeout(300)
async def test_the_drill_of_the_page_loses_nothing_that_was_acked(tmp_path: Path) -> None:
    with operated(tmp_path / "data", "--rate-limits", "off") as server:
        token, channel = server.token("alice"), server.facts["channels"]["general"]
        load = Load(server.facts["api_url"], token, channel)
        tasks = [asyncio.create_task(load.run(number)) for number in range(WRITERS)]
        await asyncio.wait_for(load.is_enough.wait(), PATIENCE)
        early = list(load.acked)
        shell = await asyncio.create_subprocess_exec(
            "sh", "-e", "-c", drill(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={
                **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "DATA": str(server.data), "PID": str(server.process.pid),
            },
        )  # fmt: skip
        said, _ = await asyncio.wait_for(shell.communicate(), 3 * PATIENCE)
        assert shell.returncode == 0, said.decode()
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
    assert len(load.acked) > len(early), "the backup was taken under load"

    for name, acked in (("restored", load.acked), ("from-the-night", early)):
        with operated(tmp_path / "drill" / name, "--rate-limits", "off", seed=None) as server:
            found = await texts(server.facts["api_url"], token, channel)
        assert set(acked) - found == set(), f"{name} lacks messages that were acked"
