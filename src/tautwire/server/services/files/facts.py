"""What is found in the bytes of a file while they come: the size of an image, the beginning and lines of a text."""

from typing import Final

import msgspec

HEAD: Final = 65_536
"""Bytes at the beginning of a file that are looked at."""
PREVIEW: Final = 1_000
"""Characters of a preview."""
PREVIEW_LINES: Final = 5


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of it as JSON."""

    width: int = 0
    height: int = 0
    preview: str = ""
    lines: int = 0

    @property
    def has_more(self) -> int:
        """The lines that the preview leaves out."""
        return max(0, self.lines - (self.preview.count("\n") + 1)) if self.preview else 0


def find_facts(filetype: str, head: bytes, *, is_snippet: bool, lines: int) -> Facts:
    """Return the facts of a file.

    Args:
        head: its first ``HEAD`` bytes.
        lines: the number of its lines.
    """
    if is_snippet:
        text = head[: PREVIEW * 4].decode(errors="replace")[:PREVIEW]
        return Facts(preview="\n".join(text.splitlines()[:PREVIEW_LINES]), lines=lines)
    width, height = _size(filetype, head)
    return Facts(width, height)


def _size(filetype: str, head: bytes) -> tuple[int, int]:
    """Return width and height of an image; 0 if they are not found."""
    if filetype == "png" and head[12:16] == b"IHDR":
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if filetype == "gif" and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if filetype == "jpg":
        return _size_of_jpeg(head)
    return 0, 0


def _size_of_jpeg(head: bytes) -> tuple[int, int]:
    """Walk over the segments to the one that begins a frame. Source: ITU-T T.81, annex B."""
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker, length = head[place + 1], int.from_bytes(head[place + 2 : place + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(head[place + 7 : place + 9]), int.from_bytes(head[place + 5 : place + 7])
        place += 2 + max(length, 2)
    return 0, 0
