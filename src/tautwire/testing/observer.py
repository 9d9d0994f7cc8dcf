"""What happens in a workspace, in order, and waiting for something to happen."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tautwire.server.log.entry import Entry

Text = str | re.Pattern[str] | Callable[[str], bool]
"""How a test says which text it means: all of it, a pattern found in it, or a function of it."""


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


class Observer:
    """Collects the durable events of a workspace; lives on the server's loop."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.lines: list[Line] = []
        self._changed = asyncio.Condition()
        self._unfound: dict[str, list[Line]] = {}

    def __call__(self, entries: Sequence[Entry]) -> None:
        """Take the entries of a commit."""
        for entry in entries:
            if entry.kind == "event":
                event = msgspec.json.decode(entry.payload)
                self.events.append(event)
                if event["type"] == "message" and not event.get("hidden"):
                    user = str(event.get("user", ""))
                    line = Line(event["channel"], user, event.get("text", ""), event["ts"], event)
                    self.lines.append(line)
                    self._unfound.setdefault(line.channel, []).append(line)
        asyncio.get_running_loop().create_task(self._notify())

    async def wait_for(self, channel: str, text: Text | None, user: str | None, within: float) -> Line | None:
        """Return the oldest message of a channel that fits and was not found before; None if none comes."""
        try:
            async with asyncio.timeout(within), self._changed:
                while True:
                    unfound = self._unfound.get(channel, [])
                    for number, line in enumerate(unfound):
                        if user in (None, line.user) and fits(text, line.text):
                            return unfound.pop(number)
                    await self._changed.wait()
        except TimeoutError:
            return None

    def is_found(self, line: Line) -> bool:
        """Tell whether ``wait_for`` returned a message."""
        return line not in self._unfound[line.channel]

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def fits(wanted: Text | None, text: str) -> bool:
    """Tell whether a text is the one that is meant."""
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return wanted == text
    if isinstance(wanted, re.Pattern):
        return wanted.search(text) is not None
    return wanted(text)
