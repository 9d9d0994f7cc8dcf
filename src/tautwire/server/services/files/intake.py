"""The bytes of files as they come: collected to pieces, each stored by a unit of its own, never more in memory.

A piece is a change like a post, and waits in the same line. Only one piece of a workspace is in the writer at a time,
so a post waits for one piece at most, however many files arrive. Figures: docs/adr/0022-files.md.
"""

import asyncio
import shutil
from functools import partial
from pathlib import Path
from typing import Final

from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.services.due import Due
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files import uploads
from tautwire.server.services.files.facts import HEAD, find_facts
from tautwire.server.services.files.names import type_of
from tautwire.server.services.files.uploads import SNIPPET, Announced, Reserved, Room
from tautwire.server.store.queries.files import FileRecord

CHUNK: Final = 262_144
"""Bytes of a piece."""
MAX_ARRIVING: Final = 64
"""Files that may arrive at a time: each holds a piece in memory."""
FREE: Final = 64 * 1_048_576
"""Bytes of the disk that files leave free, for messages: twice what ``server.watch`` reports as nearly full."""


class BusyError(Exception):
    """So many files arrive that another one has to wait."""


class WrongSizeError(Exception):
    """A file has not the number of bytes that was announced."""


class Files:
    """What the files of a workspace share.

    Args:
        removals: clears away what did not come whole.
        disk: the directory on whose disk the database is; None if it is elsewhere.
    """

    def __init__(self, writer: Writer, removals: Due, room: Room, disk: Path | None) -> None:
        self.writer = writer
        self.removals = removals
        self.room = room
        self.arriving = 0
        self.turn = asyncio.Lock()
        self._disk = disk

    async def reserve(self, user: str, announced: Announced) -> Reserved:
        """Reserve a file; raise ``MethodError`` as ``uploads.reserve`` does."""

        def reserve(tx: Transaction) -> Reserved:
            reserved = uploads.reserve(tx, user, announced, self.room)
            self.check_disk(announced.size)
            return reserved

        reserved = await self.writer.write(reserve)
        self.removals.expect(reserved.due)
        return reserved

    async def begin(self, file: str, secret: str) -> "Intake | None":
        """Return the intake of a file whose bytes begin to come; None if the secret does not fit.

        Raises:
            MethodError: storage_limit_reached.
            BusyError: too many files arrive.
        """
        if self.arriving >= MAX_ARRIVING:
            raise BusyError
        self.arriving += 1
        record = None
        try:
            record = await self.writer.write(partial(uploads.begin, file=file, secret=secret, room=self.room))
        finally:
            if record is None:
                self.arriving -= 1
        return None if record is None else Intake(self, record)

    async def receive(self, user: str, announced: Announced) -> "Intake":
        """Reserve a file whose bytes come in the same request.

        Raises:
            MethodError: as ``reserve`` does.
            BusyError: too many files arrive.
        """
        reserved = await self.reserve(user, announced)
        intake = await self.begin(reserved.id, reserved.secret)
        if intake is None:
            raise MethodError("file_not_found")
        return intake

    def drop(self, file: str) -> None:
        """Give up a file that is not complete.

        It is posted and not awaited, since the caller may be cancelled. What is lost in a crash is cleared away when it
        is due.
        """
        if self.writer.accepts:
            self.writer.post(partial(uploads.drop, file=file), lambda result, error: self.removals.expect(0))

    def check_disk(self, size: int) -> None:
        """Raise ``MethodError`` (storage_limit_reached) if bytes would leave too little of the disk free.

        Called in the writer's thread: a disk that hangs must not hold up the loop.
        """
        if self._disk is not None and shutil.disk_usage(self._disk).free < size + FREE:
            raise MethodError("storage_limit_reached")


class Intake:
    """Takes the bytes of one file. Use it as an asynchronous context manager, at once: without ``end`` the file is
    dropped."""

    def __init__(self, files: Files, record: FileRecord) -> None:
        self.id = record.id
        self.size = record.size
        """Bytes that were announced."""
        self._files = files
        self._record = record
        self._pending = bytearray()
        self._count = 0
        self._size = 0
        self._lines = 0
        self._last = b""
        self._head = bytearray()
        self._is_done = False

    async def __aenter__(self) -> "Intake":
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._files.arriving -= 1
        if not self._is_done:
            self._files.drop(self.id)

    @property
    def is_over(self) -> bool:
        """Whether more bytes have come than were announced."""
        return self._size > self.size

    async def feed(self, data: bytes) -> None:
        """Take bytes.

        Raises:
            WrongSizeError: more have come than were announced.
            MethodError: file_not_found, storage_limit_reached.
            StoreError: they cannot be stored.
        """
        self._size += len(data)
        if self.is_over:
            raise WrongSizeError
        if len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
        self._lines += data.count(b"\n")
        self._last = data[-1:] or self._last
        self._pending += data
        while len(self._pending) >= CHUNK:
            piece = bytes(self._pending[:CHUNK])
            del self._pending[:CHUNK]
            await self._store(piece)

    async def end(self, *, is_exact: bool = True) -> str:
        """Store that this is all; return the id of the file.

        Args:
            is_exact: whether the announced size has to be met.

        Raises:
            WrongSizeError: fewer bytes have come than were announced, or none.
        """
        if self._size == 0 or (is_exact and self._size != self.size):
            raise WrongSizeError
        if self._pending:
            await self._store(bytes(self._pending))
            self._pending.clear()
        head = bytes(self._head)
        filetype = type_of(self._record.name, head, self._record.filetype)
        lines = self._lines + (self._last != b"\n")
        facts = find_facts(filetype, head, is_snippet=self._record.mode == SNIPPET, lines=lines)
        await self._files.writer.write(
            partial(uploads.finish, file=self.id, size=self._size, filetype=filetype, facts=facts)
        )
        self._is_done = True
        return self.id

    async def _store(self, piece: bytes) -> None:
        def add(tx: Transaction) -> None:
            self._files.check_disk(len(piece))
            uploads.add_chunk(tx, self.id, self._count, piece)

        async with self._files.turn:
            await self._files.writer.write(add)
        self._count += 1
