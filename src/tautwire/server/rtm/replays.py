"""The last message a lost connection has sent: its user's next connection is told that it was stored.

The ack may have gone down with the old connection. A copy of the message with the id it was sent under settles that.
Source: rtm.md 3.3 (documented and captured; what counts as lost, and for how long, is recommended).
"""

from typing import Any, Final, NamedTuple

import msgspec

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


class Replays:
    """What the last lost connection of each user had sent last, for a minute."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Sent]] = {}

    def keep(self, user: str, sent: Sent, now: float) -> None:
        """Remember a message of a connection that was lost."""
        self._forget_old(now)
        self._kept.pop(user, None)  # or it would keep its old place among the others
        self._kept[user] = (now, sent)

    def take(self, user: str, now: float) -> Sent | None:
        """Return what the user has to be told, once."""
        self._forget_old(now)
        _, sent = self._kept.pop(user, (0.0, None))
        return sent

    def _forget_old(self, now: float) -> None:
        """Drop what is too old; the oldest comes first."""
        while self._kept:
            user = next(iter(self._kept))
            if now - self._kept[user][0] <= LIFE:
                return
            del self._kept[user]
