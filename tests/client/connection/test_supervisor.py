"""Keeping a connection up: losses, successors, positions and the end, for both clients."""

import contextlib
import json
import threading
import time
from typing import Any

import pytest

from drive import MakeClient, eventually, start_send
from fake import PATIENCE, FakeServer, frame, message
from tautwire import (
    Backoff,
    ClientClosed,
    ClientState,
    ConfigError,
    ConnectError,
    ConnectRefused,
    GoodbyeEvent,
    MessageEvent,
    Rate,
    SendUnknown,
    Timeouts,
)


def texts(client: Any) -> list[str]:
    """Collect the texts of messages from now on."""
    found: list[str] = []
    client.register(lambda event: found.append(event.text), MessageEvent, inline=True)
    return found


@pytest.mark.parametrize("way", ["drop", "reset", "close"])
def test_a_lost_connection_is_replaced_at_once(fake: FakeServer, client: Any, way: str) -> None:
    closed: list[Any] = []
    gaps: list[Any] = []
    client.add_close_handler(closed.append)
    client.add_gap_handler(gaps.append)
    got = texts(client)
    client.connect()
    first = fake.peer()
    lost_at = time.monotonic()
    getattr(first, way)()
    second = fake.peer()
    assert time.monotonic() - lost_at < 1.0
    second.send(message(1))
    eventually(lambda: got == ["1"])
    eventually(lambda: gaps)
    assert len(fake.connects) == 2
    assert [each.will_reconnect for each in closed] == [True]
    assert closed[0].code == (1000 if way == "close" else None)
    assert gaps[0].began <= gaps[0].ended
    assert (gaps[0].resume, gaps[0].is_filled) == (None, False)


def test_a_connection_that_ends_with_its_hello_is_replaced_and_said_to_be(fake: FakeServer, client: Any) -> None:
    closed: list[Any] = []
    client.add_close_handler(closed.append)
    fake.greeting = []
    connector = threading.Thread(target=client.connect)
    connector.start()
    first = fake.peer()
    fake.greeting = [{"type": "hello"}]
    first.send_bytes(frame(b'{"type":"hello"}') + frame(b"\x03\xe8", opcode=8))
    connector.join(PATIENCE)
    fake.peer()
    eventually(lambda: closed)
    assert closed[0].will_reconnect


def test_a_replaced_connection_that_ends_late_does_not_change_when_the_gap_began(fake: FakeServer, client: Any) -> None:
    gaps: list[Any] = []
    client.add_gap_handler(gaps.append)
    got = texts(client)
    client.connect()
    sender, _ = start_send(client)
    first = fake.peer()
    first.next_frame("message")  # never answered: the connection stays for its reply
    first.send({"type": "goodbye"})
    second = fake.peer()
    second.send(message(1))
    eventually(lambda: got == ["1"])
    assert not first.closed.is_set()
    fake.upgrades.extend([503] * 1000)
    second.drop()
    assert first.closed.wait(PATIENCE)
    fake.upgrades.clear()
    eventually(lambda: gaps)
    assert "dropped" in gaps[0].reason
    client.disconnect()
    sender.join(PATIENCE)


def test_silence_is_noticed_before_the_first_pong(fake: FakeServer, make_client: MakeClient) -> None:
    fake.reply = lambda _: None
    client = make_client(timeouts=Timeouts(idle=0.1, silence=0.4))
    client.connect()
    first = fake.peer()
    fake.peer()
    assert first.next_frame("ping")["id"] > 0


