"""The table ``response_url``: the URLs by which apps answer to what people did, each for half an hour."""

from typing import NamedTuple

from tautwire.server.store.engine import Query
from tautwire.server.store.statements import Statements, marks


class ResponseUrl(NamedTuple):
    """A URL, by the hash of its secret. ``expires`` is in seconds."""

    hash: bytes
    app_id: str
    user_id: str
    channel: str
    source: str
    ts: str
    ephemeral: bool
    uses: int
    expires: int


_COLUMNS = ", ".join(ResponseUrl._fields)


def add_response_url(tx: Statements, url: ResponseUrl) -> None:
    """Store a new URL."""
    tx.execute(f"INSERT INTO response_url ({_COLUMNS}) VALUES ({marks(url)})", *url)


def find_response_url(query: Query, digest: bytes) -> ResponseUrl | None:
    """Return the URL with the hash of a secret, also one that is used up or has expired."""
    row = query.one(f"SELECT {_COLUMNS} FROM response_url WHERE hash = ?", digest)
    if row is None:
        return None
    return ResponseUrl(bytes(row[0]), row[1], row[2], row[3], row[4], row[5], bool(row[6]), row[7], row[8])


def count_use(tx: Statements, digest: bytes) -> None:
    """Store that a URL was used once more."""
    tx.execute("UPDATE response_url SET uses = uses + 1 WHERE hash = ?", digest)


def delete_expired(tx: Statements, before: int) -> None:
    """Delete the URLs that expired before a time in seconds."""
    tx.execute("DELETE FROM response_url WHERE expires < ?", before)


def delete_urls_of(tx: Statements, app: str) -> None:
    """Delete the URLs of an app."""
    tx.execute("DELETE FROM response_url WHERE app_id = ?", app)
