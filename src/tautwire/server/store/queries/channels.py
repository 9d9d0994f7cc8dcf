"""The tables ``channel``, conversations of all kinds, and ``channel_clock``, the newest timestamp given in each."""

from collections.abc import Collection

from tautwire.protocol.ids import Ts
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.records import ChannelKind, ChannelRecord
from tautwire.server.store.statements import Statements, marks

_COLUMNS = ChannelRecord.__struct_fields__
_CHANNEL = ", ".join(f"c.{column}" for column in _COLUMNS)
_CHANNELS = f"SELECT {_CHANNEL} FROM channel c"
_NAMED = "kind IN ('public', 'private')"


def find_channel(query: Query, channel: str) -> ChannelRecord | None:
    """Return the channel with this id."""
    return _record(query.one(f"{_CHANNELS} WHERE c.id = ?", channel))


def find_channel_by_name(query: Query, name: str) -> ChannelRecord | None:
    """Return the channel with this name, without ``#``."""
    return _record(query.one(f"{_CHANNELS} WHERE c.name = ?", name))


def find_direct_channel(query: Query, people: str) -> str | None:
    """Return the id of the im or mpim of these people: ids in their order, separated by commas."""
    row = query.one("SELECT id FROM channel WHERE people = ?", people)
    return row[0] if row is not None else None


def channels_called(query: Query, text: str) -> list[ChannelRecord]:
    """Return the channels with this id or name; direct messages by id only."""
    rows = query.all(f"{_CHANNELS} WHERE c.id = ? OR (c.name = ? AND c.{_NAMED}) ORDER BY c.id", text, text)
    return [_read(row) for row in rows]


def channel_names_like(query: Query, text: str, count: int) -> list[str]:
    """Return names of channels, those nearest in length first."""
    rows = query.all(
        f"SELECT name FROM channel WHERE {_NAMED} ORDER BY abs(length(name) - ?), name LIMIT ?", len(text), count
    )
    return [row[0] for row in rows]


def list_channels(query: Query, *, after: str, count: int) -> list[ChannelRecord]:
    """Return public and private channels behind a name, in the order of names."""
    rows = query.all(f"{_CHANNELS} WHERE c.{_NAMED} AND c.name > ? ORDER BY c.name LIMIT ?", after, count)
    return [_read(row) for row in rows]


def channels_of(query: Query, user: str) -> list[str]:
    """Return the names of the public and private channels of a user."""
    rows = query.all(
        "SELECT c.name FROM membership m JOIN channel c ON c.id = m.channel"
        f" WHERE m.user_id = ? AND c.{_NAMED} ORDER BY c.name",
        user,
    )
    return [row[0] for row in rows]


def find_general(query: Query) -> str | None:
    """Return the id of the general channel."""
    row = query.one("SELECT id FROM channel WHERE general")
    return row["id"] if row is not None else None


def find_channel_ids(query: Query, kinds: Collection[ChannelKind]) -> dict[str, str]:
    """Return the ids of all channels of these kinds, by name, in the order of names."""
    names = [str(kind) for kind in kinds]
    rows = query.all(f"SELECT name, id FROM channel WHERE kind IN ({marks(names)}) ORDER BY name", *names)
    return {row[0]: row[1] for row in rows}


def find_direct_channels(query: Query) -> set[str]:
    """Return the ids of all direct messages."""
    rows = query.all("SELECT id FROM channel WHERE kind IN (?, ?)", ChannelKind.IM, ChannelKind.MPIM)
    return {row[0] for row in rows}


def find_kinds(query: Query, channels: Collection[str]) -> dict[str, str]:
    """Return the kinds of the channels with these ids."""
    ids = list(channels)
    return {row[0]: row[1] for row in query.all(f"SELECT id, kind FROM channel WHERE id IN ({marks(ids)})", *ids)}


