"""Tickets: the one-use secrets in RTM URLs, with the terms under which the connection opens.

A ticket is signed data in the path of the URL (slack-go overwrites the query string). Signed data needs no table of
open tickets that callers could fill; only used tickets are stored, until they expire. The key exists as long as the
process: after a restart a ticket is not valid, and the connection gets the error of an expired URL.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.services.identity import Identity

RTM_PATH: Final = "/rtm/"
"""The path of RTM URLs; the ticket follows."""

_MAC_SIZE: Final = 16
_NO_SCOPES: Final[frozenset[str]] = frozenset()


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """The terms of a connection, as agreed in rtm.connect."""

    nonce: bytes
    expires: float
    who: Identity
    """Without scopes."""
    position: int
    """The connection gets all events after this position of the log."""
    batches_presence: bool
    wants_positions: bool


def team_of(text: str) -> str:
    """Return the workspace that a ticket names, empty if it names none; its door checks whether it is genuine."""
    team, point, _ = text.partition(".")
    return team if point else ""


class Tickets:
    """Issues tickets of a workspace, and redeems each once before it expires."""

    def __init__(self, team: str, clock: Clock, lifetime: float) -> None:
        self._team = team
        self._clock = clock
        self._lifetime = lifetime
        self._key = secrets.token_bytes(32)
        self._used: dict[bytes, float] = {}  # nonces until they expire, oldest first

    def issue(self, *, who: Identity, position: int, batches_presence: bool, wants_positions: bool) -> str:
        """Return a new ticket as text for a URL path."""
        expires = self._clock.monotonic() + self._lifetime
        nonce = secrets.token_bytes(12)
        # Without scopes: no RTM command asks for one, and they would make the URL as long as there are scopes.
        who = msgspec.structs.replace(who, scopes=_NO_SCOPES)
        note = msgspec.msgpack.encode(Ticket(nonce, expires, who, position, batches_presence, wants_positions))
        return f"{self._team}.{urlsafe_b64encode(self._sign(note) + note).rstrip(b'=').decode()}"

    def redeem(self, text: str) -> Ticket | None:
        """Redeem a ticket; return None if it is forged, expired or was redeemed before."""
        secret = text.rpartition(".")[2]
        try:
            data = urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        except ValueError:
            return None
        mac, note = data[:_MAC_SIZE], data[_MAC_SIZE:]
        # Checked before the data is decoded: nothing of a forged ticket is parsed. The time is the same for every mac.
        if not hmac.compare_digest(mac, self._sign(note)):
            return None
        ticket = msgspec.msgpack.decode(note, type=Ticket)
        now = self._clock.monotonic()
        self._forget_expired(now)
        if ticket.expires <= now or ticket.nonce in self._used:
            return None
        self._used[ticket.nonce] = ticket.expires
        return ticket

    def _sign(self, note: bytes) -> bytes:
        return hmac.digest(self._key, note, hashlib.sha256)[:_MAC_SIZE]

    def _forget_expired(self, now: float) -> None:
        while self._used:
            nonce = next(iter(self._used))
            if self._used[nonce] > now:
                break
            del self._used[nonce]
