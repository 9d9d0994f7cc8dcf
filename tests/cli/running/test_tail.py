"""``tautwire tail`` on real servers."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from operated import PATIENCE, Operated, operated

from tautwire.cli.running.tail import printable


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Operated]:
    with operated(tmp_path / "data") as server:
        yield server


@contextmanager
def following(server: Operated, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        server.command("tail", "--follow", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def test_the_last_messages_are_shown_oldest_first(server: Operated) -> None:
    for number in range(3):
        server.ok("say", "general", f"number {number}", "--as", "alice")
    server.ok("say", "ops", "elsewhere\non two lines", "--as", "relaybot")

    lines = server.ok("tail", "-n", "2").splitlines()
    assert [line[10:] for line in lines] == ["#general  alice: number 2", "#ops  relaybot: elsewhere", "on two lines"]
    lines = server.ok("tail", "--channel", "#general", "-n", "2").splitlines()
    assert [line[10:] for line in lines] == ["#general  alice: number 1", "#general  alice: number 2"]


def test_all_events_are_shown_with_their_types(server: Operated) -> None:
    server.ok("channel", "add", "plans", "--member", "bob")

    assert "channel_created" not in server.ok("tail")
    assert "[channel_created]" in server.ok("tail", "--all")


def test_what_comes_is_followed_across_a_restart_of_the_server(server: Operated) -> None:
    server.ok("say", "general", "before", "--as", "alice")
    with following(server, "--json") as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["line"]["text"] == "before"
        server.ok("say", "general", "meanwhile", "--as", "bob")
        assert json.loads(tail.stdout.readline())["line"]["text"] == "meanwhile"
        server.stop()
        server.start()
        server.ok("say", "general", "after", "--as", "alice")
        seen = json.loads(tail.stdout.readline())
        assert (seen["line"]["user"], seen["event"]["text"]) == ("alice", "after")


def test_a_follower_that_is_ended_leaves_no_traceback(server: Operated) -> None:
    server.ok("say", "general", "hello", "--as", "alice")
    with following(server) as tail:
        assert tail.stdout is not None
        tail.stdout.readline()
        tail.send_signal(2)
        tail.wait(PATIENCE)
        assert tail.stderr is not None
        assert tail.stderr.read() == ""


def test_an_unknown_channel_is_refused(server: Operated) -> None:
    finished = server.run("tail", "--channel", "generla")

    assert finished.returncode == 1
    assert "did you mean general" in finished.stderr


def test_a_terminal_does_nothing_but_show_a_text() -> None:
    assert printable("\x1b[2Jhello\x07 w\u202eorld é") == "\\x1b[2Jhello\\x07 w\\u202eorld é"
