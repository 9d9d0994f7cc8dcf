"""Users and channels in the database, and the queries that find them.

Records are rows with names; ``services.wire_objects`` shapes them for the wire. Every function takes a ``Query``,
so it works in a read and inside a transaction.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from tautwire.protocol.ids import ChannelId, UserId
from tautwire.server.store.engine import Query, Row

USERS = "SELECT id, name, real_name, email, deleted, away, created, updated, bot_id, app_id FROM users"
_CHANNEL = (
    "c.id, c.kind, c.name, c.creator, c.created, c.updated, c.archived, c.general, c.topic, c.topic_by, c.topic_set,"
    " c.purpose, c.purpose_by, c.purpose_set, c.people"
)
CHANNELS = f"SELECT {_CHANNEL} FROM channel c"


SLACKBOT_ID: Final = UserId("USLACKBOT")
"""The user every workspace has. Source: wire/ids-and-timestamps.md#ids (documented)."""
SLACKBOT_NAME: Final = "slackbot"


class ChannelKind(StrEnum):
    """The kinds of conversations. Source: wire/ids-and-timestamps.md#kinds-of-conversations (documented)."""

    PUBLIC = "public"
    PRIVATE = "private"
    IM = "im"
    MPIM = "mpim"


class UserRecord(msgspec.Struct, frozen=True, gc=False):
    """A user: a person or a bot."""

    id: UserId
    name: str
    real_name: str
    email: str | None
    deleted: bool
    away: bool
    created: int
    updated: int
    bot_id: str | None
    app_id: str | None


class ChannelRecord(msgspec.Struct, frozen=True, gc=False):
    """A conversation of any kind. ``updated`` is in microseconds, the other times in seconds."""

    id: ChannelId
    kind: ChannelKind
    name: str | None
    creator: UserId
    created: int
    updated: int
    archived: bool
    general: bool
    topic: str
    topic_by: str
    topic_set: int
    purpose: str
    purpose_by: str
    purpose_set: int
    people: str | None

    @property
    def is_direct(self) -> bool:
        """Whether it has fixed members and no name of its own (im, mpim)."""
        return self.kind in (ChannelKind.IM, ChannelKind.MPIM)

    @property
    def members_of_direct(self) -> list[str]:
        """The fixed members of an im or mpim."""
        return self.people.split(",") if self.people else []


def marks(values: Sequence[object]) -> str:
    """Return the placeholders of a list of values: ``?,?,?``."""
    return ",".join("?" * len(values))


def user_record(row: Row) -> UserRecord:
    """Return the record of a row of ``USERS``."""
    id_, name, real_name, email, deleted, away, created, updated, bot_id, app_id = row
    return UserRecord(id_, name, real_name, email, bool(deleted), bool(away), created, updated, bot_id, app_id)


def channel_record(row: Row) -> ChannelRecord:
    """Return the record of a row of ``CHANNELS``."""
    id_, kind, name, creator, created, updated, archived, general, *about = row
    return ChannelRecord(id_, ChannelKind(kind), name, creator, created, updated, bool(archived), bool(general), *about)


def find_user(query: Query, user: str) -> UserRecord | None:
    """Return the user with this id."""
    row = query.one(f"{USERS} WHERE id = ?", user)
    return user_record(row) if row else None


def find_user_by_name(query: Query, name: str) -> UserRecord | None:
    """Return the user with this name, without ``@``."""
    row = query.one(f"{USERS} WHERE name = ?", name)
    return user_record(row) if row else None


def find_users(query: Query, after: str, count: int) -> list[UserRecord]:
    """Return at most ``count`` users behind the id ``after``, in the order of ids; an empty id is before all."""
    return [user_record(row) for row in query.all(f"{USERS} WHERE id > ? ORDER BY id LIMIT ?", after, count)]


def find_channel(query: Query, channel: str) -> ChannelRecord | None:
    """Return the channel with this id."""
    row = query.one(f"{CHANNELS} WHERE c.id = ?", channel)
    return channel_record(row) if row else None


def find_channel_by_name(query: Query, name: str) -> ChannelRecord | None:
    """Return the channel with this name, without ``#``."""
    row = query.one(f"{CHANNELS} WHERE c.name = ?", name)
    return channel_record(row) if row else None


def find_members(query: Query, channel: str, after: str, count: int) -> list[str]:
    """Return the ids of at most ``count`` members of a channel behind the id ``after``, in their order."""
    rows = query.all(
        "SELECT user_id FROM membership WHERE channel = ? AND user_id > ? ORDER BY user_id LIMIT ?",
        channel,
        after,
        count,
    )
    return [row[0] for row in rows]


def find_all_members(query: Query, channel: str) -> list[str]:
    """Return the ids of all members of a channel."""
    return [row[0] for row in query.all("SELECT user_id FROM membership WHERE channel = ?", channel)]


def count_members(query: Query, channels: Sequence[str]) -> dict[str, int]:
    """Return the number of members of each channel that has any."""
    rows = query.all(
        f"SELECT channel, count(*) FROM membership WHERE channel IN ({marks(channels)}) GROUP BY channel", *channels
    )
    return {row[0]: row[1] for row in rows}


def join_members(query: Query, channels: Sequence[str]) -> dict[str, str]:
    """Return the ids of each channel's members as one text, separated by commas: a row for each would be slow."""
    rows = query.all(
        f"SELECT channel, group_concat(user_id) FROM membership WHERE channel IN ({marks(channels)}) GROUP BY channel",
        *channels,
    )
    return {row[0]: row[1] for row in rows}


def find_membership(query: Query, channel: str, user: str) -> Row | None:
    """Return ``joined``, ``last_read_ts`` and ``open`` of a member, None for other users."""
    return query.one(
        "SELECT joined, last_read_ts, open FROM membership WHERE channel = ? AND user_id = ?", channel, user
    )


def find_last_read(query: Query, channels: Sequence[str], user: str) -> dict[str, str]:
    """Return the reading marks of a user by channel, for those of the channels with the user as member."""
    rows = query.all(
        f"SELECT channel, last_read_ts FROM membership WHERE user_id = ? AND channel IN ({marks(channels)})",
        user, *channels,
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


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
        parts.append(f"{CHANNELS} WHERE c.kind = 'public' AND c.id > ?{live} ORDER BY c.id LIMIT ?")
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
    return [channel_record(row) for row in query.all(f"{union} ORDER BY id LIMIT ?", *arguments, count)]
