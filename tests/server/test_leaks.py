"""What the server remembers of connections that are gone: nothing, or no longer than it needs."""

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from scene import Scene, eventually
from tautwire.protocol.ids import UserId
from tautwire.server.clock import Clock
from tautwire.server.log.writer import Writer
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.tickets import Tickets
from tautwire.server.store import migrations
from tautwire.server.store.sqlite import SqliteEngine, migrate

MANY = 200
WHO = Identity(UserId("U1"), "alice", None, None)


async def test_connections_that_are_gone_are_forgotten(scene: Scene) -> None:
    hub = scene.server.workspace.hub
    for _ in range(MANY):
        socket = await scene.connect("alice", resume="")
        await socket.send(type="presence_sub", ids=[scene.users["bob"]])
        await socket.close()
    await eventually(lambda: len(hub) == 0)
    await scene.post("bob", scene.general, "said to an empty room")

    assert not hub._resumable
    assert not hub._connections
    assert not hub._dirty
    assert not hub._answered


def test_used_tickets_are_forgotten_when_they_would_have_expired() -> None:
    now = 0.0

    class Turned(Clock):
        def micros(self) -> int:
            return int((1_700_000_000 + now) * 1_000_000)

        def seconds(self) -> int:
            return self.micros() // 1_000_000

        def monotonic(self) -> float:
            return now

    tickets = Tickets("T1", Turned(), 30.0, lambda token: WHO)
    for number in range(MANY):
        now = float(number)
        text = tickets.issue(who=WHO, position=0, batches_presence=False, wants_positions=False)
        tickets.redeem(text)

    assert 0 < len(tickets._used) <= 32


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_a_commit_is_flushed_as_the_durability_says(tmp_path: Path, durability: str, level: int) -> None:
    with SqliteEngine(tmp_path) as database, closing(database.connect(durability=durability)) as connection:  # type: ignore[arg-type]
        assert tuple(connection.execute("PRAGMA synchronous").fetchone()) == (level,)


def test_a_migration_that_is_cut_off_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteEngine(tmp_path) as database, closing(database.connect()) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        schema = tmp_path / "schema" / "sqlite"
        schema.mkdir(parents=True)
        for entry in resources.files(migrations.__package__).joinpath("schema", "sqlite").iterdir():
            (schema / entry.name).write_text(entry.read_text())
        (schema / "9999_broken.sql").write_text("CREATE TABLE half (id INTEGER);\nCREATE TABLE half (id INTEGER);")
        monkeypatch.setattr(migrations.resources, "files", lambda _: tmp_path)

        with pytest.raises(sqlite3.OperationalError):
            migrate(connection)
        if connection.in_transaction:
            connection.execute("ROLLBACK")

        assert tuple(connection.execute("PRAGMA user_version").fetchone()) == (version,)
        assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchone() is None


async def test_the_results_of_the_last_batch_are_reported_when_the_writer_closes(tmp_path: Path) -> None:
    with SqliteEngine(tmp_path) as database:
        writer = Writer(database, clock=Clock(), deliver=lambda _: None)
        reported: list[object] = []
        writer.post(lambda _: "done", lambda result, _: reported.append(result))

        await writer.close()

        assert reported == ["done"]
