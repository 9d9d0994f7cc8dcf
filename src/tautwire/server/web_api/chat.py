"""The ``chat`` family."""

from functools import partial
from typing import Any, Final

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services import conversations, messages
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messages import Draft, Posted
from tautwire.server.store.channels import find_channel_by_name
from tautwire.server.store.users import find_user, find_user_by_name
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method, warning

MAX_POST: Final = 40_000
"""Code points of a text in chat.postMessage; a longer one is cut, with a warning.
Source: wire/web-api.md#lengths (documented)."""
MAX_TEXT: Final = 4_000
"""Code points of a text in the other methods; a longer one is msg_too_long.
Source: wire/web-api.md#lengths (documented)."""
MAX_ATTACHMENTS: Final = 100
MAX_BLOCKS: Final = 50
MAX_STRUCTURE: Final = 200_000
"""Bytes of JSON in blocks, attachments or metadata (ours)."""


WRITES: Final = users_and_bots("chat:write")
CONTENT_ERRORS: Final = (
    "attachment_payload_limit_exceeded", "invalid_attachments", "invalid_blocks", "invalid_metadata_format",
    "metadata_too_large", "msg_blocks_too_long", "no_text", "too_many_attachments",
)  # fmt: skip
"""The errors that concern the content of a message."""


class Content(Arguments, frozen=True, kw_only=True):
    """The arguments for the content of a message."""

    ONE_OF = ("text", "blocks", "attachments")

    text: str = ""
    blocks: Json = None
    attachments: Json = None
    metadata: Json = None
    thread_ts: str | None = None
    reply_broadcast: bool = False
    username: str | None = None
    icon_emoji: str | None = None
    icon_url: str | None = None
    as_user: bool | None = None


class ChatPostMessage(Content, frozen=True, kw_only=True):
    """Arguments of chat.postMessage."""

    REQUIRED = ("channel",)

    channel: Place = ""


class ChatPostEphemeral(Content, frozen=True, kw_only=True):
    """Arguments of chat.postEphemeral."""

    REQUIRED = ("channel", "user")

    channel: Place = ""
    user: str = ""


class ChatUpdate(Content, frozen=True, kw_only=True):
    """Arguments of chat.update."""

    REQUIRED = ("channel", "ts")

    channel: Place = ""
    ts: str = ""


class ChatDelete(Arguments, frozen=True, kw_only=True):
    """Arguments of chat.delete."""

    REQUIRED = ("channel", "ts")

    channel: Place = ""
    ts: str = ""


class ChatMeMessage(Arguments, frozen=True, kw_only=True):
    """Arguments of chat.meMessage."""

    REQUIRED = ("channel", "text")

    channel: Place = ""
    text: str = ""


@method(
    "chat.postMessage", ChatPostMessage, Tier.POST, WRITES,
    errors=[*CONTENT_ERRORS, "channel_not_found", "is_archived", "not_in_channel"],
)  # fmt: skip
async def post_message(call: Call, args: ChatPostMessage) -> Answer:
    """Post a message to a channel (id or name) or, by user id, to a direct message."""
    draft = _draft(call, args)
    is_long = len(draft.text) > MAX_POST
    draft.text = draft.text[:MAX_POST]

    def post(tx: Transaction) -> Posted:
        channel = _find_channel(tx, call, args.channel)
        messages.writable_room(tx, channel, call.who, visitors=True)
        call.count_post(
            channel
        )  # after the checks: by the id, whatever the channel argument was, and only for posts that are stored
        return messages.post(tx, call.team, call.who, channel, draft, visitors=True)

    posted = await call.write(post)
    answer = {"channel": posted.channel, "ts": posted.ts, "message": posted.body}
    return answer | warning("message_truncated") if is_long else answer


@method(
    "chat.meMessage", ChatMeMessage, Tier.THREE, WRITES,
    errors=["channel_not_found", "is_archived", "msg_too_long", "no_text", "not_in_channel"],
)  # fmt: skip
async def me_message(call: Call, args: ChatMeMessage) -> Answer:
    """Post a /me message."""
    if not args.text:
        raise MethodError("no_text")
    draft = Draft(text=_checked(args.text), subtype="me_message")

    def post(tx: Transaction) -> Posted:
        return messages.post(tx, call.team, call.who, _find_channel(tx, call, args.channel), draft, visitors=True)

    posted = await call.write(post)
    return {"channel": posted.channel, "ts": posted.ts}


