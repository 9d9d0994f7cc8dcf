"""Whose a token is and what it permits: every token of the workspace, by hash, in the memory of each node.

A call is authenticated on the loop, without the database. The tokens are read once at the start. From then on the log
keeps them current: each change of a token, or of its holder, leaves an entry of kind ``auth`` with the new state, which
every node applies, whichever writer it comes from. ``services.access.tokens`` makes these changes.
"""

import hashlib
import heapq
import logging
import secrets
import sys
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from tautwire.protocol.ids import UserId
from tautwire.server.clock import Clock
from tautwire.server.log.entry import WORKSPACE, Entry, Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.tokens import TokenRecord, find_holders
from tautwire.server.store.records import UserRecord

log = logging.getLogger("tautwire.server")

UMBRELLA: Final = "bot:basic"
"""The scope of classic bots, which stands for all others."""
CLASSIC: Final = frozenset({"identify", UMBRELLA})
"""The scopes of a token without scopes of its own: err-backend-slackv3 chooses RTM if it sees only such ones.
Source: wire/web-api.md#headers."""


class TokenKind(StrEnum):
    """What a token stands for. Source: wire/ids-and-timestamps.md#tokens."""

    USER = "user"
    BOT = "bot"
    APP = "app"
    """The app itself (``xapp-``), for Socket Mode."""
    CONFIGURATION = "configuration"
    """A person who makes apps (``xoxe.xoxp-``): it calls ``apps.manifest.*`` and nothing else."""


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """The user behind a token, and what the token permits.

    An app-level token has no user: ``user`` is empty, and ``name`` is that of the app.
    """

    user: UserId
    name: str
    bot_id: str | None
    app_id: str | None
    kind: TokenKind = TokenKind.USER
    scopes: frozenset[str] = CLASSIC
    token: bytes = b""
    """The hash of the token; empty if the identity does not come from one."""

    @property
    def is_bot(self) -> bool:
        """Whether it is a bot user."""
        return self.bot_id is not None

    def has_one_of(self, scopes: Collection[str]) -> bool:
        """Whether the token has one of these scopes; a classic bot has every one."""
        return UMBRELLA in self.scopes or not self.scopes.isdisjoint(scopes)

    @property
    def scope_list(self) -> str:
        """The scopes with commas between them and no blanks, which err-backend-slackv3 would not remove."""
        return join_scopes(self.scopes)


class Holder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Whose a token is: a user, or an app."""

    id: str
    name: str
    bot_id: str | None = None
    deleted: bool = False


class _State(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A token as an entry of the log carries it."""

    hash: bytes
    kind: TokenKind
    scopes: str
    app: str | None = None
    expires: int | None = None
    revoked: bool = False


