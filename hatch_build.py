"""What the build of the packages adds to pyproject.toml: the README, with links that work outside a checkout.

In the checkout the README links to files beside it. The page that an index shows has no files beside it, so links lead
to the repository there.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)(\[[^\]]*\]\()(?![a-z]+:|#)([^)\s]+)\)")


class Readme(MetadataHookInterface):
    """Sets ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Take README.md, its relative links made absolute."""
        repository = metadata["urls"]["Repository"]
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute_links(text, repository)}


def absolute_links(text: str, repository: str) -> str:
    """Return Markdown whose relative links lead to files of a repository, those of pictures to the bytes of them."""

    def absolute(match: re.Match[str]) -> str:
        bang, before, target = match.groups()
        return f"{bang}{before}{repository}/{'raw' if bang else 'blob'}/HEAD/{target})"

    return LINK.sub(absolute, text)
