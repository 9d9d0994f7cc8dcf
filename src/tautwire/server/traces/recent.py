"""The contexts of the newest traced entries of the log, for those who read an entry after its delivery."""

from collections import OrderedDict
from typing import Final

from opentelemetry.context import Context

MAX_RECENT: Final = 10_000
"""Entries that are remembered, some 500 bytes each. An app that reads older ones has no spans for them."""


class Recent:
    """Contexts by the position of the entry, the newest ones."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[int, Context] = OrderedDict()

    def add(self, position: int, context: Context) -> None:
        """Remember a context, and forget the oldest one beyond ``MAX_RECENT``."""
        self._contexts[position] = context
        if len(self._contexts) > MAX_RECENT:
            self._contexts.popitem(last=False)

    def find(self, position: int) -> Context | None:
        """Return the context of an entry, None if it has none or is too old."""
        return self._contexts.get(position)
