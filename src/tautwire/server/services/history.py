"""Pages of a channel's and a thread's messages, with their reactions and thread counters."""

from collections.abc import Sequence
from typing import Final

from tautwire.server.services.errors import MethodError
from tautwire.server.services.messages import Body, load
from tautwire.server.services.threads import thread_facts
from tautwire.server.services.wire_objects import reactions_of
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.records import marks

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
) -> tuple[list[Body], str | None]:
    """Return messages, newest first, and the ts before which the next page begins, None at the end.

    ``oldest`` and ``latest`` bound the page; they belong to it only if ``inclusive``. Replies are left out unless they
    were broadcast.
    """
    above, low = _lower(oldest, inclusive=inclusive)
    below, high = _upper(latest, inclusive=inclusive)
    if before is not None and before <= high:
        below, high = "<", before
    sizes = query.all(
        "SELECT ts, length(body) FROM message WHERE channel = ? AND in_channel"
        f" AND ts {above} ? AND ts {below} ? ORDER BY ts DESC LIMIT ?",
        channel, low, high, limit + 1,
    )  # fmt: skip
    page = _page(sizes, limit)
    if not page:
        return [], None
    shown = query.all(
        "SELECT ts, thread_ts, body FROM message WHERE channel = ? AND in_channel AND ts >= ? AND ts <= ?"
        " ORDER BY ts DESC",
        channel, page[-1], page[0],
    )  # fmt: skip
    return _present(query, channel, shown), page[-1] if len(sizes) > len(page) else None


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
) -> tuple[list[Body], str | None]:
    """Return the thread of a message (parent or reply), oldest first, and the ts after which the next page begins."""
    named = query.one("SELECT ts, thread_ts FROM message WHERE channel = ? AND ts = ?", channel, ts)
    if named is None:
        raise MethodError("thread_not_found")
    parent = named["thread_ts"] or named["ts"]
    above, low = _lower(oldest, inclusive=inclusive)
    below, high = _upper(latest, inclusive=inclusive)
    if after is not None and after >= low:
        above, low = ">", after
    sizes = query.all(
        "SELECT ts, length(body) FROM message WHERE channel = ? AND thread_ts = ?"
        f" AND ts {above} ? AND ts {below} ? ORDER BY ts LIMIT ?",
        channel, parent, low, high, limit + 1,
    )  # fmt: skip
    page = _page(sizes, limit)
    shown = list(query.all("SELECT ts, thread_ts, body FROM message WHERE channel = ? AND ts = ?", channel, parent))
    if page:
        shown += query.all(
            "SELECT ts, thread_ts, body FROM message WHERE channel = ? AND thread_ts = ? AND ts >= ? AND ts <= ?"
            " ORDER BY ts",
            channel, parent, page[0], page[-1],
        )  # fmt: skip
    return _present(query, channel, shown), page[-1] if len(sizes) > len(page) else None


def news(query: Query, channel: str, viewer: str, last_read: str) -> Body:
    """Return the newest message of a conversation and the number of unread messages of other users.

    The count looks at the newest ``MAX_UNREAD`` messages. Source: wire/web-api-methods.md#conversationsinfo.
    """
    newest = query.one("SELECT body FROM message WHERE channel = ? AND in_channel ORDER BY ts DESC LIMIT 1", channel)
    unread = query.one(
        "SELECT count(*) FROM (SELECT user_id FROM message WHERE channel = ? AND ts > ? AND in_channel"
        " ORDER BY ts DESC LIMIT ?) AS fresh WHERE user_id <> ?",
        channel, last_read, MAX_UNREAD, viewer,
    )  # fmt: skip
    count = unread[0] if unread is not None else 0
    return {
        "latest": load(newest) if newest is not None else None,
        "unread_count": count,
        "unread_count_display": count,
    }


# One bound on each side: given two lower bounds, SQLite seeks to the first and scans every row up to the second.


def _lower(oldest: str | None, *, inclusive: bool) -> tuple[str, str]:
    """Return the operator and the value of the lower bound; without one it lies before all messages."""
    return (">=" if inclusive or oldest is None else ">"), oldest or _FIRST


def _upper(latest: str | None, *, inclusive: bool) -> tuple[str, str]:
    return ("<=" if inclusive or latest is None else "<"), latest or _LAST


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


def _present(query: Query, channel: str, rows: Sequence[Row]) -> list[Body]:
    """Return the messages of the rows with their reactions and, for parents of threads, the counters."""
    facts = thread_facts(query, channel, [row["ts"] for row in rows if row["thread_ts"] is None])
    reactions = _reactions(query, channel, [row["ts"] for row in rows])
    bodies = []
    for row in rows:
        body = load(row) | facts.get(row["ts"], {})
        if row["ts"] in reactions:
            body["reactions"] = reactions_of(reactions[row["ts"]])
        bodies.append(body)
    return bodies


def _reactions(query: Query, channel: str, stamps: Sequence[str]) -> dict[str, list[Row]]:
    if not stamps:
        return {}
    rows = query.all(
        f"SELECT ts, name, user_id FROM reaction WHERE channel = ? AND ts IN ({marks(stamps)}) ORDER BY ts, created",
        channel, *stamps,
    )  # fmt: skip
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["ts"], []).append(row)
    return found
