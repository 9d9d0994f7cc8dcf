"""Programs that have slack.com written into them: ``tautwire gateway run -- CMD`` leads them to the gateway.

They are not changed. Each answers alice, who speaks at the upstream, and does so again after the gateway was killed and
started anew, without being started anew itself; those that cannot do that are started with it. The programs are those
of conformance/attached.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from needs import skip_for

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the conformance package is not installed

from conformance.attached.programs import OLD, Old
from conformance.ports import free_port
from gateway_process import GatewayProcess
from scene import PATIENCE, Scene, TurnedClock
from stage import BOT, SEED
from tautwire.attach.explain.explanation import explain

RETURN = 120.0
"""Seconds for a program to come, and to come back: slack_sdk's rtm_v2 needs up to 35."""


@pytest.fixture
def old(request: pytest.FixtureRequest) -> Old:
    """A program whose tools are here, built."""
    old: Old = request.param
    lack = old.client.lack()
    skip_for(f"{old.client.title}: {lack}" if lack is not None else None)
    old.client.prepare()
    return old


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[Scene]:
    async with Scene.opened(tmp_path / "upstream", TurnedClock(), seed=SEED) as scene:
        yield scene


class Attached:
    """A program that the gateway started; it outlives a gateway that is killed."""

    def __init__(self, upstream: Scene, gateway: GatewayProcess, old: Old) -> None:
        self._upstream = upstream
        self._gateway = gateway
        self._old = old
        self._process = 0

    async def start(self) -> None:
        """Have the gateway start it, and wait until it has a WebSocket there."""
        by = ("--attach-by", "names") if self._old.by_names else ()
        await self._gateway.start(*self._old.client.command, directory=self._old.client.directory, options=by)
        self._process = await self._gateway.child()
        await self.connected()

    async def connected(self) -> None:
        """Wait until the program has a WebSocket at the gateway."""
        url = self._gateway.api_url.replace("/api/", "/metrics")
        async with aiohttp.ClientSession() as http, asyncio.timeout(RETURN):
            while "\ntautwire_rtm_connections 1.0" not in await (await http.get(url)).text():  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def answers(self) -> None:
        """Say hello as alice until the program answers: some have their WebSocket before their plugins."""
        upstream, wanted = self._upstream, f"hello from {self._old.says}"
        before = len(await self._answers(wanted))
        async with asyncio.timeout(RETURN):
            while True:
                await upstream.post("alice", upstream.general, "hello")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        while len(await self._answers(wanted)) == before:  # noqa: ASYNC110
                            await asyncio.sleep(0.1)
                        return

    async def _answers(self, text: str) -> list[str]:
        messages = await self._upstream.history("alice", self._upstream.general)
        bot = self._upstream.users[BOT]
        return [message["ts"] for message in messages if (message["text"], message["user"]) == (text, bot)]

    def end(self) -> None:
        """End it, if its gateway did not."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)


@pytest.mark.timeout(900)  # the first build downloads the packages of the program
@pytest.mark.parametrize("old", OLD, indirect=True, ids=lambda old: old.client.name)
async def test_an_old_program_answers_through_the_gateway_and_again_after_it_was_killed(
    tmp_path: Path, upstream: Scene, old: Old
) -> None:
    explanation = explain(old.client.command, os.environ, old.client.directory)
    assert (explanation.way == "names") is old.by_names, explanation
    secrets = upstream.directory.apps[BOT]
    front = str(free_port())
    gateway = GatewayProcess(tmp_path, upstream.server.api_url, secrets, "--attach-port", front)
    attached = Attached(upstream, gateway, old)
    try:
        await attached.start()
        await attached.answers()
        if old.by_names or old.ends_without:  # the sockets of its own network are those of the first gateway
            await gateway.end()
            await attached.start()
        else:
            await gateway.end(signal.SIGKILL)
            await gateway.start(options=("--attach", "on"))
            await attached.connected()
        await attached.answers()
    finally:
        attached.end()
        await gateway.end()
        print(gateway.log)
