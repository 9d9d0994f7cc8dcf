"""Installing an app by OAuth: a person consents, and the app exchanges the code for its tokens.

The functions that take a transaction are units.

Who may let a person consent is the door's matter: only the operator can (``control.apps``). A code works once, for ten
minutes, for the app and the redirect URI it was made for. Source: wire/apps.md#oauth (documented).
"""

import hmac
import secrets
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import TokenKind, hash_token, join_scopes, split_scopes
from tautwire.server.services.access.tokens import issue
from tautwire.server.services.errors import MethodError
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import AppRecord, find_app
from tautwire.server.store.queries.consents import (
    ConsentRecord,
    add_consent,
    delete_consent,
    delete_old_consents,
    find_client,
    find_consent,
)
from tautwire.server.store.queries.tokens import find_tokens_of_app
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import UserRecord

LIFETIME: Final = 600
"""Seconds for which a code works. Source: wire/apps.md#oauth (documented)."""
INSTALLED: Final = "oauth"
"""The origin of tokens that an app got by OAuth."""


class Wish(NamedTuple):
    """What an app asks a person for."""

    scopes: Collection[str]
    """Of its bot."""
    user_scopes: Collection[str]
    redirect_uri: str = ""
    """As the app sends it; empty if it leaves it out."""


class Consent(NamedTuple):
    """A consent that was given."""

    code: str
    redirect_uri: str
    """Where the person is sent with the code; empty if the app has no URL for that."""

    def location(self, state: str) -> str:
        """Return the URL with the code, to which the person is sent."""
        mark = "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{mark}{urlencode({'code': self.code, 'state': state})}" if self.redirect_uri else ""


def consent(tx: Transaction, app: AppRecord, user: UserRecord, wish: Wish, redirect_urls: Sequence[str]) -> Consent:
    """Note that a person consents to what an app wishes.

    Raises:
        MethodError: no_scopes; bad_redirect_uri if it is neither in ``redirect_urls`` nor below one; app_not_found;
        user_not_found for a bot, user_disabled.
    """
    if app.deleted is not None:
        raise MethodError("app_not_found")
    if user.bot_id is not None:
        raise MethodError("user_not_found")
    if user.deleted:
        raise MethodError("user_disabled")
    if not wish.scopes and not wish.user_scopes:
        raise MethodError("no_scopes")
    if wish.redirect_uri and not any(_lies_under(wish.redirect_uri, url) for url in redirect_urls):
        raise MethodError("bad_redirect_uri")
    now = tx.now // 1_000_000
    delete_old_consents(tx, now)
    code = f"{secrets.randbelow(10**12):012}.{secrets.token_hex(32)}"
    add_consent(
        tx,
        ConsentRecord(
            hash_token(code), app.id, user.id, join_scopes(frozenset(wish.scopes)),
            join_scopes(frozenset(wish.user_scopes)), wish.redirect_uri, now + LIFETIME,
        ),
    )  # fmt: skip
    return Consent(code, wish.redirect_uri or (redirect_urls[0] if redirect_urls else ""))


def authenticate_client(query: Query, client_id: str, client_secret: str) -> str:
    """Return the id of the app that proves itself.

    Raises:
        MethodError: invalid_client_id, bad_client_secret.
    """
    found = find_client(query, client_id)
    if found is None:
        raise MethodError("invalid_client_id")
    app, digest = found
    if not hmac.compare_digest(digest, hash_token(client_secret)):
        raise MethodError("bad_client_secret")
    return app


def exchange(tx: Transaction, team: Team, app: str, code: str, redirect_uri: str) -> dict[str, Any]:
    """Return the tokens of an app that has proved itself, as ``oauth.v2.access`` answers; the code is then used.

    The bot's scopes are those of this consent and of earlier ones (wire/apps.md#oauth, documented). Each time there is
    a new token, and the earlier ones stay valid: of a token only the hash is stored, so it cannot be answered again.

    Raises:
        MethodError: invalid_code, bad_redirect_uri; user_disabled, if the person was deactivated meanwhile.
    """
    given = find_consent(tx, hash_token(code))
    if given is None or given.app_id != app or given.expires <= tx.now // 1_000_000:
        raise MethodError("invalid_code")
    if given.redirect_uri != redirect_uri:
        raise MethodError("bad_redirect_uri")
    record, person = find_app(tx, app), find_user(tx, given.user_id)
    bot = find_user(tx, record.bot_user) if record is not None and record.bot_user is not None else None
    if bot is None or person is None or person.deleted or bot.deleted:
        raise MethodError("invalid_code")
    delete_consent(tx, given.hash)
    answer: dict[str, Any] = {"app_id": app}
    if given.scopes:
        scopes = _added(tx, app, TokenKind.BOT, bot.id, given.scopes)
        token = issue(tx, bot, scopes=scopes, origin=INSTALLED)
        answer |= {"access_token": token.text, "token_type": "bot", "scope": join_scopes(scopes), "bot_user_id": bot.id}
    authed: dict[str, Any] = {"id": person.id}
    if given.user_scopes:
        scopes = _added(tx, app, TokenKind.USER, person.id, given.user_scopes)
        token = issue(tx, person, scopes=scopes, app=app, origin=INSTALLED)
        authed |= {"scope": join_scopes(scopes), "access_token": token.text, "token_type": "user"}
    return answer | {
        "team": {"id": team.id, "name": team.name},
        "enterprise": None,
        "is_enterprise_install": False,
        "authed_user": authed,
    }


def _added(tx: Transaction, app: str, kind: TokenKind, user: str, wanted: str) -> frozenset[str]:
    """Return the scopes of a consent with those of the tokens that the app got by earlier ones and still has."""
    now = tx.now // 1_000_000
    earlier = [
        split_scopes(token.scopes)
        for token in find_tokens_of_app(tx, app)
        if token.kind == kind and token.user_id == user and token.origin == INSTALLED and token.revoked is None
        and (token.expires is None or token.expires > now)
    ]  # fmt: skip
    return split_scopes(wanted).union(*earlier)


def _lies_under(url: str, configured: str) -> bool:
    """Whether a URL is a configured one or lies under it: same scheme and host, a path below."""
    if url == configured:
        return True
    try:
        found, wanted = urlsplit(url), urlsplit(configured)
    except ValueError:
        return False
    steps = found.path.split("/")
    return (
        (found.scheme, found.netloc) == (wanted.scheme, wanted.netloc)
        and not found.fragment
        and ".." not in steps
        and "%2e" not in found.path.lower()
        and "\\" not in url
        and f"{found.path.rstrip('/')}/".startswith(f"{wanted.path.rstrip('/')}/")
    )
