"""Reading messages back: pages of a channel and of a thread, with their reactions and thread counters."""

from collections.abc import Sequence

from tautwire.server.services.errors import MethodError
from tautwire.server.services.messages import Body, load, thread_facts
from tautwire.server.services.present import reactions_of
from tautwire.server.store.database import Query, Row

_FIRST = "0000000000.000000"
_LAST = "9999999999.999999"


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
    """Return messages newest first, and the ts before which the next page begins, None at the end.

    ``oldest`` and ``latest`` bound the page, themselves left out unless ``inclusive``. Replies are left out unless
    they were broadcast.
    """
    low, high = _range(oldest, latest, inclusive=inclusive)
    rows = query.all(
        f"SELECT ts, body FROM message WHERE channel = ? AND in_channel AND ts {low} ? AND ts {high} ? AND ts < ?"
        " ORDER BY ts DESC LIMIT ?",
        channel, oldest or _FIRST, latest or _LAST, before or _LAST, limit + 1,
    )  # fmt: skip
    shown = rows[:limit]
    return _present(query, channel, shown), shown[-1]["ts"] if len(rows) > limit else None


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
    named = query.one("SELECT ts, thread_ts, body FROM message WHERE channel = ? AND ts = ?", channel, ts)
    if named is None:
        raise MethodError("thread_not_found")
    parent = named["thread_ts"] or named["ts"]
    low, high = _range(oldest, latest, inclusive=inclusive)
    rows = query.all(
        f"SELECT ts, body FROM message WHERE channel = ? AND thread_ts = ? AND ts {low} ? AND ts {high} ? AND ts > ?"
        " ORDER BY ts LIMIT ?",
        channel, parent, oldest or _FIRST, latest or _LAST, after or _FIRST, limit + 1,
    )  # fmt: skip
    shown = rows[:limit]
    root = query.all("SELECT ts, body FROM message WHERE channel = ? AND ts = ?", channel, parent)
    return _present(query, channel, [*root, *shown]), shown[-1]["ts"] if len(rows) > limit else None


def _range(oldest: str | None, latest: str | None, *, inclusive: bool) -> tuple[str, str]:
    """Return the operators for the two bounds; a bound that was not given takes everything in."""
    return (">=" if inclusive or oldest is None else ">"), ("<=" if inclusive or latest is None else "<")


def _present(query: Query, channel: str, rows: Sequence[Row]) -> list[Body]:
    bodies = []
    for row in rows:
        body = load(row)
        if body.get("thread_ts") in (None, row["ts"]):
            body |= thread_facts(query, channel, row["ts"])
        reactions = reactions_of(
            query.all(
                "SELECT name, user FROM reaction WHERE channel = ? AND ts = ? ORDER BY created", channel, row["ts"]
            )
        )
        if reactions:
            body["reactions"] = reactions
        bodies.append(body)
    return bodies
