"""Lists of users, conversations and members as JSON, a page at a time.

The cost of a page depends on its size and not on the list: an index finds the first element behind the last key, and
one query for each slice reads what its elements need.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import msgspec

from tautwire.server.services.arrays import Page, read_page
from tautwire.server.services.wire_objects import conversation_object, user_json
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channels, find_channels_of
from tautwire.server.store.queries.membership import count_members, find_marks, find_members, join_members
from tautwire.server.store.queries.users import find_users
from tautwire.server.store.records import ChannelKind, ChannelRecord, UserRecord


def users_page(
    query: Query, team: Team, *, shows_email: bool, after: str, limit: int, extra: Callable[[str], bytes] | None = None
) -> Page:
    """Return users behind an id; ``limit`` 0 for all.

    Args:
        extra: returns more members of a user with this id, as JSON that begins with a comma.
    """

    def encode(users: Sequence[UserRecord]) -> list[bytes]:
        seen = [user_json(user, team, shows_email) for user in users]
        if extra is None:
            return seen
        return [b"%b%b}" % (encoded[:-1], extra(user.id)) for encoded, user in zip(seen, users, strict=True)]

    return read_page(partial(find_users, query), encode, lambda user: user.id, after=after, limit=limit)


def conversations_page(
    query: Query,
    kinds: Collection[ChannelKind],
    *,
    viewer: str,
    archived: bool,
    after: str,
    limit: int,
    with_members: bool = False,
) -> Page:
    """Return conversations behind an id that the viewer may see; ``limit`` 0 for all.

    With ``with_members``, channels with the viewer as member have ``members``, as lists had until 2018.
    """

    def find(after: str, count: int) -> list[ChannelRecord]:
        return find_channels(query, kinds, after, count, viewer=viewer, archived=archived)

    def encode(channels: Sequence[ChannelRecord]) -> list[bytes]:
        ids = [channel.id for channel in channels]
        marks = find_marks(query, ids, viewer)
        counts = count_members(query, [channel.id for channel in channels if not channel.is_direct])
        members = join_members(query, [c for c in counts if c in marks]) if with_members else {}
        seen = []
        for channel in channels:
            listed = conversation_object(channel, viewer=viewer, mark=marks.get(channel.id))
            if not channel.is_direct:
                listed["num_members"] = counts.get(channel.id, 0)
            if channel.id in members:
                listed["members"] = members[channel.id].split(",")
            seen.append(msgspec.json.encode(listed))
        return seen

    return read_page(find, encode, lambda channel: channel.id, after=after, limit=limit)


def conversations_of_page(
    query: Query, kinds: Collection[ChannelKind], *, user: str, viewer: str, archived: bool, after: str, limit: int
) -> Page:
    """Return the conversations of a user behind an id that the viewer may see; ``limit`` 0 for all."""

    def find(after: str, count: int) -> list[ChannelRecord]:
        return find_channels_of(query, kinds, after, count, user=user, viewer=viewer, archived=archived)

    def encode(channels: Sequence[ChannelRecord]) -> list[bytes]:
        marks = find_marks(query, [channel.id for channel in channels], viewer)
        seen = []
        for channel in channels:
            listed = conversation_object(channel, viewer=viewer, mark=marks.get(channel.id))
            listed.pop("is_member", None)  # Source: wire/web-api-methods.md#usersconversations
            seen.append(msgspec.json.encode(listed))
        return seen

    return read_page(find, encode, lambda channel: channel.id, after=after, limit=limit)


def members_page(query: Query, channel: str, *, after: str, limit: int) -> Page:
    """Return the ids of a channel's members behind an id; ``limit`` 0 for all."""
    find = partial(find_members, query, channel)
    return read_page(
        find, lambda users: [msgspec.json.encode(users)[1:-1]], lambda user: user, after=after, limit=limit
    )
