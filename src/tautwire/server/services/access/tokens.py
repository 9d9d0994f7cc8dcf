"""Tokens: issue, revoke, rotate. All functions are units.

Each leaves an entry of kind ``auth`` with the new state of the token, and ``services.access.identity`` applies it on
every node. No RTM connection gets an event. ``tokens_revoked`` is an event for the app alone that had the token,
which only the tap of the app reads (wire/events-api.md#event-by-event).

A token that no longer works stays for ``KEEP``, so that its holder gets the reason, then it is deleted.
"""

import secrets
import string
from collections.abc import Collection
from functools import partial
from typing import Final

import msgspec

from tautwire.protocol.tokens import Token
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import (
    CLASSIC,
    Holder,
    TokenKind,
    hash_token,
    join_scopes,
    note_forgotten,
    note_token,
)
from tautwire.server.services.due import Duty
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import AppRecord, find_app
from tautwire.server.store.queries.tokens import (
    TokenRecord,
    add_token,
    change_token,
    delete_token,
    find_ended,
    find_first_end,
    find_token,
)
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import SLACKBOT_ID, UserRecord

ISSUED: Final = "issued"
"""The origin of tokens that an operator or an app asked for."""

APP_SCOPES: Final = ("connections:write", "authorizations:read")
"""The scopes of an app-level token. Source: wire/socket-mode.md#opening (documented)."""

CONFIGURATION_SCOPES: Final = frozenset({"app_configurations:read", "app_configurations:write"})
"""The scopes of configuration tokens. Source: wire/apps.md#manifest-methods (documented)."""

KEEP: Final = 30 * 86_400
"""Seconds that a revoked or expired token is kept; after them a call with it is ``invalid_auth``."""


class Issued(msgspec.Struct, frozen=True):
    """A new token; its text cannot be read again."""

    token: Token
    record: TokenRecord

    @property
    def text(self) -> str:
        """The token itself."""
        return self.token.reveal()


def token_id(digest: bytes) -> str:
    """Return the id of a token, which names it for people, from its hash."""
    return digest.hex()[:16]


def holder_of(user: UserRecord) -> Holder:
    """Return a user as the holder of tokens."""
    return Holder(user.id, user.name, user.bot_id, user.deleted)


def issue(
    tx: Transaction,
    user: UserRecord,
    *,
    scopes: Collection[str] = CLASSIC,
    app: str | None = None,
    lifetime: int | None = None,
    origin: str = ISSUED,
) -> Issued:
    """Issue a token of a person or bot.

    Args:
        app: the app that gets a token of a person; a bot's token is its app's.
        lifetime: seconds until it expires; without one it never does.

    Raises:
        MethodError: user_not_found for Slackbot, user_disabled if the user is deactivated.
    """
    if user.id == SLACKBOT_ID:
        raise MethodError("user_not_found")
    if user.deleted:
        raise MethodError("user_disabled")
    kind = TokenKind.USER if user.bot_id is None else TokenKind.BOT
    owner = app if kind is TokenKind.USER else user.app_id
    return _add(tx, holder_of(user), kind, owner, join_scopes(frozenset(scopes)), lifetime, origin)


def issue_for_app(tx: Transaction, app: AppRecord, scopes: Collection[str], *, origin: str = ISSUED) -> Issued:
    """Issue an app-level token. It never expires. Raise app_not_found if the app is deleted."""
    if app.deleted is not None:
        raise MethodError("app_not_found")
    holder = Holder(app.id, app.name)
    return _add(tx, holder, TokenKind.APP, app.id, join_scopes(frozenset(scopes)), None, origin)


def issue_for_configuration(tx: Transaction, user: UserRecord, lifetime: int | None) -> Issued:
    """Issue a configuration token, with which a person makes and changes apps of their own.

    Raises:
        MethodError: as ``issue``; user_not_found for a bot too.
    """
    if user.id == SLACKBOT_ID or user.bot_id is not None:
        raise MethodError("user_not_found")
    if user.deleted:
        raise MethodError("user_disabled")
    scopes = join_scopes(CONFIGURATION_SCOPES)
    return _add(tx, holder_of(user), TokenKind.CONFIGURATION, None, scopes, lifetime, ISSUED)


def revoke(tx: Transaction, token: str) -> None:
    """Revoke a token by its id: calls with it fail and its connections are closed. No effect if it is revoked.

    Raises:
        MethodError: token_not_found (ours).
    """
    record = _find(tx, token)
    if record.revoked is None:
        end(tx, _holder(tx, record), record)


