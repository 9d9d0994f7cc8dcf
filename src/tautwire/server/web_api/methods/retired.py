"""The retired families ``channels``, ``groups``, ``im`` and ``mpim``: a table of other names for today's methods.

Slack has switched them off; programs written before 2018 know no others. A row says what a name calls, which
conversations it serves, and under which keys it takes arguments and answers. Everything else, the rules above all, is
that of the method it calls. Source: wire/retired-methods.md (documented).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, cast

import msgspec

from tautwire.protocol.ids import is_channel_id
from tautwire.server.services.channels import conversations as rules
from tautwire.server.services.errors import MethodError
from tautwire.server.services.lists import conversations_page
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channel, find_channel_by_name
from tautwire.server.store.queries.membership import find_membership
from tautwire.server.store.records import ChannelKind
from tautwire.server.web_api.method import METHODS, Answer, Arguments, Call, Place, Tier, method
from tautwire.server.web_api.methods import conversations, conversations_changes, users  # noqa: F401 - their methods come first
from tautwire.server.web_api.pages import check_limit, decode_cursor, page_metadata

PUBLIC: Final = frozenset({ChannelKind.PUBLIC})
GROUPS: Final = frozenset({ChannelKind.PRIVATE, ChannelKind.MPIM})
PRIVATE: Final = frozenset({ChannelKind.PRIVATE})
IM: Final = frozenset({ChannelKind.IM})
MPIM: Final = frozenset({ChannelKind.MPIM})
NO_KINDS: Final[frozenset[ChannelKind]] = frozenset()

_TYPES: Final[dict[str, tuple[Any, Any]]] = {
    "channel": (Place, ""), "include_locale": (bool, False), "users": (tuple[str, ...], ()), "count": (int, 100),
    "limit": (int, 0), "inclusive": (bool, False), "exclude_archived": (bool, False), "exclude_members": (bool, False),
    "return_im": (bool, False),
}  # fmt: skip
"""The types of arguments and their defaults; the others are texts."""

Function = Callable[[Call, Any], Awaitable[Answer]]


class Alias(NamedTuple):
    """A row of the table."""

    name: str
    successor: str
    tier: Tier
    kinds: frozenset[ChannelKind] = NO_KINDS
    """The kinds of conversations that ``channel`` may name; others are not found."""
    needs: tuple[str, ...] = ("channel",)
    takes: tuple[str, ...] = ()
    """More arguments that have an effect."""
    sends: Mapping[str, str] = {}
    """Arguments that the successor has under another name."""
    gives: Mapping[str, str] = {}
    """The members of the successor's answer that are answered, by their old names."""
    function: Function | None = None
    """What is called in place of the successor."""


def _family(
    family: str, verb: str, tier: Tier, kinds: frozenset[ChannelKind], *needs: str, to: str = "", **more: Any
) -> Alias:
    return Alias(f"{family}.{verb}", f"conversations.{to or verb}", tier, kinds, ("channel", *needs), **more)


HISTORY: Final[dict[str, Any]] = {
    "takes": ("count", "inclusive", "latest", "oldest"), "sends": {"count": "limit"},
    "gives": {"messages": "messages", "has_more": "has_more"},
}  # fmt: skip
REPLIES: Final[dict[str, Any]] = {
    "sends": {"thread_ts": "ts"}, "gives": {"messages": "messages", "has_more": "has_more"},
}  # fmt: skip
INVITE: Final[dict[str, Any]] = {"sends": {"user": "users"}}
CLOSE: Final[dict[str, Any]] = {"gives": {"no_op": "no_op", "already_closed": "already_closed"}}


async def _list(call: Call, args: Any, *, kinds: frozenset[ChannelKind], key: str) -> Answer:
    """Return conversations with ``members``, as these lists had them."""
    limit = check_limit(args.limit)
    page = await (call.read if limit else call.read_long)(
        partial(
            conversations_page, kinds=kinds, viewer=call.who.user,
            archived=not getattr(args, "exclude_archived", False),
            after=decode_cursor(args.cursor, is_channel_id) or "", limit=limit,
            with_members=not getattr(args, "exclude_members", True),
        )
    )  # fmt: skip
    return {key: page.items, "response_metadata": page_metadata(page)}


async def _join(call: Call, args: Any) -> Answer:
    """Join a channel by name; a name that no channel has makes one."""
    name = args.name.strip().removeprefix("#")
    found = await call.read(lambda query: find_channel_by_name(query, name))
    if found is None:
        room = await call.write(lambda tx: rules.create(tx, call.team, call.who, name, private=False))
        return {"channel": await conversations.seen_now(call, room)}
    if found.kind is not ChannelKind.PUBLIC:
        raise MethodError("name_taken")
    room, was_in = await call.write(partial(rules.join, team=call.team, who=call.who, channel=found.id))
    return {"channel": await conversations.seen_now(call, room)} | ({"already_in_channel": True} if was_in else {})


