"""A counter by a label whose values come from the upstream: so many different ones, and the rest together."""

from collections import Counter
from typing import Final

MAX_LABELS: Final = 100
MAX_LENGTH: Final = 80
"""Characters of a label."""
OTHER: Final = "other"


class Tally(Counter[str]):
    """Counts by label; labels beyond the first ``MAX_LABELS``, and overlong ones, are ``other``."""

    def count(self, label: str) -> str:
        """Add one; return the label under which it was counted."""
        is_fit = label in self or (len(self) < MAX_LABELS and 0 < len(label) <= MAX_LENGTH)
        counted = label if is_fit else OTHER
        self[counted] += 1
        return counted
