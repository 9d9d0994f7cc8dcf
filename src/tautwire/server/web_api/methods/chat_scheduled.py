"""Scheduled messages of the ``chat`` family."""

from typing import Any, ClassVar

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.channels.visible import visible_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import scheduled
from tautwire.server.services.messaging.texts import MAX_POST
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.scheduled import ScheduledRecord
from tautwire.server.web_api.access import access
from tautwire.server.web_api.content import CONTENT_ERRORS, WRITES, Content, draft_of, find_target
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method, warning
from tautwire.server.web_api.pages import PAGE_ERRORS, check_limit, decode_cursor, encode_cursor

LAST: int = 10**11
"""Seconds after all times that can be scheduled."""


class ChatScheduleMessage(Content, frozen=True, kw_only=True):
    """Arguments of chat.scheduleMessage."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("channel", "post_at")

    channel: Place = ""
    post_at: int | None = None
    unfurl_links: bool | None = None
    unfurl_media: bool | None = None


class ChatDeleteScheduledMessage(Arguments, frozen=True, kw_only=True):
    """Arguments of chat.deleteScheduledMessage."""

    REQUIRED = ("channel", "scheduled_message_id")

    channel: Place = ""
    scheduled_message_id: str = ""


class ChatScheduledMessagesList(Arguments, frozen=True, kw_only=True):
    """Arguments of chat.scheduledMessages.list."""

    channel: Place = ""
    cursor: str = ""
    latest: str = ""
    oldest: str = ""
    limit: int = 100


@method(
    "chat.scheduleMessage", ChatScheduleMessage, Tier.THREE, WRITES,
    errors=[
        *CONTENT_ERRORS, "channel_not_found", "invalid_time", "is_archived", "not_in_channel", "restricted_too_many",
        "time_in_past", "time_too_far",
    ],
)  # fmt: skip
async def schedule_message(call: Call, args: ChatScheduleMessage) -> Answer:
    """Post a message at a later time, at most 120 days ahead."""
    if args.post_at is None:
        raise MethodError("invalid_time")
    due = args.post_at
    draft = draft_of(call, args)
    is_long = len(draft.text) > MAX_POST
    draft.text = draft.text[:MAX_POST]

    def store(tx: Transaction) -> ScheduledRecord:
        return scheduled.schedule(tx, call.who, find_target(tx, call, args.channel), due, draft)

    record = await call.write(store)
    call.workspace.schedule.expect(record.due)
    message: dict[str, Any] = {"type": "delayed_message", "text": draft.text, "user": call.who.user}
    if call.who.bot_id is not None:
        message["bot_id"] = call.who.bot_id
    answer = {
        "channel": record.channel, "scheduled_message_id": record.id, "post_at": record.due, "message": message,
    }  # fmt: skip
    return answer | warning("message_truncated") if is_long else answer


@method(
    "chat.deleteScheduledMessage", ChatDeleteScheduledMessage, Tier.THREE, WRITES,
    errors=["channel_not_found", "invalid_scheduled_message_id"],
)  # fmt: skip
async def delete_scheduled_message(call: Call, args: ChatDeleteScheduledMessage) -> Answer:
    """Cancel a scheduled message of the caller."""

    def cancel(tx: Transaction) -> None:
        visible_channel(tx, call.who, args.channel)
        scheduled.cancel(tx, call.who, args.channel, args.scheduled_message_id)

    await call.write(cancel)
    return {}


@method(
    "chat.scheduledMessages.list", ChatScheduledMessagesList, Tier.THREE, access(user=[], bot=[]),
    errors=[*PAGE_ERRORS, "invalid_channel"],
)  # fmt: skip
async def list_scheduled_messages(call: Call, args: ChatScheduledMessagesList) -> Answer:
    """Return the scheduled messages of the caller, the next first; ``oldest`` and ``latest`` bound their times."""
    after = decode_cursor(args.cursor, scheduled.is_key)
    span = (_seconds(args.oldest, 0), _seconds(args.latest, LAST))

    def find(query: Query) -> tuple[list[dict[str, Any]], str | None]:
        if args.channel:
            try:
                visible_channel(query, call.who, args.channel)
            except MethodError:
                raise MethodError("invalid_channel") from None
        return scheduled.list_scheduled(
            query, call.who, channel=args.channel or None, span=span, after=after, limit=check_limit(args.limit) or 100
        )

    found, last = await call.read(find)
    cursor = encode_cursor(last) if last is not None else ""
    return {"scheduled_messages": found, "response_metadata": {"next_cursor": cursor}}


def _seconds(text: str, default: int) -> int:
    """Return a time in seconds; it may come with a fraction."""
    if not text:
        return default
    whole = text.partition(".")[0]
    if not (whole.isascii() and whole.isdecimal()) or len(whole) > 11:
        raise MethodError("invalid_arguments", response_metadata={"messages": ["[ERROR] oldest and latest are times"]})
    return int(whole)
