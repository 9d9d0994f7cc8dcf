"""Messages that grow while they are written. ``start``, ``append``, ``stop`` and ``abandon`` are units.

What a stream consists of is a row beside its message until the stream ends. A stream that stops growing ends as
``errored`` after ``PATIENCE``; ``services.due`` runs that. Source: wire/assistants.md#streaming-messages.
"""

from functools import partial
from typing import Any, Final

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.room import Room, enter
from tautwire.server.services.due import Duty
from tautwire.server.services.errors import MethodError
from tautwire.server.services.manifests.tabs import check_messages
from tautwire.server.services.messaging import messages
from tautwire.server.services.messaging.chunks import Parts
from tautwire.server.services.messaging.messages import Body, Draft, Posted
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.queries.streams import (
    delete_stream,
    find_idle_streams,
    find_longest_idle,
    find_stream,
    set_stream,
)
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import ChannelKind

PATIENCE: Final = 300
"""Seconds without an append after which a stream has failed (ours)."""
MAX_TEXT: Final = 40_000
"""Code points of the text of a stream; the rest is cut off."""


def start(
    tx: Transaction, team: Team, who: Identity, channel: str, draft: Draft, parts: Parts, recipient: tuple[str, str]
) -> Posted:
    """Post the beginning of a message, which is in progress from then on.

    Args:
        recipient: the ids of user and team for whom it is written; outside direct messages it is needed.

    Raises:
        MethodError: missing_recipient_user_id, missing_recipient_team_id, user_not_found, team_not_found; the errors
            of posting.
    """
    room = messages.writable_room(tx, channel, who)
    check_messages(tx, who, room.channel)
    user, team_id = recipient
    if room.channel.kind is not ChannelKind.IM:
        if not user:
            raise MethodError("missing_recipient_user_id")
        if not team_id:
            raise MethodError("missing_recipient_team_id")
    if user and find_user(tx, user) is None:
        raise MethodError("user_not_found")
    if team_id and team_id != team.id:
        raise MethodError("team_not_found")
    draft.streaming_state = "in_progress"
    draft.text = parts.text()[:MAX_TEXT]
    blocks = parts.blocks()
    draft.blocks = msgspec.Raw(msgspec.json.encode(blocks)) if blocks else None
    posted = messages.post(tx, team, who, channel, draft)
    _touch(tx, channel, posted.ts, parts)
    return posted


def append(tx: Transaction, who: Identity, channel: str, ts: str, chunks: list[Any]) -> Posted:
    """Add to a message in progress; emits message_changed."""
    room, row, before, parts = _find(tx, who, channel, ts)
    parts.add(chunks)
    _touch(tx, channel, ts, parts)
    return _rewrite(tx, room, row, before, _shown(before, parts))


def stop(
    tx: Transaction,
    who: Identity,
    channel: str,
    ts: str,
    chunks: list[Any],
    *,
    blocks: list[Any],
    metadata: dict[str, Any] | None,
) -> Posted:
    """Add the rest of a message, which is complete from then on; emits message_changed."""
    room, row, before, parts = _find(tx, who, channel, ts)
    parts.add([*chunks, *([{"type": "blocks", "blocks": blocks}] if blocks else [])])
    delete_stream(tx, channel, ts)
    body = _shown(before, parts) | {"streaming_state": "completed"}
    if metadata is not None:
        body["metadata"] = metadata
    return _rewrite(tx, room, row, before, body)


def abandon(tx: Transaction, channel: str, ts: str) -> None:
    """End a stream that has not grown for long: its message is errored. No effect if it has grown since."""
    stream = find_stream(tx, channel, ts)
    if stream is None or stream["touched"] > tx.now // 1_000_000 - PATIENCE:
        return
    delete_stream(tx, channel, ts)
    room = enter(tx, channel)
    if room is None:
        return
    try:
        row, before = messages.find_live(tx, channel, ts)
    except MethodError:  # it was deleted
        return
    _rewrite(tx, room, row, before, before | {"streaming_state": "errored"})


def duty() -> Duty:
    """Return the duty to end the streams that are left alone."""
    return Duty(
        _find_idle, _find_next, do=lambda key: partial(_abandon, key=key), drop=lambda key: partial(_drop, key=key)
    )


def _find_idle(query: Query, now: int, count: int) -> list[str]:
    return [f"{channel} {ts}" for channel, ts in find_idle_streams(query, now - PATIENCE, count)]


def _find_next(query: Query) -> int | None:
    touched = find_longest_idle(query)
    return touched + PATIENCE if touched is not None else None


def _abandon(tx: Transaction, key: str) -> None:
    channel, _, ts = key.partition(" ")
    abandon(tx, channel, ts)


def _drop(tx: Transaction, key: str) -> None:
    channel, _, ts = key.partition(" ")
    delete_stream(tx, channel, ts)


def _find(tx: Transaction, who: Identity, channel: str, ts: str) -> tuple[Room, Row, Body, Parts]:
    room = messages.writable_room(tx, channel, who)
    row, before = messages.find_live(tx, channel, ts)
    if row["user_id"] != who.user:
        raise MethodError("message_not_owned_by_app")
    stream = find_stream(tx, channel, ts)
    if stream is None:
        raise MethodError("message_not_in_streaming_state")
    return room, row, before, msgspec.json.decode(stream["parts"], type=Parts)


def _touch(tx: Transaction, channel: str, ts: str, parts: Parts) -> None:
    set_stream(tx, channel, ts, tx.now // 1_000_000, msgspec.json.encode(parts))


def _shown(before: Body, parts: Parts) -> Body:
    blocks = parts.blocks()
    return before | {"text": parts.text()[:MAX_TEXT]} | ({"blocks": blocks} if blocks else {})


def _rewrite(tx: Transaction, room: Room, row: Row, before: Body, body: Body) -> Posted:
    messages.rewrite(tx, room, row, before, body, room.next_hidden_ts(tx))
    return Posted(room.id, row["ts"], body)
