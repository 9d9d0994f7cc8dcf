"""The file of a backup: a SQLite database with the tables of a workspace and a manifest, whatever database it is from.

The table ``backup_manifest`` has one row with one JSON object, ``Manifest``: what the file holds, and a checksum for
each table. The schema is that of the database at the time; a restore brings it to the present.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Final

import msgspec

from tautwire.server.store.engine import Query, Session, StatementError, StoreError
from tautwire.server.store.migrations import NEWEST
from tautwire.server.store.queries.log import find_epochs
from tautwire.server.store.queries.workspace import read_head
from tautwire.server.store.sqlite import SqliteReadSession, create_file, open_file
from tautwire.server.store.tables import Digest, Table, pages, tables_of

FORMAT: Final = 1
"""The version of what this page says: it changes if an older tautwire could not read the file."""

MAGIC: Final = 0x7461_7574
"""The application id in the head of the file: "taut"."""

_HEAD: Final = b"SQLite format 3\0"
_MAGIC_PLACE: Final = slice(68, 72)
"""Where a SQLite file has its application id.
Source: https://www.sqlite.org/fileformat2.html, "The Database Header"."""


class NewerError(StoreError):
    """A newer tautwire wrote the backup."""


class TableFacts(msgspec.Struct, frozen=True):
    """What a table holds."""

    rows: int
    checksum: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds."""

    format: int
    tautwire: str
    """The version that wrote it."""
    schema: int
    created: int
    """Seconds since 1970."""
    team: str
    """The id of the workspace."""
    name: str
    head: int
    """The position of the newest log entry."""
    epoch: str
    """The epoch of the log at that time; empty if no server has ever run."""
    tables: Mapping[str, TableFacts]


class _Envelope(msgspec.Struct):
    format: int
    schema: int = 0


def is_backup(path: Path) -> bool:
    """Whether a file says of itself that it is a backup."""
    with path.open("rb") as file:
        head = file.read(100)
    return head.startswith(_HEAD) and head[_MAGIC_PLACE] == MAGIC.to_bytes(4)


def find_team(query: Query, schema: int) -> dict[str, Any] | None:
    """Return the row of the workspace from a database of any version, None without one."""
    for table in tables_of(schema):
        if table.name == "workspace":
            for page in pages(query, table):
                return dict(zip(table.columns, page[0], strict=True))
    return None


def write_file(path: Path, source: Query, team: Mapping[str, Any], schema: int) -> Manifest:
    """Write the tables of a workspace into an empty file, page by page.

    Args:
        source: sees one state of the database.
        team: the row of the workspace, of ``find_team``.
        schema: the version of its schema.

    Raises:
        StoreError: the source cannot be read, or the file cannot be written.
    """
    epochs = find_epochs(source) if any(table.name == "epoch" for table in tables_of(schema)) else ()
    with closing(create_file(path, schema)) as session:
        session.begin()
        facts = {}
        for table in tables_of(schema):
            facts[table.name] = copy_table(source, session, table)
        manifest = Manifest(
            format=FORMAT, tautwire=version_of("tautwire"), schema=schema, created=int(time.time()),
            team=team["id"], name=team["name"], head=team["head"],
            epoch=epochs[-1]["id"] if epochs else "", tables=facts,
        )  # fmt: skip
        session.run("CREATE TABLE backup_manifest (manifest BLOB NOT NULL)")
        session.run("INSERT INTO backup_manifest (manifest) VALUES (?)", msgspec.json.encode(manifest))
        session.run(f"PRAGMA application_id = {MAGIC}")
        session.commit()
    return manifest


def copy_table(source: Query, target: Session, table: Table) -> TableFacts:
    """Copy all rows of a table; return what was read.

    Raises:
        StoreError: a row cannot be stored, since it contradicts others or the schema, or a database cannot be used.
    """
    digest = Digest()
    try:
        for page in pages(source, table):
            digest.add(page)
            target.insert(table.insert, page)
            target.one("SELECT 1")  # what is queued for the database is sent, and its errors come here
    except StatementError as error:
        raise StoreError(f"table {table.name} cannot be copied ({error}): look with tautwire db check") from error
    return TableFacts(digest.rows, digest.checksum)


def open_backup(path: Path) -> tuple[SqliteReadSession, Manifest]:
    """Open a backup and check all of it.

    Raises:
        StoreError: it is not a backup, it is damaged, or a newer tautwire wrote it.
    """
    try:
        if not is_backup(path):
            raise StoreError(f"{path} is not a backup of tautwire: give a file that tautwire backup has written")
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None
    session = open_file(path, is_immutable=True)
    try:
        return session, _verify(session, path)
    except BaseException:
        session.close()
        raise


def _verify(session: SqliteReadSession, path: Path) -> Manifest:
    try:
        manifest = _read_manifest(session, path)
        found = _find_damage(session, manifest)
    except NewerError:
        raise
    except (StoreError, StatementError, msgspec.MsgspecError) as error:
        found = str(error)
    if found is not None:
        raise StoreError(f"{path} is damaged ({found}): take another backup")
    return manifest


def _read_manifest(session: SqliteReadSession, path: Path) -> Manifest:
    row = session.one("SELECT manifest FROM backup_manifest")
    text = row[0] if row is not None else b""
    envelope = msgspec.json.decode(text, type=_Envelope)  # all that a file of another format surely has
    for what, value, newest in (("format", envelope.format, FORMAT), ("schema", envelope.schema, NEWEST)):
        if value > newest:
            raise NewerError(
                f"the {what} of the backup {path} must be at most {newest}, got {value}: restore it with the newer "
                "tautwire that wrote it"
            )
    return msgspec.json.decode(text, type=Manifest)


def _find_damage(session: SqliteReadSession, manifest: Manifest) -> str | None:
    """Return what is wrong with the file, None if it holds exactly what its manifest says.

    The rows are read as a restore reads them, so that damage elsewhere in the file does no harm.
    """
    tables = {table.name: table for table in tables_of(manifest.schema)}
    if set(tables) != set(manifest.tables):
        return f"its tables are {', '.join(sorted(manifest.tables))}"
    for name, facts in manifest.tables.items():
        digest = Digest()
        for page in pages(session, tables[name]):
            digest.add(page)
        if (digest.rows, digest.checksum) != (facts.rows, facts.checksum):
            return f"the {digest.rows} rows of table {name} are not the {facts.rows} that were backed up"
    if read_head(session) != manifest.head:
        return f"the head of its log is {read_head(session)}, not {manifest.head}"
    return None
