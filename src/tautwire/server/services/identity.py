"""Tokens and the users behind them. The database stores only hashes of tokens."""

import hashlib
import secrets
from typing import Final, Protocol

import msgspec

from tautwire.protocol.ids import UserId
from tautwire.server.clock import Clock
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import Row

SCOPES: Final = "identify,bot:basic"
"""Scopes of every token, without blanks: err-backend-slackv3 splits at the comma.
Source: wire/web-api.md#headers."""

_MAX_KNOWN: Final = 10_000
_FRESH: Final = 10.0
"""Seconds that an identity is cached; a deleted token stops working after that time at the latest."""


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """The user behind a token."""

    user: UserId
    name: str
    bot_id: str | None
    app_id: str | None

    @property
    def is_bot(self) -> bool:
        """Whether it is a bot user."""
        return self.bot_id is not None


class Lookup(Protocol):
    """Reads one row, on the loop."""

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""


class Identities:
    """Finds the identity of a token, and caches it by the token's hash for a few seconds."""

    def __init__(self, lookup: Lookup, clock: Clock) -> None:
        self._lookup = lookup
        self._clock = clock
        self._known: dict[bytes, tuple[float, Identity]] = {}

    def authenticate(self, token: str | None) -> Identity:
        """Return the identity of a token.

        Raises:
            MethodError: not_authed without a token, invalid_auth if it is unknown, account_inactive if its user is
            deleted. StoreError: the database cannot be read.
        """
        if not token:
            raise MethodError("not_authed")
        digest = hash_token(token)
        now = self._clock.monotonic()
        known = self._known.get(digest)
        if known is not None and known[0] > now:
            return known[1]
        self._known.pop(digest, None)
        identity = _find(self._lookup, digest)
        if len(self._known) >= _MAX_KNOWN:
            # All at once is simple, and costs one lookup for each token in use.
            self._known.clear()
        self._known[digest] = now + _FRESH, identity
        return identity


def hash_token(token: str) -> bytes:
    """Return the hash under which the database stores a token.

    A token has 128 random bits, so a plain hash cannot be reversed by search. To look up a hash, instead of comparing
    tokens, leaks no timing from which a token could be guessed bit by bit.
    """
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def issue_token(tx: Transaction, user: str, *, is_bot: bool, origin: str) -> str:
    """Create a token for a user, store its hash, and return the token; it cannot be read again."""
    kind = "xoxb" if is_bot else "xoxp"
    token = f"{kind}-{secrets.randbelow(10**12):012}-{secrets.randbelow(10**12):012}-{_letters(24)}"
    tx.execute(
        "INSERT INTO token (hash, user_id, origin, created) VALUES (?, ?, ?, ?)",
        hash_token(token),
        user,
        origin,
        tx.now // 1_000_000,
    )
    return token


def new_id(prefix: str) -> str:
    """Return a new id such as ``U4Q…``: the prefix and ten letters or digits.

    Source: wire/ids-and-timestamps.md#ids.
    """
    # Random and not counted: counted ids would show how many channels and users there are.
    return prefix + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(10))


def _letters(count: int) -> str:
    return "".join(
        secrets.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(count)
    )


def _find(lookup: Lookup, digest: bytes) -> Identity:
    row = lookup.one(
        "SELECT u.id, u.name, u.bot_id, u.app_id, u.deleted FROM token t JOIN users u ON u.id = t.user_id"
        " WHERE t.hash = ?",
        digest,
    )
    if row is None:
        raise MethodError("invalid_auth")
    if row["deleted"]:
        raise MethodError("account_inactive")
    return Identity(row["id"], row["name"], row["bot_id"], row["app_id"])