def find_channels(
    query: Query, kinds: Collection[ChannelKind], after: str, count: int, *, viewer: str, archived: bool = True
) -> list[ChannelRecord]:
    """Return at most ``count`` channels of these kinds behind the id ``after`` that the viewer may see, in their order.

    Public channels are visible to all users, the others to their members. Archived ones are left out if not wanted.
    """
    live = "" if archived else " AND NOT c.archived"
    # Two queries joined, not one with OR: each follows its index and stops at its limit.
    parts: list[str] = []
    arguments: list[object] = []
    if ChannelKind.PUBLIC in kinds:
        parts.append(f"{_CHANNELS} WHERE c.kind = 'public' AND c.id > ?{live} ORDER BY c.id LIMIT ?")
        arguments += [after, count]
    own = [kind for kind in kinds if kind is not ChannelKind.PUBLIC]
    if own:
        parts.append(
            f"SELECT {_CHANNEL} FROM membership m JOIN channel c ON c.id = m.channel"
            f" WHERE m.user_id = ? AND m.channel > ? AND c.kind IN ({marks(own)}){live} ORDER BY m.channel LIMIT ?"
        )
        arguments += [viewer, after, *own, count]
    if not parts:
        return []
    union = " UNION ALL ".join(f"SELECT * FROM ({part}) AS part{number}" for number, part in enumerate(parts))
    return [_read(row) for row in query.all(f"{union} ORDER BY id LIMIT ?", *arguments, count)]


def add_channel(tx: Statements, channel: ChannelRecord) -> None:
    """Store a new channel."""
    values = [getattr(channel, column) for column in _COLUMNS]
    tx.execute(f"INSERT INTO channel ({', '.join(_COLUMNS)}) VALUES ({marks(values)})", *values)


def find_channels_of(
    query: Query, kinds: Collection[ChannelKind], after: str, count: int, *, user: str, viewer: str, archived: bool
) -> list[ChannelRecord]:
    """Return at most ``count`` channels of a user that the viewer may see, behind the id ``after``, in their order."""
    names = [str(kind) for kind in kinds]
    live = "" if archived else " AND NOT c.archived"
    rows = query.all(
        f"SELECT {_CHANNEL} FROM membership m JOIN channel c ON c.id = m.channel"
        f" WHERE m.user_id = ? AND m.channel > ? AND c.kind IN ({marks(names)}){live}"
        " AND (c.kind = 'public' OR EXISTS (SELECT 1 FROM membership v WHERE v.channel = c.id AND v.user_id = ?))"
        " ORDER BY m.channel LIMIT ?",
        user, after, *names, viewer, count,
    )  # fmt: skip
    return [_read(row) for row in rows]


def set_archived(tx: Statements, channel: str, *, archived: bool, updated: int) -> None:
    """Store whether a channel is archived; ``updated`` is in microseconds, here and below."""
    tx.execute("UPDATE channel SET archived = ?, updated = ? WHERE id = ?", archived, updated, channel)


def set_name(tx: Statements, channel: str, name: str, *, updated: int) -> None:
    """Store the name of a channel."""
    tx.execute("UPDATE channel SET name = ?, updated = ? WHERE id = ?", name, updated, channel)


def set_topic(tx: Statements, channel: str, topic: str, user: str, *, updated: int) -> None:
    """Store the topic of a channel and who set it."""
    tx.execute(
        "UPDATE channel SET topic = ?, topic_by = ?, topic_set = ?, updated = ? WHERE id = ?",
        topic, user, updated // 1_000_000, updated, channel,
    )  # fmt: skip


def set_purpose(tx: Statements, channel: str, purpose: str, user: str, *, updated: int) -> None:
    """Store the purpose of a channel and who set it."""
    tx.execute(
        "UPDATE channel SET purpose = ?, purpose_by = ?, purpose_set = ?, updated = ? WHERE id = ?",
        purpose, user, updated // 1_000_000, updated, channel,
    )  # fmt: skip


def find_last_ts(query: Query, channel: str) -> Ts | None:
    """Return the newest timestamp that was given in a channel, to a message or to an event without one."""
    row = query.one(
        "SELECT (SELECT max(ts) FROM message WHERE channel = ?), (SELECT last_ts FROM channel_clock WHERE channel = ?)",
        channel,
        channel,
    )
    return max((ts for ts in row or () if ts is not None), default=None)


def set_last_ts(tx: Statements, channel: str, ts: str) -> None:
    """Store the newest timestamp of an event without a message; the messages have their own."""
    tx.execute(
        "INSERT INTO channel_clock (channel, last_ts) VALUES (?, ?)"
        " ON CONFLICT (channel) DO UPDATE SET last_ts = excluded.last_ts",
        channel,
        ts,
    )


def delete_last_ts(tx: Statements, channel: str) -> None:
    """Forget the stored timestamp of a channel."""
    tx.execute("DELETE FROM channel_clock WHERE channel = ?", channel)


def _record(row: Row | None) -> ChannelRecord | None:
    return _read(row) if row is not None else None


def _read(row: Row) -> ChannelRecord:
    id_, kind, name, creator, created, updated, archived, general, *about = row
    return ChannelRecord(id_, ChannelKind(kind), name, creator, created, updated, bool(archived), bool(general), *about)
