"""Which messages a handler wants by their text: a pattern, a prefix, or being addressed.

It is decided in the reader, before a message is queued, so that a bot with a hundred commands queues each message for
the one that is meant. The dispatcher asks (``client/handlers/dispatcher``).
"""

import re
from dataclasses import dataclass

from tautwire.protocol.events import Event, MessageEvent


@dataclass(frozen=True, slots=True)
class TextFilter:
    """What a handler listens for. Texts are compared as they are on the wire: ``&``, ``<`` and ``>`` are escaped."""

    pattern: re.Pattern[str]
    """Searched in what is left of the text once mention and prefix are off."""
    prefix: str = ""
    """What the text has to begin with."""
    mention: bool = False
    """Whether the message has to address us: mention us somewhere, or be a direct message."""

    def listen(self, event: Event, me: str) -> re.Match[str] | None:
        """Return the match if the handler wants the event: a message of another user than ``me``."""
        if not isinstance(event, MessageEvent) or event.user == me:
            return None
        text = event.text or ""
        if self.mention:
            text, times = re.subn(rf"<@{re.escape(me)}(?:\|[^<>]*)?>[:,]?\s*", "", text, count=1)
            if not times and not event.channel.startswith("D"):
                return None
        text = text.strip()
        if not text.startswith(self.prefix):
            return None
        return self.pattern.search(text[len(self.prefix) :].lstrip())
