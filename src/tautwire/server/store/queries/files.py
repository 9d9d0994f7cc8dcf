"""The tables ``file``, ``file_share`` and ``file_chunk``: files, the messages that share them, and their bytes.

``file_chunk`` has the bytes in pieces of one size, numbered from 0; the last piece may be shorter.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from tautwire.server.store.engine import Insert, Query, Row
from tautwire.server.store.records import ChannelKind
from tautwire.server.store.statements import Statements, marks


class State(StrEnum):
    """How far a file has come."""

    OPEN = "open"
    """It has an upload URL, and no bytes."""
    ARRIVING = "arriving"
    """Its bytes arrive; the upload URL is used."""
    STORED = "stored"
    """It has all its bytes, and its uploader has not completed it."""
    COMPLETE = "complete"
    """Users see it."""
    DROPPED = "dropped"
    """It was never completed; its chunks and then its row are cleared away."""
    DELETED = "deleted"
    """It is deleted; its chunks are cleared away, and its row stays."""


class FileRecord(msgspec.Struct, frozen=True, gc=False):
    """A file. Times are in seconds."""

    id: str
    user_id: str
    """Who uploads it."""
    state: State
    due: int | None
    """When it is cleared away, None if it stays."""
    secret: bytes | None
    """The hash of the secret in its upload URL, until that is used."""
    size: int
    """Bytes: as announced, then as stored."""
    created: int
    name: str
    title: str
    mode: str
    filetype: str
    mimetype: str
    alt_text: str
    facts: bytes
    """JSON: what was found in the bytes."""
    public: str | None
    """The secret in its public URL, None without one."""

    def __repr__(self) -> str:
        return f"FileRecord({self.id}, {self.state}, {self.size} bytes)"


class Share(NamedTuple):
    """A message that shares a file."""

    file_id: str
    channel: str
    ts: str


class Wanted(NamedTuple):
    """Which files a list has. Times are in seconds; empty values limit nothing."""

    uploader: str = ""
    channel: str = ""
    low: int = 0
    high: int = 0
    kinds: Sequence[str] = ()


KINDS: Final = {
    "snippets": "f.mode = 'snippet'",
    "images": "f.mimetype LIKE 'image/%'",
    "zips": "f.filetype = 'zip'",
    "pdfs": "f.filetype = 'pdf'",
    "spaces": "f.mode = 'space'",
    "gdocs": "f.mode = 'external'",
}
"""The kinds of files that files.list knows, with their conditions; this server makes no file of the last two kinds."""

CHUNK: Final = Insert("file_chunk", ("file_id", "number", "data"))
SHARE: Final = Insert("file_share", Share._fields)

_COLUMNS: Final = FileRecord.__struct_fields__
_FILE: Final = f"SELECT {', '.join(_COLUMNS)} FROM file"
_VISIBLE: Final = (
    "(f.user_id = ? OR EXISTS (SELECT 1 FROM file_share s JOIN membership m ON m.channel = s.channel AND m.user_id = ?"
    " WHERE s.file_id = f.id){public})"
)
_PUBLIC: Final = (
    " OR EXISTS (SELECT 1 FROM file_share s JOIN channel c ON c.id = s.channel WHERE s.file_id = f.id"
    f" AND c.kind = '{ChannelKind.PUBLIC}')"
)


def find_file(query: Query, file: str) -> FileRecord | None:
    """Return the file with this id, whatever its state."""
    row = query.one(f"{_FILE} WHERE id = ?", file)
    return _record(row) if row is not None else None


def find_visible(query: Query, file: str, user: str, *, sees_public: bool) -> FileRecord | None:
    """Return a complete file that a user has uploaded, or that is shared where the user may read.

    Args:
        sees_public: whether the user may read public channels without being a member.
    """
    row = query.one(
        f"SELECT {', '.join(_COLUMNS)} FROM file f WHERE f.id = ? AND f.state = ? AND {_visible(sees_public)}",
        file, State.COMPLETE, user, user,
    )  # fmt: skip
    return _record(row) if row is not None else None


def list_files(
    query: Query, user: str, wanted: Wanted, *, sees_public: bool, skip: int, count: int
) -> tuple[list[FileRecord], int]:
    """Return ``count`` of the complete files that a user may see, the newest first, and the number of all of them."""
    conditions, values = ["f.state = ?", _visible(sees_public)], [State.COMPLETE, user, user]
    for condition, value in (
        ("f.user_id = ?", wanted.uploader),
        ("EXISTS (SELECT 1 FROM file_share s WHERE s.file_id = f.id AND s.channel = ?)", wanted.channel),
        ("f.created >= ?", wanted.low),
        ("f.created <= ?", wanted.high),
    ):
        if value:
            conditions.append(condition)
            values.append(value)  # type: ignore[arg-type]
    if wanted.kinds:
        conditions.append(f"({' OR '.join(KINDS[kind] for kind in wanted.kinds)})")
    where = " AND ".join(conditions)
    rows = query.all(
        f"SELECT {', '.join(_COLUMNS)} FROM file f WHERE {where} ORDER BY f.created DESC, f.id DESC LIMIT ? OFFSET ?",
        *values, count, skip,
    )  # fmt: skip
    total = query.one(f"SELECT count(*) FROM file f WHERE {where}", *values)
    return [_record(row) for row in rows], total[0] if total is not None else 0


def find_shares(query: Query, files: Sequence[str]) -> list[Share]:
    """Return the messages that share the files, the oldest first."""
    rows = query.all(
        f"SELECT file_id, channel, ts FROM file_share WHERE file_id IN ({marks(files)}) ORDER BY ts, channel", *files
    )
    return [Share(*row) for row in rows]


def find_shared(query: Query, channel: str, ts: str) -> list[str]:
    """Return the ids of the files that a message shares."""
    rows = query.all("SELECT file_id FROM file_share WHERE channel = ? AND ts = ? ORDER BY file_id", channel, ts)
    return [row[0] for row in rows]


def find_chunk(query: Query, file: str, number: int) -> bytes | None:
    """Return a piece of the bytes of a complete file."""
    row = query.one(
        "SELECT c.data FROM file_chunk c JOIN file f ON f.id = c.file_id"
        " WHERE c.file_id = ? AND c.number = ? AND f.state = ?",
        file, number, State.COMPLETE,
    )  # fmt: skip
    return bytes(row[0]) if row is not None else None


def measure_files(query: Query) -> int:
    """Return the bytes of all files together, those included that arrive or are not cleared away yet."""
    row = query.one("SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM file WHERE state <> ?", State.OPEN)
    return row[0] if row is not None else 0


def find_unfinished(query: Query, user: str) -> list[str]:
    """Return the ids of the files of a user that are not complete, the oldest first."""
    rows = query.all(
        "SELECT id FROM file WHERE user_id = ? AND state IN (?, ?, ?) ORDER BY created, id",
        user, State.OPEN, State.ARRIVING, State.STORED,
    )  # fmt: skip
    return [row[0] for row in rows]


def find_due(query: Query, now: int) -> str | None:
    """Return the id of a file that has to be cleared away."""
    row = query.one("SELECT id FROM file WHERE due <= ? ORDER BY due, id LIMIT 1", now)
    return row[0] if row is not None else None


def find_next_due(query: Query) -> int | None:
    """Return when the next file has to be cleared away, None if all stay."""
    row = query.one("SELECT min(due) FROM file WHERE due IS NOT NULL")
    return row[0] if row is not None else None


def add_file(tx: Statements, file: FileRecord) -> None:
    """Store a new file."""
    values = [getattr(file, column) for column in _COLUMNS]
    tx.execute(f"INSERT INTO file ({', '.join(_COLUMNS)}) VALUES ({marks(values)})", *values)


def set_state(tx: Statements, file: str, state: State, due: int | None) -> None:
    """Store how far a file has come; its upload URL is used from then on."""
    tx.execute("UPDATE file SET state = ?, due = ?, secret = NULL WHERE id = ?", state, due, file)


def set_found(tx: Statements, file: str, *, size: int, filetype: str, mimetype: str, facts: bytes) -> None:
    """Store what the bytes of a file turned out to be."""
    tx.execute(
        "UPDATE file SET size = ?, filetype = ?, mimetype = ?, facts = ? WHERE id = ?",
        size, filetype, mimetype, facts, file,
    )  # fmt: skip


def set_description(tx: Statements, file: str, *, name: str, title: str, filetype: str, mimetype: str) -> None:
    """Store what a file is called and what it is."""
    tx.execute(
        "UPDATE file SET name = ?, title = ?, filetype = ?, mimetype = ? WHERE id = ?",
        name, title, filetype, mimetype, file,
    )  # fmt: skip


def set_size(tx: Statements, file: str, size: int) -> None:
    """Store the number of bytes of a file."""
    tx.execute("UPDATE file SET size = ? WHERE id = ?", size, file)


def set_title(tx: Statements, file: str, title: str) -> None:
    """Store the title of a file."""
    tx.execute("UPDATE file SET title = ? WHERE id = ?", title, file)


def set_public(tx: Statements, file: str, secret: str | None) -> None:
    """Store the secret of the public URL of a file, or that it has none."""
    tx.execute("UPDATE file SET public = ? WHERE id = ?", secret, file)


def delete_shares(tx: Statements, file: str) -> None:
    """Delete where a file is shared."""
    tx.execute("DELETE FROM file_share WHERE file_id = ?", file)


def delete_share(tx: Statements, share: Share) -> None:
    """Delete one place where a file is shared."""
    tx.execute("DELETE FROM file_share WHERE file_id = ? AND channel = ? AND ts = ?", *share)


def delete_chunks(tx: Statements, file: str, count: int) -> int:
    """Delete at most ``count`` pieces of a file, the last ones; return how many."""
    return tx.execute(
        "DELETE FROM file_chunk WHERE file_id = ? AND number IN"
        " (SELECT number FROM file_chunk WHERE file_id = ? ORDER BY number DESC LIMIT ?)",
        file, file, count,
    )  # fmt: skip


def delete_file(tx: Statements, file: str) -> None:
    """Delete the row of a file that has no pieces."""
    tx.execute("DELETE FROM file WHERE id = ?", file)


def _visible(sees_public: bool) -> str:
    return _VISIBLE.format(public=_PUBLIC if sees_public else "")


def _record(row: Row) -> FileRecord:
    return msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), FileRecord)
