"""Connecting: what rtm.connect, the socket and the hello may do, for both clients."""

import json
import threading
from typing import Any

import pytest

from drive import MakeClient, eventually
from fake import FakeServer, message
from tautwire import (
    ClientClosed,
    ClientState,
    ConnectError,
    ConnectRefused,
    HelloEvent,
    MessageEvent,
    RateLimited,
    Timeouts,
)
from tautwire.client import parts
from tautwire.client.net.api_errors import DEFAULT_RETRY_AFTER


def texts(client: Any) -> list[str]:
    """Collect the texts of messages from now on."""
    found: list[str] = []
    client.register(lambda event: found.append(event.text), MessageEvent, inline=True)
    return found


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
        monkeypatch.setattr(parts, "ask", ask)
        raise LookupError("a defect")

    ask = parts.ask
    monkeypatch.setattr(parts, "ask", broken)
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
    with pytest.raises(ConnectError, match="not a JSON object"):
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
    client = make_client(timeouts=Timeouts(hello=0.2))
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
