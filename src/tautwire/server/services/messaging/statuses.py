"""What apps are doing in threads ("is thinking…"). Source: wire/assistants.md#assistant-threads."""

from typing import Final

import msgspec

from tautwire.protocol.ids import ts_from_micros
from tautwire.server.clock import Clock
from tautwire.server.hub.hub import Hub
from tautwire.server.log.entry import Topic

LIFETIME: Final = 120.0
"""Seconds of a status. Source: wire/assistants.md#assistant-threads (documented)."""
MAX_STATUSES: Final = 10_000
"""Statuses at one time in a workspace (ours); the oldest ends for a new one."""


class Statuses:
    """The statuses of one workspace. They are in memory only, and go out on the lossy lane."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._ends: dict[tuple[str, str, str], float] = {}  # by channel, thread and user; the oldest first

    def set(self, channel: str, thread_ts: str, user: str, status: str) -> None:
        """Show the status of a bot to the members of the channel; an empty one ends it."""
        key = (channel, thread_ts, user)
        self._ends.pop(key, None)
        if status:
            self._ends[key] = self._clock.monotonic() + LIFETIME
            if len(self._ends) > MAX_STATUSES:
                self._end(next(iter(self._ends)))
        self._send(key, status)

    def posted(self, channel: str, thread_ts: str, user: str) -> None:
        """Called when a bot has posted into a thread, which ends its status there."""
        key = (channel, thread_ts, user)
        if key in self._ends:
            self._end(key)

    def sweep(self) -> None:
        """End statuses that are old; to be called about once a second."""
        now = self._clock.monotonic()
        while self._ends:
            key = next(iter(self._ends))
            if self._ends[key] > now:
                return
            self._end(key)

    def _end(self, key: tuple[str, str, str]) -> None:
        del self._ends[key]
        self._send(key, "")

    def _send(self, key: tuple[str, str, str], status: str) -> None:
        channel, thread_ts, user = key
        frame = {
            "type": "ai_assistant_status", "channel_id": channel, "thread_ts": thread_ts, "bot_user_id": user,
            "status": status, "event_ts": ts_from_micros(self._clock.micros()),
        }  # fmt: skip
        self._hub.whisper(Topic(channel), msgspec.json.encode(frame))
