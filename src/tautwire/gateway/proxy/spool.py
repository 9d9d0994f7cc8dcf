"""The bytes of files that bots send, on disk until the upstream has them.

The upstream wants the size of a file before its bytes, and a multipart body does not say it. So the bytes wait
in files of the data directory, which only the owner can read, and never in memory. They are gone when the call is over;
what a crash has left is deleted at the next start.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Final, Self

from tautwire.server.services.errors import MethodError
from tautwire.server.services.files.intake import FREE, BusyError, WrongSizeError
from tautwire.server.web_api.file_bodies import MARGIN
from tautwire.server.web_api.method import Caller

MAX_SPOOLED: Final = 1_073_741_824
"""Bytes of all files that wait."""
MAX_ARRIVING: Final = 32
"""Files at a time."""
PIECE: Final = 262_144
"""Bytes that are collected in memory before they are written."""


class Spool:
    """Keeps files for the time of a call.

    Args:
        directory: where; it is emptied.
        largest: bytes of a file.
    """

    def __init__(self, directory: Path, largest: int) -> None:
        self._directory = directory
        self._largest = largest
        self._files = 0
        self.size = 0
        """Bytes of all files."""

    def prepare(self) -> None:
        """Make the directory, and delete what a crash has left."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in self._directory.iterdir():
            each.unlink()

    async def open(self, _: Caller, __: str, size: int) -> "SpooledFile":
        """Return a file that takes bytes; see ``server.web_api.file_bodies.OpenSink``.

        Raises:
            MethodError: it would be too large.
            BusyError: there are too many.
        """
        if size > self._largest + MARGIN:
            raise MethodError("file_upload_size_restricted")
        if self._files >= MAX_ARRIVING:
            raise BusyError
        return SpooledFile(self, self._directory, self._largest)

    def add(self, size: int) -> None:
        """Count bytes; raise ``BusyError`` if all files together are too large."""
        if self.size + size > MAX_SPOOLED:
            raise BusyError
        self.size += size

    def remove(self, size: int) -> None:
        """Stop counting bytes."""
        self.size -= size

    def enter(self, change: int) -> None:
        """Count a file, or stop counting it."""
        self._files += change


class SpooledFile:
    """A file that waits. Use it as an asynchronous context manager: it is deleted at the end."""

    def __init__(self, spool: Spool, directory: Path, size: int) -> None:
        self.size = size
        """Bytes that may come."""
        self._spool = spool
        self._directory = directory
        self._pending = bytearray()
        self._count = 0
        self._is_counted = 0
        self._path = Path()

    async def __aenter__(self) -> Self:
        self._spool.enter(1)
        try:
            self._path = await asyncio.to_thread(self._make)
        except BaseException:
            self._spool.enter(-1)
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._spool.enter(-1)
        self._spool.remove(self._is_counted)
        await asyncio.to_thread(self._path.unlink, missing_ok=True)

    @property
    def is_over(self) -> bool:
        """Whether more bytes have come than may."""
        return self._count > self.size

    async def feed(self, data: bytes) -> None:
        """Take bytes.

        Raises:
            WrongSizeError: they are more than a file may have.
            BusyError: all files together are too large.
            MethodError: the disk is nearly full (storage_limit_reached).
        """
        self._count += len(data)
        if self.is_over:
            raise WrongSizeError
        self._spool.add(len(data))
        self._is_counted += len(data)
        self._pending += data
        if len(self._pending) >= PIECE:
            await self._write()

    async def end(self, *, is_exact: bool = True) -> str:
        """Write what is left; return the path. Without bytes: ``WrongSizeError``."""
        if not self._count or (is_exact and self._count != self.size):
            raise WrongSizeError
        await self._write()
        return str(self._path)

    async def _write(self) -> None:
        data, self._pending = bytes(self._pending), bytearray()
        await asyncio.to_thread(self._append, data)

    def _make(self) -> Path:
        handle, name = tempfile.mkstemp(dir=self._directory)
        open(handle, "wb").close()  # noqa: PTH123 - the handle is open already
        return Path(name)

    def _append(self, data: bytes) -> None:
        if shutil.disk_usage(self._directory).free < len(data) + FREE:
            raise MethodError("storage_limit_reached")
        with self._path.open("ab") as file:
            file.write(data)
