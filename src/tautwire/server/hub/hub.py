"""This node's connections by topic, and the fan-out of log entries to them.

Entries come from the log in order and go to the outboxes of the connections of their topic; at the end of the tick
each outbox is written once. A join or leave entry moves the user's connections between topics at its very place in
the stream, so nobody gets an event from before or after their membership. What is not durable (typing, presence)
takes the ``whisper`` lane, which slow connections do not get.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from tautwire.server.hub.frames import text_frame
from tautwire.server.log.entry import WORKSPACE, Entry, Topic
from tautwire.server.log.epochs import Epochs
from tautwire.session.outbox import Outbox

FLUSHES_PER_TURN: Final = 500
"""Connections written in one turn of the loop: a channel of thousands must not keep others waiting."""


class Connection(Protocol):
    """What the hub knows of a live connection."""

    @property
    def number(self) -> int:
        """Tells connections apart; never 0."""

    @property
    def user(self) -> str:
        """Whose connection it is."""

    @property
    def outbox(self) -> Outbox:
        """The frames that wait. Whoever puts the first one in sees to it that the connection is flushed."""

    def flush(self) -> bool:
        """Write what is queued; return True if some of it has to wait for the next turn."""

    @property
    def is_slow(self) -> bool:
        """Whether the peer does not keep up: it gets no whispers."""

    @property
    def wants_positions(self) -> bool:
        """Whether the peer understands ``position`` frames."""


class Hub:
    """Topics and their connections.

    Args:
        channels: for each user the channels they are a member of, at the position from which entries are delivered.
    """

    def __init__(self, channels: dict[str, set[Topic]], epochs: Epochs) -> None:
        self._epochs = epochs
        self._channels = channels
        self._connections: dict[str, list[Connection]] = {}  # by user
        self._topics: dict[Topic, dict[Connection, None]] = {WORKSPACE: {}}  # dicts keep the order of arrival
        self._dirty: list[Connection] = []
        self._resumable: dict[Connection, None] = {}
        self._flushing = False

    def __len__(self) -> int:
        return len(self._topics[WORKSPACE])

    def channels_of(self, user: str) -> Collection[Topic]:
        """Return the channels the user is a member of."""
        return self._channels.get(user, set())

    def connections_of(self, user: str) -> Sequence[Connection]:
        """Return the live connections of a user, oldest first."""
        return self._connections.get(user, ())

    def attach(self, connection: Connection) -> None:
        """From now on the connection gets what its user is entitled to."""
        user = connection.user
        self._connections.setdefault(user, []).append(connection)
        for topic in (WORKSPACE, Topic(user), *self.channels_of(user)):
            self._topics.setdefault(topic, {})[connection] = None
        if connection.wants_positions:
            self._resumable[connection] = None

    def detach(self, connection: Connection) -> None:
        """Forget a connection; harmless if it is not attached."""
        user = connection.user
        mine = self._connections.get(user, [])
        if connection not in mine:
            return
        mine.remove(connection)
        if not mine:
            del self._connections[user]
        for topic in (WORKSPACE, Topic(user), *self.channels_of(user)):
            self._drop(topic, connection)
        self._resumable.pop(connection, None)

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Hand committed entries to everybody concerned, in order."""
        for entry in entries:
            if entry.kind == "event":
                self._fan_out(entry)
            elif entry.kind == "join":
                self._join(entry.topic, entry.payload.decode())
            else:
                self._leave(entry.topic, entry.payload.decode())
        if self._resumable and entries:
            position = self._epochs.mark(entries[-1].position)
            frame = text_frame(b'{"type":"position","position":"%s"}' % position.encode())
            for connection in self._resumable:
                self.push(connection, frame)

    def whisper(self, topic: Topic, payload: bytes, *, but: str | None = None) -> None:
        """Tell the connections of a topic something that may be lost; the user ``but`` is not told."""
        connections = self._topics.get(topic)
        if connections:
            frame = text_frame(payload)
            for connection in connections:
                if connection.user != but and not connection.is_slow:
                    self.push(connection, frame)

    def push(self, connection: Connection, frame: bytes) -> None:
        """Queue a frame for one connection, to be written at the end of this tick."""
        if not connection.outbox:
            self.flush_later(connection)
        connection.outbox.append(frame)

    def push_first(self, connection: Connection, frame: bytes) -> None:
        """Queue a frame before what was queued with ``push``: a pong does not wait behind events."""
        if not connection.outbox:
            self.flush_later(connection)
        connection.outbox.insert_first(frame)

    def flush_later(self, connection: Connection) -> None:
        """Have a connection that has something queued written at the end of this tick."""
        self._dirty.append(connection)
        self._schedule()

    def _fan_out(self, entry: Entry) -> None:
        connections = self._topics.get(entry.topic)
        if not connections:
            return
        frame = text_frame(entry.payload)
        skip = entry.skip
        dirty = self._dirty
        for connection in connections:
            if connection.number != skip:
                outbox = connection.outbox
                if not outbox:
                    dirty.append(connection)
                outbox.append(frame)
        if dirty:
            self._schedule()

    def _schedule(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        turn, self._dirty = self._dirty[:FLUSHES_PER_TURN], self._dirty[FLUSHES_PER_TURN:]
        for connection in turn:
            if connection.flush():
                self._dirty.append(connection)
        self._flushing = False
        if self._dirty:
            self._schedule()

    def _join(self, channel: Topic, user: str) -> None:
        self._channels.setdefault(user, set()).add(channel)
        for connection in self.connections_of(user):
            self._topics.setdefault(channel, {})[connection] = None

    def _leave(self, channel: Topic, user: str) -> None:
        self._channels.get(user, set()).discard(channel)
        for connection in self.connections_of(user):
            self._drop(channel, connection)

    def _drop(self, topic: Topic, connection: Connection) -> None:
        connections = self._topics.get(topic)
        if connections is not None:
            connections.pop(connection, None)
            if not connections and topic != WORKSPACE:
                del self._topics[topic]
