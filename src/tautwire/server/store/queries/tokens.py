"""The table ``token``: hashes of tokens, what each stands for and permits, and where it comes from."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tautwire.server.store.engine import Insert, Query, Row
from tautwire.server.store.statements import Statements


class TokenRecord(msgspec.Struct, frozen=True, gc=False):
    """A token, without its text. Times are in seconds."""

    hash: bytes
    id: str
    """The first digits of the hash: names the token for people."""
    kind: str
    user_id: str | None
    """None for an app-level token."""
    app_id: str | None
    """The app that has the token; None for a token of a person that no app got."""
    scopes: str
    """With commas between them."""
    origin: str
    created: int
    expires: int | None = None
    revoked: int | None = None


class TokenRow(NamedTuple):
    """A token and the name of its user or app."""

    token: TokenRecord
    holder: str


_COLUMNS = TokenRecord.__struct_fields__
_TOKENS = f"SELECT {', '.join(_COLUMNS)} FROM token"
_TOKEN = Insert("token", _COLUMNS)


def has_tokens(query: Query, origin: str) -> bool:
    """Whether there is a token of this origin."""
    return query.one("SELECT 1 FROM token WHERE origin = ? LIMIT 1", origin) is not None


def find_token(query: Query, token: str) -> TokenRecord | None:
    """Return the token with this id."""
    row = query.one(f"{_TOKENS} WHERE id = ?", token)
    return TokenRecord(*row) if row is not None else None


def list_tokens(
    query: Query,
    *,
    user: str | None = None,
    app: str | None = None,
    token: str | None = None,
    digest: bytes | None = None,
    revoked: bool,
    after: str = "",
    count: int,
) -> list[TokenRow]:
    """Return tokens behind an id, in the order of ids; of a user, of an app, or the one with an id or hash."""
    wanted: dict[str, object] = {"t.user_id": user, "t.app_id": app, "t.id": token, "t.hash": digest}
    conditions = [f"{column} = ?" for column, value in wanted.items() if value is not None]
    if not revoked:
        conditions.append("t.revoked IS NULL")
    columns = ", ".join(f"t.{column}" for column in TokenRecord.__struct_fields__)
    rows = query.all(
        f"SELECT {columns}, coalesce(u.name, a.name) FROM token t LEFT JOIN users u ON u.id = t.user_id"
        f" LEFT JOIN app a ON a.id = t.app_id WHERE {' AND '.join([*conditions, 't.id > ?'])} ORDER BY t.id LIMIT ?",
        *(value for value in wanted.values() if value is not None), after, count,
    )  # fmt: skip
    return [TokenRow(TokenRecord(*values), holder) for *values, holder in rows]


def find_tokens_of_app(query: Query, app: str) -> list[TokenRecord]:
    """Return all tokens that an app has, the oldest first."""
    return [TokenRecord(*row) for row in query.all(f"{_TOKENS} WHERE app_id = ? ORDER BY created, id", app)]


def find_holders(query: Query) -> Sequence[Row]:
    """Return hash, kind, app, scopes, expiry and revocation of every token, and of whom it is.

    That is id, name, ``bot_id`` and ``deleted`` of a user, and id and name of an app.
    """
    return query.all(
        "SELECT t.hash, t.kind, t.app_id, t.scopes, t.expires, t.revoked, u.id, u.name, u.bot_id, u.deleted, a.id,"
        " a.name FROM token t LEFT JOIN users u ON u.id = t.user_id LEFT JOIN app a ON a.id = t.app_id"
    )


def add_token(tx: Statements, token: TokenRecord) -> None:
    """Store a new token; its user and its app are stored."""
    tx.insert(_TOKEN, [getattr(token, column) for column in _COLUMNS])


def change_token(tx: Statements, token: TokenRecord) -> None:
    """Store when a token expires and when it was revoked."""
    tx.execute("UPDATE token SET expires = ?, revoked = ? WHERE hash = ?", token.expires, token.revoked, token.hash)


def find_ended(query: Query, before: int, count: int) -> list[str]:
    """Return the ids of tokens that were revoked or expired by a time, at most ``count``, the earliest first."""
    rows = query.all(
        "SELECT id FROM token WHERE coalesce(revoked, expires) <= ? ORDER BY coalesce(revoked, expires), id LIMIT ?",
        before, count,
    )  # fmt: skip
    return [row[0] for row in rows]


def find_first_end(query: Query) -> int | None:
    """Return when the first token was revoked or expires, None if each works for ever."""
    row = query.one("SELECT min(coalesce(revoked, expires)) FROM token")
    return row[0] if row is not None else None


def delete_token(tx: Statements, token: str) -> None:
    """Delete the token with this id."""
    tx.execute("DELETE FROM token WHERE id = ?", token)
