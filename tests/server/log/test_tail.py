"""Who may see which entries of the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.server.log.entry import WORKSPACE, Entry, Kind, Topic
from tautwire.server.log.tail import Tail, visible

ME, OTHER = "U1", "U2"
CHANNELS = [Topic("C1"), Topic("C2")]


def test_the_tail_gives_what_came_after_a_position() -> None:
    tail = Tail(10)
    entries = [Entry(n, "event", WORKSPACE, b"{}") for n in range(11, 16)]
    tail.extend(entries)

    assert tail.since(13) == entries[3:]
    assert tail.since(10) == entries
    assert tail.since(15) == []
    assert (tail.oldest, tail.position) == (11, 15)


def test_an_empty_tail_reaches_up_to_now() -> None:
    assert Tail(7).oldest == 8


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["event", "join", "leave"]),
            st.sampled_from([*CHANNELS, WORKSPACE, Topic(ME), Topic(OTHER)]),
            st.sampled_from([ME, OTHER]),
        ),
        max_size=60,
    ),
    st.sets(st.sampled_from(CHANNELS)),
)
def test_walking_back_sees_the_same_as_having_been_there(
    steps: list[tuple[Kind, Topic, str]], start: set[Topic]
) -> None:
    """Membership found by undoing joins and leaves from the end is membership at the time."""
    members = set(start)
    entries = []
    seen = []
    for kind, topic, user in steps:
        position = len(entries) + 1
        if kind == "event":
            entry = Entry(position, "event", topic, b"%d" % position)
            if topic in members or topic in (WORKSPACE, ME):
                seen.append(entry)
        elif topic not in CHANNELS or (user == ME and (kind == "join") == (topic in members)):
            continue  # the log has no second join and no leave of a stranger
        else:
            entry = Entry(position, kind, topic, user.encode())
            if user == ME:
                (members.add if kind == "join" else members.discard)(topic)
        entries.append(entry)

    assert visible(entries, ME, members) == seen


def test_the_tail_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL_SIZE", 100)
    tail = Tail(0)
    for position in range(1, 11):
        tail.extend([Entry(position, "event", WORKSPACE, b"x" * 30)])
    assert (tail.oldest, tail.position, tail.size) == (8, 10, 90)
    tail.extend([Entry(11, "event", WORKSPACE, b"x" * 200)])
    assert (tail.oldest, tail.since(10), tail.size) == (12, [], 0)


def test_an_entry_cannot_be_changed() -> None:
    """All readers of the log share it."""
    entry = Entry(1, "event", WORKSPACE, b"{}")
    for name in entry.__struct_fields__:
        with pytest.raises(AttributeError, match="immutable"):
            setattr(entry, name, None)


def test_the_tail_is_bounded_in_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL", 3)
    tail = Tail(0)
    oldest = []
    for position in range(1, 6):
        tail.extend([Entry(position, "event", WORKSPACE, b"x")])
        oldest.append(tail.oldest)
    assert oldest == [1, 1, 1, 2, 3]
    assert tail.size == 3
