"""``typing`` of bots as the status of a thread, the nearest thing that apps of today have.

A status belongs to a thread, and an RTM frame often names none: then it is that of the last message of another in the
channel. It is set once and again while frames come, and taken away when they end, or when the bot has said something.
Source: wire/assistants.md#assistant-threads.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tautwire.gateway.upstream.api import Api, UpstreamError
from tautwire.server.clock import Clock
from tautwire.server.log.entry import Entry

log = logging.getLogger("tautwire.gateway")

METHOD: Final = "assistant.threads.setStatus"
STATUS: Final = "is typing…"
AGAIN: Final = 30.0
"""Seconds until a status is set again; the upstream keeps it for two minutes (documented)."""
SILENCE: Final = 6.0
"""Seconds without a frame until it is taken away; programs send one every three to five seconds."""
MAX_CHANNELS: Final = 1_000
"""Channels whose last message is remembered."""
MAX_SHOWN: Final = 50
"""Threads that have a status at a time: bounds the calls a minute."""


class _Message(msgspec.Struct, gc=False):
    type: str = ""
    subtype: str | None = None
    channel: Any = None
    user: Any = None
    ts: str = ""
    thread_ts: str | None = None


_decode: Final = msgspec.json.Decoder(_Message).decode


@dataclass(slots=True)
class _Shown:
    thread_ts: str
    since: float
    ending: asyncio.TimerHandle


class TypingStatus:
    """Shows that the bot is typing.

    Args:
        bot_user: whose messages do not count.
        is_on: without it nothing is shown.
    """

    def __init__(self, api: Api, clock: Clock, bot_user: str, *, is_on: bool) -> None:
        self._api = api
        self._clock = clock
        self._bot_user = bot_user
        self._is_on = is_on
        self._threads: dict[str, str] = {}  # of the last message in each channel, the newest at the end
        self._shown: dict[str, _Shown] = {}
        self._failures: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, entries: Sequence[Entry]) -> None:
        """Remember in which threads others write: a reader of the log."""
        if not self._is_on:
            return
        for entry in entries:
            if entry.kind != "event" or b'"message"' not in entry.payload:
                continue
            try:
                seen = _decode(entry.payload)
            except msgspec.MsgspecError:
                continue
            if seen.type == "message" and seen.subtype is None and seen.user not in (None, self._bot_user):
                channel = str(seen.channel)
                self._threads.pop(channel, None)
                self._threads[channel] = seen.thread_ts or seen.ts
                while len(self._threads) > MAX_CHANNELS:
                    del self._threads[next(iter(self._threads))]

    def type(self, channel: str, thread_ts: str | None) -> None:
        """Take a frame: show it, or keep on showing it."""
        thread = thread_ts or self._threads.get(channel)
        if not self._is_on or not thread:
            return
        now = self._clock.monotonic()
        shown = self._shown.get(channel)
        if shown is None and len(self._shown) >= MAX_SHOWN:
            return
        if shown is not None:
            shown.ending.cancel()
            if shown.thread_ts != thread:
                self._set(channel, shown.thread_ts, "")
        is_new = shown is None or shown.thread_ts != thread or now - shown.since >= AGAIN
        ending = asyncio.get_running_loop().call_later(SILENCE, self.end, channel)
        self._shown[channel] = _Shown(thread, now if is_new or shown is None else shown.since, ending)
        if is_new:
            self._set(channel, thread, STATUS)

    def end(self, channel: str) -> None:
        """Show no more: the bot has said something, or no frame has come for a while."""
        shown = self._shown.pop(channel, None)
        if shown is not None:
            shown.ending.cancel()
            self._set(channel, shown.thread_ts, "")

    async def stop(self) -> None:
        """Show nothing, and make no more calls."""
        self._is_on = False
        for shown in self._shown.values():
            shown.ending.cancel()
        self._shown.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _set(self, channel: str, thread_ts: str, status: str) -> None:
        if len(self._tasks) < 2 * MAX_SHOWN:
            task = asyncio.create_task(self._call({"channel_id": channel, "thread_ts": thread_ts, "status": status}))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, arguments: dict[str, str]) -> None:
        try:
            answer = await self._api.call(METHOD, arguments)
            failure = "" if answer.is_ok else answer.text("error") or "an unknown error"
        except UpstreamError as error:
            failure = str(error)
        if failure and failure not in self._failures and len(self._failures) < MAX_SHOWN:
            self._failures.add(failure)
            log.warning("that a bot is typing cannot be shown: %s (typing_status); this is logged once", failure)
