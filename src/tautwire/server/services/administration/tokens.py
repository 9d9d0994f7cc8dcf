"""Tokens, as an operator sees, issues, rotates and revokes them."""

import re
from collections.abc import Collection
from typing import Annotated, Final

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access import tokens
from tautwire.server.services.access.identity import CLASSIC, hash_token
from tautwire.server.services.access.scopes import is_known, near
from tautwire.server.services.access.tokens import Issued
from tautwire.server.services.administration.refusals import NotFound, Refused, explained
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import AppRecord
from tautwire.server.store.queries.tokens import TokenRow, list_tokens
from tautwire.server.store.records import UserRecord

MAX_LIFETIME: Final = 10 * 366 * 86_400
"""Seconds until a token with an expiry expires, at most; without one it never does."""
Lifetime = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIFETIME)]
Grace = Annotated[int, msgspec.Meta(ge=0, le=MAX_LIFETIME)]

_SECRET: Final = re.compile(r"xox[a-z]-|xapp-|xoxe\.")


class Token(msgspec.Struct, kw_only=True):
    """A token without its text. Times are seconds since 1970."""

    id: str
    kind: str
    """``user``, ``bot`` or ``app``."""
    holder: str
    """The name of the user, or of the app of an app-level token."""
    user_id: str | None
    app_id: str | None
    scopes: list[str]
    origin: str
    created: int
    expires: int | None
    revoked: int | None


def list_all(
    query: Query, *, user: UserRecord | None, app: AppRecord | None, revoked: bool, after: str, count: int
) -> list[Token]:
    """Return tokens behind an id, in the order of ids: all, or those of a user or an app."""
    rows = list_tokens(
        query, user=user.id if user is not None else None, app=app.id if app is not None else None,
        revoked=revoked, after=after, count=count,
    )  # fmt: skip
    return [_token(row) for row in rows]


def find(query: Query, text: str) -> Token:
    """Return the token with this id, or the one that this is the text of.

    Raises:
        NotFound: there is none. A text is not repeated in the error.
    """
    is_secret = _SECRET.match(text) is not None
    token, digest = (None, hash_token(text)) if is_secret else (text, None)
    rows = list_tokens(query, token=token, digest=digest, revoked=True, count=1)
    if not rows:
        what = "the workspace has no such token" if is_secret else f"there is no token {text[:80]!r}"
        raise NotFound("unknown_token", f"{what}; `tautwire token list` shows the ids")
    return _token(rows[0])


def check_scopes(scopes: Collection[str]) -> None:
    """Refuse a scope that there is not: a token with it would lack the one that was meant.

    Raises:
        Refused: unknown_scope.
    """
    for scope in scopes:
        if not is_known(scope):
            close = near(scope)
            hint = f"did you mean {' or '.join(close)}?" if close else "docs/reference/wire/apps.md lists all"
            raise Refused("unknown_scope", f"there is no scope {scope!r}: {hint}")


def issue(tx: Transaction, user: UserRecord, scopes: Collection[str], lifetime: int | None) -> Issued:
    """Issue a token of a person or bot (a unit); without scopes it has those of a classic bot."""
    try:
        return tokens.issue(tx, user, scopes=scopes or CLASSIC, lifetime=lifetime)
    except MethodError as error:
        raise explained(error, f"{user.name} gets no token") from None


def issue_for_configuration(tx: Transaction, user: UserRecord, lifetime: int | None) -> Issued:
    """Issue a configuration token of a person (a unit)."""
    try:
        return tokens.issue_for_configuration(tx, user, lifetime)
    except MethodError as error:
        raise explained(error, f"{user.name} gets no configuration token") from None


def rotate(tx: Transaction, token: str, grace: int) -> Issued:
    """Replace a token by a new one (a unit)."""
    try:
        return tokens.rotate(tx, token, grace=grace)
    except MethodError as error:
        raise explained(error, f"the token {token} is not rotated") from None


def _token(row: TokenRow) -> Token:
    token = row.token
    return Token(
        id=token.id, kind=token.kind, holder=row.holder, user_id=token.user_id, app_id=token.app_id,
        scopes=token.scopes.split(",") if token.scopes else [], origin=token.origin, created=token.created,
        expires=token.expires, revoked=token.revoked,
    )  # fmt: skip
