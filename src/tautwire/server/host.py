"""The workspaces of one process: each found by a token or a ticket, opened and closed while the others are served.

A workspace has a database, a log and connections of its own. They share the port, the limits of connections, the
counters and the event loop. A store that breaks for good ends the service of its workspace alone.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from picows import WSListener

from tautwire.protocol.errors import ConfigError
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.health import Health
from tautwire.server.metrics import Levels
from tautwire.server.served import Content, Observer, ServedWorkspace
from tautwire.server.services.access.tickets import team_of
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError
from tautwire.server.store.sqlite import FILE

log = logging.getLogger("tautwire.server")


def find_data(settings: Settings) -> list[Path]:
    """Return the data directories to serve: the one of the settings, or each in it if only those have a database."""
    data = settings.data
    if settings.database is None and not (data / FILE).exists() and data.is_dir():
        inner = sorted(path.parent for path in data.glob(f"*/{FILE}"))
        if inner:
            return inner
    return [data]


class Host:
    """Opens, finds and closes workspaces.

    Args:
        broken: called with the reason when no workspace is left whose store can be used.
        administers: whether the commands that administer a workspace reach those here.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        health: Health,
        counts: Counts,
        broken: Callable[[StoreError], None],
        administers: bool,
    ) -> None:
        self._administers = administers
        self._settings = settings
        self._clock = clock
        self._health = health
        self._counts = counts
        self._broken = broken
        self._served: dict[str, ServedWorkspace] = {}  # by the id of the team, in the order of opening
        self._base_url = ""
        self._failed: set[Path] = set()
        self._unopened: dict[Path, Health] = {}
        """The faults of directories that could not be opened at the start."""

    def __iter__(self) -> Iterator[ServedWorkspace]:
        return iter(list(self._served.values()))

    def __len__(self) -> int:
        return len(self._served)

    async def open_all(self, found: Sequence[Path], content: Content, observers: Sequence[Observer] = ()) -> None:
        """Open the workspaces of data directories. One that cannot be opened is a fault, and costs the others nothing.

        Raises:
            StoreError: no directory can be opened.
            ConfigError: two directories have the same workspace.
        """
        failure: StoreError | None = None
        for data in found:
            try:
                await self.open(data, content, observers)
            except StoreError as error:
                failure = error
                if len(found) > 1:
                    self._unopened[data] = health = self._health.of(str(data))
                    health.fault("store", f"not served: {error}; mend that, then restart the server")
        if failure is not None and not self._served:
            raise failure

    async def open(self, data: Path, content: Content, observers: Sequence[Observer] = ()) -> ServedWorkspace:
        """Open the workspace of a data directory, and serve it.

        Raises:
            StoreError, ConfigError: it cannot be opened; the others are served as before.
        """
        health = self._health.of(str(data))
        served = ServedWorkspace(
            data, self._settings, clock=self._clock, health=health, counts=self._counts,
            broken=lambda failure: self._lose(data, failure), administers=self._administers,
        )  # fmt: skip
        try:
            await served.start(content, observers)
            self._add(served)
            self._failed.discard(data)
            if data in self._unopened:
                self._health.drop(self._unopened.pop(data))
        except BaseException:
            await served.stop()
            self._health.drop(health)
            raise
        return served

    def _add(self, served: ServedWorkspace) -> None:
        team = served.workspace.team.id
        other = self._served.get(team)
        if other is not None:
            raise ConfigError(
                f"{other.data} and {served.data} have the same workspace {team}: one is a copy of the other; move it "
                "away"
            )
        secret = self._settings.control_secret
        if secret is not None and served.is_controlled and any(each.is_controlled for each in self):
            raise ConfigError(
                "control_secret opens one workspace, and there are several: leave it out, and each gets its own"
            )
        self._served[team] = served
        served.workspace.base_url = self._base_url

    def reach(self, base_url: str) -> None:
        """Have the workspaces know the scheme and authority by which they are reached."""
        self._base_url = base_url
        for served in self:
            served.workspace.base_url = base_url

    async def close(self, team: str) -> None:
        """Close the connections and the database of one workspace.

        Raises:
            KeyError: it is not served.
        """
        served = self._served.pop(team)
        await served.stop()
        self._health.drop(served.health)

    def find(self, token: str | None) -> Workspace:
        """Return the workspace of a token; for an unknown one the first, which then refuses it."""
        served = iter(self._served.values())
        first = next(served, None)
        if first is None:
            raise StoreError("no workspace is served")
        if token and len(self._served) > 1 and not first.workspace.identities.knows(token):
            for each in served:
                if each.workspace.identities.knows(token):
                    return each.workspace
        return first.workspace

    def find_team(self, team: str) -> Workspace | None:
        """Return the workspace with the id of a team, None if it is not served."""
        served = self._served.get(team)
        return served.workspace if served is not None else None

    @property
    def is_controlled(self) -> bool:
        """Whether the control API on the port of the server reaches any workspace."""
        return any(served.is_controlled for served in self)

    def find_controlled(self, secret: bytes) -> Workspace | None:
        """Return the workspace that a secret of the control API opens; all are compared, so time tells nothing."""
        admitting = [served.workspace for served in self if served.admits(secret)]
        return admitting[0] if admitting else None

    def listen(self, ticket: str, query: str) -> WSListener | None:
        """Return the RTM connection for a ticket; a wrong one gets its error from the first workspace."""
        served = self._served.get(team_of(ticket)) or next(iter(self._served.values()), None)
        return served.door.listen(ticket, query) if served is not None else None

    def listen_link(self, ticket: str, query: str) -> WSListener | None:
        """Return the Socket Mode connection for a ticket, as ``listen`` does for RTM."""
        served = self._served.get(team_of(ticket)) or next(iter(self._served.values()), None)
        return served.link_door.listen(ticket, query) if served is not None else None

    def sweep(self) -> None:
        """Look after all workspaces; one for which that fails costs the others nothing."""
        for served in self:
            try:
                served.sweep()
            except Exception:
                log.exception("a sweep of %s failed; the next one follows", served.data)

    def levels(self) -> Levels:
        """Return the levels of all workspaces together; of the oldest change the age, of any."""
        levels = [astuple(served.levels()) for served in self] or [astuple(Levels(0, 0, 0, 0, 0.0, 0, 0))]
        names = Levels.__dataclass_fields__
        return Levels(
            **{
                name: (max if name == "oldest_change_seconds" else sum)(column)
                for name, column in zip(names, zip(*levels, strict=True), strict=True)
            }
        )

    async def close_doors(self) -> None:
        """Say goodbye to the clients of all workspaces, and close their connections."""
        await _for_all(served.close_doors() for served in self)

    async def stop(self) -> None:
        """Close all workspaces."""
        await _for_all(self.close(team) for team in list(self._served))

    def _lose(self, data: Path, failure: StoreError) -> None:
        self._failed.add(data)
        if all(served.data in self._failed for served in self):
            self._broken(failure)
        else:
            log.error("%s is not served any more: %s", data, failure)


async def _for_all(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Take a step of a stop for all workspaces at once: one after the other takes longer than supervisors wait.

    All of them are taken, also if one raises; then the first error is raised.
    """
    for failure in await asyncio.gather(*steps, return_exceptions=True):
        if failure is not None:
            raise failure
