"""A program of the documents, running against a test's workspace."""

import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from tautwire.testing import BlockingWorkspace, Link

PATIENCE = 60.0


class Bot:
    """A running program; it has a connection when this is made.

    Args:
        program: a Python file, or the command that starts a program in another language.
        directory: where it runs.
    """

    def __init__(
        self, program: Path | list[str], workspace: BlockingWorkspace, *, directory: Path | None = None
    ) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        home = {"SLACK_API_URL": workspace.api_url, "SLACK_BOT_TOKEN": workspace.person("bot").token}
        known = list(workspace.faults.links)
        self.process = subprocess.Popen(
            program if isinstance(program, list) else [sys.executable, str(program)],
            cwd=directory,
            env=environment | home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._seen: list[str] = []
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        try:
            self._wait_for_link(workspace, known)
        except BaseException:
            self.close()
            raise

    def _wait_for_link(self, workspace: BlockingWorkspace, known: list[Link]) -> None:
        deadline = time.monotonic() + PATIENCE
        while all(link in known for link in workspace.faults.links):
            if self.process.poll() is not None:
                self.wait_for("a line that is never printed")
            assert time.monotonic() < deadline, "the program did not connect"
            time.sleep(0.01)

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, beginning: str) -> str:
        """Return the next line with this beginning; raise AssertionError if the program ends without one."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self._seen.append(line)
            if line.startswith(beginning):
                return line
        raise AssertionError(f"the program ended without a line {beginning!r}: {self._seen}")

    def ended(self) -> int:
        """Wait until the program ends by itself; return its exit status."""
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
