"""The log refers to messages instead of holding their text again; what changes a message leaves its event as it was."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scene import Scene
from tautwire.server.log.tail import read_entries
from tautwire.server.store.engine import StoreError
from tautwire.server.store.reader import Snapshot
from tautwire.server.store.sqlite import SqliteEngine


@pytest.fixture
def database(scene: Scene) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(scene.server.settings.data / "tautwire.db")
    connection.row_factory = sqlite3.Row
    with closing(connection):
        yield connection


def events(database: sqlite3.Connection) -> list[bytes]:
    entries = read_entries(Snapshot(database), after=0, before=10**9)
    return [entry.payload for entry in entries if entry.kind == "event"]


def copies_of(text: str, database: sqlite3.Connection) -> tuple[int, int]:
    """Return how many rows of the messages and of the log hold a text."""
    (messages,) = database.execute("SELECT count(*) FROM message WHERE instr(body, ?)", (text.encode(),)).fetchone()
    (log,) = database.execute("SELECT count(*) FROM log WHERE instr(payload, ?)", (text.encode(),)).fetchone()
    return messages, log


async def test_a_message_is_stored_once(scene: Scene, database: sqlite3.Connection) -> None:
    bob = await scene.connect("bob")
    await scene.post("alice", scene.general, "stored once")
    (live,) = await bob.texts()

    assert live == "stored once"
    assert copies_of("stored once", database) == (1, 0)
    assert sum(b"stored once" in event for event in events(database)) == 1


@pytest.mark.parametrize("method", ["chat.update", "chat.delete"])
async def test_the_event_of_a_message_outlives_its_change(
    scene: Scene, database: sqlite3.Connection, method: str
) -> None:
    ts = await scene.post("alice", scene.general, "as it was said")
    before = events(database)

    arguments = {"text": "as it is now"} if method == "chat.update" else {}
    await scene.ok("alice", method, channel=scene.general, ts=ts, **arguments)

    assert events(database)[: len(before)] == before
    await scene.call("alice", "chat.update", channel=scene.general, ts=ts, text="changed again")
    assert events(database)[: len(before)] == before


async def test_a_reference_without_its_message_is_an_error_and_no_silent_gap(
    scene: Scene, database: sqlite3.Connection
) -> None:
    await scene.post("alice", scene.general, "soon gone")
    database.execute("DELETE FROM message")

    with pytest.raises(StoreError, match="which is missing"):
        events(database)

    database.rollback()


def test_a_log_from_before_the_references_is_read_as_it_was(tmp_path: Path) -> None:
    payload = b'{"type":"message","channel":"C1","text":"old","ts":"1700000000.000001","event_ts":"1700000000.000001"}'
    with SqliteEngine(tmp_path) as database:
        connection = database.connect()
        connection.execute("INSERT INTO log VALUES (1, 'event', 'C1', ?)", (payload,))

        (entry,) = read_entries(Snapshot(connection), after=0, before=2)
        connection.close()

    assert (entry.kind, entry.topic, entry.payload) == ("event", "C1", payload)
