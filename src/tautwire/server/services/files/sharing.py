"""From a stored file to the messages that share it, and back. ``complete``, ``delete`` and ``publish`` are units."""

import secrets
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.room import enter
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files import shares
from tautwire.server.services.files.names import clean_title
from tautwire.server.services.files.objects import file_object, tombstone
from tautwire.server.services.files.reading import show, visible_file
from tautwire.server.services.messaging import messages
from tautwire.server.services.messaging.messages import Draft
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.files import (
    SHARE,
    Share,
    State,
    find_file,
    find_shares,
    set_public,
    set_state,
    set_title,
)
from tautwire.server.store.queries.messages import find_message, has_replies

MAX_FILES: Final = 20
"""Files that are completed at a time (ours)."""
MAX_CHANNELS: Final = 20
"""Conversations in which files are shared at a time (ours)."""


class Titled(NamedTuple):
    """A file that is completed, with its title; without one it has its name."""

    id: str
    title: str = ""


def complete(
    tx: Transaction,
    team: Team,
    who: Identity,
    files: Sequence[Titled],
    channels: Sequence[str],
    draft: Draft,
    base_url: str,
) -> list[dict[str, Any]]:
    """Complete stored files of the caller and share them, with one message in each channel; return the file objects.

    Raises:
        MethodError: file_not_found, of a file that is not stored, or not the caller's; the errors of posting.
    """
    for file in files:
        record = find_file(tx, file.id)
        if record is None or record.state is not State.STORED or record.user_id != who.user:
            raise MethodError("file_not_found")
    for file in files:
        if file.title:
            set_title(tx, file.id, clean_title(file.title, ""))
        set_state(tx, file.id, State.COMPLETE, None)
        shares.emit(tx, "file_created", Topic(who.user), file.id, who.user)
    shared: set[str] = set()
    for channel in dict.fromkeys(channels):
        _share(tx, team, who, [file.id for file in files], channel, draft, base_url, shared)
    return [show(tx, who, visible_file(tx, who, file.id), team, base_url) for file in files]


def _share(
    tx: Transaction,
    team: Team,
    who: Identity,
    files: Sequence[str],
    channel: str,
    draft: Draft,
    base_url: str,
    shared: set[str],
) -> None:
    """Share files with one message.

    The order of the events: wire/files.md#events-of-an-upload (captured in part).
    """
    room = messages.writable_room(tx, channel, who)
    if draft.thread_ts and find_message(tx, channel, draft.thread_ts) is None:
        raise MethodError("invalid_thread_ts")
    objects = []
    for file in files:
        found = find_file(tx, file)
        if found is not None:
            objects.append(file_object(found, team.id, base_url) | {"is_public": room.is_public})
        if room.is_public and file not in shared:
            shares.emit(tx, "file_public", room.topic, file, who.user)
            shared.add(file)
    draft.subtype = "file_share"
    draft.files = objects
    posted = messages.post(tx, team, who, channel, draft)
    for file in files:
        tx.insert(SHARE, Share(file, channel, posted.ts))
        shares.emit(tx, "file_shared", room.topic, file, who.user, channel_id=channel)


def delete(tx: Transaction, who: Identity, file: str) -> None:
    """Delete a file of the caller. Messages with other content keep a tombstone in its place, others are deleted.

    Source: wire/files.md#events-of-an-upload (the split is uncertain).

    Raises:
        MethodError: file_not_found, file_deleted; cant_delete_file to all but the uploader.
    """
    record = visible_file(tx, who, file)
    if record.user_id != who.user:
        raise MethodError("cant_delete_file")
    places = find_shares(tx, [file])
    shares.end(tx, file)
    for place in places:
        room = enter(tx, place.channel)
        row = find_message(tx, place.channel, place.ts)
        if room is None or row is None:
            continue
        before = messages.load(row)
        left = [tombstone(file) if each["id"] == file else each for each in before.get("files", ())]
        is_empty = all(each.get("mode") == "tombstone" for each in left) and not before["text"]
        if is_empty and "blocks" not in before and not has_replies(tx, place.channel, place.ts):
            messages.erase(tx, room, row, before)
        else:
            messages.rewrite(tx, room, row, before, before | {"files": left}, room.next_hidden_ts(tx))


def publish(tx: Transaction, team: Team, who: Identity, file: str, base_url: str, *, is_public: bool) -> dict[str, Any]:
    """Give a file of the caller a URL for which no token is needed, or take it away; return the file object."""
    record = visible_file(tx, who, file)
    if record.user_id != who.user:
        raise MethodError("file_not_found")
    if is_public != (record.public is not None):
        set_public(tx, file, secrets.token_hex(16) if is_public else None)
        topics = {Topic(share.channel) for share in find_shares(tx, [file])} or {Topic(who.user)}
        for topic in sorted(topics):
            shares.emit(tx, "file_change", topic, file, who.user)
    return show(tx, who, visible_file(tx, who, file), team, base_url)
