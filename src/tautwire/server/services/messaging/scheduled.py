"""Messages that are posted later. ``schedule``, ``cancel``, ``post_due`` and ``drop_due`` are units.

A scheduled message is a row. The unit that posts it deletes the row, so it is posted once, whenever the process is
killed. What became due while the server was down is posted after the start.
``services.due`` runs ``post_due``.
"""

import logging
import re
from functools import partial
from typing import Any, Final

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity, identity_of, new_id
from tautwire.server.services.due import Duty
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import messages
from tautwire.server.services.messaging.messages import Draft
from tautwire.server.services.messaging.texts import Parse
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.scheduled import (
    ScheduledRecord,
    add_scheduled,
    count_scheduled,
    delete_scheduled,
    find_due,
    find_next_due,
    find_scheduled,
    find_scheduled_of,
)
from tautwire.server.store.queries.users import find_user

log = logging.getLogger("tautwire.server")

MAX_AHEAD: Final = 120 * 86_400
"""Seconds. Source: wire/web-api-methods.md#chatschedulemessage (documented)."""
WINDOW: Final = 300
MAX_IN_WINDOW: Final = 30
"""Messages that may be due in one channel within ``WINDOW`` seconds.
Source: wire/web-api-methods.md#chatschedulemessage (documented; that windows begin at full five minutes is ours)."""
_KEY: Final = re.compile(r"\d{1,11} Q[0-9A-Z]{1,20}", re.ASCII)


def schedule(tx: Transaction, who: Identity, channel: str, due: int, draft: Draft) -> ScheduledRecord:
    """Store a message to be posted at ``due``, in seconds.

    Raises:
        MethodError: time_in_past, time_too_far, restricted_too_many; the errors of posting.
    """
    now = tx.now // 1_000_000
    messages.writable_room(tx, channel, who, visitors=True)
    if due <= now:
        raise MethodError("time_in_past")
    if due > now + MAX_AHEAD:
        raise MethodError("time_too_far")
    start = due - due % WINDOW
    if count_scheduled(tx, channel, low=start, high=start + WINDOW) >= MAX_IN_WINDOW:
        raise MethodError("restricted_too_many")
    record = ScheduledRecord(new_id("Q"), channel, who.user, due, now, msgspec.json.encode(draft))
    add_scheduled(tx, record)
    return record


def cancel(tx: Transaction, who: Identity, channel: str, scheduled: str) -> None:
    """Delete a scheduled message of the caller; raise ``MethodError`` (invalid_scheduled_message_id)."""
    record = find_scheduled(tx, scheduled)
    if record is None or record.user_id != who.user or record.channel != channel:
        raise MethodError("invalid_scheduled_message_id")
    delete_scheduled(tx, scheduled)


def list_scheduled(
    query: Query, who: Identity, *, channel: str | None, span: tuple[int, int], after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Return scheduled messages of the caller, the next first, and the key of the last one if a page follows."""
    due, _, last = (after or "0 ").partition(" ")
    found = find_scheduled_of(query, who.user, channel=channel, span=span, after=(int(due), last), count=limit + 1)
    page = found[:limit]
    items = [
        {
            "id": record.id,
            "channel_id": record.channel,
            "post_at": record.due,
            "date_created": record.created,
            "text": msgspec.json.decode(record.draft)["text"],
        }
        for record in page
    ]
    return items, f"{page[-1].due} {page[-1].id}" if len(found) > limit else None


def is_key(key: str) -> bool:
    """Whether a text has the form of the key of a page."""
    return _KEY.fullmatch(key) is not None


def post_due(tx: Transaction, team: Team, scheduled: str) -> None:
    """Post a scheduled message and delete its row; if it cannot be posted any more, only delete the row."""
    record = find_scheduled(tx, scheduled)
    if record is None:  # cancelled, or another node has posted it
        return
    delete_scheduled(tx, scheduled)
    author = find_user(tx, record.user_id)
    if author is None or author.deleted:
        log.info("the scheduled message %s is dropped: its author is gone", scheduled)
        return
    try:
        messages.post(tx, team, identity_of(author), record.channel, _read_draft(record.draft), visitors=True)
    except MethodError as error:  # raised before anything is changed
        log.info("the scheduled message %s is dropped: %s", scheduled, error.code)


def drop_due(tx: Transaction, scheduled: str) -> None:
    """Delete a scheduled message that fails for no reason of its author (a unit): it would fail for ever."""
    delete_scheduled(tx, scheduled)


def _read_draft(encoded: bytes) -> Draft:
    members = msgspec.json.decode(encoded)
    for name in ("blocks", "attachments", "metadata"):
        if members.get(name) is not None:
            members[name] = msgspec.Raw(msgspec.json.encode(members[name]))
    members["parse"] = Parse(members["parse"])
    return Draft(**members)


def duty_of(team: Team) -> Duty:
    """Return the duty to post what is due."""
    return Duty(
        find_due,
        find_next_due,
        do=lambda scheduled: partial(post_due, team=team, scheduled=scheduled),
        drop=lambda scheduled: partial(drop_due, scheduled=scheduled),
    )
