"""The workspaces that callers make: created, used, reset, compared and deleted beside the others of the process.

A sandbox is a data directory of its own, so nothing in it can reach another. What changes a workspace as a whole waits
for its turn: one at a time for each workspace.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from tautwire.protocol.errors import TautwireError
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.health import Health
from tautwire.server.host import Host
from tautwire.server.http.descriptors import OF_WORKSPACE, free_descriptors
from tautwire.server.log.epochs import read_epochs
from tautwire.server.sandboxes.comparing import compare
from tautwire.server.sandboxes.making import New
from tautwire.server.sandboxes.place import FOLDER, SEED, Manifest, Place, find_places
from tautwire.server.sandboxes.snapshots import Snapshot, Snapshots
from tautwire.server.served import Content, ServedWorkspace
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.hosting import Compared, Created, Ends, Hosted, Kept, Returned
from tautwire.server.services.seed import SAMPLE, Seed, SeedError, complete
from tautwire.server.store.directory_lock import DirectoryLock
from tautwire.server.store.engine import StoreError
from tautwire.server.store.queries.workspace import read_head
from tautwire.server.store.sqlite import FILE, open_file
from tautwire.server.tasks import all_of, open_in_thread

log = logging.getLogger("tautwire.server")

READERS: Final = 8
"""Threads that read for all sandboxes."""
AT_ONCE: Final = 4
"""Sandboxes that are opened at a time; more would only wait for each other."""
SEED_NAME: Final = "seed"
"""The snapshot that every sandbox has: the state in which it was made."""

_NOTHING: Final = Content(None, SAMPLE)


@dataclass(slots=True)
class _Sandbox:
    """A sandbox that is served."""

    place: Place
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sandboxes:
    """All workspaces of a server, and those among them that callers made; see ``Hosting``.

    Args:
        api_url: the base URL of the Web API, as callers reach it.
        health: gets the faults of sandboxes that cannot be opened.
    """

    def __init__(self, host: Host, settings: Settings, clock: Clock, health: Health, api_url: str) -> None:
        self._host = host
        self._settings = settings
        self._clock = clock
        self._health = health
        self._api_url = api_url
        self.secret = settings.host_secret or secrets.token_urlsafe(32)
        """The secret of the host."""
        self._digest = sha256(self.secret.encode()).digest()
        self._folder = settings.data / FOLDER
        self._lock: DirectoryLock | None = None  # made with the first sandbox: most servers have none
        self._locking = asyncio.Lock()
        self._sandboxes: dict[str, _Sandbox] = {}  # by the id of the team
        self._turns: dict[str, asyncio.Lock] = {}  # of the other workspaces
        self._making = 0
        self._opening = asyncio.Semaphore(AT_ONCE)
        self._readers = ThreadPoolExecutor(READERS, "tautwire-sandbox-reader")

    def is_host(self, secret: bytes) -> bool:
        """Whether a secret is that of the host."""
        return hmac.compare_digest(sha256(secret).digest(), self._digest)

    def has(self, served: ServedWorkspace) -> bool:
        """Whether a workspace is one that callers made."""
        return served.data.parent == self._folder

    async def start(self) -> None:
        """Open the sandboxes that are kept. One that cannot be opened is a fault, and costs the others nothing.

        Raises:
            StoreError: another server uses the folder.
        """
        if self._settings.database is not None:
            return
        if self._folder.is_dir():
            self._lock = DirectoryLock(self._folder)
        places, damaged = await asyncio.to_thread(find_places, self._folder)
        for path, reason in damaged.items():
            self._report(path, reason)
        await all_of(*(self._reopen(place) for place in places))

    async def stop(self) -> None:
        """Forget the sandboxes, which the host has closed; those that are not kept are removed."""
        await asyncio.to_thread(self._readers.shutdown)
        for sandbox in self._sandboxes.values():
            if sandbox.place.manifest.ephemeral:
                await asyncio.to_thread(sandbox.place.remove)
        self._sandboxes.clear()
        if self._lock is not None:
            self._lock.close()

    # -- operations -------------------------------------------------------------------------------------------

    async def create(self, seed: Seed | None, name: str | None, *, ephemeral: bool) -> Created:
        """Make a sandbox and serve it; see ``Hosting``."""
        try:
            seed = complete(seed or SAMPLE, "the seed")
        except SeedError as error:
            raise Refused("invalid_seed", str(error)) from None
        self._refuse_more()
        self._making += 1
        try:
            async with self._opening:
                served = await self._make(seed, name or seed.team.name, ephemeral=ephemeral)
        finally:
            self._making -= 1
        return await self._created(served)

    async def list_all(self) -> list[Hosted]:
        """Return all workspaces; see ``Hosting``."""
        return [self._hosted(served) for served in self._host]

    async def delete(self, team: str) -> None:
        """Close a sandbox and remove all that it had; see ``Hosting``."""
        async with self._turn_of_sandbox(team) as sandbox:
            # First: if the server is killed meanwhile, its next start removes the rest.
            await asyncio.to_thread(sandbox.place.forget)
            served = self._host.withdraw(team)
            del self._sandboxes[team]
            try:
                await self._host.discard(served)
            finally:
                await asyncio.to_thread(sandbox.place.remove)

    async def reset(self, team: str) -> Returned:
        """Bring a sandbox back to its seed; see ``Hosting``."""
        return await self.restore(team, SEED_NAME)

    async def restore(self, team: str, name: str) -> Returned:
        """Bring a sandbox back to a snapshot; see ``Hosting``."""
        async with self._turn_of_sandbox(team) as sandbox:
            path = await asyncio.to_thread(_find_state, sandbox.place.path, name)
            # Until the next one is served the old one stays, without its database: calls get service_unavailable, and
            # not invalid_auth, after which clients give up.
            await self._host.discard(self._served(team))
            failure: StoreError | None = None
            try:
                await asyncio.to_thread(sandbox.place.put, path)
            except StoreError as error:  # it goes on as it was
                failure = error
            async with self._opening:
                served = await self._open(sandbox.place)
            self._host.serve(served)
            if failure is not None:
                raise failure
            return Returned(workspace=self._hosted(served), position=_mark(served))

    async def snapshot(self, team: str, name: str) -> Kept:
        """Keep the present state of a workspace; see ``Hosting``."""
        if name == SEED_NAME:
            raise Refused("name_taken", f"{SEED_NAME!r} is the state in which a workspace was made: give another name")
        async with self._turn(team) as served:
            self._refuse_database()
            taken = await asyncio.to_thread(_take, served.data, name, self._clock.seconds())
            return taken.kept

    async def snapshots(self, team: str) -> list[Kept]:
        """Return the snapshots of a workspace; see ``Hosting``."""
        async with self._turn(team) as served:
            found = await asyncio.to_thread(Snapshots, served.data)
            return [each.kept for each in found]

    async def compare(self, team: str, ends: Ends) -> Compared:
        """Return what changed between two moments of a workspace; see ``Hosting``."""
        if ends.from_snapshot is not None or ends.to_snapshot is not None:
            self._refuse_database()
        async with self._turn(team) as served:
            return await compare(served.workspace, ends, lambda name: _find_state(served.data, name))

    # -- parts ------------------------------------------------------------------------------------------------

    def _refuse_more(self) -> None:
        self._refuse_database()
        limit = self._settings.max_workspaces
        if len(self._sandboxes) + self._making >= limit:
            raise Refused(
                "too_many_workspaces",
                f"the server may have {limit} created workspaces: delete some, or raise max_workspaces",
            )

    def _refuse_database(self) -> None:
        if self._settings.database is not None:
            raise Refused(
                "not_with_database",
                "a server with --database serves one workspace in PostgreSQL, and neither creates nor keeps states of "
                "workspaces: use a server on SQLite, without --database",
            )

    async def _make(self, seed: Seed, name: str, *, ephemeral: bool) -> ServedWorkspace:
        async with self._locking:
            if self._lock is None:
                self._lock = await open_in_thread(DirectoryLock, self._folder)
        if await asyncio.to_thread(free_descriptors) < OF_WORKSPACE * AT_ONCE:
            raise Refused(
                "too_many_files",
                f"a workspace has up to {OF_WORKSPACE} open files, and the process may open too few more: delete some, "
                "or raise the limit (ulimit -n, LimitNOFILE= in a systemd unit)",
            )
        new = await asyncio.to_thread(New, seed, self._clock)
        manifest = Manifest(name, secrets.token_urlsafe(32), self._clock.seconds(), ephemeral)
        place = Place(self._folder / new.team, manifest)
        try:
            await asyncio.to_thread(place.write, new)
            served = await self._open(place)
        except BaseException:
            await asyncio.to_thread(place.remove)
            raise
        try:
            await asyncio.to_thread(place.keep)
            self._host.serve(served)
        except BaseException:
            await self._host.discard(served)
            await asyncio.to_thread(place.remove)
            raise
        self._sandboxes[new.team] = _Sandbox(place)
        return served

    async def _open(self, place: Place) -> ServedWorkspace:
        settings = replace(
            self._settings, data=place.path, control=True, control_secret=place.manifest.secret, seed=None, new=False,
            drain=0.0, durability="normal" if place.manifest.ephemeral else self._settings.durability,
        )  # fmt: skip
        return await self._host.prepare(
            place.path, _NOTHING, settings=settings, readers=self._readers, administers=False
        )

    async def _reopen(self, place: Place) -> None:
        """Serve a sandbox of an earlier run."""
        try:
            async with self._opening:
                served = await self._open(place)
        except TautwireError as error:
            self._report(place.path, str(error))
            return
        team = served.workspace.team.id
        if team != place.path.name:
            await self._host.discard(served)
            self._report(place.path, f"it has the workspace {team}, so it is a copy of another directory")
            return
        self._host.serve(served)
        self._sandboxes[team] = _Sandbox(place)

    def _report(self, path: Path, reason: str) -> None:
        """Report that a sandbox is not served."""
        text = f"not served: {reason}; mend that or remove the directory, then restart the server"
        self._health.of(str(path)).fault("store", text)

    @asynccontextmanager
    async def _turn_of_sandbox(self, team: str) -> AsyncIterator[_Sandbox]:
        """Hold a sandbox for what changes it as a whole."""
        sandbox = self._sandboxes.get(team)
        if sandbox is None:
            self._served(team)
            raise Refused(
                "not_created_here", f"{team} was not made by workspaces.create: it is not reset, restored or deleted"
            )
        async with sandbox.turn:
            if self._sandboxes.get(team) is not sandbox:
                raise _unknown(team)
            yield sandbox

    @asynccontextmanager
    async def _turn(self, team: str) -> AsyncIterator[ServedWorkspace]:
        """Hold any workspace for as long as its files are read as a whole."""
        self._served(team)
        sandbox = self._sandboxes.get(team)
        async with sandbox.turn if sandbox is not None else self._turns.setdefault(team, asyncio.Lock()):
            yield self._served(team)

    def _served(self, team: str) -> ServedWorkspace:
        served = self._host.get(team)
        if served is None:
            raise _unknown(team)
        return served

    def _hosted(self, served: ServedWorkspace) -> Hosted:
        team = served.workspace.team
        sandbox = self._sandboxes.get(team.id)
        manifest = sandbox.place.manifest if sandbox is not None else None
        return Hosted(
            id=team.id, domain=team.domain, name=manifest.name if manifest is not None else team.name,
            is_sandbox=manifest is not None, ephemeral=manifest is not None and manifest.ephemeral,
            created=manifest.created if manifest is not None else None,
            control=served.control(self._api_url),
        )  # fmt: skip

    async def _created(self, served: ServedWorkspace) -> Created:
        directory = await served.directory(self._api_url)
        hosted = self._hosted(served)
        if hosted.control is None:
            raise StoreError("the new workspace has no control API")  # its settings ask for it
        return Created(
            workspace=hosted, api_url=directory.api_url, team=directory.team, users=directory.users,
            channels=directory.channels, apps=directory.apps, control=hosted.control, position=_mark(served),
        )  # fmt: skip


def _unknown(team: str) -> NotFound:
    return NotFound("workspace_not_found", f"the server has no workspace {team[:40]!r}: workspaces.list has all")


def _mark(served: ServedWorkspace) -> str:
    return served.workspace.epochs.mark(served.workspace.tail.position)


def _take(directory: Path, name: str, now: int) -> Snapshot:
    with closing(open_file(directory / FILE)) as session:
        return Snapshots(directory).take(session, name, now, lambda copy: read_epochs(copy).mark(read_head(copy)))


def _find_state(directory: Path, name: str) -> Path:
    """Return the file of a snapshot; raise ``NotFound`` for an unknown name."""
    path = directory / SEED
    return path if name == SEED_NAME and path.exists() else Snapshots(directory).find(name)[1]
