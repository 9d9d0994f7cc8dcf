"""The loop in a thread under the blocking client."""

import asyncio

import pytest

from tautwire import ClientClosed
from tautwire.client.blocking.loop_thread import LoopThread


async def nothing(_caller: object, _grace: float) -> None:
    """There is nothing to finish."""


def test_work_for_a_loop_that_is_closed_is_refused_and_never_begins() -> None:
    """The thread may end between the look whether it is there and the call."""
    background = LoopThread(nothing)
    assert background.wait(asyncio.sleep(0, "done")) == "done"
    background.close(0.0)
    work = asyncio.sleep(0, "too late")
    with pytest.raises(ClientClosed):
        background.wait(work)
    assert work.cr_frame is None  # closed: Python does not complain that it was never awaited
    assert background.is_over
