"""The ``search`` family. Source: wire/search.md."""

from functools import partial
from typing import Annotated, Any, Final

import msgspec

from tautwire.protocol.ids import is_channel_id, is_ts
from tautwire.server.services.errors import MethodError
from tautwire.server.services.search.matches import Found, Search, search
from tautwire.server.store.queries.search import Key
from tautwire.server.web_api.access import access
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method
from tautwire.server.web_api.pages import decode_cursor, encode_cursor

SEARCHES: Final = access(user=["search:read"])
"""Source: wire/search.md#methods (documented: no bot tokens)."""
MAX_QUERY: Final = 1_000
"""Characters of a query (ours); a longer one is invalid_arguments."""
MAX_COUNT: Final = 100
MAX_PAGES: Final = 100
"""Source: wire/search.md#methods (documented)."""

_FIRST: Final = "*"
"""The cursor of the first page. Source: wire/search.md#methods (documented)."""

Asked = Annotated[str, msgspec.Meta(max_length=MAX_QUERY)]


class SearchAll(Arguments, frozen=True, kw_only=True):
    """Arguments of search.all."""

    REQUIRED = ("query",)

    query: Asked = ""
    count: int = 20
    highlight: bool = False
    page: int = 1
    sort: str = "score"
    sort_dir: str = "desc"


class SearchMessages(SearchAll, frozen=True, kw_only=True):
    """Arguments of search.messages."""

    cursor: str = ""


@method("search.messages", SearchMessages, Tier.TWO, SEARCHES, errors=["invalid_cursor", "no_query"])
async def messages(call: Call, args: SearchMessages) -> Answer:
    """Return the messages that fit a query and that the caller may see."""
    asked = _asked(args)
    if args.cursor:
        after = None if args.cursor == _FIRST else _key(args.cursor)
        asked = asked._replace(page=1, after=after)
    found = await _search(call, asked)
    answer: dict[str, Any] = {"query": args.query, "messages": _page(found, asked)}
    if args.cursor:
        answer["response_metadata"] = {"next_cursor": encode_cursor(" ".join(found.last)) if found.last else ""}
    return answer


@method("search.all", SearchAll, Tier.TWO, SEARCHES, errors=["no_query"])
async def all_kinds(call: Call, args: SearchAll) -> Answer:
    """Return the messages that fit a query and that the caller may see. Files are not searched, so there are none."""
    asked = _asked(args)
    found = await _search(call, asked)
    nothing = _page(Found([], 0, None), asked)
    return {"query": args.query, "messages": _page(found, asked), "files": nothing, "posts": nothing}


def _asked(args: SearchAll) -> Search:
    if not args.query.strip():
        raise MethodError("no_query")
    return Search(
        args.query,
        per_page=min(max(args.count, 1), MAX_COUNT),
        page=max(args.page, 1),
        is_ascending=args.sort_dir == "asc",
        highlights=args.highlight,
    )


async def _search(call: Call, asked: Search) -> Found:
    if asked.page > MAX_PAGES:
        asked = asked._replace(page=MAX_PAGES + 1)  # behind all matches; the total is right
    await call.workspace.filling.catch_up()
    now = call.workspace.clock.seconds()
    return await call.read_long(
        partial(search, team=call.team, who=call.who, asked=asked, base_url=call.base_url, now=now)
    )


def _page(found: Found, asked: Search) -> dict[str, Any]:
    """Return the envelope of a page. Source: wire/search.md#answer (captured)."""
    pages = -(-found.total // asked.per_page)
    first = (asked.page - 1) * asked.per_page + 1 if found.matches else 1
    return {
        "total": found.total,
        "pagination": {
            "total_count": found.total,
            "page": asked.page,
            "per_page": asked.per_page,
            "page_count": pages,
            "first": first,
            "last": first + len(found.matches) - 1,
        },
        "paging": {"count": asked.per_page, "total": found.total, "page": asked.page, "pages": pages},
        "matches": found.matches,
    }


def _key(cursor: str) -> Key:
    key = decode_cursor(cursor, _is_key)
    return Key(*(key or "").split(" "))


def _is_key(text: str) -> bool:
    ts, _, channel = text.partition(" ")
    return is_ts(ts) and is_channel_id(channel)
