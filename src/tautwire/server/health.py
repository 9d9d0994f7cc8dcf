"""The present faults of the server: the list behind ``/readyz`` and the metrics.

A part that cannot do its work reports a fault under a name of its own, and clears it when the work succeeds again. So a
fault describes the present, unlike a log line, and a supervisor can act on it. Any thread may change the list.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Literal

log = logging.getLogger("tautwire.server.health")

FaultName = Literal["store", "writer", "disk", "database", "descriptors", "upstream", "token", "bot"]
"""The names of faults; docs/how-to/server/monitor-a-server.md has their meaning and what to do."""


class Health:
    """The present faults by name. Without faults the server is ready.

    A server with several workspaces has a ``Health`` of each in its own, so that one may clear what is its own only.
    """

    def __init__(self, place: str = "", whole: "Health | None" = None) -> None:
        self.place = place
        """What reasons are prefixed with, in a server with several workspaces."""
        self.whole: Health = self if whole is None else whole
        """That of the server of which this is a part."""
        self._faults: dict[FaultName, str] = {}
        self._parts: list[Health] = []
        self._lock = threading.Lock()

    def of(self, place: str) -> "Health":
        """Return the health of a part, whose faults belong to the whole as well."""
        part = Health(place, self.whole)
        self._parts.append(part)
        return part

    def drop(self, part: "Health") -> None:
        """Forget a part; no effect the second time."""
        if part in self._parts:
            self._parts.remove(part)

    @property
    def faults(self) -> Mapping[FaultName, str]:
        """A copy of the present faults: reasons by name. With several parts a reason names the place."""
        with self._lock:
            found = dict(self._faults)
        for part in list(self._parts):
            for name, reason in part.faults.items():
                text = f"{part.place}: {reason}" if len(self._parts) > 1 else reason
                found[name] = f"{found[name]}; {text}" if name in found else text
        return found

    @property
    def is_ready(self) -> bool:
        """Whether there is no fault."""
        return not self._faults and all(part.is_ready for part in list(self._parts))

    def fault(self, name: FaultName, reason: str) -> None:
        """Report a fault; logged when the fault is new."""
        with self._lock:
            is_new = name not in self._faults
            self._faults[name] = reason
        if is_new:
            log.error("not ready: %s: %s", name, reason)

    def clear(self, name: FaultName) -> None:
        """End a fault; no effect if it was not reported."""
        with self._lock:
            was_there = self._faults.pop(name, None) is not None
        if was_there:
            log.info("ready again: %s", name)
