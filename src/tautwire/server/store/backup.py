"""Backup and restore: the whole workspace into one file, and from the file into an empty database of either kind.

A backup is taken beside the running server: one read session sees one state of the database. A restore is complete or
has not happened: a SQLite file is built beside its place and renamed, PostgreSQL gets all rows in one transaction.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from tautwire.server.store.backup_file import (
    Manifest,
    copy_table,
    find_team,
    is_backup,
    open_backup,
    write_file,
)
from tautwire.server.store.directory_lock import DirectoryLock
from tautwire.server.store.engine import CommitLostError, Engine, Insert, Query, Session, StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.migrations import NEWEST
from tautwire.server.store.queries.search import begin_fill
from tautwire.server.store.sqlite import FILE, create_file, migrate, open_file
from tautwire.server.store.statements import Statements
from tautwire.server.store.tables import tables_of

PART: Final = "restore.part"
"""The file in the data directory in which a restore builds the database."""

Begin = Callable[[Statements], None]
"""What is done in the restored database before anything can see it: an epoch begins."""


def back_up(engine: Engine, file: Path, *, force: bool = False) -> Manifest:
    """Write a backup of the workspace as it is at this moment, and read it back. A server may be running.

    Args:
        engine: opened to read only.
        force: replace an older backup.

    Raises:
        StoreError: the file is there already, it cannot be written, or the database cannot be read. No file is left.
    """
    _refuse_taken(file, force)
    with _replacing(file, force) as part:
        schema = engine.schema_version()
        with closing(engine.read_session()) as session:
            session.begin()
            team = find_team(session, schema)  # the first query chooses the state that all see
            if team is None:
                raise StoreError(f"there is no workspace in {engine.name}: give another --data or --database")
            if engine.schema_version() != schema:
                raise StoreError(f"{engine.name} was brought to another version at this moment: back it up again")
            try:
                manifest = write_file(part, session, team, schema)
            except StoreError as error:
                raise StoreError(f"the backup to {file} failed: {error}") from error
        written, _ = open_backup(part)
        written.close()
    return manifest


def restore(file: Path, data: Path, database: str | None, begin: Begin) -> tuple[Manifest, str]:
    """Restore a backup into an empty data directory or an empty PostgreSQL schema.

    Args:
        database: the URL of PostgreSQL; None restores into SQLite in the data directory.

    Returns:
        What was restored, and the name of the database that has it now.

    Raises:
        StoreError: the backup cannot be used, or the place is not empty; nothing is restored.
        ConfigError: the database cannot be used.
    """
    session, manifest = open_backup(file)
    with closing(session):
        if database is None:
            return manifest, _restore_sqlite(session, manifest, data, begin)
        return manifest, _restore_elsewhere(session, manifest, data, database, begin)


def _restore_sqlite(source: Query, manifest: Manifest, data: Path, begin: Begin) -> str:
    with closing(DirectoryLock(data)), _writable(data):
        # A write-ahead log without its database would be read into the one that is restored, and a server that finds a
        # database here does not serve those of the directories in it.
        taken = sorted([*data.glob(FILE + "*"), *data.glob(f"*/{FILE}")])
        if taken:
            raise StoreError(
                f"a restore needs a data directory without a database, got one with {taken[0]}: give another directory "
                "with --data, or move that away"
            )
        with _part(data) as part:
            with _named(str(data / FILE)):
                _build(part, source, manifest, begin)
            _flush(part)
            part.rename(data / FILE)
            _flush(data)
    return str(data / FILE)


def _restore_elsewhere(source: Query, manifest: Manifest, data: Path, database: str, begin: Begin) -> str:
    with closing(open_engine(data, database, read_only=True)) as engine:
        _refuse_workspace(engine)  # before it is brought to the present
    with closing(open_engine(data, database)) as engine, _writable(data), contextlib.ExitStack() as stack:
        _refuse_workspace(engine)  # it is locked now
        if manifest.schema < NEWEST:  # rows of the present schema are made by the steps of SQLite
            part = stack.enter_context(_part(data))
            with _named(str(part)):
                _build(part, source, manifest, None)
            source = stack.enter_context(closing(open_file(part, is_immutable=True)))
        session = stack.enter_context(closing(engine.session()))
        with _named(engine.name):
            session.begin()
            _load(source, session, NEWEST)
            begin(_Plain(session))
            begin_fill(_Plain(session))
            session.commit()  # after an error the connection is closed, and the transaction is undone
    return engine.name


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Say of an error where the rows were to go, and what is there now."""
    try:
        yield
    except CommitLostError as error:
        raise StoreError(
            f"the restore to {place} has all rows or none: {error}; look with tautwire db check, and restore again if "
            "there are none"
        ) from error
    except StoreError as error:
        raise StoreError(f"the restore to {place} failed, and nothing is stored: {error}") from error


def _refuse_workspace(engine: Engine) -> None:
    with closing(engine.read_session()) as session:
        if find_team(session, engine.schema_version()) is not None:
            raise StoreError(
                f"a restore needs an empty schema, and there is a workspace in {engine.name}: name another schema with "
                "?schema=NAME at the end of the URL, or drop this one with DROP SCHEMA … CASCADE"
            )


def _build(part: Path, source: Query, manifest: Manifest, begin: Begin | None) -> None:
    """Make a SQLite database of the present schema from a backup."""
    with closing(create_file(part, manifest.schema)) as session:
        session.begin()
        _load(source, session, manifest.schema)
        session.commit()
        migrate(session.connection)
        if begin is not None:
            session.begin()
            begin(_Plain(session))
            begin_fill(_Plain(session))
            session.commit()


def _load(source: Query, session: Session, schema: int) -> None:
    """Copy all tables into an empty database, in its open transaction."""
    for table in tables_of(schema):
        before = session.one(f"SELECT count(*) FROM {table.name}")
        if before is None or before[0]:
            raise StoreError(f"a restore needs empty tables, and there are rows in {table.name}: name another schema")
        copy_table(source, session, table)
    session.continue_numbers()


class _Plain:
    """A session as the modules of the tables use it: every statement runs at once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def execute(self, sql: str, *arguments: object) -> int:
        return self._session.run(sql, *arguments)

    def insert(self, into: Insert, row: Sequence[object]) -> None:
        self._session.insert(into, [row])


def _refuse_taken(file: Path, force: bool) -> None:
    if not file.exists():
        return
    if not force:
        raise StoreError(f"{file} exists: give another name, or replace it with --force")
    if not file.is_file() or (file.stat().st_size and not is_backup(file)):
        raise StoreError(f"{file} is not a backup, and --force replaces only backups: give another name")


@contextmanager
def _replacing(file: Path, force: bool) -> Iterator[Path]:
    """Give out an empty private file beside ``file``, which takes its name at the end if nothing was raised."""
    with _writable(file):
        descriptor, name = tempfile.mkstemp(".part", f".{file.name}.", file.parent)  # with mode 0600
        os.close(descriptor)
        part = Path(name)
        try:
            yield part
            _flush(part)
            _refuse_taken(file, force)
            part.rename(file)
            _flush(file.parent)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _part(data: Path) -> Iterator[Path]:
    """Give out an empty private file in a data directory that is locked; it is deleted at the end."""
    part = data / PART
    part.unlink(missing_ok=True)  # left by a restore that was killed
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _writable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error.strerror or error}") from error


def _flush(path: Path) -> None:
    """Bring a file, or the names in a directory, to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
