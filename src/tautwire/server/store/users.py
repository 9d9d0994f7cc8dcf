"""The table ``users``: people and bots."""

from tautwire.server.store.records import UserRecord
from tautwire.server.store.statements import Statements, marks

_COLUMNS = UserRecord.__struct_fields__


def add_user(tx: Statements, user: UserRecord) -> None:
    """Store a new user."""
    values = [getattr(user, column) for column in _COLUMNS]
    tx.execute(f"INSERT INTO users ({', '.join(_COLUMNS)}) VALUES ({marks(values)})", *values)


def set_deleted(tx: Statements, user: str, *, deleted: bool, updated: int) -> None:
    """Store whether a user is deactivated."""
    tx.execute("UPDATE users SET deleted = ?, updated = ? WHERE id = ?", deleted, updated, user)
