"""Positions across restarts and restores: which are continued, and which are told to start over.

The model keeps what each client was told and what the log held then. ``resumed`` must mean that the log of now begins
with all that the client knows; everything else must be ``resync``.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

from tautwire.server.clock import Clock
from tautwire.server.log.entry import Topic
from tautwire.server.log.epochs import MAX_EPOCHS, Epoch, Epochs, begin_epoch, read_epochs
from tautwire.server.log.transaction import Transaction
from tautwire.server.store.engine import Query
from tautwire.server.store.sqlite import SqliteEngine

CHANNEL = Topic("C1")


class Run:
    """One run of a server on a data directory, as far as the log is concerned."""

    def __init__(self, directory: Path) -> None:
        self.database = SqliteEngine(directory)
        self.session = self.database.session()
        self.transaction = Transaction(self.session, Clock())
        if self.query.one("SELECT 1 FROM workspace") is None:
            self.write(
                lambda tx: tx.execute("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 0)")
            )
        self.write(begin_epoch)
        self.epochs = read_epochs(self.query)

    @property
    def query(self) -> Query:
        return self.session

    @property
    def head(self) -> int:
        row = self.query.one("SELECT head FROM workspace")
        assert row is not None
        return int(row[0])

    @property
    def payloads(self) -> list[bytes]:
        return [row[0] for row in self.query.all("SELECT payload FROM log ORDER BY position")]

    def write(self, unit: Callable[[Transaction], object]) -> None:
        self.transaction.begin()
        self.transaction.attempt(unit)
        self.transaction.commit()

    def end(self) -> None:
        self.session.close()
        self.database.close()


class Resuming(RuleBasedStateMachine):
    """Servers that post, stop, crash, are backed up, restored and emptied, and clients that come back."""

    positions = Bundle("positions")
    backups = Bundle("backups")

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.number = 0
        self.run = Run(self.root / "data")

    @rule(count=st.integers(1, 3))
    def post(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            payload = b"%d" % self.number
            self.run.write(lambda tx, payload=payload: tx.emit(CHANNEL, payload))

    @rule(target=positions, back=st.integers(0, 2))
    def tell(self, back: int) -> tuple[str, tuple[bytes, ...]]:
        """Give a client a position, perhaps one a little behind."""
        place = max(0, self.run.head - back)
        return self.run.epochs.mark(place), tuple(self.run.payloads[:place])

    @rule()
    def restart(self) -> None:
        self.run.end()
        self.run = Run(self.root / "data")

    @rule()
    def crash(self) -> None:
        """Go on with the files as they are at this moment, write-ahead log and all."""
        copy = self.root / "crashed"
        shutil.copytree(self.root / "data", copy)
        self.run.end()
        shutil.rmtree(self.root / "data")
        copy.rename(self.root / "data")
        self.run = Run(self.root / "data")

    @rule(target=backups)
    def back_up(self) -> Path:
        self.number += 1
        place = self.root / f"backup{self.number}"
        shutil.copytree(self.root / "data", place)
        return place

    @rule(backup=backups)
    def restore(self, backup: Path) -> None:
        self.run.end()
        shutil.rmtree(self.root / "data")
        shutil.copytree(backup, self.root / "data")
        self.run = Run(self.root / "data")

    @rule()
    def empty(self) -> None:
        self.run.end()
        shutil.rmtree(self.root / "data")
        self.run = Run(self.root / "data")

    @rule(told=positions)
    def come_back(self, told: tuple[str, tuple[bytes, ...]]) -> None:
        position, known = told
        place = self.run.epochs.find(position, self.run.head)
        is_here = tuple(self.run.payloads[: len(known)]) == known
        if place is not None:
            assert place == len(known)
            assert is_here, "resumed on a log that does not hold what the client knows"

    @rule(target=positions)
    def stay(self) -> object:
        """A client whose position was given in this run is always continued."""
        position = self.run.epochs.mark(self.run.head)
        assert self.run.epochs.find(position, self.run.head) == self.run.head
        return multiple((position, tuple(self.run.payloads)))

    def teardown(self) -> None:
        self.run.end()
        shutil.rmtree(self.root)


TestResuming = Resuming.TestCase
TestResuming.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_a_position_of_an_earlier_run_is_good_up_to_its_end() -> None:
    epochs = Epochs([Epoch("a", 0), Epoch("b", 10), Epoch("c", 10), Epoch("d", 15)])

    assert epochs.current == "d"
    assert epochs.find("a.10", 20) == 10
    assert epochs.find("a.11", 20) is None
    assert epochs.find("b.10", 20) == 10
    assert epochs.find("c.15", 20) == 15
    assert epochs.find("c.16", 20) is None
    assert epochs.find("d.20", 20) == 20
    assert epochs.find("d.21", 20) is None


@pytest.mark.parametrize(
    "position", ["", "10", "x.10", "a.", ".10", "a.-1", "a.1.5", "a.²", "a." + "9" * 5_000, "a.10 "]
)
def test_what_is_no_position_of_this_log_is_not_found(position: str) -> None:
    assert Epochs([Epoch("a", 0), Epoch("b", 10)]).find(position, 20) is None


def test_epochs_are_kept_for_a_number_of_starts(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write(lambda tx: tx.emit(CHANNEL, b"{}"))
    first = run.epochs.mark(1)
    for _ in range(MAX_EPOCHS - 1):
        run.write(begin_epoch)
    assert read_epochs(run.query).find(first, 1) == 1

    run.write(begin_epoch)

    assert read_epochs(run.query).find(first, 1) is None
    run.end()
