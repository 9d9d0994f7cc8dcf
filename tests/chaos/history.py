"""A recorded history and its checker.

The recording is what the people saw: each connection with its frames in order, and each answer with the moments
between which it was awaited. The checker compares it with the log of the server's database. It shares no code with the
server: who may see what is worked out anew, forwards, from the joins and leaves of the log.

Positions are opaque here. What one means follows from where it was seen: a ``position`` frame covers the events before
it on its connection and no later one.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

Frame = dict[str, Any]
Name = tuple[str, ...]
"""What tells one durable event from all others."""

LOSSY = frozenset(
    {"hello", "goodbye", "reconnect_url", "position", "pong", "error", "user_typing", "presence_change",
     "manual_presence_change"}
)  # fmt: skip
"""Frames that are not in the log."""

EVERYBODY = "*"


class Line(NamedTuple):
    """An entry of the log."""

    kind: str
    topic: str
    payload: bytes


class Cover(NamedTuple):
    """A position that a connection was given: it covers the first ``count`` frames of ``session``."""

    session: "Session"
    count: int


@dataclass
class Session:
    """One connection as its client saw it."""

    user: str
    began: float
    """When rtm.connect was called."""
    granted: float
    """When it was answered."""
    outcome: str | None
    """``new``, ``resumed``, ``resync``, or None for a client that knows no positions."""
    after: Cover | None = None
    """Where a resumed connection goes on."""
    frames: list[Frame] = field(default_factory=list)
    sent: set[str] = field(default_factory=set)
    """Texts that were sent on it: their events do not come back on it."""
    sees_the_end: bool = False
    """Whether it lived until everything had happened."""


class Claim(NamedTuple):
    """A change that the server said is stored."""

    name: Name
    began: float
    ended: float


@dataclass
class History:
    """All that the people saw."""

    sessions: list[Session] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    joins: list[tuple[str, str]] = field(default_factory=list)
    """Channel and user of every join that was answered with ok."""
    end: Name = ()
    """The last message, which is sent to everybody when all else has happened."""

    def copy(self) -> "History":
        """Return a history whose connections and claims can be changed without changing this one's."""
        twins = {id(old): replace(old, frames=list(old.frames), sent=set(old.sent)) for old in self.sessions}
        for twin in twins.values():
            if twin.after is not None:
                twin.after = twin.after._replace(session=twins[id(twin.after.session)])
        return History(list(twins.values()), list(self.claims), list(self.joins), self.end)


def is_event(frame: Frame) -> bool:
    return "type" in frame and "reply_to" not in frame and frame["type"] not in LOSSY


def name(event: Frame) -> Name:
    """Return the identity of an event: what a client may recognise a copy by."""
    if event["type"] == "message":
        return ("message", event["subtype"] if event.get("hidden") else "", event["channel"], event["ts"])
    return (event["type"], event["event_ts"])


def other_names(event: Frame) -> Iterable[Name]:
    """Return how a caller who was told only ``ok`` can name the event of their change."""
    match event:
        case {"type": "message", "subtype": "message_deleted"}:
            yield ("deleted", event["channel"], event["deleted_ts"])
        case {"type": "message", "subtype": "message_changed", "message": {"subtype": "tombstone"} as grave}:
            yield ("deleted", event["channel"], grave["ts"])
        case {"type": "reaction_added", "item": item}:
            yield ("reaction", event["user"], event["reaction"], item["channel"], item["ts"])


class Log:
    """The log, with what can be worked out of it."""

    def __init__(self, lines: Sequence[Line], users: Iterable[str]) -> None:
        self.wrong: list[str] = []
        self.events: dict[int, Frame] = {}
        self.places: dict[Name, int] = {}
        self.visible: dict[str, list[int]] = {user: [] for user in users}
        """For each user the places of the events they were entitled to."""
        self.joins: set[tuple[str, str]] = set()
        self.rewritten: set[tuple[str, str]] = set()
        """Channel and ts of messages that were edited or deleted: their first event may be told with the new text."""
        self._members: dict[str, set[str]] = {}
        self._stamps: dict[str, str] = {}
        for place, line in enumerate(lines):
            if line.kind == "event":
                self._add(place, line)
            elif line.kind in ("join", "leave"):
                self._move(place, line)

    def _add(self, place: int, line: Line) -> None:
        event = self.events[place] = json.loads(line.payload)
        mine = name(event)
        if mine in self.places:
            self.wrong.append(f"log: {mine} is at {self.places[mine]} and {place}")
        self.places[mine] = place
        for other in other_names(event):
            self.places.setdefault(other, place)  # a grave goes with its last reply: the first time counts
        if mine[0] == "message" and not event.get("is_ephemeral"):
            if line.topic != event["channel"]:
                self.wrong.append(f"log: {mine} is told to {line.topic}")
            if event["ts"] <= self._stamps.get(line.topic, ""):
                self.wrong.append(f"log: {mine} does not grow from {self._stamps[line.topic]}")
            self._stamps[line.topic] = event["ts"]
        if mine[:2] == ("message", "message_changed"):
            self.rewritten.add((event["channel"], event["message"]["ts"]))
        elif mine[:2] == ("message", "message_deleted"):
            self.rewritten.add((event["channel"], event["deleted_ts"]))
        if line.topic == EVERYBODY:
            audience: Iterable[str] = self.visible
        elif line.topic in self.visible:
            audience = (line.topic,)
        else:
            audience = self._members.get(line.topic, ())
        for user in audience:
            if user in self.visible:
                self.visible[user].append(place)

    def _move(self, place: int, line: Line) -> None:
        user, members = line.payload.decode(), self._members.setdefault(line.topic, set())
        if (user in members) is (line.kind == "join"):
            self.wrong.append(f"log: a second {line.kind} of {user} and {line.topic} at {place}")
        if line.kind == "join":
            members.add(user)
            self.joins.add((line.topic, user))
        else:
            members.discard(user)


