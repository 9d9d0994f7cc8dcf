"""What a service manager learns: ready, alive, not ready and why, stopping. The protocol is that of sd_notify(3).

systemd sets ``NOTIFY_SOCKET`` for a unit of ``Type=notify``, and ``WATCHDOG_USEC`` for one with ``WatchdogSec=``. It
restarts a service that gives no sign of life for so long. Without the variables nothing is sent.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from tautwire.protocol.tokens import redact
from tautwire.server.health import FaultName, Health
from tautwire.server.tasks import cancel

log = logging.getLogger("tautwire.server")

MENDED_BY_RESTART: Final[frozenset[FaultName]] = frozenset({"store", "writer", "database"})
"""Faults during which no sign of life is given. A restart mends no other: it would only end connections."""
STATUS_INTERVAL: Final = 2.0
"""Seconds between two looks at the faults, at most."""
_SIGNS: Final = 3
"""Signs of life in the time in which one is expected: a late one must not restart the server."""


class Manager:
    """The service manager of this process, if there is one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte of a name that is in no file system.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.patience = _read_patience(environment)
        """Seconds after which a service without a sign of life is restarted, None if it is not."""

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return bool(self._address)

    def tell(self, *lines: str) -> None:
        """Send assignments such as ``READY=1``; a manager that does not take them is no reason to end the service."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("the service manager did not take %s: %s", lines[0], error.strerror or error)


def _read_patience(environment: Mapping[str, str]) -> float | None:
    """Return the seconds of the watchdog, None if there is none, or if it watches another process."""
    micros, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not micros.isdecimal() or int(micros) == 0 or process not in ("", str(os.getpid())):
        return None
    return int(micros) / 1_000_000


@asynccontextmanager
async def told(health: Health, manager: Manager | None = None) -> AsyncIterator[None]:
    """Tell the service manager that the server serves; within, how it is; at the end, that it stops."""
    manager = Manager(os.environ) if manager is None else manager
    if not manager.listens:
        yield
        return
    manager.tell("READY=1", _status(health))
    telling = asyncio.create_task(_keep_telling(manager, health))
    try:
        yield
    finally:
        await cancel(telling)
        manager.tell("STOPPING=1", "STATUS=stopping")


async def _keep_telling(manager: Manager, health: Health) -> None:
    interval = min(STATUS_INTERVAL, (manager.patience or STATUS_INTERVAL) / _SIGNS)
    shown = ""
    while True:
        status = _status(health)
        lines = [status] if status != shown else []
        if manager.patience is not None and may_live(health.faults):
            lines.append("WATCHDOG=1")
        if lines:
            manager.tell(*lines)
        shown = status
        await asyncio.sleep(interval)


def may_live(faults: Mapping[FaultName, str]) -> bool:
    """Return whether a restart would mend nothing; on a full disk it would not, and ends the reading that goes on."""
    return "disk" in faults or not MENDED_BY_RESTART & faults.keys()


def _status(health: Health) -> str:
    """Return the line that ``systemctl status`` shows."""
    faults = "; ".join(f"{name}: {reason}" for name, reason in health.faults.items())
    return "STATUS=" + (redact(f"not ready: {faults}").replace("\n", " ") if faults else "ready")
