"""``tautwire say`` on a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from operated import Operated, operated


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    with operated(tmp_path_factory.mktemp("say") / "data") as server:
        yield server


def test_a_message_is_posted_and_its_ts_is_printed(server: Operated) -> None:
    ts = server.ok("say", "#general", "the deploy begins", "--as", "@alice").strip()

    assert f'"ts": "{ts}"' in server.ok("tail", "--json")


def test_a_text_comes_from_stdin_and_goes_into_a_thread(server: Operated) -> None:
    ts = server.ok("say", "ops", "which version?", "--as", "alice").strip()
    server.ok("say", "ops", "-", "--as", "relaybot", "--thread", ts, given="1.2\n")

    (line,) = server.ok("tail", "-n", "1", "--json", "--channel", "ops").splitlines()
    assert '"text": "1.2"' in line
    assert f'"thread_ts": "{ts}"' in line


def test_an_author_who_may_not_post_there_is_refused(server: Operated) -> None:
    finished = server.run("say", "ops", "hello", "--as", "bob")

    assert finished.returncode == 1
    assert "the user cannot see the channel" in finished.stderr


def test_of_several_people_one_has_to_be_chosen(server: Operated) -> None:
    finished = server.run("say", "general", "hello")

    assert finished.returncode == 2
    assert "--as: alice, bob" in finished.stderr


def test_the_only_person_needs_no_choice(tmp_path: Path) -> None:
    seed = "users: [{name: ann}]\nbots: [{name: relaybot}]\nchannels: [{name: general}]\n"
    with operated(tmp_path / "data", seed=seed) as server:
        server.ok("say", "general", "I am alone")
        assert "ann: I am alone" in server.ok("tail")
