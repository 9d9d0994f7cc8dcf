"""A small disk, and a file that fills it."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from needs import skip_for


@contextmanager
def small_disk(place: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a file system of so many MiB at a folder; without the right to mount, the test ends."""
    skip_for(None if os.geteuid() == 0 else "a small file system can be mounted by root only")
    place.mkdir(exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", place],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    skip_for(f"a small file system cannot be mounted: {made.stderr.strip()}" if made.returncode else None)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    """Write a file until there is no room any more; return it."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        for chunk in itertools.chain(itertools.repeat(b"x" * 4_096, 8_192), itertools.repeat(b"x")):
            stream.write(chunk)
    return ballast
