"""The hub without sockets: who gets which frame, and what becomes of a connection that fails."""

import asyncio

import pytest

from tautwire.server.hub.frames import position_frame
from tautwire.server.hub.hub import Hub
from tautwire.server.hub.positions import Progress
from tautwire.server.log.entry import WORKSPACE, Entry, Kind, Topic
from tautwire.server.log.epochs import Epoch, Epochs
from tautwire.server.sockets.frames import text_frame
from tautwire.session.outbox import Outbox

CHANNEL = Topic("C1")


class Peer:
    """A connection that keeps what is written to it."""

    is_slow = False

    def __init__(self, number: int, user: str, progress: Progress | None = None) -> None:
        self.number = number
        self.user = user
        self.progress = progress
        self.outbox = Outbox()
        self.written: list[bytes] = []
        self.has_failed = False

    def flush(self) -> bool:
        self.written += self.outbox
        self.outbox.clear()
        return False

    def fail(self) -> None:
        self.has_failed = True


@pytest.fixture
def hub() -> Hub:
    return Hub({"U1": {CHANNEL}, "U2": {CHANNEL}}, Epochs([Epoch("log", 0)]))


def attached(hub: Hub, number: int, user: str, progress: Progress | None = None) -> Peer:
    peer = Peer(number, user, progress)
    hub.attach(peer)
    return peer


def entry(position: int, kind: Kind = "event", topic: Topic = CHANNEL, payload: bytes = b"{}") -> Entry:
    return Entry(position, kind, topic, payload)


async def settled() -> None:
    """Let the hub write what waits."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_an_event_goes_to_everybody_of_its_topic_unless_it_says_who_is_skipped(hub: Hub) -> None:
    peers = [attached(hub, 1, "U1"), attached(hub, 2, "U2"), attached(hub, 3, "U3")]
    hub.deliver([entry(1), Entry(2, "event", CHANNEL, b"[]", skip=1), entry(3, topic=WORKSPACE)])
    await settled()
    one, two = text_frame(b"{}"), text_frame(b"[]")
    assert [peer.written for peer in peers] == [[one, one], [one, two, one], [one]]


async def test_an_answer_alone_brings_no_position(hub: Hub) -> None:
    """It would tell a stranger that others got something."""
    progress = Progress()
    hub.positions.begin(progress, 0)
    peer = attached(hub, 1, "U3", progress)
    hub.deliver([entry(1)])
    hub.positions.sweep()
    hub.answer(peer, b"answer")
    await settled()
    assert peer.written == [b"answer"]
    hub.deliver([entry(2, topic=WORKSPACE)])
    await settled()
    assert peer.written == [b"answer", text_frame(b"{}"), position_frame("log.2")]


async def test_a_user_without_connections_takes_no_room(hub: Hub) -> None:
    first, second = attached(hub, 1, "U1"), attached(hub, 2, "U1")
    hub.detach(first)
    hub.detach(first)
    assert list(hub.connections_of("U1")) == [second]
    hub.detach(second)
    assert hub.connections_of("U1") == ()
    assert not hub._connections
    assert set(hub._topics) == {WORKSPACE}


async def test_a_leave_from_where_nobody_listens_harms_nobody(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    peer = attached(hub, 1, "U1")
    hub.deliver([entry(1, "leave", payload=b"U1"), entry(2, "leave", payload=b"U1"), entry(3, topic=WORKSPACE)])
    await settled()
    assert peer.written == [text_frame(b"{}")]
    assert not peer.has_failed
    assert not caplog.records


@pytest.mark.parametrize(("kind", "user"), [("join", "U3"), ("leave", "U1")])
async def test_a_membership_that_failed_once_ends_the_connections_of_the_user_and_is_right_afterwards(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, kind: Kind, user: str
) -> None:
    peers = [attached(hub, 1, user), attached(hub, 2, user)]
    other = attached(hub, 3, "U2")
    step = getattr(hub, f"_{kind}")

    def fails_once(topic: Topic, name: str) -> None:
        monkeypatch.setattr(hub, f"_{kind}", step)
        raise MemoryError

    monkeypatch.setattr(hub, f"_{kind}", fails_once)
    hub.deliver([entry(1, kind, payload=user.encode()), entry(2)])
    await settled()
    assert [peer.has_failed for peer in (*peers, other)] == [True, True, False]
    assert hub.connections_of(user) == ()
    assert (CHANNEL in hub.channels_of(user)) is (kind == "join")
    assert other.written == [text_frame(b"{}")]


async def test_a_connection_that_can_neither_be_written_nor_dropped_harms_nobody_else(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: Peer) -> bool:
        raise MemoryError

    broken = type("Broken", (Peer,), {"flush": fails, "fail": fails})(1, "U1")
    hub.attach(broken)
    others = [attached(hub, 2, "U1"), attached(hub, 3, "U2")]
    hub.deliver([entry(1)])
    await settled()
    assert [peer.written for peer in others] == [[text_frame(b"{}")]] * 2
    assert list(hub.connections_of("U1")) == others[:1]
    assert "could not be dropped" in caplog.text


async def test_a_connection_that_is_about_to_close_is_told_how_far_it_got(hub: Hub) -> None:
    progress = Progress()
    hub.positions.begin(progress, 0)
    resumable, plain = attached(hub, 1, "U1", progress), attached(hub, 2, "U1")
    hub.deliver([entry(1)])
    assert hub.last_position(resumable) == position_frame("log.1")
    assert hub.last_position(plain) is None


async def test_in_a_flood_a_connection_is_told_a_position_all_the_same(hub: Hub) -> None:
    progress = Progress()
    hub.positions.begin(progress, 0)
    peer = attached(hub, 1, "U1", progress)
    hub.deliver([entry(number) for number in range(1, 256)])
    await settled()
    assert peer.written == [text_frame(b"{}")] * 255
    hub.deliver([entry(256)])
    await settled()
    assert peer.written[255:] == [text_frame(b"{}"), position_frame("log.256")]


async def test_an_event_that_cannot_be_framed_ends_those_that_would_miss_it_and_nobody_else(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [attached(hub, 1, "U1"), attached(hub, 2, "U2")]
    stranger = attached(hub, 3, "U3")

    def fails(_: bytes) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("tautwire.server.hub.hub.text_frame", fails)
        hub.deliver([entry(1)])
    hub.deliver([entry(2, topic=WORKSPACE)])
    await settled()
    assert [peer.has_failed for peer in (*members, stranger)] == [True, True, False]
    assert [peer.written for peer in (*members, stranger)] == [[], [], [text_frame(b"{}")]]


async def test_an_event_of_the_rules_is_framed_once_and_leaves_out_slow_peers(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers = [attached(hub, number, "U1") for number in range(1, 4)]
    peers[1].is_slow = True
    framed: list[bytes] = []

    def counted(payload: bytes) -> bytes:
        framed.append(payload)
        return text_frame(payload)

    monkeypatch.setattr("tautwire.server.hub.hub.text_frame", counted)
    hub.whisper_to(peers, b"{}")
    await settled()
    assert [peer.written for peer in peers] == [[text_frame(b"{}")], [], [text_frame(b"{}")]]
    assert peers[0].written[0] is peers[2].written[0]
    assert framed == [b"{}"]


async def test_a_query_is_answered_for_a_slow_peer_too(hub: Hub) -> None:
    peer = attached(hub, 1, "U1")
    peer.is_slow = True
    hub.tell(peer, b"{}")
    await settled()
    assert peer.written == [text_frame(b"{}")]
