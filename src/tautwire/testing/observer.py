"""What happens in a workspace, in order, and waiting for something to happen.

The observer gets the durable events of the workspace as they are committed, and from the front what bots call and
type. It lives on the server's loop.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from tautwire.server.log.entry import Entry
from tautwire.testing.calls import Call

T = TypeVar("T")

Text = str | re.Pattern[str] | Callable[[str], bool]
"""How a test says which text it means: all of it, a pattern found in it, or a function of it."""

Kind = Literal["message", "edit", "deletion", "reaction", "reaction removed", "typing"]


@dataclass(frozen=True, slots=True)
class Line:
    """A message as the workspace saw it."""

    channel: str
    """The channel's id."""
    user: str
    """The id of who said it."""
    text: str
    ts: str
    event: dict[str, Any]
    """The whole event."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """A reaction to a message."""

    channel: str
    """The channel's id."""
    user: str
    """The id of who reacted."""
    name: str
    """The emoji's name without colons."""
    ts: str
    """The ``ts`` of the message."""
    event: dict[str, Any]
    """The whole event."""


@dataclass(slots=True, eq=False)
class Happening:
    """One thing that happened: a message, or what became of one."""

    kind: Kind
    channel: str
    user: str
    """The id of who did it."""
    ts: str
    """The ``ts`` of the message; empty for typing."""
    text: str
    """The text, the emoji's name, or what was deleted."""
    event: dict[str, Any]
    only_for: str = ""
    """The id of the only user who sees it (ephemeral messages)."""
    is_found: bool = False
    """Whether a wait returned it."""

    @property
    def line(self) -> Line:
        """It as a message."""
        return Line(self.channel, self.user, self.text, self.ts, self.event)


class Observer:
    """Collects what happens in a workspace, for waits and transcripts.

    Args:
        learn: is given each durable event.
    """

    def __init__(self, learn: Callable[[dict[str, Any]], None]) -> None:
        self.happenings: list[Happening] = []
        """All but typing, in order."""
        self.calls: list[Call] = []
        """The Web API calls of bots, in the order in which they were answered."""
        self._untaken: list[Call] = []
        self._learn = learn
        self._unfound: list[Happening] = []
        self._waits: dict[asyncio.Event, None] = {}  # who waits longest comes first

    def __call__(self, entries: Sequence[Entry]) -> None:
        """Take the entries of a commit."""
        for entry in entries:
            if entry.kind == "event":
                event = msgspec.json.decode(entry.payload)
                self._learn(event)
                happening = _read(event, entry.topic)
                if happening is not None:
                    self.happenings.append(happening)
                    self._unfound.append(happening)
        self.wake()

    @property
    def lines(self) -> list[Line]:
        """All messages so far, oldest first."""
        return [each.line for each in list(self.happenings) if each.kind == "message"]

    def note_typing(self, channel: str, user: str, event: dict[str, Any]) -> None:
        """Note that a user types, which leaves nothing in the log."""
        self._unfound.append(Happening("typing", channel, user, "", "", event))
        self.wake()

    def note_call(self, call: Call) -> None:
        """Note a call that a bot made."""
        self.calls.append(call)
        self._untaken.append(call)
        self.wake()

    def forget(self) -> None:
        """Forget all that happened."""
        for records in (self.happenings, self._unfound, self.calls, self._untaken):
            records.clear()

    async def take(
        self, kind: Kind, channel: str, fits: Callable[[Happening], bool], within: float
    ) -> Happening | None:
        """Return the oldest happening that fits and that no call returned before; None if none comes in time."""

        def look() -> Happening | None:
            for number, happening in enumerate(self._unfound):
                if happening.kind == kind and happening.channel == channel and fits(happening):
                    happening.is_found = True
                    return self._unfound.pop(number)
            return None

        return await self.until(look, within)

    async def take_call(self, fits: Callable[[Call], bool], within: float) -> Call | None:
        """Return the oldest call that fits and that was not returned before; None if none comes in time."""

        def look() -> Call | None:
            for number, call in enumerate(self._untaken):
                if fits(call):
                    return self._untaken.pop(number)
            return None

        return await self.until(look, within)

    def unfound(self, kind: Kind) -> Iterator[Happening]:
        """Return what no wait returned, oldest first."""
        return (each for each in self._unfound if each.kind == kind)

    async def until(self, look: Callable[[], T | None], within: float) -> T | None:
        """Look again at whatever happens until there is something to return; None if that takes too long."""
        happened = asyncio.Event()
        self._waits[happened] = None
        try:
            async with asyncio.timeout(within):
                while (found := look()) is None:
                    happened.clear()
                    await happened.wait()
                return found
        except TimeoutError:
            return None
        finally:
            del self._waits[happened]

    def wake(self) -> None:
        """Have every wait look again."""
        for happened in self._waits:
            happened.set()


def fits(wanted: Text | None, text: str) -> bool:
    """Return whether a text is the one that is meant."""
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return wanted == text
    if isinstance(wanted, re.Pattern):
        return wanted.search(text) is not None
    return wanted(text)


def _read(event: dict[str, Any], topic: str) -> Happening | None:
    """Return what an event says; None if a transcript does not show such events."""
    kind = event["type"]
    if kind in ("reaction_added", "reaction_removed"):
        item = event["item"]
        shown: Kind = "reaction" if kind == "reaction_added" else "reaction removed"
        return Happening(shown, item["channel"], event["user"], item["ts"], event["reaction"], event)
    if kind != "message":
        return None
    channel, subtype = event["channel"], event.get("subtype")
    if subtype == "message_changed":
        after, before = event["message"], event["previous_message"]
        if after.get("subtype") == "tombstone":  # how a message with replies is deleted
            return _deletion(event, before)
        by = after.get("edited", {}).get("user") or after.get("user", "")
        return Happening("edit", channel, by, after["ts"], after.get("text", ""), event)
    if subtype == "message_deleted":
        before = event["previous_message"]
        return None if before.get("subtype") == "tombstone" else _deletion(event, before)
    if event.get("hidden"):
        return None
    only_for = topic if event.get("is_ephemeral") else ""
    return Happening("message", channel, event.get("user", ""), event["ts"], event.get("text", ""), event, only_for)


def _deletion(event: dict[str, Any], before: dict[str, Any]) -> Happening:
    return Happening("deletion", event["channel"], before.get("user", ""), before["ts"], before.get("text", ""), event)
