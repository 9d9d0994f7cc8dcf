"""Who may read which file: its uploader, and those who may read a conversation where it is shared.

Source: wire/files.md#in-tautwire.
"""

import hmac
from typing import Any

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.visible import readable_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files.objects import file_object, shared_object
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channel
from tautwire.server.store.queries.files import (
    FileRecord,
    Share,
    State,
    Wanted,
    find_chunk,
    find_file,
    find_shares,
    find_visible,
    list_files,
)
from tautwire.server.store.queries.membership import find_membership
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import ChannelKind


def visible_file(query: Query, who: Identity, file: str) -> FileRecord:
    """Return a complete file that the caller may read.

    Raises:
        MethodError: file_deleted to its uploader, if it was deleted; else file_not_found.
    """
    record = find_visible(query, file, who.user, sees_public=not who.is_bot) if who.user else None
    if record is None:
        gone = find_file(query, file)
        is_own = gone is not None and gone.user_id == who.user
        raise MethodError("file_deleted" if is_own and gone and gone.state is State.DELETED else "file_not_found")
    return record


def find_public(query: Query, file: str, secret: str) -> FileRecord | None:
    """Return a complete file whose public URL has this secret."""
    record = find_file(query, file)
    if record is None or record.state is not State.COMPLETE or record.public is None:
        return None
    return record if hmac.compare_digest(record.public, secret) else None


def show(query: Query, who: Identity, record: FileRecord, team: Team, base_url: str) -> dict[str, Any]:
    """Return the file object with those of its shares that the caller may see."""
    shares: list[Share] = []
    kinds: dict[str, str] = {}
    names: dict[str, str] = {}
    for share in find_shares(query, [record.id]):
        channel = find_channel(query, share.channel)
        if channel is None:
            continue
        is_member = find_membership(query, channel.id, who.user) is not None
        if is_member or (channel.kind is ChannelKind.PUBLIC and not who.is_bot):
            shares.append(share)
            kinds[channel.id], names[channel.id] = channel.kind, channel.name or ""
    return shared_object(file_object(record, team.id, base_url), shares, kinds, names, team.id)


def show_file(query: Query, who: Identity, file: str, team: Team, base_url: str) -> tuple[FileRecord, dict[str, Any]]:
    """Return a file that the caller may read, and its object."""
    record = visible_file(query, who, file)
    return record, show(query, who, record, team, base_url)


def show_files(
    query: Query, who: Identity, wanted: Wanted, *, page: int, count: int, team: Team, base_url: str
) -> tuple[list[dict[str, Any]], int]:
    """Return a page of the files that the caller may see, the newest first, and the number of all of them.

    Raises:
        MethodError: channel_not_found, user_not_found.
    """
    if wanted.channel:
        readable_channel(query, who, wanted.channel, refusal="channel_not_found")
    if wanted.uploader and find_user(query, wanted.uploader) is None:
        raise MethodError("user_not_found")
    records, total = list_files(
        query, who.user, wanted, sees_public=not who.is_bot, skip=(page - 1) * count, count=count
    )
    return [show(query, who, record, team, base_url) for record in records], total


def read_text(query: Query, record: FileRecord, limit: int) -> tuple[str, bool]:
    """Return the beginning of the text of a file, and whether it is cut."""
    return read_bytes(query, record, limit).decode(errors="replace"), record.size > limit


def read_bytes(query: Query, record: FileRecord, limit: int) -> bytes:
    """Return the first bytes of a file."""
    parts: list[bytes] = []
    size = 0
    while size < min(limit, record.size):
        part = find_chunk(query, record.id, len(parts))
        if part is None:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)[:limit]