def test_a_server_that_answers_pings_is_not_left(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(timeouts=Timeouts(idle=0.05, silence=0.3))
    client.connect()
    fake.peer()
    time.sleep(1.0)
    assert client.is_connected
    assert not fake.has_peer()
    assert client.round_trip < 0.3


def test_half_a_message_is_a_sign_of_life(fake: FakeServer, make_client: MakeClient) -> None:
    fake.reply = lambda _: None
    client = make_client(timeouts=Timeouts(idle=0.1, silence=0.5))
    got = texts(client)
    client.connect()
    peer = fake.peer()
    data = frame(json.dumps(message(1)).encode())
    for i in range(0, len(data), 12):  # a byte trickle of about two seconds
        peer.send_bytes(data[i : i + 12])
        time.sleep(0.2)
    assert got == ["1"]
    assert not fake.has_peer()


@pytest.mark.parametrize("kind", ["goodbye", "team_migration_started"])
def test_a_successor_is_made_before_the_old_connection_is_left(fake: FakeServer, client: Any, kind: str) -> None:
    gaps: list[Any] = []
    client.add_gap_handler(gaps.append)
    got = texts(client)
    client.connect()
    first = fake.peer()
    fake.greeting = [{"type": "hello"}, message(2), message(3)]
    fake.meanwhile = [(first, message(2))]
    first.send(message(1), {"type": kind})
    second = fake.peer()
    second.send(message(4))
    assert first.closed.wait(5)
    eventually(lambda: len(got) >= 4)
    assert got == ["1", "2", "3", "4"]  # what both connections brought came once
    assert gaps == []
    assert client.is_connected


class Handover:
    """A connection with a goodbye, and its successor, whose hello is still to come."""

    def __init__(self, fake: FakeServer, client: Any) -> None:
        self.gaps: list[Any] = []
        client.add_gap_handler(self.gaps.append)
        self.got = texts(client)
        client.connect()
        self.old = fake.peer()
        fake.greeting = []
        self.old.send({"type": "goodbye"})
        self.new = fake.peer()


def test_what_is_on_its_way_to_the_old_connection_comes_before_what_the_successor_says(
    fake: FakeServer, client: Any
) -> None:
    handover = Handover(fake, client)
    handover.old.send(*map(message, range(20_000)))
    handover.new.send({"type": "hello"}, *map(message, range(19_990, 20_010)))
    eventually(lambda: handover.got[-1:] == ["20009"])
    assert handover.got == [str(number) for number in range(20_010)]
    assert handover.old.closed.wait(5)
    assert handover.gaps == []


@pytest.mark.usefixtures("short_waits")
def test_a_successor_does_not_wait_long_for_an_old_connection_that_says_nothing(fake: FakeServer, client: Any) -> None:
    handover = Handover(fake, client)
    fake.reply = lambda _: None
    handover.new.send({"type": "hello"}, message(1))
    eventually(lambda: handover.got == ["1"])
    assert handover.old.closed.wait(5)


@pytest.mark.usefixtures("short_waits")
def test_what_a_short_lived_successor_says_is_heard_all_the_same(fake: FakeServer, client: Any) -> None:
    handover = Handover(fake, client)
    fake.reply = lambda _: None
    handover.old.send(message(1))
    handover.new.send({"type": "hello"}, message(1), message(2), {"type": "goodbye"})
    newer = fake.peer()
    handover.new.send(message(3))
    newer.send({"type": "hello"}, message(3), message(4))
    newer.drop()
    fake.peer().send({"type": "hello"}, message(5))
    eventually(lambda: handover.got == ["1", "2", "3", "4", "5"])
    eventually(lambda: len(handover.gaps) == 3)  # two that ended without their pong, and the last one


def test_a_gap_is_that_of_the_connection_that_counted(fake: FakeServer, client: Any) -> None:
    """Also if the one before it lives longer, for the sake of a reply that it still waits for."""
    fake.reply = lambda frame: {"type": "pong", "reply_to": frame["id"]} if frame["type"] == "ping" else None
    handover = Handover(fake, client)
    ends: list[Any] = []
    client.add_close_handler(ends.append)
    threading.Thread(target=client_says, args=(client,)).start()
    handover.old.next_frame("message")
    handover.new.send({"type": "hello"}, message(1))
    eventually(lambda: handover.got == ["1"])
    fake.upgrades.extend([503] * 1000)
    handover.new.close(1000, "the successor ended")
    eventually(lambda: len(ends) == 2)
    fake.upgrades.clear()
    fake.peer().send({"type": "hello"})
    eventually(lambda: handover.gaps)
    assert handover.gaps[0].reason == "the successor ended"


def client_says(client: Any) -> None:
    with contextlib.suppress(SendUnknown):
        client.say("C1", "never acked")


def test_a_gap_is_told_once(fake: FakeServer, client: Any) -> None:
    """And not again each time that a successor takes over as planned."""
    gaps: list[Any] = []
    client.add_gap_handler(gaps.append)
    got = texts(client)
    client.connect()
    fake.peer().drop()
    for number in range(3):
        peer = fake.peer()
        peer.send(message(number), {"type": "goodbye"})
        assert peer.closed.wait(PATIENCE)
    assert got == ["0", "1", "2"]
    client.disconnect()
    client.connect()
    eventually(lambda: len(gaps) == 2)
    assert "dropped" in gaps[0].reason


def test_a_goodbye_leads_to_one_successor_only(fake: FakeServer, client: Any) -> None:
    client.connect()
    for _ in range(3):
        fake.peer().send({"type": "goodbye"}, {"type": "goodbye"})
    fake.peer()
    time.sleep(0.3)
    assert len(fake.connects) == 4
    assert not fake.has_peer()


def test_reconnect_makes_a_new_connection_and_closes_the_old(fake: FakeServer, client: Any) -> None:
    client.connect()
    first = fake.peer()
    client.reconnect()
    fake.peer()
    assert first.closed.wait(5)
    assert first.close_code == 1000
    assert len(fake.connects) == 2


def test_without_auto_reconnect_an_end_is_an_end(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(auto_reconnect=False)
    closed: list[Any] = []
    client.add_close_handler(closed.append)
    client.connect()
    fake.peer().drop()
    eventually(lambda: client.state is ClientState.IDLE)
    eventually(lambda: closed)
    assert not closed[0].will_reconnect
    client.reconnect()
    assert client.is_connected


def test_reconnect_works_between_a_goodbye_and_the_end_without_auto_reconnect(
    fake: FakeServer, make_client: MakeClient
) -> None:
    client = make_client(auto_reconnect=False)
    client.connect()
    first = fake.peer()
    goodbyes: list[Any] = []
    client.register(goodbyes.append, GoodbyeEvent, inline=True)
    first.send({"type": "goodbye"})
    eventually(lambda: goodbyes)
    client.reconnect()
    assert first.closed.wait(5)
    assert client.is_connected


def test_reconnect_gives_up_when_no_attempt_succeeds_in_time(fake: FakeServer, client: Any) -> None:
    """It leaves the connection there is, and the attempts go on."""
    client.connect()
    first = fake.peer()
    fake.answers.extend([(503, {}, "")] * 1000)
    with pytest.raises(ConnectError, match=r"no new connection within 0\.2 s .*rtm.connect failed: HTTP status 503"):
        client.reconnect(timeout=0.2)
    assert client.is_connected
    fake.answers.clear()
    assert first.closed.wait(PATIENCE)
    eventually(lambda: client.is_connected)


def test_reconnect_gives_up_without_a_connection_too(fake: FakeServer, client: Any) -> None:
    client.connect()
    fake.answers.extend([(503, {}, "")] * 1000)
    fake.peer().drop()
    eventually(lambda: not client.is_connected)
    with pytest.raises(ConnectError, match=r"no new connection within 0\.2 s"):
        client.reconnect(timeout=0.2)
    with pytest.raises(ConfigError, match="timeout must be a positive number of seconds, got -1"):
        client.reconnect(timeout=-1)
    fake.answers.clear()
    eventually(lambda: client.is_connected)


def test_a_refused_successor_leaves_the_old_connection_and_another_chance(fake: FakeServer, client: Any) -> None:
    client.connect()
    first = fake.peer()
    fake.answers.extend([{"ok": False, "error": "missing_scope"}] * 2)
    first.send({"type": "goodbye"})
    eventually(lambda: len(fake.connects) == 2)
    assert client.ping() < 5
    with pytest.raises(ConnectRefused):
        client.reconnect()
    assert client.is_connected
    client.reconnect()
    assert first.closed.wait(5)
    fake.answers.append({"ok": False, "error": "token_revoked"})
    fake.peer().drop()
    eventually(lambda: client.state is ClientState.FAILED)
    assert client.failure.code == "token_revoked"


def test_the_budget_holds_when_every_connection_drops_at_once(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(backoff=Backoff(base=0.001, cap=0.002, budget=Rate(per_second=0.5, burst=4)))
    client.connect()
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        if fake.has_peer():
            fake.peer().drop()
        time.sleep(0.005)
    assert len(fake.connects) == 4


def test_presence_subscriptions_survive(fake: FakeServer, client: Any) -> None:
    client.connect()
    first = fake.peer()
    client.send({"type": "presence_sub", "ids": ["U1"]})
    client.presence_sub(["U1", "U2"])
    first.next_frame("presence_sub")
    first.drop()
    assert fake.peer().next_frame("presence_sub")["ids"] == ["U1", "U2"]


def test_ids_go_on_across_connections(fake: FakeServer, client: Any) -> None:
    client.connect()
    client.typing("C1")
    first = fake.peer()
    before = first.next_frame("typing")["id"]
    first.drop()
    second = fake.peer()
    eventually(lambda: client.is_connected)
    client.typing("C1")
    assert second.next_frame("typing")["id"] == before + 1


def test_a_server_with_positions_is_asked_to_go_on(fake: FakeServer, client: Any) -> None:
    gaps: list[Any] = []
    client.add_gap_handler(gaps.append)
    got = texts(client)
    fake.answers.append({"resume": "new", "position": "log.10"})
    client.connect()
    assert client.position == "log.10"
    first = fake.peer()
    first.send(message(1), {"type": "position", "position": "log.11"}, message(2))
    eventually(lambda: got == ["1", "2"])
    fake.answers.append({"resume": "resumed", "position": "log.14"})
    fake.greeting = [{"type": "hello"}, message(2), message(3), {"type": "position", "position": "log.13"}, message(4)]
    first.drop()
    fake.peer()
    eventually(lambda: len(got) >= 4)
    assert fake.connects[1]["resume"] == "log.11"
    assert got == ["1", "2", "3", "4"]  # 2 came twice: it stood behind the last position
    eventually(lambda: client.position == "log.13")
    eventually(lambda: gaps)
    assert gaps[0].is_filled


def test_a_position_that_is_too_old_is_told(fake: FakeServer, client: Any) -> None:
    gaps: list[Any] = []
    client.add_gap_handler(gaps.append)
    fake.answers.extend([{"resume": "new", "position": "log.10"}, {"resume": "resync", "position": "new.3"}])
    client.connect()
    fake.peer().drop()
    eventually(lambda: gaps)
    assert not gaps[0].is_filled
    assert gaps[0].resume.value == "resync"
    assert client.position == "new.3"


def test_close_is_final_and_may_be_called_again(fake: FakeServer, client: Any) -> None:
    client.connect()
    peer = fake.peer()
    client.close()
    client.close()
    assert peer.closed.wait(1)
    assert peer.close_code == 1000
    assert client.state is ClientState.CLOSED
    for verb in (client.connect, client.reconnect, client.run, lambda: client.typing("C1")):
        with pytest.raises(ClientClosed):
            verb()
    client.disconnect()
    assert len(fake.connects) == 1


def test_close_before_anything_is_fine(client: Any) -> None:
    client.close()


def test_close_while_connecting_is_quick(fake: FakeServer, client: Any) -> None:
    fake.upgrades.append(0)
    outcomes: list[Any] = []

    def connect() -> None:
        try:
            client.connect()
        except Exception as error:
            outcomes.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    eventually(lambda: fake.upgrade_paths)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 2.0
    thread.join(1)
    assert [type(each) for each in outcomes] == [ClientClosed]


def test_close_while_waiting_is_quick(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(backoff=Backoff(base=1000.0, cap=1000.0))
    client.connect()
    fake.peer().drop()
    eventually(lambda: client.state is ClientState.WAITING)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 1.0


def test_close_does_not_wait_for_a_server_that_does_not_answer(fake: FakeServer, client: Any) -> None:
    client.connect()
    peer = fake.peer()
    fake.call(peer._reader._transport.pause_reading)  # half-open
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 3.0


def test_disconnect_ends_and_connect_begins_again(fake: FakeServer, client: Any) -> None:
    client.disconnect()
    client.connect()
    peer = fake.peer()
    client.disconnect()
    client.disconnect()
    assert peer.closed.wait(1)
    assert client.state is ClientState.IDLE
    client.connect()
    assert client.state is ClientState.READY


def test_run_returns_when_a_handler_closes_the_client(fake: FakeServer, client: Any) -> None:
    client.register(lambda _: threading.Thread(target=client.close).start(), MessageEvent, inline=True)
    fake.greeting = [{"type": "hello"}, message(1)]
    client.run()
    assert client.state is ClientState.CLOSED
