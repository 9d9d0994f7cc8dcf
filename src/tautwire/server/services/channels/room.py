"""A channel in the memory of the writer's thread: its row, its members and its newest timestamp.

Posting is the hot path, so the facts it checks stay in memory between units. A unit that changes the row or the members
of a channel calls ``forget``; the next one reads them from the database.
"""

from dataclasses import dataclass

from tautwire.protocol.ids import ChannelId, Ts, ts_from_micros, ts_to_micros
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.events import next_moment
from tautwire.server.store.queries.channels import find_channel, find_last_ts, set_last_ts
from tautwire.server.store.queries.membership import find_all_members, find_closed
from tautwire.server.store.records import ChannelKind, ChannelRecord


@dataclass(slots=True)
class Room:
    """A channel, its members, and its newest ``ts`` in microseconds."""

    channel: ChannelRecord
    members: frozenset[str]
    last: int
    closed: frozenset[str] = frozenset()
    """The members of a direct message who have closed it."""

    @property
    def id(self) -> ChannelId:
        """The channel's id."""
        return self.channel.id

    @property
    def topic(self) -> Topic:
        """The topic of the channel's events."""
        return Topic(self.channel.id)

    @property
    def is_public(self) -> bool:
        """Whether every user may see and join it."""
        return self.channel.kind is ChannelKind.PUBLIC

    def next_ts(self, tx: Transaction) -> Ts:
        """Return the next timestamp, larger than every earlier one of the channel; it is the ``event_ts`` of a message.

        Source: wire/ids-and-timestamps.md#timestamps.
        """
        self.last = next_moment(tx, self.last)
        return ts_from_micros(self.last)

    def next_hidden_ts(self, tx: Transaction) -> Ts:
        """Return the next timestamp for an event without a message; it is stored, so a restart does not repeat it."""
        ts = self.next_ts(tx)
        set_last_ts(tx, self.id, ts)
        return ts


def enter(tx: Transaction, channel: str) -> Room | None:
    """Return the channel with this id, from memory if possible."""
    room: Room | None = tx.recall("room", channel)
    if room is None:
        record = find_channel(tx, channel)
        if record is None:
            return None
        closed = find_closed(tx, channel) if record.is_direct else []
        room = Room(record, frozenset(find_all_members(tx, channel)), _last(tx, channel), frozenset(closed))
        tx.remember("room", channel, room)
    return room


def forget(tx: Transaction, channel: str) -> None:
    """Drop the channel from memory; the next unit that enters it reads it from the database."""
    tx.forget("room", channel)


def _last(tx: Transaction, channel: str) -> int:
    ts = find_last_ts(tx, channel)
    return ts_to_micros(ts) if ts is not None else 0
