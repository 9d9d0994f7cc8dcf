"""The last message of a lost connection: its user's next connection gets a copy, so it knows that it was stored.

The ack may be lost with the old connection. A copy of the message with the frame id settles what became of it. A user
may run several programs, which use the same ids. So there is no copy if it is not certain that the next connection is
the successor of the lost one.
Source: wire/reconnecting.md#the-replay-of-the-last-message (documented and captured; what counts as lost, and for how
long, is recommended).
"""

from typing import Any, Final, NamedTuple

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.hub.hub import Hub
from tautwire.server.rtm.backend import Posted

LIFE: Final = 60.0
"""Seconds after the end of a connection in which a new one gets the copy."""


class Sent(NamedTuple):
    """A stored message with the frame id that the client gave it."""

    id: int
    posted: Posted

    def payload(self) -> bytes:
        """Return the copy as JSON."""
        body = self.posted.body
        copy: dict[str, Any] = {"reply_to": self.id, "type": "message", "channel": self.posted.channel}
        return msgspec.json.encode(copy | {name: body[name] for name in ("user", "text", "ts")})


class _Kept(NamedTuple):
    since: float
    sent: Sent | None
    """None if the user had another connection at that time."""


class Replays:
    """The last message of the last lost connection of each user, kept for a minute."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._kept: dict[str, _Kept] = {}  # oldest first

    def lost(self, user: str, last: Sent | None) -> None:
        """Keep the last message of a connection that was detached without a Close frame.

        To be called again when a later message of that connection is stored.
        """
        now = self._forget_old()
        before = self._kept.get(user)
        is_only = not self._hub.connections_of(user) and (before is None or before.sent is not None)
        if is_only and last is None:
            return
        self._kept.pop(user, None)  # an update alone would keep its old place in the order
        self._kept[user] = _Kept(now, last if is_only else None)

    def take(self, user: str) -> Sent | None:
        """Return the message for the user's new connection, once; None if there is none."""
        self._forget_old()
        kept = self._kept.pop(user, None)
        return None if kept is None else kept.sent

    def _forget_old(self) -> float:
        """Drop messages that are too old; return the time."""
        now = self._clock.monotonic()
        while self._kept:
            user = next(iter(self._kept))
            if now - self._kept[user].since <= LIFE:
                break
            del self._kept[user]
        return now
