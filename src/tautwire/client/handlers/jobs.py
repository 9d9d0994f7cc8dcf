"""Jobs: functions that run every so often, for ``every``.

``client/handlers/hooks`` keeps them; ``client/lifecycle/lifecycle`` says when they begin and end.
"""

import asyncio
import math

from tautwire.client.handlers.steps import Step
from tautwire.client.metrics import Metrics


class Job:
    """A function that runs every so often, one run after the other.

    Args:
        step: the function.
        seconds: from the beginning of one run to the beginning of the next.
        at_once: whether the first run begins at once instead of after ``seconds``.
    """

    def __init__(self, step: Step, seconds: float, *, at_once: bool) -> None:
        self.step = step
        self._seconds = seconds
        self._at_once = at_once
        self._task: asyncio.Task[None] | None = None

    def measure(self, metrics: Metrics) -> None:
        """Report each run. Has to come before the first one."""
        self.step.measure(metrics)

    def begin(self) -> None:
        """Begin to run it. Called on the loop, once."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    def retire(self) -> "asyncio.Task[None] | None":
        """Begin no other run and let the one that is under way finish; return the task that ends, if there is one."""
        if self._task is not None:
            self._task.cancel()  # ends the wait for a run, not the run: that belongs to the worker of the step
        return self._task

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + (0.0 if self._at_once else self._seconds)
        while True:
            await asyncio.sleep(due - loop.time())
            await self.step.run(loop.time() - due)
            due = next_due(due, self._seconds, loop.time())


def next_due(due: float, seconds: float, now: float) -> float:
    """Return when a job runs next that was due at a time and is over now.

    All runs are due at multiples of ``seconds`` after the first one, so they do not drift. Those that came due while
    a run was under way are left out, so they do not pile up.
    """
    return due + seconds * max(1, math.ceil((now - due) / seconds))
