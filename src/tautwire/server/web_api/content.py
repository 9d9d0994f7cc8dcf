"""The content of a message among the arguments of a method, and where it goes: what ``chat`` methods share."""

from typing import Final

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.channels import conversations
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging.contents import set_content
from tautwire.server.services.messaging.messages import Draft
from tautwire.server.services.messaging.texts import MAX_TEXT, parse_of
from tautwire.server.store.queries.channels import find_channel_by_name
from tautwire.server.store.queries.users import find_user, find_user_by_name
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.method import Arguments, Call

WRITES: Final = users_and_bots("chat:write")
CONTENT_ERRORS: Final = (
    "attachment_payload_limit_exceeded", "invalid_attachments", "invalid_blocks", "invalid_blocks_format",
    "invalid_metadata_format", "markdown_text_conflict", "metadata_too_large", "msg_blocks_too_long", "msg_too_long",
    "no_text", "too_many_attachments",
)  # fmt: skip
"""The errors that concern the content of a message."""


class Authored(Arguments, frozen=True, kw_only=True):
    """The arguments for the name under which a bot posts."""

    username: str | None = None
    icon_emoji: str | None = None
    icon_url: str | None = None


class Content(Authored, frozen=True, kw_only=True):
    """The arguments for the content of a message."""

    ONE_OF = ("text", "markdown_text", "blocks", "attachments")

    text: str = ""
    markdown_text: str = ""
    blocks: Json = None
    attachments: Json = None
    metadata: Json = None
    thread_ts: str | None = None
    reply_broadcast: bool = False
    as_user: bool | None = None
    link_names: bool = False
    parse: str = ""


def find_target(tx: Transaction, call: Call, channel: str) -> str:
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


def draft_of(call: Call, args: Content) -> Draft:
    """Return the message that the arguments describe; raise ``MethodError`` if they do not fit together."""
    draft = Draft() if args.as_user is True else author_of(call, args)
    set_content(
        draft, text=args.text, markdown_text=args.markdown_text, blocks=args.blocks, attachments=args.attachments,
        metadata=args.metadata,
    )  # fmt: skip
    draft.thread_ts = args.thread_ts
    draft.reply_broadcast = args.reply_broadcast
    draft.parse = parse_of(args.parse, link_names=args.link_names)
    return draft


def author_of(call: Call, args: Authored) -> Draft:
    """Return an empty message under the name that a bot asks for. Source: wire/web-api.md#the-visible-author."""
    if not call.who.is_bot or not (args.username or args.icon_emoji or args.icon_url):
        return Draft()
    icons = {"emoji": args.icon_emoji} if args.icon_emoji else {"image_48": args.icon_url} if args.icon_url else None
    return Draft(username=args.username, icons=icons, as_bot=True)


def checked(text: str) -> str:
    """Return a text for a method other than chat.postMessage; raise ``MethodError`` (msg_too_long)."""
    if len(text) > MAX_TEXT:
        raise MethodError("msg_too_long")
    return text