class Start(NamedTuple):
    """Where a connection begins: it gets no event up to ``low`` and all after ``high``; ``own`` may come or not."""

    low: int
    high: int
    own: frozenset[int] = frozenset()


class Checker:
    """Compares a history with the log; ``wrong`` has a line for every difference."""

    def __init__(self, history: History, lines: Sequence[Line]) -> None:
        self.history = history
        self.log = Log(lines, {session.user for session in history.sessions})
        self.wrong = list(self.log.wrong)
        self.checked = 0
        """Events that were compared."""
        self._check_claims()
        for number, session in enumerate(history.sessions):
            self._check_session(number, session)

    def _check_claims(self) -> None:
        """What was acked is in the log, in an order that agrees with when it was asked and answered."""
        places = self.log.places
        found = sorted((places[claim.name], claim) for claim in self.history.claims if claim.name in places)
        self.wrong += [f"acked and lost: {claim.name}" for claim in self.history.claims if claim.name not in places]
        latest = float("-inf")
        for _, claim in found:
            if claim.ended < latest:
                self.wrong.append(f"order: {claim.name} comes after what was asked when it was answered already")
            latest = max(latest, claim.began)
        self.wrong += [f"joined and lost: {join}" for join in self.history.joins if join not in self.log.joins]

    def _check_session(self, number: int, session: Session) -> None:
        who = f"connection {number} of {session.user}"
        visible = self.log.visible[session.user]
        entitled = set(visible)
        start = self._start(session)
        last, seen = start.low, set[int]()
        for frame in session.frames:
            if not is_event(frame):
                continue
            self.checked += 1
            place = self.log.places.get(name(frame), -1)
            if place not in self.log.events or name(self.log.events[place]) != name(frame):
                self.wrong.append(f"{who}: not in the log: {name(frame)}")
                continue
            if not self._is_the_same(frame, place):
                self.wrong.append(f"{who}: not as it is in the log: {frame}")
            if place not in entitled:
                self.wrong.append(f"{who}: not entitled to {name(frame)}")
            elif self._is_own(session, place):
                self.wrong.append(f"{who}: an echo of what was sent on it: {name(frame)}")
            elif place in seen:
                self.wrong.append(f"{who}: a copy of {name(frame)}")
            elif place <= last:
                self.wrong.append(f"{who}: {name(frame)} comes too late or is from before its position")
            else:
                self._check_gap(who, session, start, last, place, is_first=not seen)
                last = place
            seen.add(place)
        if session.sees_the_end:
            end = self.log.places.get(self.history.end, -1)
            self._check_gap(who, session, start, last, end + 1, is_first=not seen)

    def _check_gap(self, who: str, session: Session, start: Start, last: int, place: int, *, is_first: bool) -> None:
        visible = self.log.visible[session.user]
        for missing in visible[bisect_right(visible, last) :]:
            if missing >= place:
                break
            is_before = is_first and missing <= start.high
            if not is_before and missing not in start.own and not self._is_own(session, missing):
                self.wrong.append(f"{who}: a gap: {name(self.log.events[missing])} is missing")

    def _start(self, session: Session) -> Start:
        if session.outcome != "resumed":
            places = self.log.places
            before = [places[c.name] for c in self.history.claims if c.ended < session.began and c.name in places]
            after = [places[c.name] for c in self.history.claims if c.began > session.granted and c.name in places]
            return Start(max(before, default=-1), min(after, default=len(self.log.events) + 10**9) - 1)
        assert session.after is not None
        previous, count = session.after
        covered = [self.log.places.get(name(frame), -1) for frame in previous.frames[:count] if is_event(frame)]
        start = self._start(previous)
        if covered:
            start = Start(covered[-1], covered[-1])
        return start._replace(own=start.own | self._sent_next(previous, start.high))

    def _sent_next(self, previous: Session, place: int) -> frozenset[int]:
        """What was sent on ``previous`` right after ``place``: whether the position covers it cannot be seen."""
        visible = self.log.visible[previous.user]
        found = set()
        for next_ in visible[bisect_right(visible, place) :]:
            if not self._is_own(previous, next_):
                break
            found.add(next_)
        return frozenset(found)

    def _is_own(self, session: Session, place: int) -> bool:
        event = self.log.events[place]
        return event["type"] == "message" and event.get("text") in session.sent and not event.get("hidden")

    def _is_the_same(self, frame: Frame, place: int) -> bool:
        event = self.log.events[place]
        return frame == event or (event.get("channel"), event.get("ts")) in self.log.rewritten
