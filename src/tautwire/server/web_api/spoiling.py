"""Calls as the control API sees them: faults that a test asked for, and the entries of the journal."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from tautwire.server.faults.answers import FaultyAnswer, answer_of
from tautwire.server.faults.book import METHODS, Book
from tautwire.server.journal.entry import Origin
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.workspace import Workspace

MAX_NAME = 100
"""Characters of the name of a method in the journal; callers may ask for any."""

_encode = msgspec.json.Encoder(enc_hook=lambda value: type(value).__name__).encode  # a file, not its content


class Spoiled(Exception):  # noqa: N818 - an answer
    """The call is answered as a fault wants it; the method does not run."""

    def __init__(self, answer: FaultyAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Trace:
    """What the journal says about a call: it is filled while the call is answered."""

    __slots__ = ("arguments", "began", "who", "workspace")

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.workspace: Workspace | None = None
        self.who: Identity | None = None
        self.arguments: Mapping[str, Any] | None = None

    def note(self, method: str, status: int, answer: list[bytes]) -> None:
        """Note a call that is answered."""
        controls = self.workspace.controls if self.workspace is not None else None
        if controls is None:
            return
        who = self.who
        origin = Origin("web_api", None, (who and who.app_id) or None, (who and str(who.user)) or None)
        took = round((time.perf_counter() - self.began) * 1_000, 3)
        parts = {"answer": b"".join(answer)}
        if self.arguments is not None:
            parts["arguments"] = _encode(self.arguments)
        details = {"method": method[:MAX_NAME], "status": status, "milliseconds": took}
        controls.journal.note("call", origin, details, **parts)


async def spoil(faults: Book, method: str, who: Identity) -> None:
    """Delay a call or raise ``Spoiled``, if a fault says so."""
    rule = faults.take(METHODS, method=method, user=who.user or None, app=who.app_id)
    if rule is None:
        return
    if rule.fault != "hang":
        raise Spoiled(answer_of(rule))
    try:
        await asyncio.sleep(rule.seconds)
    except GeneratorExit:  # the front has closed this coroutine; uvicorn makes the call again
        faults.give_back(rule)
        raise
