"""How apps were described, and by whom: the columns ``manifest`` and ``owner`` of the table ``app``."""

from typing import NamedTuple

from tautwire.server.store.engine import Query
from tautwire.server.store.statements import Statements


class Origin(NamedTuple):
    """Where an app comes from."""

    manifest: str | None
    """Its manifest as JSON; None if it was made without one."""
    owner: str | None
    """The user who made it; None if that was the operator."""


def find_origin(query: Query, app: str) -> Origin:
    """Return where an app comes from."""
    row = query.one("SELECT manifest, owner FROM app WHERE id = ?", app)
    return Origin(*row) if row is not None else Origin(None, None)


def set_manifest(tx: Statements, app: str, name: str, manifest: str) -> None:
    """Store the name and the manifest of an app."""
    tx.execute("UPDATE app SET name = ?, manifest = ? WHERE id = ?", name, manifest, app)


def set_owner(tx: Statements, app: str, owner: str) -> None:
    """Store who made an app."""
    tx.execute("UPDATE app SET owner = ? WHERE id = ?", owner, app)


def count_owned(query: Query, owner: str) -> int:
    """Return how many apps a user has made that are not deleted."""
    row = query.one("SELECT count(*) FROM app WHERE owner = ? AND deleted IS NULL", owner)
    return row[0] if row is not None else 0
