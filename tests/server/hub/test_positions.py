"""Which connection is given a position frame when. Source: docs/adr/0009-positions.md."""

import pytest

from tautwire.server.hub.frames import position_frame
from tautwire.server.hub.positions import Positions, Progress
from tautwire.server.log.epochs import Epoch, Epochs


def frame(number: int) -> bytes:
    return position_frame(f"log.{number}")


@pytest.fixture
def positions() -> Positions:
    return Positions(Epochs([Epoch("log", 0)]))


@pytest.fixture
def progress(positions: Positions) -> Progress:
    """Of a connection that has just begun at 10, the head."""
    positions.head = 10
    progress = Progress()
    assert positions.begin(progress, 10) == frame(10)
    return progress


def flushed(positions: Positions, progress: Progress, events: int) -> bytes | None:
    """Queue some events for a connection, and write them."""
    positions.head += events
    progress.unconfirmed += events
    return positions.with_events(progress)


def test_an_empty_log_has_no_position_to_tell(positions: Positions) -> None:
    assert positions.last(Progress()) is None


def test_a_connection_gets_one_position_a_second_with_its_events(positions: Positions, progress: Progress) -> None:
    assert [flushed(positions, progress, 1) for _ in range(3)] == [None] * 3
    positions.sweep()
    assert [flushed(positions, progress, 1) for _ in range(3)] == [frame(14), None, None]


def test_in_a_flood_it_gets_one_every_256_events(positions: Positions, progress: Progress) -> None:
    assert flushed(positions, progress, 255) is None
    assert flushed(positions, progress, 1) == frame(266)
    assert flushed(positions, progress, 255) is None


def test_what_was_left_untold_is_told_at_the_sweep(positions: Positions, progress: Progress) -> None:
    flushed(positions, progress, 1)
    positions.sweep()
    assert positions.due(progress) == frame(11)
    positions.sweep()
    assert positions.due(progress) is None


def test_a_connection_that_gets_nothing_learns_every_fifth_sweep_what_others_got(
    positions: Positions, progress: Progress
) -> None:
    """More often would tell strangers how busy private channels are."""
    told = []
    for _ in range(10):
        positions.head += 1
        positions.sweep()
        told.append(positions.due(progress))
    assert told == [*[None] * 4, frame(15), *[None] * 4, frame(20)]


def test_a_connection_that_knows_the_head_is_told_nothing(positions: Positions, progress: Progress) -> None:
    assert positions.last(progress) is None
    for _ in range(10):
        positions.sweep()
        assert positions.due(progress) is None
    positions.head += 1
    assert [positions.last(progress) for _ in range(2)] == [frame(11), None]


def test_connections_that_are_told_the_same_share_the_frame(positions: Positions) -> None:
    some = [Progress() for _ in range(3)]
    positions.head = 12
    first, second = [positions.last(each) for each in some[:2]]
    assert first == frame(12)
    assert first is second
    positions.head = 13
    assert positions.last(some[2]) == frame(13)
