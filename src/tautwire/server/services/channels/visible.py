"""Which conversations a caller may see and read. Source: wire/web-api.md#visibility (documented)."""

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channel
from tautwire.server.store.queries.membership import find_membership
from tautwire.server.store.records import ChannelKind, ChannelRecord


def visible_channel(query: Query, who: Identity, channel: str) -> ChannelRecord:
    """Return a channel that the caller may see; raise ``MethodError`` (channel_not_found)."""
    record = find_channel(query, channel)
    if record is None or (record.kind is not ChannelKind.PUBLIC and find_membership(query, channel, who.user) is None):
        raise MethodError("channel_not_found")
    return record


def readable_channel(query: Query, who: Identity, channel: str, *, refusal: str) -> ChannelRecord:
    """Return a channel whose messages the caller may read: bots only where they are members.

    Raises:
        MethodError: channel_not_found; ``refusal`` to a bot that sees the channel and is not a member.
    """
    record = visible_channel(query, who, channel)
    if who.is_bot and find_membership(query, channel, who.user) is None:
        raise MethodError(refusal)
    return record
