"""What a client does when the network and the server do what they do: each scenario for both clients."""

import contextlib
import json
import threading
import time
from typing import Any

import pytest

from drive import MakeClient, eventually
from fake import PATIENCE, FakeServer, answer_all, frame, message
from tautwire import (
    Ack,
    Backoff,
    ClientClosed,
    ClientState,
    ConnectError,
    ConnectRefused,
    FrameError,
    GoodbyeEvent,
    HelloEvent,
    MalformedEvent,
    Message,
    MessageEvent,
    NotConnected,
    Patience,
    PingMessage,
    PresenceSub,
    Rate,
    RateLimited,
    SendRefused,
    SendUnknown,
    Typing,
    UnknownEvent,
)
from tautwire.client import rtm_client as rtm
from tautwire.client.net.refusals import DEFAULT_RETRY_AFTER
from tautwire.session.client import MAX_FRAME_SIZE


def texts(client: Any) -> list[str]:
    """Collect the texts of messages from now on."""
    found: list[str] = []
    client.register(lambda event: found.append(event.text), MessageEvent, inline=True)
    return found


# -- odd peers ----------------------------------------------------------------------------------------------------


def test_pings_are_answered_as_far_as_the_peer_reads(fake: FakeServer, client: Any) -> None:
    """What it does not read must not pile up."""
    got = texts(client)
    client.connect()
    peer = fake.peer()
    peer.read(False)
    peer.send_bytes(frame(b"x" * 125, opcode=9) * 400_000)
    peer.send(message(1))
    eventually(lambda: got == ["1"])
    peer.read(True)
    eventually(lambda: peer.send_bytes(frame(b"last", opcode=9)) or b"last" in peer.pongs)
    assert len(peer.pongs) < 200_000  # the rest of what the system's own buffers hold


def test_subscriptions_that_have_become_too_long_are_refused_and_nothing_else(
    fake: FakeServer, make_client: MakeClient
) -> None:
    client = make_client()
    errors: list[BaseException] = []
    client.add_error_handler(lambda error, event: errors.append(error))
    got = texts(client)
    client.connect()
    client.presence_sub(["U" * (MAX_FRAME_SIZE - len('{"type":"presence_sub","ids":[""],"id":123456789}'))])
    client.send({"type": "ping", "id": 2 * 10**9})  # the frames that follow have longer numbers
    fake.peer()
    client.reconnect()
    fake.peer().send(message(1))
    eventually(lambda: got == ["1"])
    eventually(lambda: [type(each) for each in errors] == [FrameError])
    assert len(fake.connects) == 2


# -- connecting ---------------------------------------------------------------------------------------------------


def test_connect_returns_after_hello_with_the_identity(fake: FakeServer, client: Any) -> None:
    seen: list[str] = []
    client.register(lambda event: seen.append(event.TYPE), HelloEvent, inline=True)
    client.connect()
    assert client.state is ClientState.READY
    assert seen == ["hello"]
    assert (client.identity.user.id, client.identity.team.domain) == ("U0BOT", "acme")
    client.connect()
    assert len(fake.connects) == 1


def test_the_address_is_used_byte_for_byte_and_presence_is_asked_for_in_batches(fake: FakeServer, client: Any) -> None:
    client.connect()
    assert fake.upgrade_paths == ["/rtm/tIcKeT0123456789secret1=?a=b%20c"]
    assert fake.connects[0] == {"batch_presence_aware": "1", "presence_sub": "1", "resume": ""}


def test_frames_that_come_with_the_handshake_are_not_lost(fake: FakeServer, client: Any) -> None:
    fake.greeting = [{"type": "hello"}, message(1), message(2)]
    got = texts(client)
    client.connect()
    eventually(lambda: got == ["1", "2"])


