"""The data directory, used by one server at a time: it has the database of SQLite, tokens and sockets."""

import fcntl
import logging
import os
from pathlib import Path

from tautwire.server.store.engine import StoreError

log = logging.getLogger("tautwire.server.store")


class DirectoryLock:
    """Makes the directory if it is missing, and holds it until ``close``.

    Raises:
        StoreError: it cannot be used, or another server uses it.
    """

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._locks = _lock(directory)
        except OSError as error:
            raise StoreError(
                f"the data directory {directory} cannot be used: {error.strerror or error}; choose another with --data"
            ) from error
        if directory.stat().st_mode & 0o077:
            log.warning("other users of this machine can read %s: set its mode with chmod 700", directory)

    def close(self) -> None:
        """Unlock the directory; no effect the second time."""
        locks, self._locks = self._locks, ()
        for descriptor in locks:
            os.close(descriptor)


def _lock(directory: Path) -> tuple[int, ...]:
    """Lock the file ``lock`` and the directory itself: the file may be deleted while a server runs."""
    locks = [os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)]
    try:
        locks.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for descriptor in locks:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        for descriptor in locks:
            os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise
        raise StoreError(
            f"another server uses {directory}: stop it, or give this one a directory of its own with --data"
        ) from error
    return tuple(locks)
