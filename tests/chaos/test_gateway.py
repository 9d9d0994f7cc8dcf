"""The gateway on bad days, drawn at random: no event is lost, none comes twice or out of order, and no ack is false.

``make chaos SEEDS=1000 PYTEST_ARGS='-k bad_days'`` has a thousand. The seed of a day that goes wrong is in its name,
and ``SEED=… SEEDS=1`` repeats it.
"""

import random
from pathlib import Path

import pytest

from differential import compare
from gateway_days import Day
from stage import Stage


@pytest.mark.timeout(300)
async def test_a_gateway_on_bad_days(day: int, tmp_path: Path) -> None:
    it = Day(day, tmp_path)
    await it.live(steps=40)
    print(dict(it.done))


async def test_the_acts_in_any_order(day: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames are those of native RTM, whatever happens between what."""
    monkeypatch.setattr("tautwire.server.watch.MAX_BUSY", 30.0)  # seconds: the disk may be slow while all tests run
    dice = random.Random(day)
    events, weather = dice.choice(("socket_mode", "http")), dice.choice((None, day))
    async with Stage.opened(tmp_path, events=events) as stage:
        await compare(stage, monkeypatch, events, weather, dice)
