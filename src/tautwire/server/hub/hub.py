"""This node's connections by topic, and the fan-out of log entries to them.

Entries arrive from the log in order and are appended to the outboxes of the connections of their topic; at the end of
the tick each outbox is written once. A join or leave entry moves the user's connections between topics at its exact
place in the stream, so a connection gets no event from before or after its user's membership. Events that are not
durable (typing, presence) take the ``whisper`` lane, which skips slow connections.

The hub is also the flusher (``sockets.flusher``) of its connections: a fan-out adds to the same queue.

One failure stays one. If an event cannot be queued or written for a connection, that connection is closed: with a gap
it would break the promise that a live connection gets every event, and after a reconnect it resumes without one. All
other connections get the event.

The writer's report calls ``deliver``; ``rtm.door`` attaches and detaches connections; nothing here is a coroutine, so
no other code runs between two steps of a fan-out.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from tautwire.server.hub.positions import Positions, Progress
from tautwire.server.log.entry import WORKSPACE, Entry, Topic
from tautwire.server.log.epochs import Epochs
from tautwire.server.sockets.flusher import Flusher, Writable
from tautwire.server.sockets.frames import text_frame

log = logging.getLogger("tautwire.server.hub")


class Connection(Writable, Protocol):
    """A live connection, as the hub sees it."""

    progress: Progress | None
    """The position that the peer knows; None if it does not understand ``position`` frames."""

    @property
    def is_slow(self) -> bool:
        """Whether the peer reads more slowly than the server writes; it gets no whispers."""


class Hub(Flusher[Connection]):
    """Topics and their connections, and the queue of those to be written.

    Args:
        channels: the channels of each user, at the position from which entries are delivered.
    """

    def __init__(self, channels: dict[str, set[Topic]], epochs: Epochs) -> None:
        super().__init__()
        self.positions = Positions(epochs)
        self._channels = channels
        self._connections: dict[str, list[Connection]] = {}  # by user
        self._topics: dict[Topic, dict[Connection, None]] = {WORKSPACE: {}}  # dicts as ordered sets
        self._resumable: dict[Connection, Progress] = {}

    def __len__(self) -> int:
        return len(self._topics[WORKSPACE])

    def channels_of(self, user: str) -> Collection[Topic]:
        """Return the channels of which the user is a member."""
        return self._channels.get(user, set())

    def connections_of(self, user: str) -> Sequence[Connection]:
        """Return the live connections of a user, oldest first."""
        return self._connections.get(user, ())

    def attach(self, connection: Connection) -> None:
        """Deliver events to the connection from now on: those of the workspace, its user, and its user's channels."""
        user = connection.user
        self._connections.setdefault(user, []).append(connection)
        for topic in (WORKSPACE, Topic(user), *self.channels_of(user)):
            self._topics.setdefault(topic, {})[connection] = None
        if connection.progress is not None:
            self._resumable[connection] = connection.progress

    def detach(self, connection: Connection) -> None:
        """Deliver nothing more to the connection; no effect if it is not attached."""
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
        """Close a connection because of an internal error after which it would miss an event."""
        super().give_up(connection, why, error)
        self.detach(connection)

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Deliver committed entries in order: queue events, and apply joins and leaves to the topics."""
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
        """Queue position frames for the connections that are due; to be called about once a second."""
        self.positions.sweep()
        for connection, progress in self._resumable.items():
            frame = self.positions.due(progress)
            if frame is not None:
                self.push(connection, frame)

    def last_position(self, connection: Connection) -> bytes | None:
        """Return the last position frame of a connection that is being closed, None if the peer knows the position."""
        progress = self._resumable.get(connection)
        return None if progress is None else self.positions.last(progress)

    def whisper(self, topic: Topic, payload: bytes, *, but: str | None = None) -> None:
        """Queue an event that may be lost for the connections of a topic, without slow ones and those of ``but``."""
        connections = self._topics.get(topic)
        if connections:
            frame = text_frame(payload)
            for connection in connections:
                if connection.user != but and not connection.is_slow:
                    self.push(connection, frame)

    def whisper_to(self, connections: Iterable[Connection], payload: bytes) -> None:
        """Queue an event that may be lost for the given connections, without slow ones. It is framed once for all."""
        frame = text_frame(payload)
        for connection in connections:
            if not connection.is_slow:
                self.push(connection, frame)

    def tell(self, connection: Connection, payload: bytes) -> None:
        """Queue an event for one connection, such as the answer to a query: also for a slow one."""
        self.push(connection, text_frame(payload))

    def _fan_out(self, entry: Entry) -> None:
        connections = self._topics.get(entry.topic)
        if not connections:
            return
        frame = text_frame(entry.payload)
        skip = entry.skip
        dirty = self._dirty
        failed: list[tuple[Connection, Exception]] = []
        # The inner loop is the hottest of the server, so the try block is around it and not in it. After an error the
        # outer loop continues with the same iterator, behind the connection that failed.
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
                failed.append((connection, error))
        self._schedule()
        for connection, reason in failed:
            self.give_up(connection, f"it would miss entry {entry.position}", reason)

    def _write(self, connection: Connection) -> None:
        """Write a connection, with the position behind its events.

        It repeats the lines of the method it overrides, because it runs for every delivery: one call less.
        """
        try:
            progress = connection.progress
            if progress is not None and progress.unconfirmed:
                frame = self.positions.with_events(progress)
                if frame is not None:
                    connection.outbox.append(frame)
            if connection.flush():
                self._dirty.append(connection)
        except Exception as error:  # noqa: BLE001 - logged there
            self.give_up(connection, "its queued frames could not be written", error)

    def _join(self, channel: Topic, user: str) -> None:
        self._channels.setdefault(user, set()).add(channel)
        for connection in self.connections_of(user):
            self._topics.setdefault(channel, {})[connection] = None

    def _leave(self, channel: Topic, user: str) -> None:
        for connection in self.connections_of(user):
            self._drop(channel, connection)
        # Last: ``detach`` finds the topics of a connection by this set, also if a step above fails.
        self._channels.get(user, set()).discard(channel)

    def _contain(self, entry: Entry, error: Exception) -> None:
        """Limit the failure of an entry to its connections: close them, and apply a join or leave once more."""
        if entry.kind == "event":
            for connection in [*self._topics.get(entry.topic, ())]:
                self.give_up(connection, f"it would miss entry {entry.position}", error)
            return
        if entry.kind not in ("join", "leave"):
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
