"""The tables ``channel``, conversations of all kinds, and ``channel_clock``, the newest timestamp given in each."""

from collections.abc import Collection

from tautwire.protocol.ids import Ts
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.records import ChannelKind, ChannelRecord
from tautwire.server.store.statements import Statements, marks

_COLUMNS = ChannelRecord.__struct_fields__
_CHANNEL = ", ".join(f"c.{column}" for column in _COLUMNS)
_CHANNELS = f"SELECT {_CHANNEL} FROM channel c"


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


def has_general(query: Query) -> bool:
    """Whether there is a channel that all users are in and cannot leave."""
    return query.one("SELECT 1 FROM channel WHERE general") is not None


def find_channel_ids(query: Query, kinds: Collection[ChannelKind]) -> dict[str, str]:
    """Return the ids of all channels of these kinds, by name, in the order of names."""
    names = [str(kind) for kind in kinds]
    rows = query.all(f"SELECT name, id FROM channel WHERE kind IN ({marks(names)}) ORDER BY name", *names)
    return {row[0]: row[1] for row in rows}


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
