"""Which entries of the journal a reader wants."""

from typing import Any

import msgspec

from tautwire.server.journal.entry import Entry
from tautwire.server.journal.journal import Journal


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry must fulfil, if it is given."""

    kinds: frozenset[str] = frozenset()
    """One of these; all without one."""
    connection: int | None = None
    app: str | None = None
    user: str | None = None
    method: str | None = None
    channel: str | None = None

    def wants(self, journal: Journal, entry: Entry) -> bool:
        """Whether an entry fits. Its line is made only for the channel, and last."""
        origin = entry.origin
        return (
            (not self.kinds or entry.kind in self.kinds)
            and (self.connection is None or origin.connection == self.connection)
            and (self.app is None or origin.app == self.app)
            and (self.user is None or origin.user == self.user)
            and (self.method is None or entry.details.get("method") == self.method)
            and (self.channel is None or journal.line(entry).channel == self.channel)
        )


def same_value(wanted: object, sent: object) -> bool:
    """Return whether an argument that was sent is the one that is meant.

    Forms have text only, so a number fits its digits, True fits ``1`` and ``true``, and a list or object fits its JSON.
    """
    if wanted == sent and type(wanted) is type(sent):
        return True
    if isinstance(wanted, bool):
        return str(sent).lower() in (("true", "1") if wanted else ("false", "0"))
    if isinstance(wanted, list | dict):
        return isinstance(sent, str) and _decoded(sent) == wanted
    return wanted is not None and str(wanted) == str(sent)


def _decoded(text: str) -> Any:
    """Return what some JSON says, None if it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