@pytest.mark.parametrize("code", ["invalid_auth", "missing_scope", "not_allowed_token_type"])
def test_a_fatal_answer_fails_the_client(fake: FakeServer, client: Any, code: str) -> None:
    fake.answers.append({"ok": False, "error": code, "needed": "rtm:stream"})
    with pytest.raises(ConnectRefused) as caught:
        client.connect()
    assert caught.value.code == code
    assert client.state is ClientState.FAILED
    assert client.failure is caught.value


def test_run_raises_what_is_fatal_after_trying_what_is_not(fake: FakeServer, client: Any) -> None:
    fake.answers.extend(
        [(503, {}, "busy"), {"ok": False, "error": "internal_error"}, {"ok": False, "error": "token_revoked"}]
    )
    with pytest.raises(ConnectRefused):
        client.run()
    assert len(fake.connects) == 3


def test_after_run_was_refused_a_health_probe_sees_why(fake: FakeServer, client: Any) -> None:
    fake.answers.append({"ok": False, "error": "token_revoked"})
    with pytest.raises(ConnectRefused) as caught:
        client.run()
    for way in (lambda: None, client.disconnect, client.close):
        way()
        assert client.state is ClientState.FAILED
        assert client.failure is caught.value
    with pytest.raises(ClientClosed):
        client.connect()
    assert len(fake.connects) == 1


def test_a_failure_is_forgotten_by_disconnect_and_by_the_next_try(fake: FakeServer, client: Any) -> None:
    fake.answers.extend([{"ok": False, "error": "invalid_auth"}] * 2)
    with pytest.raises(ConnectRefused):
        client.connect()
    client.disconnect()
    assert client.state is ClientState.IDLE
    assert client.failure is None
    with pytest.raises(ConnectRefused):
        client.connect()
    client.connect()
    assert client.state is ClientState.READY
    assert client.failure is None


@pytest.mark.parametrize("answer", [(503, {}, "busy"), (429, {"Retry-After": "0"}, "slow")])
def test_run_raises_a_failure_it_must_not_repeat(fake: FakeServer, make_client: MakeClient, answer: Any) -> None:
    client = make_client(auto_reconnect=False)
    fake.answers.append(answer)
    with pytest.raises(ConnectError):
        client.run()
    assert client.state is ClientState.CLOSED
    assert len(fake.connects) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": False, "error": "internal_error"},
        {"ok": False, "error": "never_heard_of"},
        {"url": None},
        {"url": ""},
        {"url": "http://127.0.0.1/"},
        {"url": "ws:///x"},
        {"url": "ws://127.0.0.1:99999/x"},
        {"url": "ws://[::1/x"},
        {"url": "wss://[bad]/x"},
        {"url": "ws://x@[/"},
        {"url": "ws://\u2100.com/"},
        {"url": "ws://exa mple/x"},
        {"self": {}},
        (500, {}, "<html>"),
        (404, {}, "{}"),
        (200, {}, "[]"),
        (200, {}, "{"),
        (200, {"Content-Type": "text/plain"}, "welcome"),
        (200, {"Content-Type": "text/plain"}, "[]"),
        (302, {"Location": "http://127.0.0.1:1/"}, ""),
    ],
)
def test_any_other_answer_is_a_passing_failure(fake: FakeServer, client: Any, answer: Any) -> None:
    fake.answers.append(answer)
    with pytest.raises(ConnectError) as caught:
        client.connect()
    assert not isinstance(caught.value, ConnectRefused | RateLimited)
    assert client.state is ClientState.IDLE
    client.connect()


@pytest.mark.parametrize("path", ["x\r\nX-More: 1", "x y", "x\n", "x\x00"])
def test_an_address_puts_nothing_more_into_the_request(fake: FakeServer, client: Any, path: str) -> None:
    fake.answers.append({"url": f"ws://127.0.0.1:{fake.port}/{path}"})
    with pytest.raises(ConnectError, match="no WebSocket address"):
        client.connect()
    assert fake.upgrade_paths == []


