"""The log refers to messages instead of holding their text again; what changes a message leaves its event as it was."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from stores import Store, beside, change

from scene import Scene
from tautwire.server.log.tail import read_entries
from tautwire.server.store.engine import ReadSession, StoreError


@pytest.fixture
def database(scene: Scene) -> Iterator[ReadSession]:
    with beside(scene.server.settings) as session:
        yield session


def events(database: ReadSession) -> list[bytes]:
    entries = read_entries(database, after=0, before=10**9)
    return [entry.payload for entry in entries if entry.kind == "event"]


def copies_of(text: str, database: ReadSession) -> tuple[int, int]:
    """Return how many rows of the messages and of the log hold a text."""
    bodies, payloads = database.all("SELECT body FROM message"), database.all("SELECT payload FROM log")
    messages, log = (sum(text.encode() in row[0] for row in rows) for rows in (bodies, payloads))
    return messages, log


async def test_a_message_is_stored_once(scene: Scene, database: ReadSession) -> None:
    bob = await scene.connect("bob")
    await scene.post("alice", scene.general, "stored once")
    (live,) = await bob.texts()

    assert live == "stored once"
    assert copies_of("stored once", database) == (1, 0)
    assert sum(b"stored once" in event for event in events(database)) == 1


@pytest.mark.parametrize("method", ["chat.update", "chat.delete"])
async def test_the_event_of_a_message_outlives_its_change(scene: Scene, database: ReadSession, method: str) -> None:
    ts = await scene.post("alice", scene.general, "as it was said")
    before = events(database)

    arguments = {"text": "as it is now"} if method == "chat.update" else {}
    await scene.ok("alice", method, channel=scene.general, ts=ts, **arguments)

    assert events(database)[: len(before)] == before
    await scene.call("alice", "chat.update", channel=scene.general, ts=ts, text="changed again")
    assert events(database)[: len(before)] == before


async def test_a_reference_without_its_message_is_an_error_and_no_silent_gap(
    scene: Scene, database: ReadSession
) -> None:
    await scene.post("alice", scene.general, "soon gone")
    await scene.server.workspace.writer.write(lambda tx: tx.execute("DELETE FROM message"))

    with pytest.raises(StoreError, match="which is missing"):
        events(database)


def test_a_log_from_before_the_references_is_read_as_it_was(store: Store, tmp_path: Path) -> None:
    payload = b'{"type":"message","channel":"C1","text":"old","ts":"1700000000.000001","event_ts":"1700000000.000001"}'
    with closing(store.open(tmp_path)) as database, closing(database.read_session()) as session:
        change(database, ("INSERT INTO log (position, kind, topic, payload) VALUES (1, 'event', 'C1', ?)", (payload,)))

        (entry,) = read_entries(session, after=0, before=2)

    assert (entry.kind, entry.topic, entry.payload) == ("event", "C1", payload)
