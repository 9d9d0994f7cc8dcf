"""Our clients against slack-go's ``slacktest``, a fake server that is poorer than the real wire.

It says no hello, acks nothing and forgets no connection; it answers pings. What that means for a client is shown here.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the conformance package is not installed

from needs import skip_for

from conformance.programs import SLACKTEST
from subject import KINDS, Kind, Subject, aside, eventually, nothing_left_behind, stays
from tautwire import ConnectError, SendUnknown, Timeouts

CHANNEL = "C024BE92L"
HELLO = 'frame {"type":"hello"}'
TIMEOUTS = Timeouts(hello=5.0, idle=0.2, silence=3.0, reply=0.5)


class SlackTest:
    """The running fake server."""

    def __init__(self, log: Path) -> None:
        self._log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                SLACKTEST.command,
                cwd=SLACKTEST.directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.seen: list[dict[str, Any]] = []
        """The frames that it got, without pings."""
        assert self.process.stdout is not None
        self.api_url = json.loads(self.process.stdout.readline())["url"]
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pytest.fail(f"slacktest has ended: {self._log.read_text()[:2_000]}")

    def saw(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.seen if frame["type"] == kind]

    def stop(self) -> None:
        with self.process:
            self.process.kill()
            self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(json.loads(json.loads(line)["frame"]))


@pytest.fixture
def slacktest(tmp_path: Path) -> Iterator[SlackTest]:
    lack = SLACKTEST.lack()
    skip_for(f"{SLACKTEST.title}: {lack}" if lack is not None else None)
    SLACKTEST.prepare()
    server = SlackTest(tmp_path / "slacktest.log")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest, slacktest: SlackTest) -> Iterator[Subject]:
    kind: Kind = request.param
    with nothing_left_behind():
        made = Subject(kind, "xoxb-slacktest", base_url=slacktest.api_url, timeouts=TIMEOUTS)
        yield made
        made.end()


pytestmark = pytest.mark.timeout(600)  # the first build downloads the package


def test_without_a_hello_there_is_no_connection(slacktest: SlackTest) -> None:
    with nothing_left_behind():
        subject = Subject("asyncio", "xoxb-slacktest", slacktest.api_url, timeouts=TIMEOUTS._replace(hello=0.3))
        with pytest.raises(ConnectError, match="no hello within"):
            subject.connect()
        subject.end()


def test_with_a_hello_the_client_connects_and_hears(slacktest: SlackTest, subject: Subject) -> None:
    slacktest.tell(HELLO)  # waits there for the first connection
    subject.connect()
    slacktest.tell(f"message {CHANNEL} good morning")
    eventually(lambda: subject.heard == ["good morning"])
    assert subject.client.identity.team.name == "SlackTest Team"
    assert subject.errors == []


def test_a_message_arrives_and_its_end_is_unknown(slacktest: SlackTest, subject: Subject) -> None:
    slacktest.tell(HELLO)
    subject.connect()
    with pytest.raises(SendUnknown, match="no reply within"):
        subject.say(CHANNEL, "hi")
    subject.typing(CHANNEL)
    eventually(lambda: slacktest.saw("typing"))
    assert [(frame["channel"], frame["text"]) for frame in slacktest.saw("message")] == [(CHANNEL, "hi")]
    assert subject.is_ready()


def test_pongs_keep_a_silent_connection(slacktest: SlackTest, subject: Subject) -> None:
    slacktest.tell(HELLO)
    subject.connect()
    assert subject.ping() > 0
    stays(subject.is_ready, "the connection was given up", 1.5 * TIMEOUTS.silence)
    assert subject.hellos == 1
    assert subject.closes == []


def test_reconnect_needs_a_hello_that_no_old_connection_takes(slacktest: SlackTest, subject: Subject) -> None:
    """Old connections go on taking frames, and lose them, so there have to be many."""
    slacktest.tell(HELLO)
    subject.connect()
    attempt = aside(subject.reconnect)

    def tells(line: str, until: Callable[[], object]) -> bool:
        slacktest.tell(line)
        return bool(until())

    eventually(lambda: tells(HELLO, attempt.done), "no connection got a hello")
    attempt.result()
    eventually(lambda: len(subject.closes) == 1)
    eventually(lambda: tells(f"message {CHANNEL} again", lambda: subject.heard))
    subject.wait_ready()
