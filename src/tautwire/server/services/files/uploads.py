"""The way of a file from its announcement to its bytes in the database. The functions are units.

``reserve`` makes an upload URL, ``begin`` takes it away again, ``add_chunk`` stores a piece, ``finish`` the last facts.
A file of which the bytes did not come whole is dropped: no reader ever sees a part of it, since readers see complete
files only. What is not complete in time is cleared away (``removal``).
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import hash_token, new_id
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files.facts import Facts
from tautwire.server.services.files.names import clean_name, clean_title, media_type, type_of
from tautwire.server.store.queries.files import (
    CHUNK,
    FileRecord,
    State,
    add_file,
    find_file,
    find_unfinished,
    measure_files,
    set_description,
    set_found,
    set_size,
    set_state,
)

LIFETIME: Final = 3_600
"""Seconds in which an upload has to be complete. Source: wire/files.md#upload-in-three-steps (recommended)."""
MAX_UNFINISHED: Final = 100
"""Files of one user that may be incomplete at a time; the oldest makes room for another."""
SNIPPET: Final = "snippet"
HOSTED: Final = "hosted"


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be stored, in bytes."""

    file: int
    total: int


@dataclass(frozen=True, slots=True)
class Announced:
    """What an uploader says of a file before its bytes come."""

    name: str
    size: int
    title: str = ""
    alt_text: str = ""
    filetype: str = ""
    is_snippet: bool = False


class Reserved(msgspec.Struct, frozen=True):
    """A file that waits for its bytes."""

    id: str
    secret: str
    due: int

    def __repr__(self) -> str:
        return f"Reserved({self.id}, due={self.due})"


def reserve(tx: Transaction, user: str, announced: Announced, room: Room) -> Reserved:
    """Store a file that waits for its bytes; its bytes do not count until they come.

    Raises:
        MethodError: file_upload_size_restricted, storage_limit_reached.
    """
    if announced.size > room.file:
        raise MethodError("file_upload_size_restricted")
    if measure_files(tx) + announced.size > room.total:
        raise MethodError("storage_limit_reached")
    now = tx.now // 1_000_000
    unfinished = find_unfinished(tx, user)
    for file in unfinished[: max(0, len(unfinished) + 1 - MAX_UNFINISHED)]:
        drop(tx, file)
    name = clean_name(announced.name)
    filetype = type_of(name, b"", announced.filetype)
    reserved = Reserved(new_id("F"), secrets.token_urlsafe(24), now + LIFETIME)
    add_file(
        tx,
        FileRecord(
            id=reserved.id, user_id=user, state=State.OPEN, due=reserved.due, secret=hash_token(reserved.secret),
            size=announced.size, created=now, name=name, title=clean_title(announced.title, name),
            mode=SNIPPET if announced.is_snippet else HOSTED, filetype=announced.filetype,
            mimetype=media_type(filetype), alt_text=announced.alt_text, facts=b"{}", public=None,
        ),
    )  # fmt: skip
    return reserved


def begin(tx: Transaction, file: str, secret: str, room: Room) -> FileRecord | None:
    """Take the upload URL of a file away, since its bytes begin to come.

    Return the file; None if the secret is not the one of its URL, or was used, or its time is over.

    Raises:
        MethodError: storage_limit_reached.
    """
    record = find_file(tx, file)
    known = record.secret if record is not None and record.secret is not None else b""
    if not hmac.compare_digest(known, hash_token(secret)) or record is None or record.state is not State.OPEN:
        return None
    if record.due is not None and record.due <= tx.now // 1_000_000:
        return None
    if measure_files(tx) + record.size > room.total:
        raise MethodError("storage_limit_reached")
    set_state(tx, file, State.ARRIVING, record.due)
    return record


def add_chunk(tx: Transaction, file: str, number: int, data: bytes) -> None:
    """Store a piece of a file.

    Raises:
        MethodError: file_not_found, if it does not arrive any more.
    """
    record = find_file(tx, file)
    if record is None or record.state is not State.ARRIVING:
        raise MethodError("file_not_found")
    tx.insert(CHUNK, (file, number, data))


def finish(tx: Transaction, file: str, size: int, filetype: str, facts: Facts) -> None:
    """Store that all bytes of a file are there.

    Raises:
        MethodError: file_not_found, if it does not arrive any more.
    """
    record = find_file(tx, file)
    if record is None or record.state is not State.ARRIVING:
        raise MethodError("file_not_found")
    set_found(tx, file, size=size, filetype=filetype, mimetype=media_type(filetype), facts=msgspec.json.encode(facts))
    set_state(tx, file, State.STORED, record.due)


def describe(tx: Transaction, file: str, *, name: str, title: str, filetype: str) -> None:
    """Replace what an uploader says of a file that is not complete; empty values leave it as it is."""
    record = find_file(tx, file)
    if record is None or record.state is not State.STORED:
        raise MethodError("file_not_found")
    new_name = clean_name(name) if name else record.name
    new_type = type_of(new_name, b"", filetype) if filetype else record.filetype
    set_description(
        tx, file, name=new_name, title=clean_title(title, new_name), filetype=new_type, mimetype=media_type(new_type)
    )


def drop(tx: Transaction, file: str) -> None:
    """Give a file up that is not complete; no effect on one that is."""
    record = find_file(tx, file)
    if record is not None and record.state in (State.OPEN, State.ARRIVING, State.STORED):
        if record.state is State.OPEN:
            set_size(tx, file, 0)  # no bytes of it have come
        set_state(tx, file, State.DROPPED, tx.now // 1_000_000)
