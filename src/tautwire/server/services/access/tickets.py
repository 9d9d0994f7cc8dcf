"""Tickets: the one-use secrets in RTM URLs, with the terms under which the connection opens.

A ticket is signed data in the path of the URL (slack-go overwrites the query string). Signed data needs no table of
open tickets that callers could fill; only used tickets are stored, until they expire. The key exists as long as the
process: after a restart a ticket is not valid, and the connection gets the error of an expired URL.

A ticket names the token with which it was issued. It is no more than that token: if the token is revoked, or its user
deactivated, the ticket is not valid either.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.services.access.identity import Identity

RTM_PATH: Final = "/rtm/"
"""The path of RTM URLs; the ticket follows."""
LINK_PATH: Final = "/link/"
"""The path of Socket Mode URLs; the ticket follows, then the query: clients append ``&debug_reconnects=true``."""

_MAC_SIZE: Final = 16


class Ticket(msgspec.Struct, frozen=True):
    """The terms of a connection, as agreed in rtm.connect."""

    nonce: bytes
    expires: float
    who: Identity
    position: int
    """The connection gets all events after this position of the log."""
    batches_presence: bool
    wants_positions: bool


def team_of(text: str) -> str:
    """Return the workspace that a ticket names, empty if it names none; its door checks whether it is genuine."""
    team, point, _ = text.partition(".")
    return team if point else ""


class _Note(msgspec.Struct, frozen=True, array_like=True):
    """A ticket as it is written: with the hash of the token in place of the identity."""

    nonce: bytes
    expires: float
    token: bytes
    position: int
    batches_presence: bool
    wants_positions: bool


class Tickets:
    """Issues tickets of a workspace, and redeems each once before it expires.

    Args:
        find: returns the identity of the token with a hash, None if the token is not accepted.
    """

    def __init__(self, team: str, clock: Clock, lifetime: float, find: Callable[[bytes], Identity | None]) -> None:
        self._team = team
        self._clock = clock
        self._lifetime = lifetime
        self._find = find
        self._key = secrets.token_bytes(32)
        self._used: dict[bytes, float] = {}  # nonces until they expire, oldest first

    def issue(self, *, who: Identity, position: int, batches_presence: bool, wants_positions: bool) -> str:
        """Return a new ticket as text for a URL path."""
        expires = self._clock.monotonic() + self._lifetime
        nonce = secrets.token_bytes(12)
        note = msgspec.msgpack.encode(_Note(nonce, expires, who.token, position, batches_presence, wants_positions))
        return f"{self._team}.{urlsafe_b64encode(self._sign(note) + note).rstrip(b'=').decode()}"

    def redeem(self, text: str) -> Ticket | None:
        """Redeem a ticket; return None if it is forged, expired, was redeemed before, or its token is not accepted."""
        secret = text.rpartition(".")[2]
        try:
            data = urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        except ValueError:
            return None
        mac, note = data[:_MAC_SIZE], data[_MAC_SIZE:]
        # Checked before the data is decoded: nothing of a forged ticket is parsed. The time is the same for every mac.
        if not hmac.compare_digest(mac, self._sign(note)):
            return None
        ticket = msgspec.msgpack.decode(note, type=_Note)
        now = self._clock.monotonic()
        self._forget_expired(now)
        if ticket.expires <= now or ticket.nonce in self._used:
            return None
        self._used[ticket.nonce] = ticket.expires
        who = self._find(ticket.token)
        if who is None:
            return None
        return Ticket(
            ticket.nonce, ticket.expires, who, ticket.position, ticket.batches_presence, ticket.wants_positions
        )

    def is_accepted(self, ticket: Ticket) -> bool:
        """Whether the token of a redeemed ticket is still accepted."""
        return self._find(ticket.who.token) is not None

    def _sign(self, note: bytes) -> bytes:
        return hmac.digest(self._key, note, hashlib.sha256)[:_MAC_SIZE]

    def _forget_expired(self, now: float) -> None:
        while self._used:
            nonce = next(iter(self._used))
            if self._used[nonce] > now:
                break
            del self._used[nonce]
