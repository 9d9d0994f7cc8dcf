"""Reactions to messages. ``add`` and ``remove`` are units, ``get`` and ``reacted_page`` only read."""

import re
from typing import Any, Final, NamedTuple

from tautwire.protocol.ids import is_channel_id, is_ts
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.room import Room, enter
from tautwire.server.services.channels.visible import readable_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.messaging.history import MAX_PAGE, present
from tautwire.server.services.messaging.messages import Body
from tautwire.server.services.messaging.permalinks import permalink
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.queries.messages import find_message
from tautwire.server.store.queries.reactions import (
    add_reaction,
    count_reacted,
    find_reaction_names,
    has_reaction,
    measure_reacted,
    remove_reaction,
)
from tautwire.server.store.queries.users import find_user

_NAME: Final = re.compile(r"[\w+'-]{1,100}(::skin-tone-[2-6])?", re.UNICODE)
MAX_REACTIONS: Final = 50
"""Different reactions to one message (that there is a limit is documented, the figure is not)."""


def add(tx: Transaction, who: Identity, channel: str, ts: str, name: str) -> None:
    """Add the caller's reaction; emits reaction_added."""
    room, author = _find(tx, who, channel, ts)
    name = _plain(name)
    used = find_reaction_names(tx, channel, ts)
    if name not in used and len(used) >= MAX_REACTIONS:
        raise MethodError("too_many_emoji")
    if has_reaction(tx, channel, ts, name, who.user):
        raise MethodError("already_reacted")
    add_reaction(tx, channel, ts, name, who.user, tx.now)
    _emit(tx, room, "reaction_added", who, author, ts, name)


def remove(tx: Transaction, who: Identity, channel: str, ts: str, name: str) -> None:
    """Remove the caller's reaction; emits reaction_removed."""
    room, author = _find(tx, who, channel, ts)
    name = _plain(name)
    if not remove_reaction(tx, channel, ts, name, who.user):
        raise MethodError("no_reaction")
    _emit(tx, room, "reaction_removed", who, author, ts, name)


def get(query: Query, who: Identity, channel: str, ts: str, base_url: str) -> Body:
    """Return a message that the caller may read, with its reactions and its address."""
    readable_channel(query, who, channel, refusal="channel_not_found")
    if not is_ts(ts):
        raise MethodError("bad_timestamp")
    row = find_message(query, channel, ts)
    if row is None:
        raise MethodError("message_not_found")
    return _present(query, channel, row, base_url)


class Reacted(NamedTuple):
    """A page of the messages that a user has reacted to."""

    items: list[dict[str, Any]]
    total: int
    last: str | None
    """The key of the last one if another page follows: ``ts`` and channel."""


_FIRST: Final = "9999999999.999999"


def reacted_page(
    query: Query, who: Identity, user: str, *, base_url: str, before: str | None, skip: int, limit: int
) -> Reacted:
    """Return messages that a user has reacted to and the caller may read, the newest message first.

    A page ends before its limit if its messages are large.

    Args:
        before: the key of the last one of the page before.
        skip: how many are left out first.

    Raises:
        MethodError: user_not_found.
    """
    if find_user(query, user) is None:
        raise MethodError("user_not_found")
    ts, _, channel = (before or f"{_FIRST} ").partition(" ")
    sees_public = not who.is_bot
    rows = measure_reacted(
        query, user, viewer=who.user, sees_public=sees_public, before=(ts, channel), skip=skip, count=limit + 1
    )
    items: list[dict[str, Any]] = []
    size = 0
    for row in rows[:limit]:
        size += row["size"]
        if size > MAX_PAGE and items:
            break
        found = find_message(query, row["channel"], row["ts"])
        if found is not None:
            message = _present(query, row["channel"], found, base_url)
            items.append({"type": "message", "channel": row["channel"], "message": message})
    last = f"{items[-1]['message']['ts']} {items[-1]['channel']}" if items and len(rows) > len(items) else None
    return Reacted(items, count_reacted(query, user, viewer=who.user, sees_public=sees_public), last)


def is_key(key: str) -> bool:
    """Whether a text has the form of the key of a page."""
    ts, _, channel = key.partition(" ")
    return is_ts(ts) and is_channel_id(channel)


def _present(query: Query, channel: str, row: Row, base_url: str) -> Body:
    (message,) = present(query, channel, [row], all_metadata=False)
    return message | {"permalink": permalink(base_url, channel, row["ts"], row["thread_ts"])}


def _find(tx: Transaction, who: Identity, channel: str, ts: str) -> tuple[Room, str]:
    """Return the room and the author of the message.

    Only members may react. Slack answers ``not_in_channel`` to a bot that is not a member, which is observed and not
    documented; the same answer to a person is ours.
    """
    room = enter(tx, channel)
    if room is None:
        raise MethodError("channel_not_found")
    if who.user not in room.members:
        raise MethodError("not_in_channel" if room.is_public else "channel_not_found")
    if room.channel.archived:
        raise MethodError("is_archived")
    row = find_message(tx, channel, ts)
    if row is None:
        raise MethodError("message_not_found")
    return room, row["user_id"]


def _plain(name: str) -> str:
    """Return the name of an emoji without colons around it."""
    name = name.strip(":")
    if not _NAME.fullmatch(name):
        raise MethodError("invalid_name")
    return name


def _emit(tx: Transaction, room: Room, kind: str, who: Identity, author: str, ts: str, name: str) -> None:
    item = {"type": "message", "channel": room.id, "ts": ts}
    tx.emit(
        room.topic,
        event(kind, user=who.user, reaction=name, item_user=author, item=item, event_ts=next_event_ts(tx)),
    )
