"""The gateway on bad days, drawn at random: no event is lost, none comes twice or out of order, and no ack is false.

``make chaos SEEDS=1000 PYTEST_ARGS='-k bad_days'`` has a thousand. The seed of a day that goes wrong is in its name,
and ``SEED=… SEEDS=1`` repeats it.
"""

from pathlib import Path

import pytest

from gateway_days import Day


@pytest.mark.timeout(300)
async def test_a_gateway_on_bad_days(day: int, tmp_path: Path) -> None:
    it = Day(day, tmp_path)
    await it.live(steps=40)
    print(dict(it.done))