def test_a_defect_in_an_attempt_is_logged_and_costs_this_attempt_only(
    fake: FakeServer, client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        monkeypatch.setattr(rtm, "ask", ask)
        raise LookupError("a defect")

    ask = rtm.ask
    monkeypatch.setattr(rtm, "ask", broken)
    runner = threading.Thread(target=client.run, daemon=True)
    runner.start()
    fake.peer()
    eventually(lambda: client.is_connected)
    client.close()
    runner.join(5)
    (logged,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert "LookupError: a defect" in (logged.exc_text or "")


def test_an_answer_may_be_called_plain_text(fake: FakeServer, client: Any) -> None:
    where = f"ws://127.0.0.1:{fake.port}/rtm/plain"
    body = {"ok": True, "url": where, "self": {"id": "U0BOT"}, "team": {"id": "T0TEAM"}}
    fake.answers.append((200, {"Content-Type": "text/plain; charset=utf-8"}, json.dumps(body)))
    client.connect()
    assert client.identity.user.id == "U0BOT"


def test_a_refusal_in_plain_text_ends_the_client_as_well(fake: FakeServer, client: Any) -> None:
    fake.answers.append((200, {"Content-Type": "text/plain"}, '{"ok":false,"error":"invalid_auth"}'))
    with pytest.raises(ConnectRefused):
        client.connect()


def test_plain_text_that_is_no_json_is_told_as_that(fake: FakeServer, client: Any) -> None:
    fake.answers.append((200, {"Content-Type": "text/plain"}, "welcome"))
    with pytest.raises(ConnectError, match="no JSON object"):
        client.connect()


def test_an_api_that_is_not_there_is_a_passing_failure(fake: FakeServer, client: Any) -> None:
    fake.stop_listening()
    with pytest.raises(ConnectError):
        client.connect()


@pytest.mark.parametrize("status", [503, 200, 302])
def test_a_refused_upgrade_is_a_passing_failure(fake: FakeServer, client: Any, status: int) -> None:
    fake.upgrades.append(status)
    with pytest.raises(ConnectError):
        client.connect()
    client.connect()


def test_a_server_that_says_nothing_is_noticed(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(connect_timeout=0.3)
    fake.upgrades.append(0)
    with pytest.raises(ConnectError, match=r"0\.3 s"):
        client.connect()


def test_no_hello_is_noticed(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(patience=Patience(hello=0.2))
    fake.greeting = []
    with pytest.raises(ConnectError, match=r"^no hello within 0\.2 s$"):
        client.connect()
    assert fake.peer().closed.wait(5)


def test_an_address_whose_host_has_no_address_is_named(fake: FakeServer, client: Any) -> None:
    fake.answers.append({"url": "ws://nowhere.invalid/rtm/x"})
    with pytest.raises(ConnectError, match=r"the host 'nowhere\.invalid' is not found"):
        client.connect()
    fake.answers.append({"url": f"ws://{'a' * 70}.test/rtm/x"})
    with pytest.raises(ConnectError, match=r"the host 'aaa.*\.test' is not found"):
        client.connect()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((302, {"Location": "ftp://x/"}, ""), "a redirect to something that is no http or https address: ftp://x/"),
        (
            (302, {"Location": "http://[bad"}, ""),
            "a redirect to something that is no http or https address: http://[bad",
        ),
        ((200, {"Content-Length": "-5"}, "{}"), "the answer is no HTTP: Invalid character in Content-Length"),
    ],
)
def test_an_answer_that_breaks_http_is_named_in_one_line(
    fake: FakeServer, client: Any, answer: tuple[int, dict[str, str], str], reason: str
) -> None:
    fake.answers.append(answer)
    with pytest.raises(ConnectError) as caught:
        client.connect()
    assert str(caught.value).rstrip(":") == f"rtm.connect failed: {reason}"


def test_an_error_event_instead_of_hello_is_told(fake: FakeServer, client: Any) -> None:
    fake.greeting = [{"type": "error", "error": {"code": 1, "msg": "Socket URL has expired"}}]
    with pytest.raises(ConnectError, match="Socket URL has expired"):
        client.connect()


def test_a_rate_limit_in_an_error_event_is_told_and_waited_for(fake: FakeServer, client: Any) -> None:
    fake.greeting = [{"type": "error", "error": {"code": 17, "msg": "Ratelimited", "retry_after": 1}}]
    with pytest.raises(RateLimited) as caught:
        client.connect()
    assert caught.value.retry_after == 1.0
    fake.greeting = [{"type": "hello"}]
    client.connect()
    assert fake.connected_at[1] - fake.connected_at[0] >= 0.99


def test_rate_limits_are_told_and_waited_for(fake: FakeServer, client: Any) -> None:
    fake.answers.append((429, {"Retry-After": "1"}, '{"ok":false,"error":"ratelimited"}'))
    with pytest.raises(RateLimited) as caught:
        client.connect()
    assert caught.value.retry_after == 1.0
    client.connect()
    assert fake.connected_at[1] - fake.connected_at[0] >= 0.99


@pytest.mark.parametrize("wish", ["inf", "nan", "-5", "-inf", "soon", ""])
def test_a_retry_after_that_makes_no_sense_counts_as_none(fake: FakeServer, client: Any, wish: str) -> None:
    fake.answers.append((429, {"Retry-After": wish}, "{}"))
    with pytest.raises(RateLimited) as caught:
        client.connect()
    assert caught.value.retry_after == DEFAULT_RETRY_AFTER


def test_a_rate_limit_in_plain_text_is_one_as_well(fake: FakeServer, client: Any) -> None:
    fake.answers.append((429, {"Content-Type": "text/plain", "Retry-After": "0"}, "ratelimited"))
    with pytest.raises(RateLimited):
        client.connect()


def test_run_survives_refused_upgrades_and_connects_in_the_end(fake: FakeServer, client: Any) -> None:
    fake.upgrades.extend([503] * 4)
    runner = threading.Thread(target=client.run, daemon=True)
    runner.start()
    fake.peer()
    eventually(lambda: client.is_connected)
    client.close()
    runner.join(5)
    assert not runner.is_alive()
    assert len(fake.connects) == 5


# -- losing the connection ----------------------------------------------------------------------------------------


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
    client = make_client(patience=Patience(idle=0.1, silence=0.4))
    client.connect()
    first = fake.peer()
    fake.peer()
    assert first.next_frame("ping")["id"] > 0


def test_a_server_that_answers_pings_is_not_left(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(patience=Patience(idle=0.05, silence=0.3))
    client.connect()
    fake.peer()
    time.sleep(1.0)
    assert client.is_connected
    assert not fake.has_peer()
    assert client.round_trip < 0.3


def test_half_a_message_is_a_sign_of_life(fake: FakeServer, make_client: MakeClient) -> None:
    fake.reply = lambda _: None
    client = make_client(patience=Patience(idle=0.1, silence=0.5))
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


# -- positions ----------------------------------------------------------------------------------------------------


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


# -- sending ------------------------------------------------------------------------------------------------------


def test_a_message_is_answered_with_its_ack(fake: FakeServer, client: Any) -> None:
    fake.reply = answer_all
    client.connect()
    assert client.send(Message("C1", "hi", id=7)) == Ack(7, "1700000000.000007", "hi")
    assert client.send('{"type":"message","channel":"C1","text":"json","id":2000000000}').reply_to == 2_000_000_000
    assert client.say("C1", "hi").reply_to == 2_000_000_001  # further than any client begins
    assert client.send({"type": "message", "channel": "C1", "text": "dict"}).reply_to == 2_000_000_002


def test_frames_without_a_reply_return_at_once(fake: FakeServer, client: Any) -> None:
    client.connect()
    peer = fake.peer()
    assert client.send(Typing("C1")) is None
    client.presence_query(["U1"])
    assert client.send(PresenceSub(["U1"])) is None
    assert [peer.next_frame()["type"] for _ in range(3)] == ["typing", "presence_query", "presence_sub"]


def test_a_ping_is_timed(client: Any) -> None:
    client.connect()
    assert 0 < client.ping() < 5
    assert client.send(PingMessage(time=1)).reply_to > 1


def test_a_refusal_is_raised_with_its_code(fake: FakeServer, client: Any) -> None:
    fake.reply = lambda frame: {"ok": False, "reply_to": frame["id"], "error": {"code": 2, "msg": "missing"}}
    client.connect()
    with pytest.raises(SendRefused) as caught:
        client.say("C1", "x")
    assert (caught.value.code, caught.value.msg) == (2, "missing")


def test_a_refusal_nobody_waits_for_reaches_the_error_handlers(fake: FakeServer, client: Any) -> None:
    fake.reply = lambda frame: {"ok": False, "reply_to": frame["id"], "error": {"code": -1, "msg": "slow"}}
    errors: list[Any] = []
    client.add_error_handler(lambda error, event: errors.append((error.code, event)))
    client.connect()
    client.typing("C1")
    eventually(lambda: errors == [(-1, None)])


def test_no_ack_in_time_leaves_the_outcome_unknown_and_blocks_nothing(
    fake: FakeServer, make_client: MakeClient
) -> None:
    client = make_client(patience=Patience(reply=0.3))
    fake.reply = lambda frame: answer_all(frame) if frame.get("text") != "lost" else None
    client.connect()
    outcomes: list[Any] = []

    def lose() -> None:
        with pytest.raises(SendUnknown) as caught:
            client.say("C1", "lost")
        outcomes.append(caught.value)

    thread = threading.Thread(target=lose)
    thread.start()
    fake.peer().next_frame("message")
    assert client.say("C1", "next").text == "next"
    assert outcomes == []
    thread.join(5)
    assert len(outcomes) == 1


def start_send(client: Any) -> tuple[threading.Thread, list[Any]]:
    outcomes: list[Any] = []

    def send() -> None:
        try:
            outcomes.append(client.say("C1", "hi"))
        except Exception as error:
            outcomes.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    return thread, outcomes


@pytest.mark.usefixtures("short_waits")
def test_a_lost_connection_without_replay_leaves_the_outcome_unknown(fake: FakeServer, client: Any) -> None:
    client.connect()
    thread, outcomes = start_send(client)
    first = fake.peer()
    first.next_frame("message")
    first.drop()
    thread.join(5)
    assert [type(each) for each in outcomes] == [SendUnknown]


@pytest.mark.parametrize("verb", ["disconnect", "close"])
def test_leaving_tells_those_who_wait_at_once(fake: FakeServer, client: Any, verb: str) -> None:
    client.connect()
    thread, outcomes = start_send(client)
    fake.peer().next_frame("message")
    getattr(client, verb)()
    thread.join(1)
    assert [type(each) for each in outcomes] == [SendUnknown]


def test_a_send_waits_for_the_connection_to_come_back(fake: FakeServer, client: Any) -> None:
    fake.reply = answer_all
    client.connect()
    fake.upgrades.extend([503] * 3)
    fake.peer().drop()
    eventually(lambda: not client.is_connected)
    assert client.say("C1", "later").text == "later"


def test_a_send_does_not_wait_for_ever(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(send_timeout=0.2)
    client.connect()
    fake.upgrades.extend([503] * 100)
    fake.peer().drop()
    eventually(lambda: not client.is_connected)
    with pytest.raises(NotConnected, match=r"0\.2 s"):
        client.say("C1", "x")


def test_a_send_fails_while_offline_if_told_so(fake: FakeServer, make_client: MakeClient) -> None:
    client = make_client(offline="fail")
    client.connect()
    fake.upgrades.extend([503] * 100)
    fake.peer().drop()
    eventually(lambda: not client.is_connected)
    with pytest.raises(NotConnected):
        client.typing("C1")


def test_a_send_needs_a_connection_or_an_attempt(client: Any) -> None:
    with pytest.raises(NotConnected):
        client.say("C1", "x")
    client.connect()
    client.disconnect()
    with pytest.raises(NotConnected):
        client.typing("C1")


def test_what_is_too_long_is_not_sent(fake: FakeServer, client: Any) -> None:
    client.connect()
    with pytest.raises(FrameError):
        client.say("C1", "x" * 4001)
    with pytest.raises(FrameError):
        client.send("no json")
    client.typing("C1")
    assert fake.peer().next_frame()["type"] == "typing"


def test_messages_go_at_the_allowed_rate_and_in_order(fake: FakeServer, make_client: MakeClient) -> None:
    fake.reply = answer_all
    client = make_client(message_rate=Rate(per_second=20.0, burst=2))
    client.connect()
    began = time.monotonic()
    for _ in range(6):
        client.say("C1", "x")
    assert 0.19 <= time.monotonic() - began < 2.0


# -- what comes in ------------------------------------------------------------------------------------------------


def test_garbage_is_told_and_harms_nothing(fake: FakeServer, client: Any) -> None:
    got: list[Any] = []
    raw: list[str] = []
    client.register(got.append, "*", inline=True)
    client.add_message_handler(raw.append)
    client.connect()
    fake.peer().send(b"\xff\xfe{", b'{"type":', b"[1]", b"null", b'{"type":"brand_new"}', message(1))
    eventually(lambda: len(raw) == len(got) == 7)
    kinds = [HelloEvent, MalformedEvent, MalformedEvent, MalformedEvent, MalformedEvent, UnknownEvent, MessageEvent]
    assert [type(each) for each in got] == kinds
    assert raw[0] == '{"type": "hello"}'
    assert client.is_connected


def test_fragments_are_put_together_around_control_frames(fake: FakeServer, client: Any) -> None:
    got = texts(client)
    client.connect()
    peer = fake.peer()
    data = json.dumps(message(1)).encode()
    peer.send_bytes(frame(data[:9], fin=False) + frame(b"", opcode=9) + frame(data[9:20], opcode=0, fin=False))
    peer.send_bytes(frame(data[20:], opcode=0) + frame(json.dumps(message(2)).encode()))
    eventually(lambda: got == ["1", "2"])


def test_binary_messages_are_ignored(fake: FakeServer, client: Any) -> None:
    got: list[Any] = []
    client.register(got.append, MessageEvent, inline=True)
    client.connect()
    fake.peer().send_bytes(frame(json.dumps(message(1)).encode(), opcode=2) + frame(json.dumps(message(2)).encode()))
    eventually(lambda: [each.text for each in got] == ["2"])


def test_big_messages_come_whole(fake: FakeServer, client: Any) -> None:
    got = texts(client)
    client.connect()
    fake.peer().send(message(1, text="x" * 3_000_000))
    eventually(lambda: [len(each) for each in got] == [3_000_000])


@pytest.mark.parametrize("in_fragments", [False, True])
def test_a_message_beyond_the_limit_costs_the_connection_only(
    fake: FakeServer, client: Any, in_fragments: bool
) -> None:
    got = texts(client)
    client.connect()
    piece = b"x" * 1_100_000
    pieces = [frame(piece, fin=False), *(frame(piece, opcode=0, fin=False) for _ in range(3))]
    fake.peer().send_bytes(b"".join(pieces) if in_fragments else frame(b"x" * 4_300_000))
    fake.peer().send(message(1))
    eventually(lambda: got == ["1"])


# -- the end ------------------------------------------------------------------------------------------------------


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
