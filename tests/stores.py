"""Both databases for the tests: a test that takes the fixture ``store`` runs on each of them."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tautwire.server.config import Settings
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import Engine, ReadSession
from tautwire.server.store.engines import open_engine
from tautwire.server.store.postgres.engine import PostgresEngine
from tautwire.server.store.sqlite import SqliteEngine, SqliteSession

KINDS = ("sqlite", "postgres")


class Store:
    """An empty database of one of the two kinds, for one test.

    Attributes:
        url: for ``Settings(database=…)``; None for SQLite in the data directory.
    """

    def __init__(self, kind: str, new_url: Callable[[], str]) -> None:
        self.kind = kind
        self._new_url = new_url
        self._urls: dict[Path, str] = {}

    def url(self, data: Path) -> str | None:
        """Return the database that belongs to a data directory."""
        if self.kind == "sqlite":
            return None
        if data not in self._urls:
            self._urls[data] = self._new_url()
        return self._urls[data]

    @property
    def urls(self) -> list[str]:
        """All databases that were asked for."""
        return [*self._urls.values()]

    def options(self, data: Path) -> list[str]:
        """Return the arguments with which ``tautwire serve`` uses the database of a data directory."""
        url = self.url(data)
        return [] if url is None else ["--database", url]

    def open(self, data: Path) -> Engine:
        """Open the database of a data directory as a server does."""
        return open_engine(data, self.url(data))


@contextmanager
def beside(settings: Settings) -> Iterator[ReadSession]:
    """Read the database of a running server as another program would."""
    with closing(engine_beside(settings).read_session()) as session:
        yield session


def engine_beside(settings: Settings) -> Engine:
    """Open the database of a running server a second time, as another node would."""
    return BesideSqlite(settings.data) if settings.database is None else PostgresEngine(settings.database)


class BesideSqlite(SqliteEngine):
    """A data directory that a server has locked."""

    def __init__(self, data: Path) -> None:
        self.path = data / "tautwire.db"
        self._is_read_only = False

    def problem(self) -> str | None:
        """Return no problem: the server looks."""
        return None

    def close(self) -> None:
        """Close nothing: the lock is the server's."""


def rows_of(engine: Engine, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Read with a connection of its own."""
    session = engine.read_session()
    try:
        return [tuple(row) for row in session.all(sql, *arguments)]
    finally:
        session.close()


def sqlite_of(writer: Writer) -> sqlite3.Connection:
    """Return the writer's connection to SQLite, to make it fail."""
    session = writer._committer._transaction.session
    assert isinstance(session, SqliteSession)
    return session.connection


def change(engine: Engine, *statements: tuple[str, Sequence[object]] | str) -> None:
    """Change rows as another writer would, in one transaction."""
    session = engine.session()
    try:
        session.begin()
        for each in statements:
            sql, arguments = (each, ()) if isinstance(each, str) else each
            session.run(sql, *arguments)
        session.commit()
    finally:
        session.close()