async def _create_group(call: Call, args: Any) -> Answer:
    """Create a private channel."""
    made = await conversations.create(call, conversations.ConversationsCreate(name=args.name, is_private=True))
    return {"group": made["channel"]}


async def _invite_to_group(call: Call, args: Any) -> Answer:
    """Add a user to a private channel; one who is there already is no error."""
    wanted = conversations.ConversationsInvite(channel=args.channel, users=(args.user,) if args.user else ())
    try:
        return {"group": (await conversations.invite(call, wanted))["channel"]}
    except MethodError as error:
        if error.code != "already_in_channel":
            raise
    info = await conversations.info(call, conversations.ConversationsInfo(channel=args.channel))
    return {"group": info["channel"], "already_in_group": True}


async def _open_im(call: Call, args: Any) -> Answer:
    """Open the direct message with a user."""
    if not args.user:
        raise MethodError("user_not_found")
    return await conversations.open_(
        call, conversations.ConversationsOpen(users=(args.user,), return_im=args.return_im)
    )


async def _open_mpim(call: Call, args: Any) -> Answer:
    """Open the group direct message with users."""
    wanted = conversations.ConversationsOpen(users=args.users, return_im=True)
    answer = dict(await conversations.open_(call, wanted))
    return {"group": answer.pop("channel"), **answer}


async def _open_group(call: Call, args: Any) -> Answer:
    """Open a group direct message; a private channel is always open."""
    channel = await call.read(lambda query: find_channel(query, args.channel))
    if channel is not None and channel.kind is ChannelKind.PRIVATE:
        return {"no_op": True, "already_open": True}
    answer = await conversations.open_(call, conversations.ConversationsOpen(channel=args.channel))
    return {name: answer[name] for name in ("no_op", "already_open") if name in answer}


def _lists(key: str, kinds: frozenset[ChannelKind]) -> Function:
    return partial(_list, kinds=kinds, key=key)


LISTS: Final[dict[str, Any]] = {"needs": (), "takes": ("cursor", "exclude_archived", "exclude_members", "limit")}
SHORT_LISTS: Final[dict[str, Any]] = {"needs": (), "takes": ("cursor", "limit")}
LIST: Final = "conversations.list"
CHANNEL: Final = {"channel": "channel"}
GROUP: Final = {"channel": "group"}

