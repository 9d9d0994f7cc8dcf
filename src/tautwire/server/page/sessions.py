"""The one-time keys in the links to the page, and the sessions that they open.

Both are kept in memory, as hashes, until the server stops. A hash is looked up: how long that takes tells nothing from
which a key or a session could be guessed bit by bit.
"""

import secrets
from hashlib import sha256
from typing import Final, NamedTuple

from tautwire.server.clock import Clock

LIFETIME: Final = 12 * 3600.0
"""Seconds after its last use in which a session ends."""
MAX_SESSIONS: Final = 64
"""Sessions of a server at a time; one more ends the one that was not used for the longest time."""
_BYTES: Final = 32


class _Session(NamedTuple):
    team: str
    used_at: float


class Sessions:
    """The sessions of all workspaces."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[bytes, str] = {}  # the team, by the hash of the key; one for each team
        self._sessions: dict[bytes, _Session] = {}  # by the hash, in the order of their last use

    def new_key(self, team: str) -> str:
        """Return a key that opens one session of a workspace; the one before is good no more."""
        for old in [digest for digest, each in self._keys.items() if each == team]:
            del self._keys[old]
        key = secrets.token_urlsafe(_BYTES)
        self._keys[_hash(key)] = team
        return key

    def open(self, key: str) -> tuple[str, str] | None:
        """Use a key up; return its team and the secret of the new session, None for a key that is not good."""
        team = self._keys.pop(_hash(key), None)
        if team is None:
            return None
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        secret = secrets.token_urlsafe(_BYTES)
        self._sessions[_hash(secret)] = _Session(team, self._clock.monotonic())
        return team, secret

    def find(self, secret: str) -> str | None:
        """Return the team of a session, and let it live on; None if there is none."""
        digest = _hash(secret)
        session = self._sessions.pop(digest, None)
        now = self._clock.monotonic()
        if session is None or now - session.used_at > LIFETIME:
            return None
        self._sessions[digest] = _Session(session.team, now)
        return session.team

    def close(self, secret: str) -> None:
        """End a session; no effect if there is none."""
        self._sessions.pop(_hash(secret), None)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode(errors="replace")).digest()
