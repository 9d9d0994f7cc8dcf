"""The steps that bring a database to the present schema: numbered SQL files, a folder for each database.

``schema/sqlite/0007_apps.sql`` and ``schema/postgres/0007_apps.sql`` are the same step, and a test compares the tables
that result. PostgreSQL came with version 6, whose file has the whole schema of that version.
"""

from importlib import resources
from typing import Final, Literal, NamedTuple

from tautwire.server.store.engine import StoreError

Dialect = Literal["sqlite", "postgres"]


class Script(NamedTuple):
    """One step."""

    number: int
    """The version of the schema after it."""
    text: str


def scripts(dialect: Dialect, *, after: int, up_to: int | None = None) -> list[Script]:
    """Return the steps that bring a database of version ``after`` to ``up_to``, or to the newest, in their order.

    Raises:
        StoreError: the database belongs to a newer tautwire.
    """
    found = _read(dialect)
    newest = found[-1].number
    if after > newest:
        raise StoreError(
            f"the schema of the database must be at most {newest}, got {after}: start the newer tautwire again"
        )
    return [script for script in found if after < script.number <= (newest if up_to is None else up_to)]


def _read(dialect: Dialect) -> list[Script]:
    folder = resources.files(__package__).joinpath("schema", dialect)
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [Script(int(entry.name.partition("_")[0]), entry.read_text()) for entry in files]


NEWEST: Final = _read("sqlite")[-1].number
"""The version of the schema that this tautwire reads and writes."""