@method(
    "chat.postEphemeral", ChatPostEphemeral, Tier.FOUR, WRITES,
    errors=[
        *CONTENT_ERRORS, "channel_not_found", "is_archived", "msg_too_long", "not_in_channel", "user_not_in_channel",
    ],
)  # fmt: skip
async def post_ephemeral(call: Call, args: ChatPostEphemeral) -> Answer:
    """Show a message to one member of a channel."""
    draft = _draft(call, args)
    _checked(draft.text)
    ts = await call.write(
        partial(
            messages.post_ephemeral, team=call.team, who=call.who, channel=args.channel, user=args.user, draft=draft
        )
    )
    return {"message_ts": ts}


@method(
    "chat.update", ChatUpdate, Tier.THREE, WRITES,
    errors=[*CONTENT_ERRORS, "cant_update_message", "channel_not_found", "message_not_found", "msg_too_long"],
)  # fmt: skip
async def update(call: Call, args: ChatUpdate) -> Answer:
    """Edit a message of the caller."""
    draft = _draft(call, args)
    _checked(draft.text)
    posted = await call.write(partial(messages.update, who=call.who, channel=args.channel, ts=args.ts, draft=draft))
    return {"channel": posted.channel, "ts": posted.ts, "text": posted.body["text"], "message": posted.body}


@method(
    "chat.delete", ChatDelete, Tier.THREE, WRITES,
    errors=["cant_delete_message", "channel_not_found", "message_not_found"],
)  # fmt: skip
async def delete(call: Call, args: ChatDelete) -> Answer:
    """Delete a message of the caller."""
    await call.write(partial(messages.delete, who=call.who, channel=args.channel, ts=args.ts))
    return {"channel": args.channel, "ts": args.ts}


def _find_channel(tx: Transaction, call: Call, channel: str) -> str:
    """Return the id of a channel given by id, ``#name``, name, ``@name`` of a user or id of a user."""
    if channel[:1] in ("U", "W", "@"):
        user = find_user_by_name(tx, channel[1:]) if channel.startswith("@") else find_user(tx, channel)
        if user is None:
            raise MethodError("channel_not_found")
        return conversations.open_direct(tx, call.who, [user.id])[0].id
    if channel[:1] in ("C", "G", "D"):
        return channel
    named = find_channel_by_name(tx, channel.removeprefix("#"))
    if named is None:
        raise MethodError("channel_not_found")
    return named.id


def _draft(call: Call, args: Content) -> Draft:
    blocks = _structure(args.blocks, list, "invalid_blocks", "msg_blocks_too_long")
    attachments = _structure(args.attachments, list, "invalid_attachments", "attachment_payload_limit_exceeded")
    metadata = _structure(args.metadata, dict, "invalid_metadata_format", "metadata_too_large")
    if isinstance(args.blocks, list) and len(args.blocks) > MAX_BLOCKS:
        raise MethodError("invalid_blocks")
    if isinstance(args.attachments, list) and len(args.attachments) > MAX_ATTACHMENTS:
        raise MethodError("too_many_attachments")
    if not args.text and not args.blocks and not args.attachments:
        raise MethodError("no_text")
    named = bool(args.username or args.icon_emoji or args.icon_url) and args.as_user is not True and call.who.is_bot
    icons = {"emoji": args.icon_emoji} if args.icon_emoji else {"image_48": args.icon_url} if args.icon_url else None
    return Draft(
        text=args.text,
        thread_ts=args.thread_ts,
        reply_broadcast=args.reply_broadcast,
        blocks=blocks,
        attachments=attachments,
        metadata=metadata,
        username=args.username if named else None,
        icons=icons if named else None,
        as_bot=named,
    )


def _checked(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise MethodError("msg_too_long")
    return text


def _structure(value: Any, shape: type, wrong: str, too_long: str) -> msgspec.Raw | None:
    """Return a structured argument encoded: it is copied as bytes from here on."""
    if value is None:
        return None
    if not isinstance(value, shape):
        raise MethodError(wrong)
    encoded = msgspec.json.encode(value)
    if len(encoded) > MAX_STRUCTURE:
        raise MethodError(too_long)
    return msgspec.Raw(encoded)
