"""The table ``workspace``: the one row of the workspace, which also has the head of the log."""

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements


def find_workspace(query: Query) -> Row | None:
    """Return ``id``, ``name``, ``domain``, ``icon`` and ``head`` of the workspace, None if the database is empty."""
    return query.one("SELECT id, name, domain, icon, head FROM workspace")


def read_head(query: Query) -> int:
    """Return the position of the newest log entry, 0 without a workspace."""
    row = query.one("SELECT head FROM workspace")
    return row[0] if row is not None else 0


def add_workspace(tx: Statements, team: str, name: str, domain: str, created: int) -> None:
    """Store the workspace; ``created`` is in seconds."""
    tx.execute("INSERT INTO workspace (id, name, domain, created) VALUES (?, ?, ?, ?)", team, name, domain, created)


def set_workspace(tx: Statements, *, name: str, domain: str, icon: str) -> None:
    """Store the name, domain and picture of the workspace."""
    tx.execute("UPDATE workspace SET name = ?, domain = ?, icon = ?", name, domain, icon)
