"""This node's connections by topic, and the fan-out of log entries to them.

Entries come from the log in order and go to the outboxes of the connections of their topic; at the end of the tick
each outbox is written once. A join or leave entry moves the user's connections between topics at its very place in
the stream, so nobody gets an event from before or after their membership. What is not durable (typing, presence)
takes the ``whisper`` lane, which slow connections do not get.

Answers do not wait behind other people's events: connections that were given an answer are written first, then as many
of the others as a turn of the loop may take.

One failure stays one. A connection that cannot be given something is ended, since it would miss an event; it comes
again and resumes. All others get what they are owed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from tautwire.server.hub.frames import text_frame
from tautwire.server.hub.positions import Positions, Progress
from tautwire.server.log.entry import WORKSPACE, Entry, Topic
from tautwire.server.log.epochs import Epochs
from tautwire.session.outbox import Outbox

log = logging.getLogger("tautwire.server.hub")

FLUSHES_PER_TURN: Final = 150
"""Connections without an answer that are written in one turn of the loop, some 1 ms: what arrives meanwhile is read in
the next turn. A channel of thousands must not keep others waiting."""


class Connection(Protocol):
    """What the hub knows of a live connection."""

    progress: Progress | None
    """How far the peer knows that it got; None if it does not understand ``position`` frames."""

    @property
    def number(self) -> int:
        """Tells connections apart; never 0."""

    @property
    def user(self) -> str:
        """Whose connection it is."""

    @property
    def outbox(self) -> Outbox:
        """The frames that wait. Whoever puts the first one in sees to it that the connection is flushed."""

    @property
    def is_slow(self) -> bool:
        """Whether the peer does not keep up: it gets no whispers."""

    def flush(self) -> bool:
        """Write what is queued, if anything; return True if some of it has to wait for the next turn."""

    def fail(self) -> None:
        """Drop the socket because of a failure of ours."""


class Hub:
    """Topics and their connections.

    Args:
        channels: for each user the channels they are a member of, at the position from which entries are delivered.
    """

    def __init__(self, channels: dict[str, set[Topic]], epochs: Epochs) -> None:
        self.positions = Positions(epochs)
        self._channels = channels
        self._connections: dict[str, list[Connection]] = {}  # by user
        self._topics: dict[Topic, dict[Connection, None]] = {WORKSPACE: {}}  # dicts keep the order of arrival
        self._resumable: dict[Connection, Progress] = {}
        self._answered: dict[Connection, None] = {}
        self._dirty: deque[Connection] = deque()
        self._is_scheduled = False

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
        if connection.progress is not None:
            self._resumable[connection] = connection.progress

    def detach(self, connection: Connection) -> None:
        """Forget a connection; harmless if it is not attached."""
        user = connection.user
        mine = self._connections.get(user, [])
        if connection not in mine:
            return
        mine.remove(connection)
        if not mine:
            del self._connections[user]
        self._resumable.pop(connection, None)
        for topic in (WORKSPACE, Topic(user), *self.channels_of(user)):
            try:
                self._drop(topic, connection)
            except Exception:
                log.exception("connection %d of %s stays among those of %s", connection.number, user, topic)

    def give_up(self, connection: Connection, why: str, error: Exception) -> None:
        """End a connection because of a failure of ours, or it would miss something."""
        log.error("connection %d of %s ended: %s", connection.number, connection.user, why, exc_info=error)
        self.detach(connection)
        try:
            connection.fail()
        except Exception:
            log.exception("connection %d of %s could not be dropped", connection.number, connection.user)

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Hand committed entries to everybody concerned, in order. Kinds that move nobody are passed over."""
        for entry in entries:
            try:
                if entry.kind == "event":
                    self._fan_out(entry)
                elif entry.kind == "join":
                    self._join(entry.topic, entry.payload.decode())
                elif entry.kind == "leave":
                    self._leave(entry.topic, entry.payload.decode())
            except Exception as error:
                log.exception("entry %d of the log (%s) was not delivered", entry.position, entry.kind)
                self._contain(entry, error)
        if entries:
            self.positions.head = entries[-1].position

    def sweep(self) -> None:
        """Tell positions to those that are due; call it about once a second."""
        self.positions.sweep()
        for connection, progress in self._resumable.items():
            frame = self.positions.due(progress)
            if frame is not None:
                self.push(connection, frame)

    def last_position(self, connection: Connection) -> bytes | None:
        """Return the position frame for a connection that is about to be closed, None if it needs none."""
        progress = self._resumable.get(connection)
        return None if progress is None else self.positions.last(progress)

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

    def answer(self, connection: Connection, frame: bytes, *, first: bool = False) -> None:
        """Queue what a connection itself has asked for: it is written before the events of others.

        With ``first`` it overtakes what waits for the connection: a pong does not wait behind events.
        """
        self._answered[connection] = None
        self._schedule()
        if first:
            connection.outbox.insert_first(frame)
        else:
            connection.outbox.append(frame)

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
        failed: list[tuple[Connection, Exception]] = []
        rest = iter(connections)
        while True:
            try:
                for connection in rest:
                    if connection.number != skip:
                        outbox = connection.outbox
                        if not outbox:
                            dirty.append(connection)
                        outbox.append(frame)
                        progress = connection.progress
                        if progress is not None:
                            progress.unconfirmed += 1
                break
            except Exception as error:  # noqa: BLE001 - logged below
                failed.append((connection, error))  # the iterator goes on behind it
        self._schedule()
        for connection, reason in failed:
            self.give_up(connection, f"it would miss entry {entry.position}", reason)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False  # first: whatever happens below, the next frame is written
        answered, self._answered = self._answered, {}
        dirty = self._dirty
        try:
            for connection in answered:
                self._write(connection)
            for _ in range(min(len(dirty), FLUSHES_PER_TURN)):
                self._write(dirty.popleft())
        finally:
            if dirty or self._answered:
                self._schedule()

    def _write(self, connection: Connection) -> None:
        try:
            progress = connection.progress
            if progress is not None and progress.unconfirmed:
                frame = self.positions.with_events(progress)
                if frame is not None:
                    connection.outbox.append(frame)
            if connection.flush():
                self._dirty.append(connection)
        except Exception as error:  # noqa: BLE001 - logged there
            self.give_up(connection, "what waits for it could not be written", error)

    def _join(self, channel: Topic, user: str) -> None:
        self._channels.setdefault(user, set()).add(channel)
        for connection in self.connections_of(user):
            self._topics.setdefault(channel, {})[connection] = None

    def _leave(self, channel: Topic, user: str) -> None:
        for connection in self.connections_of(user):
            self._drop(channel, connection)
        self._channels.get(user, set()).discard(channel)

    def _contain(self, entry: Entry, error: Exception) -> None:
        """Keep the failure of an entry to the connections it concerns: end them, and get their memberships right."""
        if entry.kind == "event":
            for connection in [*self._topics.get(entry.topic, ())]:
                self.give_up(connection, f"it would miss entry {entry.position}", error)
            return
        try:
            user = entry.payload.decode()
            for connection in [*self.connections_of(user)]:
                self.give_up(connection, "its memberships are not certain", error)
            (self._join if entry.kind == "join" else self._leave)(entry.topic, user)
        except Exception:
            log.exception("the members of %s are not certain until the server is started again", entry.topic)

    def _drop(self, topic: Topic, connection: Connection) -> None:
        connections = self._topics.get(topic)
        if connections is not None:
            connections.pop(connection, None)
            if not connections and topic != WORKSPACE:
                del self._topics[topic]
