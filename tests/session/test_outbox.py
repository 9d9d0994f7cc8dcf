"""The outbox of a connection."""

from hypothesis import given
from hypothesis import strategies as st

from tautwire.session.outbox import Outbox


def test_frames_come_out_in_order_and_a_pong_before_them() -> None:
    outbox = Outbox()
    outbox.append(b"one")
    outbox.append(b"two")
    outbox.insert_first(b"pong")

    assert outbox.take(100) == [b"pong", b"one", b"two"]
    assert (len(outbox), outbox.size) == (0, 0)


def test_everything_can_be_taken_in_one_piece() -> None:
    outbox = Outbox()
    frame = b"one and only"
    outbox.append(frame)
    assert outbox.take_all() is frame, "frames are shared, not copied"

    outbox.append(b"one")
    outbox.insert_first(b"pong")
    assert outbox.take_all() == b"pongone"

    outbox.append(b"event")
    outbox.insert_first(b"pong")
    assert outbox.take(100) == [b"pong", b"event"]


def test_pongs_keep_their_order() -> None:
    outbox = Outbox()
    outbox.append(b"event")
    for frame in (b"1", b"2", b"3"):
        outbox.insert_first(frame)

    assert outbox.take(1) == [b"1"]
    outbox.insert_first(b"4")
    assert outbox.take(100) == [b"2", b"3", b"4", b"event"]
    outbox.append(b"event")
    outbox.insert_first(b"5")
    assert outbox.take(100) == [b"5", b"event"]


def test_a_frame_over_the_limit_still_goes_out() -> None:
    outbox = Outbox()
    outbox.append(b"x" * 50)
    outbox.append(b"y")

    assert outbox.take(10) == [b"x" * 50]


def test_clear_forgets_everything() -> None:
    outbox = Outbox()
    outbox.append(b"x")
    outbox.clear()

    assert outbox.take(10) == []
    assert outbox.take_all() == b""


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=50), st.integers(1, 60))
def test_pages_hold_every_frame_once_in_order_and_keep_the_limit(frames: list[bytes], limit: int) -> None:
    outbox = Outbox()
    for frame in frames:
        outbox.append(frame)
    pages = []
    while len(outbox):
        page = outbox.take(limit)
        assert len(page) == 1 or sum(map(len, page)) <= limit
        pages.append(page)
        assert outbox.size == sum(map(len, frames)) - sum(len(f) for p in pages for f in p)
    assert [frame for page in pages for frame in page] == frames


def test_a_frame_that_just_fits_is_taken() -> None:
    outbox = Outbox()
    outbox.extend([b"four", b"five!", b"x"])
    assert outbox.take(9) == [b"four", b"five!"]
    assert outbox.take(1) == [b"x"]


def test_after_everything_was_forgotten_a_pong_goes_first_again() -> None:
    outbox = Outbox()
    outbox.insert_first(b"old pong")
    outbox.clear()
    outbox.extend([b"one", b"two"])
    outbox.insert_first(b"pong")
    assert outbox.take(100) == [b"pong", b"one", b"two"]
