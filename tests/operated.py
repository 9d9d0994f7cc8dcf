"""A server in a process of its own, and the commands of an operator that are run on it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds after which something that should have happened has not."""

SEED = """
team: {name: Acme, domain: acme}
users: [{name: alice, real_name: Alice Example}, {name: bob}]
bots: [{name: relaybot}]
channels: [{name: general, members: [alice, bob, relaybot]}, {name: ops, private: true, members: [alice, relaybot]}]
"""


class Operated:
    """``tautwire serve`` on a data directory, from a seed file beside it.

    Args:
        environment: the whole environment of the process; that of the tests if it is not given.
    """

    def __init__(
        self, data: Path, *options: str, seed: str | None = SEED, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        self.facts: dict[str, Any] = {}
        self._options = list(options)
        self._environment = environment
        if seed is not None:
            file = data.parent / f"{data.name}.yaml"
            file.write_text(seed)
            self._options += ["--seed", str(file)]
        self.start()

    def start(self, *options: str) -> None:
        """Start it, and wait until it serves."""
        port = [] if "--port" in self._options else ["--port", "0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tautwire", "serve", "--json", "--data", str(self.data), *port, *self._options,
                 *options],
                stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.facts = json.loads(line)

    @property
    def origin(self) -> str:
        """Its URL without a path."""
        return str(self.facts["api_url"]).removesuffix("/api/")

    def token(self, name: str) -> str:
        return str(self.facts["users"][name]["token"])

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self._wait()

    def stop(self) -> int:
        """Ask it to end; return its status. No effect the second time."""
        self.process.terminate()
        return self._wait()

    def end(self) -> None:
        """See to it that it is gone, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self._wait()

    def _wait(self) -> int:
        status = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tautwire", *arguments, "--data", str(self.data)]

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), input=given, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def ok(self, *arguments: str, given: str = "") -> str:
        """Run a command that has to succeed; return what it printed."""
        finished = self.run(*arguments, given=given)
        assert (finished.returncode, finished.stderr) == (0, ""), finished
        return finished.stdout


@contextmanager
def operated(data: Path, *options: str, **more: Any) -> Iterator[Operated]:
    """Serve, and end the process at last, whatever state it is in."""
    server = Operated(data, *options, **more)
    try:
        yield server
    finally:
        server.end()
        print(f"the server's log:\n{server.log.read_text()[-6_000:]}")


def eventually(condition: Callable[[], object], complaint: str) -> None:
    """Wait for something that happens on its own."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(0.02)
