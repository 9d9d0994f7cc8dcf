"""The table ``webhook``: URLs that post into a channel in the name of an app."""

from typing import NamedTuple

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements, marks


class WebhookRecord(NamedTuple):
    """A webhook. ``hash`` is that of the secret in its URL; times are in seconds."""

    id: str
    hash: bytes
    app_id: str
    channel: str
    user_id: str
    created: int
    revoked: int | None = None


_COLUMNS = ", ".join(WebhookRecord._fields)
_LIVE = (
    f"SELECT {', '.join(f'w.{name}' for name in WebhookRecord._fields)} FROM webhook w"
    " JOIN app a ON a.id = w.app_id WHERE w.revoked IS NULL AND a.deleted IS NULL"
)


def add_webhook(tx: Statements, webhook: WebhookRecord) -> None:
    """Store a new webhook."""
    tx.execute(f"INSERT INTO webhook ({_COLUMNS}) VALUES ({marks(webhook)})", *webhook)


def find_webhook(query: Query, digest: bytes) -> WebhookRecord | None:
    """Return the webhook with the hash of a secret; None if it is revoked or its app is deleted."""
    return _record(query.one(f"{_LIVE} AND w.hash = ?", digest))


def find_webhook_called(query: Query, webhook: str) -> WebhookRecord | None:
    """Return the same by its id."""
    return _record(query.one(f"{_LIVE} AND w.id = ?", webhook))


def find_webhooks(query: Query, app: str) -> list[WebhookRecord]:
    """Return the webhooks of an app that are not revoked, the oldest first."""
    rows = query.all(f"{_LIVE} AND w.app_id = ? ORDER BY w.created, w.id", app)
    return [found for row in rows if (found := _record(row)) is not None]


def set_webhook_revoked(tx: Statements, webhook: str, revoked: int) -> None:
    """Store when a webhook was revoked."""
    tx.execute("UPDATE webhook SET revoked = ? WHERE id = ?", revoked, webhook)


def revoke_webhooks_of(tx: Statements, app: str, revoked: int) -> None:
    """Store when all webhooks of an app were revoked."""
    tx.execute("UPDATE webhook SET revoked = ? WHERE app_id = ? AND revoked IS NULL", revoked, app)


def _record(row: Row | None) -> WebhookRecord | None:
    if row is None:
        return None
    return WebhookRecord(row[0], bytes(row[1]), row[2], row[3], row[4], row[5], row[6])
