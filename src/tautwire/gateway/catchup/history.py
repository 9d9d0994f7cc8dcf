"""Reads messages of the upstream's history, at a bounded pace.

A channel is read from its newest message backwards, until a page reaches what is known. That page shows parents of
older threads as well, and ``latest_reply`` of a parent says whether its thread has to be read: most channels need one
call. Source: wire/web-api.md#pages, #rate-limits.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tautwire.gateway.translate.history import channel_type
from tautwire.gateway.upstream.api import TRIES, Answer, Api, RefusedError, UpstreamError
from tautwire.protocol.ids import NEVER
from tautwire.server.clock import Clock
from tautwire.session.ratelimit import Rate, TokenBucket

PAGE: Final = 200
"""Messages of a page. Some apps get no more than 15, whatever they ask for."""
MAX_PAGES: Final = 5
"""Pages of a channel; and of a thread."""
MAX_THREADS: Final = 20
"""Threads of a channel that are read, those with the newest replies first."""
MAX_CHANNELS: Final = 2_000
MAX_LIST_PAGES: Final = 20
MAX_LIMITED: Final = 20
"""Times that a call is put off by the upstream before it is given up."""
BURST: Final = 10
"""Calls that may be made at once after a quiet time: a small workspace is caught up in a moment."""
TYPES: Final = ("im", "mpim", "private_channel", "public_channel")


class Channel(NamedTuple):
    """A conversation of the bot."""

    id: str
    type: str
    """``channel_type`` of its messages."""
    latest: str
    """The ts of its newest message, empty if the upstream does not say it."""


@dataclass
class Missed:
    """What the history of a channel has."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    """Messages and replies that are newer than what was asked for, oldest first."""
    parents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Messages with replies that are newer, by ts."""
    older: list[str] = field(default_factory=list)
    """The ts of other messages on the pages."""
    newest: str = NEVER
    oldest: str = NEVER
    """The messages between which the history was read."""
    is_cut: bool = False
    """Whether there are more pages or threads than are read."""


class History:
    """The history of the bot's channels.

    Args:
        calls: calls a minute.
    """

    def __init__(self, api: Api, clock: Clock, calls: int) -> None:
        self._api = api
        self._clock = clock
        self._bucket = TokenBucket(Rate(calls / 60, min(calls, BURST)), clock.monotonic())
        self.calls = 0
        self.limited = 0
        """Calls that the upstream put off."""

    async def channels(self) -> tuple[list[Channel], list[RefusedError]]:
        """Return the conversations of the bot, and why some kinds of them are missing.

        Raises:
            UpstreamError: there is no answer.
        """
        found: list[Channel] = []
        refusals: list[RefusedError] = []
        for kind in TYPES:  # one by one: a scope that is missing for one kind makes the whole call fail
            try:
                await self._list(kind, found)
            except RefusedError as refusal:
                refusals.append(refusal)
        return found[:MAX_CHANNELS], refusals

    async def _list(self, kind: str, found: list[Channel]) -> None:
        cursor = ""
        for _ in range(MAX_LIST_PAGES):
            answer = await self._call("users.conversations", types=kind, limit=PAGE, exclude_archived=True,
                                      cursor=cursor or None)  # fmt: skip
            found += [
                Channel(each["id"], channel_type(each), _ts_of(each.get("latest")))
                for each in _dicts(answer.get("channels"))
                if isinstance(each.get("id"), str)
            ]
            metadata = answer.get("response_metadata")
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
            if not cursor:
                return

    async def missed(self, channel: str, after: str) -> Missed:
        """Return the messages of a channel, and replies in its threads, that are newer than the ts ``after``.

        Raises:
            RefusedError, UpstreamError: the history cannot be read.
        """
        result = Missed()
        latest, has_more = None, True
        for _ in range(MAX_PAGES):
            answer = await self._call("conversations.history", channel=channel, limit=PAGE, latest=latest)
            page = _messages(answer)
            for message in page:
                ts = message["ts"]
                if ts > after:
                    result.messages.append(message)
                else:
                    result.older.append(ts)
                if _ts_of(message.get("latest_reply")) > after:
                    result.parents[ts] = message
            has_more = bool(answer.get("has_more")) and bool(page)
            if page:
                latest = page[-1]["ts"]
                result.newest = max(result.newest, page[0]["ts"])
                result.oldest = latest
            if not has_more or result.oldest <= after:
                break
        else:
            result.is_cut = has_more
        if not has_more:
            result.oldest = NEVER
        threads = sorted(result.parents, key=lambda ts: _ts_of(result.parents[ts]["latest_reply"]), reverse=True)
        result.is_cut = result.is_cut or len(threads) > MAX_THREADS
        known = {message["ts"] for message in result.messages}  # replies that were broadcast are there already
        for thread in threads[:MAX_THREADS]:
            for reply in await self._replies(channel, thread, after, result):
                if reply["ts"] not in known:
                    known.add(reply["ts"])
                    result.messages.append(reply)
        result.messages.sort(key=lambda message: str(message["ts"]))
        return result

    async def _replies(self, channel: str, thread: str, after: str, result: Missed) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        oldest = max(after, thread)
        for _ in range(MAX_PAGES):
            answer = await self._call(
                "conversations.replies", channel=channel, ts=thread, oldest=oldest, limit=PAGE
            )  # fmt: skip
            page = [reply for reply in _messages(answer) if reply["ts"] > oldest]
            found += page
            if not answer.get("has_more") or not page:
                return found
            oldest = max(reply["ts"] for reply in page)
        result.is_cut = True
        return found

    async def _call(self, method: str, **arguments: Any) -> Answer:
        """Return an answer that is ``ok``, in the pace of the settings and of the upstream."""
        failures = limits = 0
        while True:
            while not self._bucket.take(self._clock.monotonic()):  # noqa: ASYNC110 - a pause is wanted
                await asyncio.sleep(self._bucket.wait(self._clock.monotonic()))
            self.calls += 1
            try:
                answer = await self._api.call(method, arguments)
            except UpstreamError:
                failures += 1
                if failures == TRIES:
                    raise
                await asyncio.sleep(0.2 * 2**failures)
                continue
            if answer.is_ok:
                return answer
            wait = answer.retry_after
            if wait is None or limits == MAX_LIMITED:
                raise RefusedError(
                    method, answer.text("error") or f"HTTP status {answer.status}", answer.text("needed")
                )
            limits += 1
            self.limited += 1
            await asyncio.sleep(max(0.01, wait))


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _messages(answer: Answer) -> list[dict[str, Any]]:
    return [each for each in _dicts(answer.get("messages")) if isinstance(each.get("ts"), str)]


def _ts_of(value: Any) -> str:
    """Return a ts, also that of a message object; empty if there is none."""
    found = value.get("ts") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else ""
