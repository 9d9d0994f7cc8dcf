"""The messages that fit a query, as the wire has them. Source: wire/search.md#answer."""

import uuid
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.messaging.messages import load
from tautwire.server.services.messaging.permalinks import permalink
from tautwire.server.services.search.highlights import highlight, unmarked
from tautwire.server.services.search.question import read_query
from tautwire.server.services.wire_objects import conversation_object
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.queries.channels import find_channel
from tautwire.server.store.queries.messages import find_messages
from tautwire.server.store.queries.reactions import find_reactions
from tautwire.server.store.queries.search import Key, Phrase, find_matches
from tautwire.server.store.queries.users import find_users_by_ids
from tautwire.server.store.records import ChannelKind, ChannelRecord, UserRecord

MAX_MATCHES: Final = 10_000
"""Messages that are found at most: a hundred pages of a hundred. A search of a common word ends there."""
MAX_BYTES: Final = 4 * 1_048_576
"""Bytes of the messages on a page; the matches after these come without blocks, attachments and files."""

_NAMESPACE: Final = uuid.UUID("8f3f9c1e-2c53-4a50-9d5c-6d3c0f0b7a19")
_CHANNEL: Final = (
    "id", "name", "is_channel", "is_group", "is_im", "is_mpim", "is_shared", "is_org_shared", "is_ext_shared",
    "is_pending_ext_shared", "name_normalized", "user",
)  # fmt: skip
_STRUCTURES: Final = ("attachments", "blocks", "files")


class Search(NamedTuple):
    """A search as it is called."""

    query: str
    per_page: int = 20
    page: int = 1
    after: Key | None = None
    """The last match of the page before, in paging by cursor."""
    is_ascending: bool = False
    highlights: bool = False


class Found(NamedTuple):
    """A page of matches."""

    matches: list[dict[str, Any]]
    total: int
    last: Key | None
    """The key of the last match if others follow."""


def search(query: Query, team: Team, who: Identity, asked: Search, base_url: str, now: int) -> Found:
    """Return a page of the messages that fit a query and that the caller may see; ``now`` is in seconds.

    The order is that of time, whatever ``sort`` says: in that by score recency dominates.
    """
    wanted = read_query(query, asked.query, me=who.user, today=datetime.fromtimestamp(now, UTC).date())
    if wanted.is_empty:
        return Found([], 0, None)
    keys = find_matches(query, who.user, wanted.wanted, newest_first=not asked.is_ascending, count=MAX_MATCHES)
    start = (asked.page - 1) * asked.per_page
    if asked.after is not None:
        start = _place_behind(keys, asked.after, is_ascending=asked.is_ascending)
    page = keys[start : start + asked.per_page]
    phrases = wanted.phrases if asked.highlights else None
    matches = _present(query, team, who, page, phrases, base_url)
    return Found(matches, len(keys), page[-1] if page and start + len(page) < len(keys) else None)


def _place_behind(keys: Sequence[Key], key: Key, *, is_ascending: bool) -> int:
    if is_ascending:
        return bisect_left(keys, True, key=lambda each: each > key)
    return bisect_left(keys, True, key=lambda each: each < key)


def _present(
    query: Query, team: Team, who: Identity, page: Sequence[Key], phrases: Sequence[Phrase] | None, base_url: str
) -> list[dict[str, Any]]:
    rows: dict[Key, Row] = {}
    reacted: set[Key] = set()
    channels: dict[str, ChannelRecord | None] = {}
    for place in {key.channel for key in page}:
        stamps = [key.ts for key in page if key.channel == place]
        for found in find_messages(query, place, stamps):
            rows[Key(found["ts"], place)] = found
        reacted |= {Key(found["ts"], place) for found in find_reactions(query, place, stamps)}
        channels[place] = find_channel(query, place)
    authors = find_users_by_ids(query, list({row["user_id"] for row in rows.values()}))
    matches, size = [], 0
    for key in page:
        row, channel = rows.get(key), channels[key.channel]
        if row is None or channel is None:
            continue
        size += len(row["body"])
        body = load(row)
        text = unmarked(body.get("text") or "")
        match = {
            "iid": str(uuid.uuid5(_NAMESPACE, f"{team.id}/{key.channel}/{key.ts}")),
            "team": team.id,
            "channel": _channel(channel, who.user),
            "type": "message",
            "user": row["user_id"],
            "username": _username(body, authors.get(row["user_id"])),
            "ts": key.ts,
            "text": text if phrases is None else highlight(text, phrases),
            "permalink": permalink(base_url, key.channel, key.ts, row["thread_ts"]),
            "no_reactions": key not in reacted,
        }
        if size <= MAX_BYTES:
            match |= {name: body[name] for name in _STRUCTURES if name in body}
        matches.append(match)
    return matches


def _channel(channel: ChannelRecord, viewer: str) -> dict[str, Any]:
    """Return the channel of a match; that of a direct message is called by the id of the other user."""
    full = conversation_object(channel, viewer=viewer, mark=None)
    shown = {
        "is_channel": False, "is_group": False, "is_mpim": False, "is_shared": False, "is_ext_shared": False,
        "is_pending_ext_shared": False,
    }  # fmt: skip
    shown |= {name: full[name] for name in _CHANNEL if name in full}
    if channel.kind is ChannelKind.IM:
        shown |= {"name": full["user"], "name_normalized": full["user"]}
    return shown | {"is_private": channel.kind in (ChannelKind.PRIVATE, ChannelKind.MPIM), "pending_shared": []}


def _username(body: dict[str, Any], author: UserRecord | None) -> str:
    if body.get("username"):
        return str(body["username"])
    if author is None:
        return ""
    return author.real_name or author.name if author.bot_id is not None else author.name
