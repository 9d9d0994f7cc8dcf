"""The kinds of conversations, which the ids do not tell: a private channel has an id with C as a public one has."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from tautwire.server.log.entry import Entry
from tautwire.server.store.queries.channels import find_kinds
from tautwire.server.store.reader import Reader

MAX_KINDS: Final = 50_000
"""Conversations whose kind is remembered."""
CONVERSATIONS: Final = ("C", "D", "G")
"""The first letters of the ids of conversations. Source: wire/ids-and-timestamps.md#ids."""


class Kinds:
    """Remembers the kinds of conversations for all taps of a workspace."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kinds: dict[str, str] = {}

    async def of(self, topics: Iterable[str]) -> dict[str, str]:
        """Return the kinds of those of the topics that are conversations."""
        wanted = {topic for topic in topics if topic.startswith(CONVERSATIONS)}
        unknown = wanted - self._kinds.keys()
        if unknown:
            found = await self._reader.read(partial(find_kinds, channels=unknown))
            if len(self._kinds) + len(found) > MAX_KINDS:
                self._kinds.clear()
                found |= await self._reader.read(partial(find_kinds, channels=wanted))
            self._kinds |= found
        return {topic: self._kinds[topic] for topic in wanted if topic in self._kinds}

    def follow(self, entries: Sequence[Entry]) -> None:
        """Forget a conversation that may have changed its kind."""
        for entry in entries:
            if entry.kind == "room":
                self._kinds.pop(entry.topic, None)
