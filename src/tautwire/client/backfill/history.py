"""``conversations.history``: reading a channel page by page.

Knows nothing of gaps; ``client/backfill/filler`` decides what is read and how far.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.net.calls import PAGE, CallError, call, next_cursor
from tautwire.protocol.codec import decode_event
from tautwire.protocol.events import Event
from tautwire.protocol.ids import ChannelId, Ts
from tautwire.protocol.lenient import encoded


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
        CallError: the server refuses, or cannot be reached in time.
    """
    bounds = {"channel": channel, "oldest": oldest, "limit": PAGE}
    seen: set[str] = set()
    while True:
        answer = await call(web, "conversations.history", bounds, until)
        messages = [_message(channel, each) for each in _list(answer.get("messages"))]
        cursor = next_cursor(answer)
        if not cursor and answer.get("has_more") and messages:  # a server without cursors: on from the oldest one
            bounds["latest"] = min(ts for ts, _ in messages)
        has_more = bool(cursor) or (bool(answer.get("has_more")) and bool(messages))
        yield Page(messages, has_more)
        if not has_more:
            return
        bounds["cursor"] = cursor
        key = cursor or str(bounds["latest"])
        if key in seen:
            raise CallError("pagination loop: the server repeated a cursor")
        seen.add(key)


def _list(messages: object) -> list[Any]:
    if not isinstance(messages, list):
        raise CallError("the answer has no list of messages")
    return messages


def _message(channel: ChannelId, message: Any) -> tuple[Ts, Event]:
    """Make the event that a message of the history was: that lacks what every event of a channel says."""
    if not isinstance(message, Mapping) or not isinstance(message.get("ts"), str):
        raise CallError("the answer holds something that is no message")
    event = decode_event(encoded({"type": "message", **message, "channel": channel}))
    if not isinstance(event, Event):
        raise CallError("the answer holds something that is no message")
    return Ts(message["ts"]), event
