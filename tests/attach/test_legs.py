"""What has come through the front, and what is said when only half of a program arrives."""

import logging
import ssl

import pytest

from fronts import OpenFront, until
from tautwire.attach import attachment, legs
from tautwire.attach.attachment import Attachment
from tautwire.attach.config import AttachSettings
from tautwire.attach.legs import Legs

CONNECT = b"POST /api/rtm.connect HTTP/1.1\r\nHost: slack.com\r\n\r\n"
SOCKET = b"GET /rtm/x HTTP/1.1\r\nHost: wss-primary.slack.com\r\nUpgrade: WebSocket\r\n\r\n"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Legs:
    """Legs without patience."""
    monkeypatch.setattr(legs, "PATIENCE", 0.0)
    return Legs()


def test_calls_and_sockets_are_counted() -> None:
    seen = Legs()
    for data in (CONNECT, b"GET https://slack.com/api/auth.test?a HTTP/1.1\r\n\r\n", SOCKET, b"\x81\x05hello", b"GET"):
        seen.see(data)
    assert (seen.calls, seen.sockets, seen.fault) == (2, 1, None)


@pytest.mark.parametrize("method", ["rtm.connect", "rtm.start?token=x", "apps.connections.open"])
def test_a_missing_socket_is_a_fault_with_a_way_out(seen: Legs, method: str) -> None:
    seen.see(b"GET /api/auth.test HTTP/1.1\r\n\r\n")
    assert seen.fault is None
    seen.see(b"POST /api/%b HTTP/1.1\r\n\r\n" % method.encode())
    assert "no WebSocket came" in (seen.fault or "")
    assert "SLACK_API_URL" in (seen.fault or "")
    seen.see(SOCKET)
    assert seen.fault is None


def test_a_socket_may_take_its_time() -> None:
    seen = Legs()
    seen.see(CONNECT)
    assert seen.fault is None


def test_other_errors_of_tls_are_no_distrust(seen: Legs) -> None:
    seen.fail(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"))
    assert seen.fault is None


async def test_a_fault_is_logged_once(
    open_front: OpenFront, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(legs, "PATIENCE", 0.0)
    monkeypatch.setattr(attachment, "INTERVAL", 0.01)
    caplog.set_level(logging.INFO)
    fronted = await open_front()
    made = Attachment(AttachSettings(), tmp_path_factory.mktemp("data"), {})
    made.start(fronted.port, f"http://127.0.0.1:{fronted.port}/api/", "acme")
    try:
        assert made.way.api_url == f"http://localhost:{fronted.port}/api/"
        assert made.about()["hosts"][-1] == "acme.slack.com"
        made.legs.see(CONNECT)
        await until(lambda: "no WebSocket came" in caplog.text)
        made.legs.see(CONNECT)
        await made.stop_accepting()
    finally:
        await made.stop()
    assert caplog.text.count("no WebSocket came") == 1
