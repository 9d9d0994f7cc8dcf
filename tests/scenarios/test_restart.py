"""The server itself goes away and comes back, as a process of its own, on the same port and data."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from slack_sdk import WebClient

from subject import PATIENCE, Kind, Subject, eventually, nothing_left_behind


class ServerProcess:
    """``tautwire serve``, started and stopped at will."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._place = _free_place()
        self._port: int = self._place.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None
        self.directory: dict[str, Any] = {}

    def start(self) -> None:
        command: list[Any] = [
            sys.executable, "-m", "tautwire", "serve", "--host", "127.0.0.1", "--port", str(self._port),
            "--data", self._data, "--rate-limits", "off", "--json", "--log-level", "warning",
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server did not start"
        self.directory = json.loads(line)

    def stop(self, number: signal.Signals) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(number)
        code = self._process.wait(PATIENCE)
        self._process.stdout.close()
        self._process = None
        return code

    def end(self) -> None:
        if self._process is not None:
            self.stop(signal.SIGKILL)
        self._place.close()


def _free_place() -> socket.socket:
    """Return a socket that holds a port and refuses connections, beside one that listens there.

    While the server is away its clients call again and again. If the port were free, the server of another test could
    get it meanwhile, and their calls.
    """
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind(("127.0.0.1", 0))
    return place


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data")
    process.start()
    yield process
    process.end()


class Caller:
    """Alice, who posts through the Web API whether the server is there or not."""

    def __init__(self, process: ServerProcess) -> None:
        self.said: list[str] = []
        """What was acknowledged, hence is durable."""
        self.unsure: list[str] = []
        """What may be stored or not."""
        directory = process.directory
        self._web = WebClient(directory["users"]["alice"]["token"], base_url=directory["api_url"], timeout=2)
        self._web.retry_handlers.clear()
        self._channel = directory["channels"]["general"]
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alice")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def go_on(self, more: int = 10) -> None:
        """Wait until some more were acknowledged."""
        goal = len(self.said) + more
        eventually(lambda: len(self.said) >= goal, "alice is silent")

    def _run(self) -> None:
        number = 0
        while not self._enough.wait(0.005):
            number += 1
            self._say(str(number))

    def _say(self, text: str) -> None:
        try:
            self._web.chat_postMessage(channel=self._channel, text=text)
        except Exception:
            self.unsure.append(text)
        else:
            self.said.append(text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_loses_nothing(kind: Kind, process: ServerProcess, number: signal.Signals) -> None:
    """In order to stop, the server says goodbye and closes with 1001; killed, it says nothing."""
    with nothing_left_behind():
        directory = process.directory
        subject = Subject(kind, directory["users"]["relaybot"]["token"], directory["api_url"])
        subject.connect()
        with Caller(process) as alice:
            for restarts in range(2):
                alice.go_on()
                code = process.stop(number)
                assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL)
                eventually(lambda: not subject.is_ready(), "it did not notice")
                process.start()
                subject.wait_ready()
                alice.go_on()
                eventually(lambda restarts=restarts: len(subject.gaps) == restarts + 1)
        eventually(lambda: alice.said[-1] in subject.heard, "the last word was not heard")
        subject.end()

    assert [each for each in subject.heard if each not in alice.unsure] == alice.said
    assert len(set(subject.heard)) == len(subject.heard)
    assert all(gap.is_filled for gap in subject.gaps)