ALIASES: Final = (
    _family("channels", "archive", Tier.TWO, PUBLIC),
    Alias("channels.create", "conversations.create", Tier.TWO, needs=("name",), gives=CHANNEL),
    _family("channels", "history", Tier.TWO, PUBLIC, **HISTORY),
    _family("channels", "info", Tier.THREE, PUBLIC, takes=("include_locale",), gives=CHANNEL),
    _family("channels", "invite", Tier.THREE, PUBLIC, "user", gives=CHANNEL, **INVITE),
    Alias("channels.join", "conversations.join", Tier.THREE, needs=("name",), function=_join),
    _family("channels", "kick", Tier.THREE, PUBLIC, "user"),
    _family("channels", "leave", Tier.THREE, PUBLIC, gives={"not_in_channel": "not_in_channel"}),
    Alias("channels.list", LIST, Tier.THREE, **LISTS, function=_lists("channels", PUBLIC)),
    _family("channels", "mark", Tier.THREE, PUBLIC, "ts"),
    _family("channels", "rename", Tier.TWO, PUBLIC, "name", gives=CHANNEL),
    _family("channels", "replies", Tier.THREE, PUBLIC, "thread_ts", **REPLIES),
    _family("channels", "setPurpose", Tier.TWO, PUBLIC, takes=("purpose",), gives={"purpose": "purpose"}),
    _family("channels", "setTopic", Tier.TWO, PUBLIC, takes=("topic",), gives={"topic": "topic"}),
    _family("channels", "unarchive", Tier.TWO, PUBLIC),
    _family("groups", "archive", Tier.TWO, PRIVATE),
    _family("groups", "close", Tier.THREE, MPIM, **CLOSE),
    Alias("groups.create", "conversations.create", Tier.TWO, needs=("name",), function=_create_group),
    _family("groups", "history", Tier.TWO, GROUPS, **HISTORY),
    _family("groups", "info", Tier.THREE, GROUPS, takes=("include_locale",), gives=GROUP),
    _family("groups", "invite", Tier.THREE, PRIVATE, "user", function=_invite_to_group),
    _family("groups", "kick", Tier.THREE, PRIVATE, "user"),
    _family("groups", "leave", Tier.THREE, PRIVATE),
    Alias("groups.list", LIST, Tier.THREE, **LISTS, function=_lists("groups", GROUPS)),
    _family("groups", "mark", Tier.THREE, GROUPS, "ts"),
    _family("groups", "open", Tier.THREE, GROUPS, function=_open_group),
    _family("groups", "rename", Tier.TWO, PRIVATE, "name", gives=CHANNEL),
    _family("groups", "replies", Tier.TWO, GROUPS, "thread_ts", **REPLIES),
    _family("groups", "setPurpose", Tier.TWO, PRIVATE, takes=("purpose",), gives={"purpose": "purpose"}),
    _family("groups", "setTopic", Tier.TWO, PRIVATE, takes=("topic",), gives={"topic": "topic"}),
    _family("groups", "unarchive", Tier.TWO, PRIVATE),
    _family("im", "close", Tier.TWO, IM, **CLOSE),
    _family("im", "history", Tier.FOUR, IM, **HISTORY),
    Alias("im.list", LIST, Tier.TWO, **SHORT_LISTS, function=_lists("ims", IM)),
    _family("im", "mark", Tier.THREE, IM, "ts"),
    Alias("im.open", "conversations.open", Tier.FOUR, needs=("user",), takes=("return_im",), function=_open_im),
    _family("im", "replies", Tier.TWO, IM, "thread_ts", **REPLIES),
    _family("mpim", "close", Tier.TWO, MPIM, **CLOSE),
    _family("mpim", "history", Tier.THREE, MPIM, **HISTORY),
    Alias("mpim.list", LIST, Tier.TWO, **SHORT_LISTS, function=_lists("groups", MPIM)),
    _family("mpim", "mark", Tier.THREE, MPIM, "ts"),
    Alias("mpim.open", "conversations.open", Tier.THREE, needs=("users",), function=_open_mpim),
    _family("mpim", "replies", Tier.TWO, MPIM, "thread_ts", **REPLIES),
    Alias("presence.set", "users.setPresence", Tier.TWO, needs=("presence",)),
)
"""All of them but two: ``channels.delete`` was never documented, and what ``groups.createChild`` did is gone."""

MORE_ERRORS: Final[Mapping[str, Sequence[str]]] = {
    "channels.join": (
        "invalid_name_maxlength", "invalid_name_punctuation", "invalid_name_required", "invalid_name_specials",
        "name_taken",
    ),
}  # fmt: skip
"""Errors that a method has and its successor has not."""


def _arguments(alias: Alias) -> type[Arguments]:
    """Make the class of the arguments."""
    fields = [(name, *_TYPES.get(name, (str, ""))) for name in (*alias.needs, *alias.takes)]
    made = msgspec.defstruct(
        "".join(part[0].upper() + part[1:] for part in alias.name.split(".")),
        fields, bases=(Arguments,), frozen=True, kw_only=True, module=__name__,
        namespace={"REQUIRED": alias.needs, "__doc__": f"Arguments of {alias.name}."},
    )  # fmt: skip
    return cast("type[Arguments]", made)


async def _check_kind(call: Call, channel: str, kinds: Iterable[ChannelKind]) -> None:
    def is_one(query: Query) -> bool:
        found = find_channel(query, channel)
        if found is None or found.kind not in kinds:
            return False
        return found.kind is ChannelKind.PUBLIC or find_membership(query, channel, call.who.user) is not None

    if not await call.read(is_one):
        raise MethodError("channel_not_found")


def _serve(alias: Alias) -> Function:
    """Make the function of a method."""
    successor = METHODS[alias.successor]

    async def retired(call: Call, args: Any) -> Answer:
        if alias.kinds:
            await _check_kind(call, args.channel, alias.kinds)
        if alias.function is not None:
            return await alias.function(call, args)
        given = {alias.sends.get(name, name): getattr(args, name) for name in args.__struct_fields__}
        if isinstance(given.get("users"), str):
            given["users"] = (given["users"],) if given["users"] else ()
        answer = await successor.function(call, successor.arguments(**given))
        return {old: answer[name] for name, old in alias.gives.items() if name in answer}

    own = getattr(alias.function, "func", alias.function)  # of a partial
    retired.__doc__ = successor.summary if own is None else own.__doc__
    return retired


def _register(alias: Alias) -> None:
    successor = METHODS[alias.successor]
    method(
        alias.name, _arguments(alias), alias.tier, successor.access,
        errors=sorted({*successor.errors, *MORE_ERRORS.get(alias.name, ())}), successor=alias.successor,
    )(cast("Any", _serve(alias)))  # fmt: skip


for _alias in ALIASES:
    _register(_alias)
