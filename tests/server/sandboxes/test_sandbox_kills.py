"""A server that is killed while workspaces are made and deleted: what was answered holds, and nothing is half there."""

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

KILLS = 3
ANSWERS = 12
"""Answers after which the server is killed, with others under way."""


class Life:
    """One run of a server process."""

    def __init__(self, data: Path, http: aiohttp.ClientSession) -> None:
        command = [sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--data", str(data),
                   "--rate-limits", "off"]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        facts = json.loads(self.process.stdout.readline())
        self.api_url, self._host, self._http = facts["api_url"], facts["host"], http

    async def do(self, operation: str, **arguments: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._host['secret']}"}
        async with self._http.post(f"{self._host['url']}{operation}", json=arguments, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer

    async def call(self, token: str, method: str, **arguments: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.post(self.api_url + method, data=arguments, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


async def test_what_was_answered_holds_and_nothing_is_half_there(tmp_path: Path) -> None:
    kept: dict[str, dict[str, Any]] = {}
    maybe: dict[str, dict[str, Any]] = {}
    """Those whose deletion was not answered."""
    deleted: set[str] = set()
    async with aiohttp.ClientSession() as http:
        for _ in range(KILLS):
            life = Life(tmp_path, http)
            answered = asyncio.Semaphore(0)

            async def churn(life: Life = life, answered: asyncio.Semaphore = answered) -> None:
                while True:
                    made = await life.do("workspaces.create")
                    team = made["workspace"]["id"]
                    kept[team] = made
                    answered.release()
                    if len(kept) % 2:
                        maybe[team] = kept.pop(team)
                        await life.do("workspaces.delete", workspace=team)
                        del maybe[team]
                        deleted.add(team)
                        answered.release()

            churns = [asyncio.create_task(churn()) for _ in range(4)]
            for _ in range(ANSWERS):
                await answered.acquire()
            life.kill()
            for each in churns:
                with contextlib.suppress(aiohttp.ClientError):
                    await each

        life = Life(tmp_path, http)
        try:
            served = {each["id"] for each in (await life.do("workspaces.list"))["workspaces"] if each["is_sandbox"]}
            directories = {path.name for path in (tmp_path / "sandboxes").iterdir() if path.is_dir()}
            assert served == directories
            assert kept.keys() <= served
            assert not deleted & served
            for team, made in kept.items():
                answer = await life.call(made["users"]["alice"]["token"], "auth.test")
                assert answer["team_id"] == team
            for team in served:
                await life.do("workspaces.reset", workspace=team)
        finally:
            life.kill()
