"""``conversations.history``: reading a channel page by page, with patience for what passes.

Knows nothing of gaps; ``tautwire.client.filler`` decides what is read and how far.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, NamedTuple

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.causes import explain
from tautwire.client.grant import read_refusal
from tautwire.protocol.codec import decode_event, encode
from tautwire.protocol.events import Event
from tautwire.protocol.ids import ChannelId, Ts

PAGE: Final = 200
"""Messages asked for at once; servers may give fewer. Source: webapi.md (up to 999 allowed, 200 recommended)."""

TRIES: Final = 4
"""Calls made for one page."""

_PASSING: Final = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
"""Error strings that another try may heal. Source: webapi.md 5 (documented)."""


class HistoryError(Exception):
    """A page could not be had; the text says why, without secrets."""


class Page(NamedTuple):
    """Some messages of a channel."""

    messages: list[tuple[Ts, Event]]
    has_more: bool


async def pages(web: AsyncWebClient, channel: ChannelId, oldest: Ts, until: float) -> AsyncGenerator[Page]:
    """Read the messages after ``oldest``, in the order the server pages them: the newest page first, as documented.

    Calls that come too soon or fail in passing are repeated, as far as the time allows.

    Args:
        web: a client that repeats no call by itself.
        channel: whose messages.
        oldest: itself left out.
        until: when all has to be over, in the loop's time.

    Raises:
        HistoryError: the server says no, or cannot be reached for too long.
    """
    bounds = {"channel": channel, "oldest": oldest, "limit": PAGE}
    seen: set[str] = set()
    while True:
        answer = await _call(web, bounds, until)
        messages = [_message(channel, each) for each in _list(answer.get("messages"))]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor and answer.get("has_more") and messages:  # a server without cursors: on from the oldest one
            bounds["latest"] = min(ts for ts, _ in messages)
        has_more = bool(cursor) or (bool(answer.get("has_more")) and bool(messages))
        yield Page(messages, has_more)
        if not has_more:
            return
        bounds["cursor"] = cursor
        key = cursor or str(bounds["latest"])
        if key in seen:
            raise HistoryError("the server pages in circles")
        seen.add(key)


async def _call(web: AsyncWebClient, bounds: Mapping[str, Any], until: float) -> Mapping[str, Any]:
    loop = asyncio.get_running_loop()
    arguments = {name: value for name, value in bounds.items() if value != ""}
    for attempt in range(1, TRIES + 1):
        pause = 0.25 * 2**attempt
        try:
            answer = (await web.api_call("conversations.history", http_verb="GET", params=arguments)).data
            if isinstance(answer, Mapping):
                return answer
            reason = "the answer is no JSON object"
        except SlackApiError as error:
            refusal = read_refusal(error)
            reason = refusal.code or f"HTTP status {refusal.status}"
            if refusal.retry_after is not None:
                pause = refusal.retry_after
            elif refusal.code not in _PASSING and refusal.status < 500:
                raise HistoryError(reason) from None
        except Exception as error:  # noqa: BLE001 (whatever breaks between us and the API, the next try may work)
            reason = explain(error)
        if attempt == TRIES:
            break
        if loop.time() + pause >= until:
            raise HistoryError(f"{reason}; no time is left for the next try in {pause:g} s") from None
        await asyncio.sleep(pause)
    raise HistoryError(f"{reason}, {TRIES} times")


def _list(messages: object) -> list[Any]:
    if not isinstance(messages, list):
        raise HistoryError("the answer has no list of messages")
    return messages


def _message(channel: ChannelId, message: Any) -> tuple[Ts, Event]:
    """Make the event that a message of the history was: that lacks what every event of a channel says."""
    if not isinstance(message, Mapping) or not isinstance(message.get("ts"), str):
        raise HistoryError("the answer holds something that is no message")
    event = decode_event(encode({"type": "message", **message, "channel": channel})).event
    if not isinstance(event, Event):
        raise HistoryError("the answer holds something that is no message")
    return Ts(message["ts"]), event
