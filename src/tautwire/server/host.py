"""The workspaces of one process: each found by a token or a ticket, opened and closed while the others are served.

A workspace has a database, a log and connections of its own. They share the port, the limits of connections, the
counters and the event loop. A store that breaks for good ends the service of its workspace alone.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from picows import WSListener

from tautwire.protocol.errors import ConfigError
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.health import Health
from tautwire.server.metrics import Levels
from tautwire.server.served import Content, Observer, ServedWorkspace
from tautwire.server.services.access.identity import Identities, hash_token
from tautwire.server.services.access.tickets import team_of
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError
from tautwire.server.store.queries.consents import find_client
from tautwire.server.store.sqlite import FILE
from tautwire.server.tasks import all_of

if TYPE_CHECKING:
    from tautwire.server.traces.tracing import Tracing

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
        tracing: the traces of the process; None for none.
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
        tracing: "Tracing | None" = None,
    ) -> None:
        self._tracing = tracing
        self._administers = administers
        self._settings = settings
        self._clock = clock
        self._health = health
        self._counts = counts
        self._broken = broken
        self._served: dict[str, ServedWorkspace] = {}  # by the id of the team, in the order of opening
        self._base_url = settings.public_url or ""
        self._tokens: dict[bytes, Identities] = {}  # by the hash of the token
        self._homes: dict[Identities, ServedWorkspace] = {}
        self._secrets: dict[bytes, ServedWorkspace] = {}  # by the hash of the secret of the control API
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
        served = await self.prepare(data, content, observers)
        try:
            self._add(served)
        except BaseException:
            await self.discard(served)
            raise
        if data in self._unopened:
            self._health.drop(self._unopened.pop(data))
        return served

    async def prepare(
        self,
        data: Path,
        content: Content,
        observers: Sequence[Observer] = (),
        *,
        settings: Settings | None = None,
        readers: ThreadPoolExecutor | None = None,
        administers: bool | None = None,
    ) -> ServedWorkspace:
        """Open a workspace without serving it: no token and no ticket leads to it yet.

        Args:
            settings: its own, in place of those of the host.
            readers: threads that read for many workspaces.

        Raises:
            StoreError, ConfigError: it cannot be opened.
        """
        health = self._health.of(str(data))
        served = ServedWorkspace(
            data, settings or self._settings, clock=self._clock, health=health, counts=self._counts,
            broken=lambda failure: self._lose(data, failure), readers=readers,
            administers=self._administers if administers is None else administers,
            tracing=self._tracing,
        )  # fmt: skip
        try:
            await served.start(content, observers)
        except BaseException:
            await self.discard(served)
            raise
        self._failed.discard(data)
        return served

    async def discard(self, served: ServedWorkspace) -> None:
        """Close a workspace that is not served, or soon no longer; no effect the second time."""
        try:
            await served.stop()
        finally:
            self._health.drop(served.health)

    def serve(self, served: ServedWorkspace) -> None:
        """Serve a prepared workspace, in the place of one of the same team if there is one.

        Raises:
            ConfigError: the secret of its control API is that of another workspace.
        """
        secret = hashlib.sha256(served.secret.encode()).digest()
        team = served.workspace.team.id
        other = self._secrets.get(secret)
        if served.is_controlled and other is not None and other is not self._served.get(team):
            raise ConfigError(
                "control_secret opens one workspace, and there are several: leave it out, and each gets its own"
            )
        before = self._served.get(team)
        if before is not None:
            self._forget(before)
        self._served[team] = served
        served.workspace.base_url = self._base_url
        self._homes[served.workspace.identities] = served
        served.workspace.identities.publish(self._tokens)
        if served.is_controlled:
            self._secrets[secret] = served

    def _add(self, served: ServedWorkspace) -> None:
        team = served.workspace.team.id
        other = self._served.get(team)
        if other is not None:
            raise ConfigError(
                f"{other.data} and {served.data} have the same workspace {team}: one is a copy of the other; move it "
                "away"
            )
        self.serve(served)

    def listens_at(self, base_url: str) -> None:
        """Have all workspaces, also later ones, give out URLs of this server."""
        self._base_url = base_url
        for served in self:
            served.workspace.base_url = base_url

    def withdraw(self, team: str) -> ServedWorkspace:
        """Serve a workspace no more, and return it to be closed; from now on its tokens are unknown.

        Raises:
            KeyError: it is not served.
        """
        served = self._served.pop(team)
        self._forget(served)
        return served

    def _forget(self, served: ServedWorkspace) -> None:
        """Let no token and no secret lead to a workspace."""
        served.workspace.identities.withdraw()
        self._homes.pop(served.workspace.identities, None)
        secret = hashlib.sha256(served.secret.encode()).digest()
        if self._secrets.get(secret) is served:
            del self._secrets[secret]

    async def close(self, team: str) -> None:
        """Close the connections and the database of one workspace.

        Raises:
            KeyError: it is not served.
        """
        await self.discard(self.withdraw(team))

    def get(self, team: str) -> ServedWorkspace | None:
        """Return the workspace of a team."""
        return self._served.get(team)

    def find(self, token: str | None) -> Workspace:
        """Return the workspace of a token; for an unknown one the first, which then refuses it."""
        identities = self._tokens.get(hash_token(token)) if token and len(self._served) > 1 else None
        if identities is not None:
            return self._homes[identities].workspace
        return self._all()[0].workspace

    async def find_client(self, client_id: str) -> Workspace:
        """Return the workspace of the app with this client id; for an unknown one the first, which then refuses it.

        Raises:
            StoreError: it is not found, and the database of a workspace does not answer.
        """
        workspaces = [served.workspace for served in self._all()]
        failure: StoreError | None = None
        for workspace in workspaces:
            try:
                if await workspace.reader.read(partial(find_client, client_id=client_id)) is not None:
                    return workspace
            except StoreError as error:  # one that is reset at the moment must not concern the apps of the others
                failure = error
        if failure is not None:
            raise failure
        return workspaces[0]

    def _all(self) -> list[ServedWorkspace]:
        """Return all workspaces, one at least.

        Raises:
            StoreError: no workspace is served.
        """
        if not self._served:
            raise StoreError("no workspace is served: restart the server")
        return list(self._served.values())

    def find_team(self, team: str) -> Workspace | None:
        """Return the workspace with an id, None if it is not served."""
        served = self._served.get(team)
        return served.workspace if served is not None else None

    @property
    def is_controlled(self) -> bool:
        """Whether the control API on the port of the server reaches any workspace."""
        return any(served.is_controlled for served in self)

    def find_controlled(self, secret: bytes) -> Workspace | None:
        """Return the workspace that a secret of the control API opens.

        Hashes are looked up: how long that takes tells nothing from which a secret could be guessed bit by bit.
        """
        served = self._secrets.get(hashlib.sha256(secret).digest())
        return served.workspace if served is not None else None

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
            if served.is_closing:
                continue
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
        """Say goodbye to the clients of all workspaces, and close their connections.

        At the same time, as in ``stop``: one after the other takes longer than supervisors wait.
        """
        await all_of(*(served.close_doors() for served in self))

    async def stop(self) -> None:
        """Close all workspaces."""
        await all_of(*(self.close(team) for team in list(self._served)))

    def _lose(self, data: Path, failure: StoreError) -> None:
        self._failed.add(data)
        if all(served.data in self._failed for served in self):
            self._broken(failure)
        else:
            log.error("%s is not served any more: %s", data, failure)
