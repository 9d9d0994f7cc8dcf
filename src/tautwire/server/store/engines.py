"""Opens the database of a workspace: the only place that knows which adapters there are."""

from pathlib import Path
from typing import Final

from tautwire.protocol.errors import ConfigError
from tautwire.server.store.engine import Engine
from tautwire.server.store.sqlite import SqliteEngine

POSTGRES: Final = ("postgresql://", "postgres://")


def open_engine(data: Path, database: str | None = None, *, read_only: bool = False) -> Engine:
    """Open the database at a URL, or without one the SQLite database in the data directory.

    With ``read_only`` it is opened beside the server that may hold it: without a lock, and with the schema that it has.

    Raises:
        ConfigError: the URL is of a database that tautwire does not know, or its driver is not installed.
        StoreError: the database cannot be opened.
    """
    if database is None:
        return SqliteEngine(data, read_only=read_only)
    if not database.startswith(POSTGRES):
        scheme = database.partition(":")[0]
        raise ConfigError(f"the database must be a URL that begins with postgresql://, got one with {scheme[:20]!r}")
    try:
        from tautwire.server.store.postgres.engine import PostgresEngine
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'PostgreSQL needs {error.name}, which is not installed: pip install "tautwire[server,postgres]"'
        ) from error
    return PostgresEngine(database, data, read_only=read_only)
