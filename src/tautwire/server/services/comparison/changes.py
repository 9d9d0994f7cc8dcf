"""A change: one thing of a workspace before and after. Both ways to find changes make these, and ``report`` shows them.

The facts of a thing are what users see of it; counters, read marks and times of storage are left out.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import msgspec

from tautwire.server.services.administration.refusals import Refused

Kind = Literal["message", "reaction", "pin", "member", "channel", "person", "scheduled", "file", "team"]
"""The kinds of things that are compared."""

Facts = dict[str, Any]

TOMBSTONE: Final = "tombstone"
"""The subtype of a deleted message that has replies."""

MAX_CHANGES: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
"""What one comparison may find: its changes are held in memory and sent as one answer."""


class Change(msgspec.Struct, frozen=True):
    """One thing, before and after."""

    kind: Kind
    key: tuple[str, ...]
    """What names it: ids, and the ts of a message."""
    before: Facts | None
    """Its facts before; None if it was not there."""
    after: Facts | None
    """Its facts after; None if it is not there."""
    is_partial: bool = False
    """Whether ``before`` lacks facts that are not known, so that only what ``after`` has counts."""

    @property
    def size(self) -> int:
        """Roughly its bytes in the answer."""
        return len(msgspec.json.encode((self.before, self.after)))


def bounded(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield the changes.

    Raises:
        Refused: they are more than one answer may have.
    """
    size = 0
    for number, change in enumerate(changes, 1):
        size += change.size
        if number > MAX_CHANGES or size > MAX_BYTES:
            raise Refused(
                "too_many_changes",
                f"a comparison may have at most {MAX_CHANGES} changes of {MAX_BYTES} bytes together: compare shorter "
                "spans",
            )
        yield change


def message_facts(body: bytes | Facts) -> Facts | None:
    """Return a message object; None for what is left of a deleted message with replies."""
    facts: Facts = msgspec.json.decode(body) if isinstance(body, bytes) else body
    return None if facts.get("subtype") == TOMBSTONE else facts
