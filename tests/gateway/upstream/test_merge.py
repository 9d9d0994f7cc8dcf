"""Two connections to the upstream at once: what comes on both is stored in the order of the upstream."""

import json

import pytest

from scene import eventually, is_plain
from stage import Stage
from tautwire.gateway.upstream.merge import Merge


def payload(stamp: str) -> bytes:
    return json.dumps({"event": {"event_ts": stamp}}).encode()


def test_what_is_held_is_passed_on_in_the_order_of_its_times() -> None:
    came: list[tuple[bytes, str]] = []
    merge: Merge[str] = Merge(lambda payload, ack: came.append((payload, ack)))
    merge.take(1, payload("1.0"), "a")
    merge.hold()
    for connection, stamp, ack in ((2, "1.2", "c"), (1, "1.1", "b"), (1, "1.3", "d"), (2, "1.4", "e")):
        merge.take(connection, payload(stamp), ack)
    assert [ack for _, ack in came] == ["a"]
    merge.release()
    merge.take(2, payload("1.5"), "f")
    assert "".join(ack for _, ack in came) == "abcdef"


def test_what_has_no_time_keeps_its_place_in_its_connection() -> None:
    came: list[str] = []
    merge: Merge[str] = Merge(lambda _, ack: came.append(ack))
    merge.hold()
    for number, text in enumerate((b"{", b"[]", b'{"event":7}', b'{"event":{"event_ts":[]}}', b"[" * 100_000)):
        merge.take(1, text, str(number))
    merge.release()
    assert came == ["0", "1", "2", "3", "4"]


def test_what_is_dropped_is_not_passed_on() -> None:
    came: list[str] = []
    merge: Merge[str] = Merge(lambda _, ack: came.append(ack))
    merge.hold()
    merge.take(1, payload("1.0"), "a")
    merge.drop()
    merge.take(1, payload("1.0"), "b")
    assert came == ["b"]


async def test_events_on_two_connections_are_stored_in_order(stage: Stage) -> None:
    """The line sends the next event on the new connection although an older one is still to come on the old one."""
    socket = await stage.connect()
    link, line = stage.gateway.relay.link, stage.line
    await line.tell({"type": "disconnect", "reason": "refresh_requested"})
    await eventually(lambda: link.connects == 2)
    for number in range(30):
        await stage.post("alice", stage.general, f"message {number}")
    texts = [frame["text"] for frame in await stage.received(socket, "message 29") if is_plain(frame)]
    assert texts == [f"message {number}" for number in range(30)]
    await eventually(lambda: stage.gateway.relay.intake.waiting == 0)


async def test_an_old_connection_that_is_cut_while_events_are_held_loses_none(stage: Stage) -> None:
    socket = await stage.connect()
    line = stage.line
    for round_ in range(5):
        await eventually(lambda: stage.gateway.relay.link.is_up)
        opened = line.opened
        await line.tell({"type": "disconnect", "reason": "refresh_requested"})
        await stage.post("alice", stage.general, f"{round_} one")
        await eventually(lambda opened=opened: line.opened > opened)  # type: ignore[misc]
        await line.cut()
        await stage.post("alice", stage.general, f"{round_} two")
    await stage.post("alice", stage.general, "last")
    texts = [frame["text"] for frame in await stage.received(socket, "last") if is_plain(frame)]
    assert texts == [f"{round_} {what}" for round_ in range(5) for what in ("one", "two")] + ["last"]


async def test_too_much_that_is_held_begins_a_new_connection(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = await stage.connect()
    link = stage.gateway.relay.link
    monkeypatch.setattr("tautwire.gateway.upstream.merge.MAX_HELD", 0)
    link._merge.hold()
    await stage.post("alice", stage.general, "held, dropped and sent again")
    assert (await stage.received(socket, "held, dropped and sent again"))[-1]["user"] == stage.upstream.users["alice"]
    assert link.connects == 2
