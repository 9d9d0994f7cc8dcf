"""What the database knows about people and channels, and the queries that find it.

Records are rows with names; how they look on the wire is in ``services.present``. Every function takes a ``Query``,
so it works in a read and inside a transaction.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum

import msgspec

from tautwire.protocol.ids import ChannelId, UserId
from tautwire.server.store.database import Query, Row

USERS = "SELECT id, name, real_name, email, deleted, away, created, updated, bot_id, app_id FROM user"
CHANNELS = (
    "SELECT id, kind, name, creator, created, updated, archived, general, topic, topic_by, topic_set,"
    " purpose, purpose_by, purpose_set, people FROM channel"
)


class ChannelKind(StrEnum):
    """The kinds of conversations. Source: ids.md section 4 (documented)."""

    PUBLIC = "public"
    PRIVATE = "private"
    IM = "im"
    MPIM = "mpim"


class UserRecord(msgspec.Struct, frozen=True):
    """A person or a bot user."""

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


class ChannelRecord(msgspec.Struct, frozen=True):
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
    """Name the columns of a row of ``USERS``."""
    return msgspec.convert(dict(row), UserRecord, strict=False)


def channel_record(row: Row) -> ChannelRecord:
    """Name the columns of a row of ``CHANNELS``."""
    return msgspec.convert(dict(row), ChannelRecord, strict=False)


def find_user(query: Query, user: str) -> UserRecord | None:
    """Return the user with this id."""
    row = query.one(f"{USERS} WHERE id = ?", user)
    return user_record(row) if row else None


def find_user_by_name(query: Query, name: str) -> UserRecord | None:
    """Return the user with this name, without ``@``."""
    row = query.one(f"{USERS} WHERE name = ?", name)
    return user_record(row) if row else None


def find_users(query: Query) -> list[UserRecord]:
    """Return all users in the order of their ids."""
    return [user_record(row) for row in query.all(f"{USERS} ORDER BY id")]


def find_channel(query: Query, channel: str) -> ChannelRecord | None:
    """Return the channel with this id."""
    row = query.one(f"{CHANNELS} WHERE id = ?", channel)
    return channel_record(row) if row else None


def find_channel_by_name(query: Query, name: str) -> ChannelRecord | None:
    """Return the channel with this name, without ``#``."""
    row = query.one(f"{CHANNELS} WHERE name = ?", name)
    return channel_record(row) if row else None


def find_members(query: Query, channel: str) -> list[str]:
    """Return the ids of a channel's members, first to join first."""
    return [row[0] for row in query.all("SELECT user FROM membership WHERE channel = ? ORDER BY joined, user", channel)]


def find_membership(query: Query, channel: str, user: str) -> Row | None:
    """Return ``joined``, ``last_read_ts`` and ``open`` of a member, None for others."""
    return query.one("SELECT joined, last_read_ts, open FROM membership WHERE channel = ? AND user = ?", channel, user)


def find_channels(
    query: Query, kinds: Collection[ChannelKind], *, viewer: str, archived: bool = True
) -> list[ChannelRecord]:
    """Return the channels of these kinds that the viewer may know of, oldest first; archived ones only if wanted."""
    seen = "kind = 'public' OR id IN (SELECT channel FROM membership WHERE user = ?)"
    rows = query.all(f"{CHANNELS} WHERE {seen} ORDER BY created, id", viewer)
    channels = [channel_record(row) for row in rows]
    return [c for c in channels if c.kind in kinds and (archived or not c.archived)]
