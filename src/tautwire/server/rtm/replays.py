"""The last message a lost connection has sent: its user's next connection is told that it was stored.

The ack may have gone down with the old connection. A copy of the message with the id it was sent under settles that.
A user may have several programs, which give the same ids: where it cannot be known that the next connection is the
successor of the lost one, nobody is told anything.
Source: wire/reconnecting.md#the-replay-of-the-last-message (documented and captured; what counts as lost, and for how
long, is recommended).
"""

from typing import Any, Final, NamedTuple

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.hub.hub import Hub
from tautwire.server.services.messages import Posted

LIFE: Final = 60.0
"""Seconds after the end of a connection in which a new one is told."""


class Sent(NamedTuple):
    """A message that was stored under the id a client gave it."""

    id: int
    posted: Posted

    def payload(self) -> bytes:
        """Return the copy."""
        body = self.posted.body
        copy: dict[str, Any] = {"reply_to": self.id, "type": "message", "channel": self.posted.channel}
        return msgspec.json.encode(copy | {name: body[name] for name in ("user", "text", "ts")})


class _Kept(NamedTuple):
    since: float
    sent: Sent | None
    """None if another connection of the user lived at that time."""


class Replays:
    """What the last lost connection of each user had sent last, for a minute."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._kept: dict[str, _Kept] = {}  # oldest first

    def lost(self, user: str, last: Sent | None) -> None:
        """Remember the last message of a user's connection that is not attached any more and sent no Close frame.

        To be called again when a message of it turns out to be stored.
        """
        now = self._forget_old()
        before = self._kept.get(user)
        is_only = not self._hub.connections_of(user) and (before is None or before.sent is not None)
        if is_only and last is None:
            return
        self._kept.pop(user, None)  # or it would keep its old place among the others
        self._kept[user] = _Kept(now, last if is_only else None)

    def take(self, user: str) -> Sent | None:
        """Return what the user has to be told, once."""
        self._forget_old()
        kept = self._kept.pop(user, None)
        return None if kept is None else kept.sent

    def _forget_old(self) -> float:
        """Drop what is too old; return the time."""
        now = self._clock.monotonic()
        while self._kept:
            user = next(iter(self._kept))
            if now - self._kept[user].since <= LIFE:
                break
            del self._kept[user]
        return now
