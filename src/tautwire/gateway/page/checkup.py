"""The doctor's checks of a running gateway: one run at a time, of all bots, with an end."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import msgspec

from tautwire.gateway.bots import Bots
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.page.status import MAX_FINDING, Examination, shown
from tautwire.gateway.setup.doctor import Finding, examine
from tautwire.gateway.setup.manifest import USUAL
from tautwire.server.clock import Clock
from tautwire.server.tasks import cancel

log = logging.getLogger("tautwire.gateway")

TIME_LIMIT: Final = 60.0
"""Seconds of a run."""
AT_ONCE: Final = 8
"""Bots that are examined at the same time."""


class Checkup:
    """Runs the doctor, and keeps what it found last.

    Args:
        time_limit: seconds of a run.
    """

    def __init__(self, bots: Bots, clock: Clock, *, time_limit: float = TIME_LIMIT) -> None:
        self._bots = bots
        self._clock = clock
        self._time_limit = time_limit
        self._findings: dict[str, list[Finding]] = {}
        self._ended: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def found(self) -> Examination:
        """What was found."""
        ended = None if self._ended is None else self._clock.monotonic() - self._ended
        return Examination(self._is_running, ended, {name: list(each) for name, each in self._findings.items()})

    @property
    def _is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def begin(self) -> bool:
        """Begin a run; return whether it has begun: a run in progress goes on."""
        if self._is_running:
            return False
        settings = self._bots.settings
        self._findings = {name: [] for name in settings}
        self._ended = None
        self._task = asyncio.create_task(self._run(settings))
        return True

    async def stop(self) -> None:
        """End a run in progress."""
        if self._task is not None:
            await cancel(self._task)

    async def _run(self, settings: Mapping[str, GatewaySettings]) -> None:
        places = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.timeout(self._time_limit), asyncio.TaskGroup() as group:
                for name, each in settings.items():
                    group.create_task(self._examine(name, each, places))
        except TimeoutError:
            text = f"they were ended after {self._time_limit:.0f} s: check the network and the proxy, then check again"
            for findings in self._findings.values():
                findings.append(Finding("checks", "failed", text))
        self._ended = self._clock.monotonic()

    async def _examine(self, name: str, settings: GatewaySettings, places: asyncio.Semaphore) -> None:
        async with places:
            relay, findings = self._bots.get(name), self._findings[name]
            try:
                async for finding in examine(settings, USUAL, is_linked=lambda: relay is not None and relay.link.is_up):
                    findings.append(msgspec.structs.replace(finding, text=shown(finding.text, MAX_FINDING)))
            except Exception:
                log.exception("the checks of %s failed", name)
                findings.append(Finding("checks", "failed", "they failed: the log of the gateway has the reason"))
