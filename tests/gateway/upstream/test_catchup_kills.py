"""The gateway is killed at random, also while it catches up, and the upstream forgets what it could not deliver.

Afterwards the log has every message of the upstream that was not deleted, once, in order within its channel.
``GATEWAY_SEEDS`` is the number of runs, ``GATEWAY_SEED`` repeats one.
"""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from compared import logged, read
from crooked import Crooked
from gateway_process import GatewayProcess
from scene import PATIENCE, Scene, TurnedClock, eventually
from stage import BOT, SEED

SEEDS = (
    [int(os.environ["GATEWAY_SEED"])]
    if "GATEWAY_SEED" in os.environ
    else list(range(int(os.environ.get("GATEWAY_SEEDS", "2"))))
)
ROUNDS = 3


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_the_upstream_forgets_is_there_once_and_in_order(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    async with (
        Scene.opened(tmp_path / "upstream", TurnedClock(), seed=SEED) as upstream,
        Crooked(upstream.server.api_url) as line,
    ):
        forgotten = ""

        def forgets(text: str) -> bool:
            ts = text.partition('"event":')[2].partition('"event_ts":"')[2].partition('"')[0]
            return bool(ts) and ts <= forgotten

        async def post(word: str) -> str:
            ts = ""
            for number in range(dice.randrange(1, 5)):
                channel = dice.choice([upstream.general, upstream.ops])
                ts = await upstream.post("alice", channel, f"{word} {number}")
                if dice.random() < 0.2:
                    await upstream.ok("alice", "chat.update", channel=channel, ts=ts, text=f"{word} {number} edited")
                if dice.random() < 0.2 and word.startswith("missed"):
                    await upstream.ok("alice", "chat.delete", channel=channel, ts=ts)
            return ts

        line.hides, line.forgets = forgets, True
        gateway = GatewayProcess(tmp_path, line.api_url, upstream.directory.apps[BOT])
        await gateway.start()
        try:
            for step in range(ROUNDS):
                await post(f"live {step}")
                await gateway.end(signal.SIGKILL)
                forgotten = max(forgotten, await post(f"missed {step}"))
                calls = line.count("conversations.history")
                await gateway.start()
                await post(f"after {step}")
                if dice.random() < 0.5:
                    await eventually(lambda calls=calls: line.count("conversations.history") > calls)
                    await gateway.end(signal.SIGKILL)
                    await gateway.start()
            end = asyncio.get_running_loop().time() + 2 * PATIENCE
            while True:
                stored = await read(upstream)
                wanted = {channel: [each["ts"] for each in messages] for channel, messages in stored.items()}
                logs = {channel: logged(gateway.data, channel) for channel in wanted}
                if logs == wanted:
                    break
                assert asyncio.get_running_loop().time() < end, (logs, wanted, gateway.log)
                await asyncio.sleep(0.05)
        finally:
            await gateway.end()
    assert "Traceback" not in gateway.log, gateway.log
