"""The files of a sandbox: a directory with the id of its team, in ``sandboxes`` of the data directory.

======================  ===============================================================================
``tautwire.db``         its database
``seed.db``             the database as it was made, for a reset
``tokens.json``         the tokens of its seed
``snapshots``           the states that are kept, see ``snapshots``
``sandbox.json``        its name and its secret; written last and removed first
======================  ===============================================================================

A directory without ``sandbox.json`` is what an interrupted creation or deletion left, or a sandbox that is not kept.
The next start removes it. No name that a caller gives is ever part of a path.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from tautwire.server.directory import TokenFile
from tautwire.server.private_file import replace_private
from tautwire.server.sandboxes.making import New
from tautwire.server.store.engine import StoreError
from tautwire.server.store.sqlite import FILE

FOLDER: Final = "sandboxes"
MANIFEST: Final = "sandbox.json"
SEED: Final = "seed.db"


class Manifest(msgspec.Struct, frozen=True):
    """What is known of a sandbox beside its database."""

    name: str
    secret: str
    """Of its control API, also after a restart of the server."""
    created: int
    """Seconds since 1970."""
    ephemeral: bool = False
    """Whether it ends with the server, and its commits are not flushed to disk."""


class Place:
    """The directory of one sandbox."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    def write(self, new: New) -> None:
        """Make the files of a new workspace, without the manifest.

        Raises:
            StoreError: they cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700)
            for name in (SEED, FILE):
                _write(self.path / name, new.image, flushed=not self.manifest.ephemeral)
            TokenFile(self.path).add(new.tokens)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def keep(self) -> None:
        """Write the manifest: from now on a start of the server opens the sandbox.

        Raises:
            StoreError: it cannot be written.
        """
        if self.manifest.ephemeral:
            return
        try:
            replace_private(self.path / MANIFEST, msgspec.json.encode(self.manifest) + b"\n")
            for directory in (self.path, self.path.parent):
                _flush(directory)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def forget(self) -> None:
        """Remove the manifest: from now on no start of the server opens the sandbox.

        Raises:
            StoreError: it cannot be removed.
        """
        try:
            (self.path / MANIFEST).unlink(missing_ok=True)
            if not self.manifest.ephemeral:
                _flush(self.path)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be removed: {error.strerror or error}") from error

    def remove(self) -> None:
        """Remove the directory; what cannot be removed stays for the next start."""
        shutil.rmtree(self.path, ignore_errors=True)

    def put(self, source: Path) -> None:
        """Put a copy of another database in the place of the present one, which is closed.

        Raises:
            StoreError: it cannot be read or written; the present one stays.
        """
        new = self.path / "next.db"
        try:
            _write(new, source.read_bytes(), flushed=not self.manifest.ephemeral)
            # Of a database that was closed nothing is left here; what a broken one left belongs to no other.
            for suffix in ("-wal", "-shm"):
                (self.path / f"{FILE}{suffix}").unlink(missing_ok=True)
            new.replace(self.path / FILE)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise StoreError(f"{self.path} cannot be written: {error.strerror or error}") from error


def find_places(folder: Path) -> tuple[list[Place], dict[Path, str]]:
    """Find the sandboxes that are kept in a folder, and remove what is left of others.

    Returns:
        The sandboxes, the oldest first, and the directories whose manifest cannot be read, with the reasons.
    """
    found: list[Place] = []
    damaged: dict[Path, str] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            try:
                manifest = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
            except FileNotFoundError:
                shutil.rmtree(path, ignore_errors=True)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                damaged[path] = f"{MANIFEST} cannot be read: {error}"
            else:
                found.append(Place(path, manifest))
    return sorted(found, key=lambda place: (place.manifest.created, place.path)), damaged


def _write(path: Path, data: bytes, *, flushed: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if flushed:
            file.flush()
            os.fsync(descriptor)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
