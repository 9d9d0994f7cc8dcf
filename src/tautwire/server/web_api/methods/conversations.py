"""The ``conversations`` family."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final

from tautwire.protocol.ids import is_channel_id, is_ts, is_user_id
from tautwire.server.services.arrays import Page
from tautwire.server.services.channels import conversations
from tautwire.server.services.channels.room import Room
from tautwire.server.services.channels.visible import readable_channel, visible_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.lists import conversations_page, members_page
from tautwire.server.services.messaging.history import history_page, news, replies_page
from tautwire.server.services.wire_objects import LOCALE, conversation_object
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.membership import count_members, find_marks
from tautwire.server.store.queries.pins import count_pins
from tautwire.server.store.records import ChannelKind, ChannelRecord
from tautwire.server.web_api.access import access, users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method, warning
from tautwire.server.web_api.pages import PAGE_ERRORS, check_limit, decode_cursor, encode_cursor, page_metadata

KINDS: Final = {
    "public_channel": ChannelKind.PUBLIC,
    "private_channel": ChannelKind.PRIVATE,
    "mpim": ChannelKind.MPIM,
    "im": ChannelKind.IM,
}
"""The values of ``types``. Source: wire/ids-and-timestamps.md#kinds-of-conversations (documented)."""

MAX_INVITED: Final = 1_000
"""Users in one call. Source: wire/web-api-methods.md#conversationsinvite (documented)."""

READS: Final = users_and_bots("channels:read", "groups:read", "im:read", "mpim:read")
READS_HISTORY: Final = users_and_bots("channels:history", "groups:history", "im:history", "mpim:history")
WRITES: Final = access(
    user=["channels:write", "groups:write", "im:write", "mpim:write"],
    bot=["channels:manage", "channels:write", "groups:write", "im:write", "mpim:write"],
)
OPENS: Final = access(
    user=["channels:write", "groups:write", "im:write", "mpim:write"],
    bot=["channels:manage", "groups:write", "im:write", "mpim:write"],
)
INVITES: Final = access(
    user=[
        "channels:write.invites", "groups:write.invites", "channels:write", "groups:write", "im:write", "mpim:write",
    ],
    bot=[
        "channels:write.invites", "groups:write.invites", "channels:manage", "groups:write", "im:write", "mpim:write",
    ],
)  # fmt: skip
"""Who may call which methods; the kind of the conversation decides between the scopes.
Source: wire/web-api-methods.md#conversationsopen and others (documented)."""

_BOUND: Final = re.compile(r"(\d{1,10})(?:\.(\d*))?", re.ASCII)


