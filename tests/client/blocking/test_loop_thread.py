"""The loop in a thread under the blocking client."""

import asyncio
import threading

import pytest

from tautwire import ClientClosed
from tautwire.client.blocking.loop_thread import LoopThread


async def nothing(_caller: object, _grace: float) -> None:
    """There is nothing to finish."""


def test_work_for_a_loop_that_is_closed_is_refused_and_never_begins() -> None:
    """The thread may end between the look whether it is there and the call."""
    background = LoopThread(nothing, lambda _caller: None)
    assert background.wait(asyncio.sleep(0, "done")) == "done"
    background.close(0.0)
    work = asyncio.sleep(0, "too late")
    with pytest.raises(ClientClosed):
        background.wait(work)
    assert work.cr_frame is None  # closed: Python does not complain that it was never awaited
    assert background.is_over


def test_each_later_thread_that_waits_for_the_end_is_known() -> None:
    release = threading.Event()
    first: list[object] = []
    later: list[object] = []

    async def finish(caller: object, _grace: float) -> None:
        first.append(caller)
        await asyncio.to_thread(release.wait)

    def join(caller: object) -> None:
        later.append(caller)
        release.set()

    background = LoopThread(finish, join)
    closers = [threading.Thread(target=background.close, args=(60.0,)) for _ in range(2)]
    for each in closers:
        each.start()
    for each in closers:
        each.join()
    assert {*first, *later} == set(closers)
    assert background.is_over
