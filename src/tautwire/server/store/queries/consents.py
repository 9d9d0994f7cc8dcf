"""The table ``consent``: what people consented to while the app has not fetched its tokens; the clients that fetch."""

import msgspec

from tautwire.server.store.engine import Insert, Query
from tautwire.server.store.statements import Statements


class ConsentRecord(msgspec.Struct, frozen=True):
    """A consent. ``expires`` is in seconds; scopes have commas between them."""

    hash: bytes
    """Of the code."""
    app_id: str
    user_id: str
    scopes: str
    user_scopes: str
    redirect_uri: str
    expires: int


_COLUMNS = ConsentRecord.__struct_fields__
_CONSENT = Insert("consent", _COLUMNS)


def add_consent(tx: Statements, consent: ConsentRecord) -> None:
    """Store a new consent; its app and its user are stored."""
    tx.insert(_CONSENT, [getattr(consent, column) for column in _COLUMNS])


def find_consent(query: Query, digest: bytes) -> ConsentRecord | None:
    """Return the consent whose code has this hash."""
    row = query.one(f"SELECT {', '.join(_COLUMNS)} FROM consent WHERE hash = ?", digest)
    return ConsentRecord(*row) if row is not None else None


def delete_consent(tx: Statements, digest: bytes) -> None:
    """Delete a consent: its code was used."""
    tx.execute("DELETE FROM consent WHERE hash = ?", digest)


def delete_consents_of(tx: Statements, app: str) -> None:
    """Delete the consents that an app has not used."""
    tx.execute("DELETE FROM consent WHERE app_id = ?", app)


def delete_old_consents(tx: Statements, before: int) -> None:
    """Delete the consents that have expired by a time."""
    tx.execute("DELETE FROM consent WHERE expires <= ?", before)


def find_client(query: Query, client_id: str) -> tuple[str, bytes] | None:
    """Return id and hash of the client secret of the app with this client id that is not deleted."""
    row = query.one("SELECT id, client_secret_hash FROM app WHERE client_id = ? AND deleted IS NULL", client_id)
    return (row["id"], bytes(row["client_secret_hash"])) if row is not None else None
