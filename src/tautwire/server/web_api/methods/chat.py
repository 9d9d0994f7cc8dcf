"""The ``chat`` family: posting, editing and deleting. The rest is in ``chat_scheduled`` and ``chat_streams``."""

from functools import partial
from typing import Any

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.errors import MethodError
from tautwire.server.services.manifests.tabs import check_messages
from tautwire.server.services.messaging import messages, unfurls
from tautwire.server.services.messaging.contents import structure
from tautwire.server.services.messaging.messages import Draft, Posted
from tautwire.server.services.messaging.permalinks import find_permalink
from tautwire.server.services.messaging.texts import MAX_POST
from tautwire.server.web_api.access import access, users_and_bots
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.content import (
    CONTENT_ERRORS,
    WRITES,
    Content,
    checked,
    draft_of,
    find_target,
)
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method, warning


class ChatPostMessage(Content, frozen=True, kw_only=True):
    """Arguments of chat.postMessage."""

    REQUIRED = ("channel",)

    channel: Place = ""
    mrkdwn: bool = True
    unfurl_links: bool | None = None
    unfurl_media: bool | None = None
    """Accepted without an effect: the server fetches no links, whatever these two say."""


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
    errors=[*CONTENT_ERRORS, "channel_not_found", "is_archived", "messages_tab_disabled", "not_in_channel"],
)  # fmt: skip
async def post_message(call: Call, args: ChatPostMessage) -> Answer:
    """Post a message to a channel (id or name) or, by user id, to a direct message."""
    draft = draft_of(call, args)
    is_long = len(draft.text) > MAX_POST
    draft.text = draft.text[:MAX_POST]
    draft.mrkdwn = args.mrkdwn

    def post(tx: Transaction) -> Posted:
        channel = find_target(tx, call, args.channel)
        check_messages(tx, call.who, messages.writable_room(tx, channel, call.who, visitors=True).channel)
        call.count_post(
            channel
        )  # after the checks: by the id, whatever the channel argument was, and only for posts that are stored
        return messages.post(tx, call.team, call.who, channel, draft, visitors=True)

    posted = await call.write(post)
    if args.thread_ts is not None:
        call.workspace.statuses.posted(posted.channel, args.thread_ts, call.who.user)
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
    draft = Draft(text=checked(args.text), subtype="me_message")

    def post(tx: Transaction) -> Posted:
        return messages.post(tx, call.team, call.who, find_target(tx, call, args.channel), draft, visitors=True)

    posted = await call.write(post)
    return {"channel": posted.channel, "ts": posted.ts}


@method(
    "chat.postEphemeral", ChatPostEphemeral, Tier.FOUR, WRITES,
    errors=[
        *CONTENT_ERRORS, "channel_not_found", "is_archived", "messages_tab_disabled", "not_in_channel",
        "user_not_in_channel",
    ],
)  # fmt: skip
async def post_ephemeral(call: Call, args: ChatPostEphemeral) -> Answer:
    """Show a message to one member of a channel."""
    draft = draft_of(call, args)
    checked(draft.text)
    ts = await call.write(
        partial(
            messages.post_ephemeral, team=call.team, who=call.who, channel=args.channel, user=args.user, draft=draft
        )
    )
    return {"message_ts": ts}


@method(
    "chat.update", ChatUpdate, Tier.THREE, WRITES,
    errors=[
        *CONTENT_ERRORS, "cant_update_message", "channel_not_found", "message_not_found", "streaming_state_conflict",
    ],
)  # fmt: skip
async def update(call: Call, args: ChatUpdate) -> Answer:
    """Edit a message of the caller."""
    draft = draft_of(call, args)
    checked(draft.text)
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


class ChatGetPermalink(Arguments, frozen=True, kw_only=True):
    """Arguments of chat.getPermalink."""

    REQUIRED = ("channel", "message_ts")

    channel: Place = ""
    message_ts: str = ""


@method(
    "chat.getPermalink", ChatGetPermalink, Tier.AUTH, access(user=[], bot=[]),
    errors=["channel_not_found", "message_not_found"],
)  # fmt: skip
async def get_permalink(call: Call, args: ChatGetPermalink) -> Answer:
    """Return the lasting address of a message."""
    found = await call.read(
        partial(find_permalink, who=call.who, base_url=call.base_url, channel=args.channel, ts=args.message_ts)
    )
    return {"channel": args.channel, "permalink": found}


class ChatUnfurl(Arguments, frozen=True, kw_only=True):
    """Arguments of chat.unfurl."""

    REQUIRED = ("channel", "ts", "unfurls")

    channel: Place = ""
    ts: str = ""
    unfurls: Json = None
    source: str = ""
    unfurl_id: str = ""


@method(
    "chat.unfurl", ChatUnfurl, Tier.THREE, users_and_bots("links:write"),
    errors=[
        "cannot_find_channel", "cannot_find_message", "cannot_parse_attachment", "cannot_unfurl_message",
        "cannot_unfurl_url", "invalid_source", "invalid_unfurl_id", "invalid_unfurls_format", "missing_channel",
        "missing_ts", "missing_unfurls",
    ],
)  # fmt: skip
async def unfurl(call: Call, args: ChatUnfurl) -> Answer:
    """Show what is behind the links of a message. The message is named by ``channel`` and ``ts``."""
    if args.source not in ("", "composer", "conversations_history"):
        raise MethodError("invalid_source")
    if args.source == "composer" or (args.unfurl_id and not args.ts):
        raise MethodError("invalid_unfurl_id")  # no link_shared event of this server has one
    needed = {"missing_channel": args.channel, "missing_ts": args.ts, "missing_unfurls": args.unfurls}
    for error, value in needed.items():
        if not value:
            raise MethodError(error)
    structure(args.unfurls, dict, "invalid_unfurls_format", "cannot_unfurl_message")
    shown: dict[str, dict[str, Any]] = {}
    for url, attachment in args.unfurls.items():
        if not isinstance(attachment, dict):
            raise MethodError("cannot_parse_attachment")
        shown[url] = attachment
    await call.write(partial(unfurls.show, who=call.who, channel=args.channel, ts=args.ts, shown=shown))
    return {}
