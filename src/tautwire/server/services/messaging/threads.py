"""The reply counters of a thread's parent, computed on demand. Source: wire/messages.md#threads.

Stored counters would have to be updated with every reply; an index makes the count cheap.
"""

from collections.abc import Sequence
from typing import Any, Final

from tautwire.server.store.engine import Query
from tautwire.server.store.queries.messages import count_replies

MAX_REPLY_USERS: Final = 5
"""Users in ``reply_users`` of a parent.
Source: wire/messages.md#threads (that it is cut is documented, the length observed)."""


def thread_facts(query: Query, channel: str, parents: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the counters by ``ts``, for those of the messages ``parents`` that have replies."""
    if not parents:
        return {}
    facts: dict[str, dict[str, Any]] = {}
    for row in count_replies(query, channel, parents):
        parent = row["thread_ts"]
        known = facts.setdefault(
            parent,
            {
                "thread_ts": parent,
                "reply_count": 0,
                "reply_users_count": 0,
                "latest_reply": "",
                "reply_users": [],
                "is_locked": False,
            },
        )
        known["reply_count"] += row["replies"]
        known["reply_users_count"] += 1
        known["latest_reply"] = max(known["latest_reply"], row["latest"])
        if len(known["reply_users"]) < MAX_REPLY_USERS:
            known["reply_users"].append(row["user_id"])
    return facts
