"""Processes of the ``tautwire`` command that start in a moment: forked from one that has imported everything.

Most of the time of a start is imports. A test that starts many processes takes them from here; they are processes like
others, with a file as stderr, and are killed, stopped and frozen like others.
"""

import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_context: Final = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["pytest", "tautwire.cli.commands", "tautwire.cli.serve", "tautwire.cli.gateway", "tautwire.server.app"]
)


class Output:
    """What a process prints, in a file."""

    def __init__(self, path: Path, process: "Forked") -> None:
        self._path = path
        self._read = 0
        self._process = process

    async def readline(self) -> bytes:
        """Return the next line; nothing if the process has ended without one."""
        line = b""
        while not line.endswith(b"\n"):
            is_last = self._process.returncode is not None
            with self._path.open("rb") as stream:
                stream.seek(self._read + len(line))
                line += stream.readline()
            if is_last:
                break
            await asyncio.sleep(0.005)
        self._read += len(line)
        return line


class Forked:
    """A process with the part of ``asyncio.subprocess.Process`` that tests use."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        out = log.with_name(f"{log.stem}-{time.monotonic_ns()}.out")
        out.touch()
        self._process = _context.Process(target=_run, args=(arguments, dict(environment), str(out), str(log)))
        self._process.start()
        self.pid = self._process.pid or 0
        self.stdout = Output(out, self)

    @property
    def returncode(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    async def wait(self) -> int:
        """Wait until it has ended; return the exit code."""
        while (code := self.returncode) is None:  # noqa: ASYNC110 - its sentinel is no event
            await asyncio.sleep(0.005)
        return code


def _run(arguments: tuple[str, ...], environment: dict[str, str], out: str, log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for path, number, flags in ((out, 1, os.O_TRUNC), (log, 2, os.O_APPEND)):
        stream = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
        os.dup2(stream, number)
        os.close(stream)
    from tautwire.cli.main import main  # in the process that is forked, it is there already

    sys.argv = ["tautwire", *arguments]
    main()
