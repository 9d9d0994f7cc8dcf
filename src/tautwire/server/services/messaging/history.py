"""Pages of a channel's and a thread's messages, with their reactions and thread counters."""

from collections.abc import Sequence
from typing import Final

from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging.messages import Body, load
from tautwire.server.services.messaging.threads import thread_facts
from tautwire.server.services.wire_objects import reactions_of
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.queries.messages import (
    Span,
    count_unread,
    find_history,
    find_message,
    find_newest_message,
    find_replies,
    measure_history,
    measure_replies,
)
from tautwire.server.store.queries.pins import find_pinned
from tautwire.server.store.queries.reactions import find_reactions

_FIRST = "0000000000.000000"
_LAST = "9999999999.999999"
MAX_UNREAD: Final = 1_000
"""Messages that are counted as unread at most: the count is read for each call."""
MAX_PAGE: Final = 4 * 1_048_576
"""Bytes of the messages on one page: a page may end before its limit, but has at least one message."""


def history_page(
    query: Query,
    channel: str,
    *,
    oldest: str | None,
    latest: str | None,
    inclusive: bool,
    before: str | None,
    limit: int,
    all_metadata: bool = False,
) -> tuple[list[Body], str | None]:
    """Return messages, newest first, and the ts before which the next page begins, None at the end.

    ``oldest`` and ``latest`` bound the page; they belong to it only if ``inclusive``. Replies are left out unless they
    were broadcast. Without ``all_metadata`` the payload of metadata is left out.
    """
    span = _span(oldest, latest, inclusive=inclusive)
    if before is not None and before <= span.high:
        span = span._replace(high=before, includes_high=False)
    sizes = measure_history(query, channel, span, limit + 1)
    page = _page(sizes, limit)
    if not page:
        return [], None
    shown = find_history(query, channel, Span(page[-1], page[0]))
    return present(query, channel, shown, all_metadata=all_metadata), page[-1] if len(sizes) > len(page) else None


def replies_page(
    query: Query,
    channel: str,
    ts: str,
    *,
    oldest: str | None,
    latest: str | None,
    inclusive: bool,
    after: str | None,
    limit: int,
    all_metadata: bool = False,
) -> tuple[list[Body], str | None]:
    """Return the thread of a message (parent or reply), oldest first, and the ts after which the next page begins."""
    named = find_message(query, channel, ts)
    if named is None:
        raise MethodError("thread_not_found")
    parent = named["thread_ts"] or named["ts"]
    span = _span(oldest, latest, inclusive=inclusive)
    if after is not None and after >= span.low:
        span = span._replace(low=after, includes_low=False)
    sizes = measure_replies(query, channel, parent, span, limit + 1)
    page = _page(sizes, limit)
    first = named if parent == ts else find_message(query, channel, parent)
    shown = [first] if first is not None else []
    if page:
        shown += find_replies(query, channel, parent, Span(page[0], page[-1]))
    return present(query, channel, shown, all_metadata=all_metadata), page[-1] if len(sizes) > len(page) else None


def news(query: Query, channel: str, viewer: str, last_read: str) -> Body:
    """Return the newest message of a conversation and the number of unread messages of other users.

    The count looks at the newest ``MAX_UNREAD`` messages. Source: wire/web-api-methods.md#conversationsinfo.
    """
    newest = find_newest_message(query, channel)
    count = count_unread(query, channel, after=last_read, user=viewer, limit=MAX_UNREAD)
    return {
        "latest": load(newest) if newest is not None else None,
        "unread_count": count,
        "unread_count_display": count,
    }


def _span(oldest: str | None, latest: str | None, *, inclusive: bool) -> Span:
    """Return the range between two bounds; a side without one lies before or behind all messages."""
    return Span(
        oldest or _FIRST,
        latest or _LAST,
        includes_low=inclusive or oldest is None,
        includes_high=inclusive or latest is None,
    )


def _page(sizes: Sequence[Row], limit: int) -> list[str]:
    """Return the ts of the messages that fit on a page: the first ``limit``, or fewer if they are large."""
    page: list[str] = []
    total = 0
    for ts, size in sizes[:limit]:
        total += size
        if total > MAX_PAGE and page:
            break
        page.append(ts)
    return page


def present(query: Query, channel: str, rows: Sequence[Row], *, all_metadata: bool) -> list[Body]:
    """Return the messages of the rows with their reactions and pins and, for parents of threads, the counters.

    Rows have ``ts``, ``thread_ts`` and ``body``. Without ``all_metadata`` the payload of metadata is left out.
    Source: wire/web-api-methods.md#conversationshistory (SDK).
    """
    stamps = [row["ts"] for row in rows]
    pinned = find_pinned(query, channel, stamps) if stamps else set()
    facts = thread_facts(query, channel, [row["ts"] for row in rows if row["thread_ts"] is None])
    reactions = _reactions(query, channel, stamps)
    bodies = []
    for row in rows:
        body = load(row) | facts.get(row["ts"], {})
        if row["ts"] in reactions:
            body["reactions"] = reactions_of(reactions[row["ts"]])
        if row["ts"] in pinned:
            body["pinned_to"] = [channel]
        if not all_metadata and "metadata" in body:
            body["metadata"] = {name: value for name, value in body["metadata"].items() if name != "event_payload"}
        bodies.append(body)
    return bodies


def _reactions(query: Query, channel: str, stamps: Sequence[str]) -> dict[str, list[Row]]:
    if not stamps:
        return {}
    found: dict[str, list[Row]] = {}
    for row in find_reactions(query, channel, stamps):
        found.setdefault(row["ts"], []).append(row)
    return found
