"""The snapshots of one workspace: copies of its database, each with a name, in a folder beside it.

The files are named by the server; ``snapshots.json`` has the names that callers gave.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from tautwire.server.private_file import replace_private
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.hosting import Kept
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.migrations import NEWEST
from tautwire.server.store.sqlite import SqliteReadSession, copy_file, open_file

FOLDER: Final = "snapshots"
_LIST: Final = "snapshots.json"

MAX_SNAPSHOTS: Final = 50
MAX_BYTES: Final = 1024 * 1024 * 1024
"""What the snapshots of one workspace may take of the disk."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A state that is kept."""

    name: str
    position: str
    """The place in the log at which it was taken."""
    created: int
    """Seconds since 1970."""
    size: int
    """Bytes."""
    file: str

    @property
    def kept(self) -> Kept:
        """What callers see of it."""
        return Kept(name=self.name, position=self.position, created=self.created, size=self.size)


class Snapshots:
    """The snapshots in the directory of a workspace. One thread at a time uses it.

    Raises:
        StoreError: the list of snapshots cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER
        try:
            data = (self._folder / _LIST).read_bytes()
            self._all = {each.name: each for each in msgspec.json.decode(data, type=list[Snapshot])}
        except FileNotFoundError:
            self._all = {}
        except (OSError, msgspec.MsgspecError) as error:
            raise StoreError(f"{self._folder / _LIST} cannot be read: {error}; remove it with the folder") from error

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(list(self._all.values()))

    def find(self, name: str) -> tuple[Snapshot, Path]:
        """Return a snapshot and its file.

        Raises:
            NotFound: there is no snapshot of this name.
        """
        found = self._all.get(name)
        if found is None:
            known = ", ".join(repr(each) for each in sorted(self._all)[:10]) or "none"
            raise NotFound("snapshot_not_found", f"the workspace has no snapshot {name[:80]!r}; it has {known}")
        return found, self._folder / found.file

    def take(self, session: SqliteReadSession, name: str, created: int, mark: Callable[[Query], str]) -> Snapshot:
        """Copy the database; a snapshot of the same name is replaced.

        Args:
            mark: returns the place in the log of a state.

        Raises:
            Refused: there are as many as there may be, or they take as much room.
            StoreError: the copy cannot be made.
        """
        others = [each for each in self._all.values() if each.name != name]
        if len(others) >= MAX_SNAPSHOTS:
            raise Refused(
                "too_many_snapshots",
                f"a workspace may have at most {MAX_SNAPSHOTS} snapshots: take one under the name of an old one",
            )
        used = sum(each.size for each in others)
        size = session.size
        if used + size > MAX_BYTES:
            raise Refused(
                "snapshots_too_large",
                f"the snapshots of a workspace may take at most {MAX_BYTES} bytes, the others take {used} and this one "
                f"{size}: take it under the name of an old one",
            )
        file = f"{secrets.token_hex(8)}.db"
        path = self._folder / file
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            copy_file(session, path)
            path.chmod(0o600)
            with closing(open_file(path, is_immutable=True)) as copy:
                taken = Snapshot(name=name, position=mark(copy), created=created, size=path.stat().st_size, file=file)
            before = self._all.pop(name, None)
            self._all[name] = taken
            self._store()
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if before is not None:
            (self._folder / before.file).unlink(missing_ok=True)
        return taken

    def _store(self) -> None:
        replace_private(self._folder / _LIST, msgspec.json.encode(list(self._all.values())) + b"\n")


def open_state(path: Path) -> SqliteReadSession:
    """Open the file of a state that does not change.

    Raises:
        Refused: an older tautwire wrote it.
        StoreError: it cannot be read.
    """
    session = open_file(path, is_immutable=True)
    try:
        version = session.version
    except BaseException:
        session.close()
        raise
    if version != NEWEST:
        session.close()
        raise Refused(
            "older_snapshot",
            "an older tautwire took the snapshot: restore it, and take it again",
        )
    return session