def rotate(tx: Transaction, token: str, *, grace: int = 0) -> Issued:
    """Replace a token by a new one for the same holder with the same scopes; one that expires gets its lifetime anew.

    Args:
        token: its id.
        grace: seconds that the old token is accepted; with 0 it is revoked at once.

    Raises:
        MethodError: token_not_found (ours), token_revoked, token_expired; account_inactive if the user is deactivated.
    """
    record = _find(tx, token)
    holder = _holder(tx, record)
    now = tx.now // 1_000_000
    if holder.deleted:
        raise MethodError("account_inactive")
    if record.revoked is not None:
        raise MethodError("token_revoked")
    if record.expires is not None and record.expires <= now:
        raise MethodError("token_expired")
    lifetime = record.expires - record.created if record.expires is not None else None
    issued = _add(tx, holder, TokenKind(record.kind), record.app_id, record.scopes, lifetime, ISSUED)
    if grace <= 0:
        end(tx, holder, record)
    elif record.expires is None or record.expires > now + grace:
        _change(tx, holder, msgspec.structs.replace(record, expires=now + grace))
    return issued


def end(tx: Transaction, holder: Holder, token: TokenRecord) -> None:
    """Revoke a token of a known holder, and emit ``tokens_revoked`` to its app."""
    end_quietly(tx, holder, token)
    emit_revoked(tx, [token])


def end_quietly(tx: Transaction, holder: Holder, token: TokenRecord) -> None:
    """Revoke a token of a known holder, without an event: the caller emits it, or the app is deleted."""
    _change(tx, holder, msgspec.structs.replace(token, revoked=tx.now // 1_000_000))


def emit_revoked(tx: Transaction, tokens: Collection[TokenRecord]) -> None:
    """Emit ``tokens_revoked`` to the app that had these tokens of users and bots, if it has a tap.

    Source: wire/events-api.md#event-by-event (documented).
    """
    lost = [token for token in tokens if token.app_id is not None and token.kind in (TokenKind.USER, TokenKind.BOT)]
    for app in {token.app_id: None for token in lost}:
        users = {
            name: sorted({token.user_id or "" for token in lost if token.app_id == app and token.kind == kind})
            for name, kind in (("oauth", TokenKind.USER), ("bot", TokenKind.BOT))
        }
        tx.emit_to_app(app or "", event("tokens_revoked", tokens=users, event_ts=next_event_ts(tx)))


def forget_ended() -> Duty:
    """Return the duty to delete tokens that stopped working ``KEEP`` ago."""
    return Duty(
        find=lambda query, now, count: find_ended(query, now - KEEP, count),
        find_next=_next_forgotten,
        do=lambda token: partial(_forget, token=token),
        drop=lambda token: partial(_forget, token=token),
    )


def _next_forgotten(query: Query) -> int | None:
    first = find_first_end(query)
    return first + KEEP if first is not None else None


def _forget(tx: Transaction, token: str) -> None:
    record = find_token(tx, token)
    if record is not None:
        delete_token(tx, token)
        note_forgotten(tx, record.hash)


def _add(
    tx: Transaction, holder: Holder, kind: TokenKind, app: str | None, scopes: str, lifetime: int | None, origin: str
) -> Issued:
    text = _new_text(kind, app)
    digest = hash_token(text)
    now = tx.now // 1_000_000
    user = None if kind is TokenKind.APP else holder.id
    expires = now + lifetime if lifetime is not None else None
    record = TokenRecord(digest, token_id(digest), kind, user, app, scopes, origin, now, expires)
    add_token(tx, record)
    note_token(tx, holder, record)
    return Issued(Token(text), record)


def _change(tx: Transaction, holder: Holder, token: TokenRecord) -> None:
    change_token(tx, token)
    note_token(tx, holder, token)


def _find(tx: Transaction, token: str) -> TokenRecord:
    record = find_token(tx, token)
    if record is None:
        raise MethodError("token_not_found")
    return record


def _holder(tx: Transaction, token: TokenRecord) -> Holder:
    if token.user_id is not None:
        user = find_user(tx, token.user_id)
        if user is not None:
            return holder_of(user)
    elif token.app_id is not None:
        app = find_app(tx, token.app_id)
        if app is not None:
            return Holder(app.id, app.name)
    raise MethodError("token_not_found")


def _new_text(kind: TokenKind, app: str | None) -> str:
    """Return a new token. Forms: wire/ids-and-timestamps.md#tokens."""
    number = f"{secrets.randbelow(10**12):012}"
    if kind is TokenKind.APP:
        return f"xapp-1-{app}-{number}-{secrets.token_hex(32)}"
    letters = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(24))
    prefix = {TokenKind.BOT: "xoxb", TokenKind.CONFIGURATION: "xoxe.xoxp-1"}.get(kind, "xoxp")
    return f"{prefix}-{number}-{secrets.randbelow(10**12):012}-{letters}"
