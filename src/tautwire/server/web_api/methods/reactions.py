"""The ``reactions`` family."""

from functools import partial
from typing import Final

from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import reactions
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method
from tautwire.server.web_api.pages import PAGE_ERRORS, check_limit, decode_cursor, encode_cursor

MAX_COUNT: Final = 100
"""Messages of one answer (ours)."""
MAX_PAGES: Final = 100
"""The last page that can be asked for. Source: wire/web-api.md#pages (documented)."""
ITEM_ERRORS: Final = (
    "channel_not_found", "invalid_name", "is_archived", "message_not_found", "no_item_specified", "not_in_channel",
)  # fmt: skip
"""The errors of both methods that concern the message and the name."""


class ReactionsAdd(Arguments, frozen=True, kw_only=True):
    """Arguments of reactions.add."""

    REQUIRED = ("name", "channel", "timestamp")

    name: str = ""
    channel: Place = ""
    timestamp: str = ""


class ReactionsRemove(ReactionsAdd, frozen=True, kw_only=True):
    """Arguments of reactions.remove."""


@method(
    "reactions.add", ReactionsAdd, Tier.THREE, users_and_bots("reactions:write"),
    errors=[*ITEM_ERRORS, "already_reacted", "too_many_emoji"],
)  # fmt: skip
async def add(call: Call, args: ReactionsAdd) -> Answer:
    """Add a reaction to a message."""
    _check_item(args)
    await call.write(partial(reactions.add, who=call.who, channel=args.channel, ts=args.timestamp, name=args.name))
    return {}


@method(
    "reactions.remove", ReactionsRemove, Tier.TWO, users_and_bots("reactions:write"),
    errors=[*ITEM_ERRORS, "no_reaction"],
)  # fmt: skip
async def remove(call: Call, args: ReactionsRemove) -> Answer:
    """Remove a reaction of the caller."""
    _check_item(args)
    await call.write(partial(reactions.remove, who=call.who, channel=args.channel, ts=args.timestamp, name=args.name))
    return {}


class ReactionsGet(Arguments, frozen=True, kw_only=True):
    """Arguments of reactions.get."""

    REQUIRED = ("channel", "timestamp")

    channel: Place = ""
    timestamp: str = ""
    full: bool = False


@method(
    "reactions.get", ReactionsGet, Tier.THREE, users_and_bots("reactions:read"),
    errors=["bad_timestamp", "channel_not_found", "message_not_found", "no_item_specified"],
)  # fmt: skip
async def get(call: Call, args: ReactionsGet) -> Answer:
    """Return a message with all its reactions."""
    _check_item(args)
    message = await call.read(
        partial(reactions.get, who=call.who, channel=args.channel, ts=args.timestamp, base_url=call.base_url)
    )
    return {"type": "message", "channel": args.channel, "message": message}


class ReactionsList(Arguments, frozen=True, kw_only=True):
    """Arguments of reactions.list."""

    user: str = ""
    count: int = 100
    page: int = 1
    cursor: str = ""
    limit: int = 0
    full: bool = False


@method(
    "reactions.list", ReactionsList, Tier.TWO, users_and_bots("reactions:read"),
    errors=[*PAGE_ERRORS, "user_not_found"],
)  # fmt: skip
async def list_reactions(call: Call, args: ReactionsList) -> Answer:
    """Return messages that a user, by default the caller, has reacted to: by cursor, or by page and count."""
    before = decode_cursor(args.cursor, reactions.is_key)
    count = min(max(args.count, 1), MAX_COUNT)
    page = min(max(args.page, 1), MAX_PAGES)
    limit = check_limit(args.limit) or count
    found = await call.read_long(
        partial(
            reactions.reacted_page, who=call.who, user=args.user or call.who.user, base_url=call.base_url,
            before=before, skip=0 if before is not None else (page - 1) * count, limit=min(limit, MAX_COUNT),
        )
    )  # fmt: skip
    pages = -(-found.total // count)
    return {
        "items": found.items,
        "paging": {"count": count, "total": found.total, "page": page, "pages": pages},
        "response_metadata": {"next_cursor": "" if found.last is None else encode_cursor(found.last)},
    }


def _check_item(args: ReactionsAdd | ReactionsGet) -> None:
    if not args.channel or not args.timestamp:
        raise MethodError("no_item_specified")
