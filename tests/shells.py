"""Commands that documents show, run by a shell as one copies them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 60.0


@contextmanager
def running(script: str, folder: Path) -> Iterator[Iterator[str]]:
    """Run commands of a shell until the end of the block, with the programs of this environment first.

    The block gets the lines that they print.
    """
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    assert process.stdout is not None
    try:
        yield iter(process.stdout)
    finally:
        with suppress(ProcessLookupError):  # they have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)


def environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