class ConversationsCreate(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.create."""

    REQUIRED = ("name",)

    name: str = ""
    is_private: bool = False


class ConversationsInfo(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.info."""

    REQUIRED = ("channel",)

    channel: Place = ""
    include_num_members: bool = False
    include_locale: bool = False


class ConversationsList(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.list."""

    cursor: str = ""
    exclude_archived: bool = False
    limit: int = 100
    types: tuple[str, ...] = ("public_channel",)


class ConversationsMembers(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.members."""

    REQUIRED = ("channel",)

    channel: Place = ""
    cursor: str = ""
    limit: int = 100


class ConversationsOpen(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.open."""

    ONE_OF = ("channel", "users")

    channel: Place = ""
    users: tuple[str, ...] = ()
    return_im: bool = False
    prevent_creation: bool = False


class ConversationsJoin(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.join."""

    REQUIRED = ("channel",)

    channel: Place = ""


class ConversationsLeave(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.leave."""

    REQUIRED = ("channel",)

    channel: Place = ""


class ConversationsInvite(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.invite."""

    REQUIRED = ("channel", "users")

    channel: Place = ""
    users: tuple[str, ...] = ()
    force: bool = False


class ConversationsKick(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.kick."""

    REQUIRED = ("channel", "user")

    channel: Place = ""
    user: str = ""


class ConversationsClose(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.close."""

    REQUIRED = ("channel",)

    channel: Place = ""


class ConversationsMark(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.mark."""

    REQUIRED = ("channel", "ts")

    channel: Place = ""
    ts: str = ""


class ConversationsHistory(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.history."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("channel",)

    channel: Place = ""
    cursor: str = ""
    inclusive: bool = False
    latest: str = ""
    oldest: str = ""
    limit: int = 100
    include_all_metadata: bool = False


class ConversationsReplies(ConversationsHistory, frozen=True, kw_only=True):
    """Arguments of conversations.replies."""

    REQUIRED = ("channel", "ts")

    ts: str = ""
    limit: int = 1_000


@method(
    "conversations.create", ConversationsCreate, Tier.TWO, WRITES,
    errors=[
        "invalid_name_maxlength", "invalid_name_punctuation", "invalid_name_required", "invalid_name_specials",
        "name_taken",
    ],
)  # fmt: skip
async def create(call: Call, args: ConversationsCreate) -> Answer:
    """Create a channel with the caller as its first member."""
    name, private = args.name.strip(), args.is_private
    room = await call.write(lambda tx: conversations.create(tx, call.team, call.who, name, private=private))
    return {"channel": await seen_now(call, room)}


@method("conversations.info", ConversationsInfo, Tier.THREE, READS, errors=["channel_not_found"])
async def info(call: Call, args: ConversationsInfo) -> Answer:
    """Return one conversation."""

    def find(query: Query) -> dict[str, Any]:
        channel = _visible_channel(query, call, args.channel)
        seen = _read_seen(query, call, channel)
        if args.include_num_members:
            seen["num_members"] = count_members(query, [channel.id]).get(channel.id, 0)
        if args.include_locale:
            seen["locale"] = LOCALE
        if channel.kind is ChannelKind.IM:
            seen |= news(query, channel.id, call.who.user, seen["last_read"])
        return seen

    return {"channel": await call.read(find)}


@method("conversations.list", ConversationsList, Tier.TWO, READS, errors=[*PAGE_ERRORS, "invalid_types"])
async def list_(call: Call, args: ConversationsList) -> Answer:
    """List conversations: all public ones, and those of other kinds with the caller as member."""
    kinds = kinds_of(args.types)
    read = call.read if args.limit else call.read_long
    page = await read(
        partial(
            conversations_page, kinds=kinds, viewer=call.who.user, archived=not args.exclude_archived,
            after=decode_cursor(args.cursor, is_channel_id) or "", limit=check_limit(args.limit),
        )
    )  # fmt: skip
    return {"channels": page.items, "response_metadata": page_metadata(page)}


@method(
    "conversations.members", ConversationsMembers, Tier.FOUR, READS, errors=[*PAGE_ERRORS, "channel_not_found"],
)  # fmt: skip
async def members(call: Call, args: ConversationsMembers) -> Answer:
    """List the ids of a conversation's members."""
    after, limit = decode_cursor(args.cursor, is_user_id) or "", check_limit(args.limit)

    def find(query: Query) -> Page:
        return members_page(query, _visible_channel(query, call, args.channel).id, after=after, limit=limit)

    page = await (call.read if limit else call.read_long)(find)
    return {"members": page.items, "response_metadata": page_metadata(page)}


@method(
    "conversations.open", ConversationsOpen, Tier.THREE, OPENS,
    errors=[
        "channel_not_found", "method_not_supported_for_channel_type", "too_many_users", "user_disabled",
        "user_not_found", "users_list_not_supplied",
    ],
)  # fmt: skip
async def open_(call: Call, args: ConversationsOpen) -> Answer:
    """Open a direct message, given by one to eight other users or by its id."""
    users: Sequence[str] = args.users
    if not users and args.channel:
        channel = await call.read(lambda query: _visible_channel(query, call, args.channel))
        if not channel.is_direct:
            raise MethodError("method_not_supported_for_channel_type")
        users = channel.members_of_direct
    if not users:
        raise MethodError("users_list_not_supplied")
    room, existed = await call.write(
        partial(conversations.open_direct, who=call.who, users=users, prevent_creation=args.prevent_creation)
    )
    seen = await seen_now(call, room) if args.return_im else {"id": room.id}
    return {"channel": seen} | ({"no_op": True, "already_open": True} if existed else {})


@method(
    "conversations.join", ConversationsJoin, Tier.THREE, access(user=["channels:write"], bot=["channels:join"]),
    errors=["channel_not_found", "is_archived", "method_not_supported_for_channel_type"],
)  # fmt: skip
async def join(call: Call, args: ConversationsJoin) -> Answer:
    """Join a public channel."""
    room, was_in = await call.write(partial(conversations.join, team=call.team, who=call.who, channel=args.channel))
    return {"channel": await seen_now(call, room)} | (warning("already_in_channel") if was_in else {})


@method(
    "conversations.invite", ConversationsInvite, Tier.THREE, INVITES,
    errors=[
        "already_in_channel", "cant_invite", "cant_invite_self", "channel_not_found", "is_archived",
        "method_not_supported_for_channel_type", "no_user", "not_in_channel", "user_not_found",
    ],
)  # fmt: skip
async def invite(call: Call, args: ConversationsInvite) -> Answer:
    """Add others to a channel."""
    if len(args.users) > MAX_INVITED:
        text = f"[ERROR] users must have at most {MAX_INVITED} ids, got {len(args.users)}"
        raise MethodError("invalid_arguments", response_metadata={"messages": [text]})
    room, errors = await call.write(
        partial(
            conversations.invite, team=call.team, who=call.who, channel=args.channel, users=args.users, force=args.force
        )
    )
    return {"channel": await seen_now(call, room)} | ({"errors": errors} if errors else {})


@method(
    "conversations.leave", ConversationsLeave, Tier.THREE, WRITES,
    errors=[
        "cant_leave_general", "channel_not_found", "is_archived", "last_member",
        "method_not_supported_for_channel_type",
    ],
)  # fmt: skip
async def leave(call: Call, args: ConversationsLeave) -> Answer:
    """Leave a channel."""
    left = await call.write(partial(conversations.leave, team=call.team, who=call.who, channel=args.channel))
    return {} if left else {"not_in_channel": True}


@method(
    "conversations.kick", ConversationsKick, Tier.THREE,
    access(user=["channels:write", "groups:write"], bot=["channels:manage", "groups:write"]),
    errors=[
        "cant_kick_from_general", "cant_kick_self", "channel_not_found", "method_not_supported_for_channel_type",
        "not_in_channel", "restricted_action", "user_not_found",
    ],
)  # fmt: skip
async def kick(call: Call, args: ConversationsKick) -> Answer:
    """Remove another member from a channel of the caller."""
    await call.write(partial(conversations.kick, team=call.team, who=call.who, channel=args.channel, user=args.user))
    return {}


@method(
    "conversations.close", ConversationsClose, Tier.TWO, WRITES,
    errors=["channel_not_found", "method_not_supported_for_channel_type"],
)  # fmt: skip
async def close(call: Call, args: ConversationsClose) -> Answer:
    """Take a direct message from the open ones of the caller."""
    closed = await call.write(partial(conversations.close_direct, who=call.who, channel=args.channel))
    return {} if closed else {"no_op": True, "already_closed": True}


@method(
    "conversations.mark", ConversationsMark, Tier.THREE, WRITES,
    errors=["channel_not_found", "invalid_timestamp", "not_in_channel"],
)  # fmt: skip
async def mark(call: Call, args: ConversationsMark) -> Answer:
    """Move the caller's reading mark."""
    if not is_ts(args.ts):
        raise MethodError("invalid_timestamp")
    await call.write(partial(conversations.mark, who=call.who, channel=args.channel, ts=args.ts))
    return {}


@method(
    "conversations.history", ConversationsHistory, Tier.THREE, READS_HISTORY,
    errors=[*PAGE_ERRORS, "channel_not_found", "invalid_ts_latest", "invalid_ts_oldest", "not_in_channel"],
)  # fmt: skip
async def history(call: Call, args: ConversationsHistory) -> Answer:
    """Return messages of a conversation, newest first."""
    oldest, latest = _bound(args.oldest, "invalid_ts_oldest"), _bound(args.latest, "invalid_ts_latest")
    before = decode_cursor(args.cursor, is_ts)

    def find(query: Query) -> tuple[tuple[list[dict[str, Any]], str | None], int]:
        channel = _readable_channel(query, call, args.channel, refusal="not_in_channel")
        return history_page(
            query, channel.id, oldest=oldest, latest=latest, inclusive=args.inclusive, before=before,
            limit=check_limit(args.limit) or 100, all_metadata=args.include_all_metadata,
        ), count_pins(query, channel.id)  # fmt: skip

    (found, cursor), pins = await call.read(find)
    return _history_answer(found, cursor) | {"pin_count": pins, "channel_actions_ts": None, "channel_actions_count": 0}


@method(
    "conversations.replies", ConversationsReplies, Tier.THREE, READS_HISTORY,
    errors=[*PAGE_ERRORS, "channel_not_found", "invalid_ts_latest", "invalid_ts_oldest", "thread_not_found"],
)  # fmt: skip
async def replies(call: Call, args: ConversationsReplies) -> Answer:
    """Return a thread: its parent, then the replies, oldest first."""
    oldest, latest = _bound(args.oldest, "invalid_ts_oldest"), _bound(args.latest, "invalid_ts_latest")
    after = decode_cursor(args.cursor, is_ts)

    def find(query: Query) -> tuple[list[dict[str, Any]], str | None]:
        channel = _readable_channel(query, call, args.channel, refusal="channel_not_found")
        return replies_page(
            query, channel.id, args.ts, oldest=oldest, latest=latest, inclusive=args.inclusive, after=after,
            limit=check_limit(args.limit) or 1_000, all_metadata=args.include_all_metadata,
        )  # fmt: skip

    found, cursor = await call.read(find)
    return _history_answer(found, cursor)


def kinds_of(types: Sequence[str]) -> set[ChannelKind]:
    """Return the kinds that ``types`` names; raise ``MethodError`` (invalid_types) for an unknown one."""
    if not KINDS.keys() >= set(types):
        raise MethodError("invalid_types")
    return {KINDS[name] for name in types}


def _history_answer(found: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"messages": found, "has_more": cursor is not None}
    if cursor is not None:
        answer["response_metadata"] = {"next_cursor": encode_cursor(cursor)}
    return answer


def _bound(text: str, error: str) -> str | None:
    """Return ``oldest`` or ``latest`` as a ts; clients send whole seconds too."""
    if text in ("", "0", "now"):
        return None
    bound = _BOUND.fullmatch(text)
    if bound is None:
        raise MethodError(error)
    return f"{bound[1]:0>10}.{(bound[2] or '')[:6]:0<6}"


def _visible_channel(query: Query, call: Call, channel: str) -> ChannelRecord:
    """Return a channel that the caller may see."""
    return visible_channel(query, call.who, channel)


def _readable_channel(query: Query, call: Call, channel: str, *, refusal: str) -> ChannelRecord:
    """Return a channel whose messages the caller may read: bots only where they are members."""
    return readable_channel(query, call.who, channel, refusal=refusal)


def _read_seen(query: Query, call: Call, channel: ChannelRecord) -> dict[str, Any]:
    mark = find_marks(query, [channel.id], call.who.user).get(channel.id)
    return conversation_object(channel, viewer=call.who.user, mark=mark)


async def seen_now(call: Call, room: Room) -> dict[str, Any]:
    """Return the conversation as the caller sees it now."""
    return await call.read(lambda query: _read_seen(query, call, room.channel))