class _Change(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The payload of an entry of kind ``auth``: the new state of a holder and, if it concerns a token, of the token."""

    holder: Holder | None = None
    token: _State | None = None
    forgotten: bytes = b""
    """The hash of a token that was deleted; then there is nothing else."""


class _Token(msgspec.Struct, frozen=True, gc=False):
    """A token in memory."""

    kind: TokenKind
    holder: str
    app_id: str | None
    scopes: frozenset[str]
    expires: int | None
    revoked: bool


class Identities:
    """All tokens of the workspace.

    Memory is about 430 bytes a token at most: docs/adr/0015-identities-in-memory.md.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[bytes, _Token] = {}
        self._holders: dict[str, Holder] = {}
        self._of_apps: dict[str, set[bytes]] = {}  # the tokens of users that each app has
        self._expiring: list[tuple[int, bytes]] = []  # a heap; a token whose expiry changes is in it more than once
        self._listeners: list[Callable[[], None]] = []
        self._index: dict[bytes, Identities] | None = None

    def publish(self, index: "dict[bytes, Identities]") -> None:
        """Enter all tokens, and later each new one, into an index by hash that workspaces share."""
        self._index = index
        index.update(dict.fromkeys(self._tokens, self))

    def withdraw(self) -> None:
        """Take the tokens out of the index, but not those that another has entered since."""
        for digest in self._tokens:
            self._leave_index(digest)
        self._index = None

    def load(self, query: Query) -> None:
        """Read all tokens; the state is that of the log at the head which the same snapshot shows."""
        for hash_, kind, app_id, scopes, expires, revoked, user, name, bot_id, deleted, app, app_name in find_holders(
            query
        ):
            holder = Holder(app, app_name) if user is None else Holder(user, name, bot_id, bool(deleted))
            self._put(holder, _State(hash_, TokenKind(kind), scopes, app_id, expires, revoked is not None))

    def on_refusal(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when some tokens are no longer accepted; ``refuses`` says which."""
        self._listeners.append(listener)

    def authenticate(self, token: str | None) -> Identity:
        """Return the identity of a token.

        Raises:
            MethodError: not_authed without a token; invalid_auth if it is unknown; account_inactive if its user is
            deactivated; token_revoked; token_expired. Source: wire/web-api.md#common-errors.
        """
        if not token:
            raise MethodError("not_authed")
        digest = hash_token(token)
        fault = self._fault(digest)
        if fault is not None:
            raise MethodError(fault)
        return self._identity(digest)

    def find(self, digest: bytes) -> Identity | None:
        """Return the identity of the token with this hash, None if it is not accepted."""
        return self._identity(digest) if self._fault(digest) is None else None

    def installation(self, app: str) -> "dict[str, frozenset[str]]":
        """Return the users of whom an app has tokens that are accepted, with the scopes of these: its bot, and people.

        Without its bot among them, the app is not installed for the bot.
        """
        found: dict[str, frozenset[str]] = {}
        for digest in self._of_apps.get(app, ()):
            if self._fault(digest) is None:
                token = self._tokens[digest]
                found[token.holder] = found.get(token.holder, frozenset()) | token.scopes
        return found

    def refuses(self, who: Identity) -> bool:
        """Whether the token of an identity is no longer accepted."""
        return self._fault(who.token) is not None

    def follow(self, entries: Sequence[Entry]) -> None:
        """Apply the entries of the log; a reader of the feed, before those that let connections see more."""
        is_less = False
        for entry in entries:
            if entry.kind == "auth":
                try:
                    change = msgspec.json.decode(entry.payload, type=_Change)
                except msgspec.MsgspecError:
                    log.exception("entry %d of the log (auth) cannot be read: restart the server", entry.position)
                    continue
                if change.holder is not None:
                    is_less |= self._put(change.holder, change.token)
                elif change.forgotten:
                    self._forget(change.forgotten)
        if is_less:
            self._tell()

    def sweep(self) -> None:
        """Report tokens that have expired; to be called about once a second."""
        now = self._clock.seconds()
        is_less = False
        while self._expiring and self._expiring[0][0] <= now:
            _, digest = heapq.heappop(self._expiring)
            is_less |= self._fault(digest) is not None
        if is_less:
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                log.exception("connections of tokens that are no longer accepted were not closed")

    def _put(self, holder: Holder, state: _State | None) -> bool:
        """Replace what is known of a holder and a token; return True if that may end what they could do before."""
        known = self._holders.get(holder.id)
        if known is None and state is None:
            return False
        if known != holder:
            self._holders[sys.intern(holder.id)] = holder
        if state is not None:
            app_id = sys.intern(state.app) if state.app is not None else None
            scopes = split_scopes(state.scopes)
            self._tokens[state.hash] = _Token(
                state.kind, sys.intern(holder.id), app_id, scopes, state.expires, state.revoked
            )
            if self._index is not None:
                self._index[state.hash] = self
            if app_id is not None and state.kind in (TokenKind.BOT, TokenKind.USER):
                self._of_apps.setdefault(app_id, set()).add(state.hash)
            if state.expires is not None and not state.revoked:
                heapq.heappush(self._expiring, (state.expires, state.hash))
        return holder.deleted or (state is not None and state.revoked)

    def _forget(self, digest: bytes) -> None:
        token = self._tokens.pop(digest, None)
        if token is not None and token.app_id is not None:
            self._of_apps.get(token.app_id, set()).discard(digest)
        self._leave_index(digest)

    def _leave_index(self, digest: bytes) -> None:
        if self._index is not None and self._index.get(digest) is self:
            del self._index[digest]

    def _fault(self, digest: bytes) -> str | None:
        """Return the error of a token, None if it is accepted."""
        token = self._tokens.get(digest)
        if token is None:
            return "invalid_auth"
        is_late = token.expires is not None and token.expires <= self._clock.seconds()
        if token.kind is TokenKind.APP:
            # With token_revoked or token_expired @slack/socket-mode tries again for ever (read in the SDK).
            return "invalid_auth" if token.revoked or is_late else None
        if self._holders[token.holder].deleted:
            return "account_inactive"
        if token.revoked:
            return "token_revoked"
        return "token_expired" if is_late else None

    def _identity(self, digest: bytes) -> Identity:
        token = self._tokens[digest]
        holder = self._holders[token.holder]
        user = UserId("" if token.kind is TokenKind.APP else holder.id)
        return Identity(user, holder.name, holder.bot_id, token.app_id, token.kind, token.scopes, digest)


def identity_of(user: UserRecord) -> Identity:
    """Return the identity of a user whom the server lets act without a token."""
    kind = TokenKind.USER if user.bot_id is None else TokenKind.BOT
    return Identity(user.id, user.name, user.bot_id, user.app_id, kind)


def note_token(tx: Transaction, holder: Holder, token: TokenRecord) -> None:
    """Leave the entry by which every node learns the new state of a token (in a unit)."""
    state = _State(
        token.hash, TokenKind(token.kind), token.scopes, token.app_id, token.expires, token.revoked is not None
    )
    tx.note("auth", Topic(holder.id), msgspec.json.encode(_Change(holder, state)))


def note_forgotten(tx: Transaction, digest: bytes) -> None:
    """Leave the entry by which every node learns that a token was deleted (in a unit)."""
    tx.note("auth", WORKSPACE, msgspec.json.encode(_Change(forgotten=digest)))


def note_holder(tx: Transaction, holder: Holder) -> None:
    """Leave the entry by which every node learns the new state of a holder of tokens (in a unit)."""
    tx.note("auth", Topic(holder.id), msgspec.json.encode(_Change(holder)))


def hash_token(token: str) -> bytes:
    """Return the hash under which the database stores a token.

    A token has 128 random bits, so a plain hash cannot be reversed by search. To look up a hash, instead of comparing
    tokens, leaks no timing from which a token could be guessed bit by bit.
    """
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def new_id(prefix: str) -> str:
    """Return a new id such as ``U4Q…``: the prefix and ten letters or digits.

    Source: wire/ids-and-timestamps.md#ids.
    """
    # Random and not counted: counted ids would show how many channels and users there are.
    return prefix + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(10))


@lru_cache(1_000)
def join_scopes(scopes: frozenset[str]) -> str:
    """Return scopes as Slack lists them: ``identify`` and other plain words first."""
    return ",".join(sorted(scopes, key=lambda scope: (":" in scope, scope)))


@lru_cache(1_000)
def split_scopes(scopes: str) -> frozenset[str]:
    """Return the scopes of a list with commas; one object for all tokens with the same list."""
    return frozenset(filter(None, scopes.split(",")))
