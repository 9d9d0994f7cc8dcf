"""Looks at the sockets of a workspace for the journal, and breaks what the faults say."""

import asyncio
from collections import deque
from typing import Any, Final

from tautwire.server.faults.book import ENDINGS, Book, Rule
from tautwire.server.faults.frames import nature_of
from tautwire.server.journal.entry import Origin
from tautwire.server.journal.journal import Journal
from tautwire.server.sockets.endings import GOING_AWAY
from tautwire.server.sockets.frames import payload_of

MAX_HELD: Final = 1_048_576
"""Bytes that are held back for a slow connection; it is dropped when there are more."""

_IN: Final = {"direction": "in"}
_OUT: Final = {"direction": "out"}
_RESET: Final = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER on, of no seconds: the socket closes with RST."""


class _Seen:
    """One connection."""

    __slots__ = ("connection", "held", "origin", "size")

    def __init__(self, connection: Any, origin: Origin) -> None:
        self.connection = connection
        self.origin = origin
        self.held: deque[bytes] = deque()
        self.size = 0


class SocketProbe:
    """The probe of one door.

    Args:
        door: its name in the journal.
    """

    def __init__(self, door: str, journal: Journal, faults: Book) -> None:
        self._door = door
        self._journal = journal
        self._faults = faults
        self._seen: dict[int, _Seen] = {}
        self._frame = self._payload = b""  # the frame that was noted last, and what it carries
        self._kind = "frame"

    def strike(self) -> None:
        """End open connections, oldest first, as rules say that are in force."""
        for seen in [*self._seen.values()]:
            rule = self._take(ENDINGS, seen)
            if rule is not None:
                _end(seen.connection, rule)

    def opened(self, connection: Any) -> None:
        """Note a connection."""
        ticket = connection.ticket
        who = ticket.who if ticket is not None else None
        origin = Origin(
            self._door, connection.number, (who and who.app_id) or None, (who and str(who.user)) or None
        )  # fmt: skip
        self._seen[connection.number] = _Seen(connection, origin)
        self._journal.note("connection", origin, {"state": "connected"})

    def ended(self, connection: Any) -> None:
        """Note the end of a connection."""
        seen = self._seen.pop(connection.number, None)
        if seen is not None:
            ending = connection.ending or ("peer" if connection.left else "lost")
            self._journal.note("connection", seen.origin, {"state": "disconnected", "ending": ending})

    def received(self, connection: Any, payload: bytes) -> bool:
        """Note a message of the peer."""
        seen = self._seen.get(connection.number)
        if seen is None or connection.is_mute:
            return False
        kind = "ack" if self._door == "socket_mode" else "frame"
        self._journal.note(kind, seen.origin, _IN, payload=payload)
        return kind != "ack" or not self._faults or not self._loses(seen, payload)

    def _loses(self, seen: _Seen, payload: bytes) -> bool:
        """Return whether the door does not get an acknowledgement of an app, or not now."""
        if self._take(("lost_ack",), seen) is not None:
            return True
        late = self._take(("late_ack",), seen)
        if late is not None:
            asyncio.get_running_loop().call_later(late.seconds, self._receive, seen, payload)
        return late is not None

    def _receive(self, seen: _Seen, payload: bytes) -> None:
        if seen.connection.number in self._seen:
            seen.connection.receive(payload)

    def sending(self, connection: Any, frames: list[bytes]) -> list[bytes]:
        """Note what is written, and let the faults change it."""
        seen = self._seen.get(connection.number)
        if seen is None:
            return frames
        if len(self._faults):
            frames = self._changed(seen, frames)
        for frame in frames:
            self._note(seen, frame)
        return frames

    def _note(self, seen: _Seen, frame: bytes) -> None:
        if frame is not self._frame:  # else that of the connection before: a fan-out writes the same bytes to all
            self._frame, self._payload = frame, payload_of(frame)
            self._kind = "envelope" if self._payload.startswith(b'{"envelope_id"') else "frame"
        self._journal.note(self._kind, seen.origin, _OUT, payload=self._payload)

    def _changed(self, seen: _Seen, frames: list[bytes]) -> list[bytes]:
        """Return the frames that are written now."""
        passed: list[bytes] = []
        for frame in frames:
            nature = nature_of(payload_of(frame))
            lost = {"ack": "lost_ack", "envelope": "lost_envelope"}.get(nature)
            if lost is not None and self._take((lost,), seen) is not None:
                continue
            late = self._take(("late_ack",), seen) if nature == "ack" else None
            if late is not None:
                asyncio.get_running_loop().call_later(late.seconds, self._write, seen, frame)
                continue
            repeated = {"event": "repeated_event", "envelope": "repeated_envelope"}.get(nature)
            copies = 2 if repeated is not None and self._take((repeated,), seen) is not None else 1
            for each in [frame] * copies:
                slow = self._take(("slow",), seen)
                if slow is not None or seen.held:
                    self._hold(seen, each, slow.seconds if slow is not None else 0.0)
                else:
                    passed.append(each)
        ending = self._take(ENDINGS, seen)
        if ending is not None:
            # After these frames are written: a connection that opens gets its hello first.
            asyncio.get_running_loop().call_soon(_end, seen.connection, ending)
        return passed

    def _hold(self, seen: _Seen, frame: bytes, seconds: float) -> None:
        """Write a frame later, behind those that are held back already."""
        seen.held.append(frame)
        seen.size += len(frame)
        if seen.size > MAX_HELD:
            seen.held.clear()
            seen.connection.ending = "backlog"
            asyncio.get_running_loop().call_soon(seen.connection.abort)
        elif len(seen.held) == 1:
            asyncio.get_running_loop().call_later(seconds, self._release, seen, seconds)

    def _release(self, seen: _Seen, seconds: float) -> None:
        if not seen.held:
            return
        frame = seen.held.popleft()
        seen.size -= len(frame)
        self._write(seen, frame)
        if seen.held:
            asyncio.get_running_loop().call_later(seconds, self._release, seen, seconds)

    def _write(self, seen: _Seen, frame: bytes) -> None:
        if seen.connection.number in self._seen:
            self._note(seen, frame)
            seen.connection.write_late(frame)

    def _take(self, faults: tuple[str, ...], seen: _Seen) -> Rule | None:
        origin = seen.origin
        return self._faults.take(faults, user=origin.user, app=origin.app, connection=origin.connection)


def _end(connection: Any, rule: Rule) -> None:
    """End a connection as a rule says."""
    if connection.ended is not None or connection.is_mute:
        return
    if rule.fault == "half_open":
        connection.mute()
    elif rule.fault == "goodbye":
        connection.end(GOING_AWAY, "a fault", connection.heard)
    elif rule.fault == "reset":
        connection.reset(_RESET)
    else:
        connection.abort()
