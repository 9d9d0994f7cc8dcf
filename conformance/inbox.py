"""Waiting for what others say: records arrive in an inbox, a test takes the one it waits for.

Used by the server process, the person and the programs; all of them also write into one transcript, which is what a
failed run shows. Nothing here knows RTM.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]

PATIENCE = 10.0
"""Seconds to wait for something that should happen at once."""


class Transcript:
    """Who said what, in the order in which it was heard."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._began = time.monotonic()

    def note(self, who: str, text: str) -> None:
        self._lines.append(f"{time.monotonic() - self._began:8.3f} {who:>12} | {text}")

    def __str__(self) -> str:
        return "\n".join(self._lines)


class NothingCameError(AssertionError):
    """What was waited for did not come."""


class Inbox:
    """Records of one sender, in order.

    Args:
        who: the sender's name in the transcript.
    """

    def __init__(self, who: str, transcript: Transcript) -> None:
        self._who = who
        self._transcript = transcript
        self._records: list[Record] = []
        self._news = asyncio.Condition()
        self.ended: str | None = None
        """Why nothing more will come; None while something may."""

    def __len__(self) -> int:
        return len(self._records)

    async def put(self, record: Record) -> None:
        self._transcript.note(self._who, json.dumps(record, ensure_ascii=False))
        async with self._news:
            self._records.append(record)
            self._news.notify_all()

    async def end(self, why: str) -> None:
        """Say that nothing more will come; whoever waits fails at once."""
        self._transcript.note(self._who, f"-- {why}")
        async with self._news:
            self.ended = why
            self._news.notify_all()

    async def take(self, *, within: float = PATIENCE, **facts: Any) -> Record:
        """Wait for a record with these facts and take it out; others stay for later.

        A fact is a value to be equal to, or a predicate of the value.

        Raises:
            NothingCameError: it did not come in time, or cannot come any more.
        """
        async with self._news:
            try:
                async with asyncio.timeout(within):
                    while (found := self._find(facts)) is None and self.ended is None:
                        await self._news.wait()
            except TimeoutError:
                found = None
            if found is None:
                why = self.ended or f"nothing in {within:g} s"
                raise NothingCameError(f"{self._who}: waited for {facts}, but {why}")
            self._records.remove(found)
            return found

    def drop(self, **facts: Any) -> list[Record]:
        """Take out all records with these facts that are there now."""
        dropped = [record for record in self._records if _fits(record, facts)]
        self._records = [record for record in self._records if not _fits(record, facts)]
        return dropped

    def _find(self, facts: dict[str, Any]) -> Record | None:
        return next((record for record in self._records if _fits(record, facts)), None)


def _fits(record: Record, facts: dict[str, Any]) -> bool:
    if record.get("type") == "message" and "reply_to" in record and "type" not in facts:
        return False  # a replay of an earlier connection's message answers nothing here. Source: rtm.md 3.3
    return all(_agrees(record.get(name), fact) for name, fact in facts.items())


def _agrees(value: Any, fact: Any | Callable[[Any], bool]) -> bool:
    return bool(fact(value)) if callable(fact) else bool(value == fact)
