"""Tokens, tickets and proxy passwords show up nowhere: not in logs at any level, not in errors, not in a repr."""

import logging
import traceback
from typing import Any

import pytest

from drive import MakeClient, eventually
from fake import TICKET, TOKEN, FakeServer, message
from tautwire import (
    BackfillIncomplete,
    ConfigError,
    ConnectError,
    ConnectRefused,
    EventsDropped,
    FrameError,
    MessageEvent,
    NotConnected,
    SendRefused,
    SendUnknown,
    TautwireError,
    ViewIncomplete,
)
from tautwire.client.log import LOG
from tautwire.protocol.errors import RtmError
from tautwire.protocol.ids import ChannelId, Ts

PASSWORD = "pRoXyPaSsWoRd"
SECRETS = (TOKEN, TICKET, PASSWORD)

SAID = f"no {TOKEN}, ws://rtm.example/rtm/{TICKET} by http://user:{PASSWORD}@proxy.example:3128"
"""What a server may say of secrets."""


class Everything(logging.Handler):
    """Keeps all that anybody logs, formatted, down to the lowest level."""

    def __init__(self) -> None:
        super().__init__(level=1)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter("%(name)s %(message)s").format(record))


@pytest.fixture
def logged() -> Any:
    handler = Everything()
    loggers = [logging.getLogger(name) for name in (None, "tautwire", "picows", "slack_sdk", "aiohttp", "asyncio")]
    levels = [each.level for each in loggers]
    loggers[0].addHandler(handler)
    for each in loggers:
        each.setLevel(1)
    yield handler.lines
    loggers[0].removeHandler(handler)
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def check(*texts: object) -> None:
    for text in texts:
        for secret in SECRETS:
            assert secret not in str(text)
            assert secret not in repr(text)


def everything_about(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


def test_a_life_with_failures_shows_no_secret(fake: FakeServer, make_client: MakeClient, logged: list[str]) -> None:
    client = make_client()
    fake.answers.extend([(503, {}, f"no {TOKEN}"), {"ok": False, "error": "internal_error", "token": TOKEN}])
    fake.upgrades.extend([503, 302, 200])
    errors: list[BaseException] = []
    for _ in range(5):
        with pytest.raises(ConnectError) as caught:
            client.connect()
        errors.append(caught.value)
    fake.greeting = [{"type": "hello"}, {"type": "reconnect_url", "url": f"ws://127.0.0.1:1/rtm/{TICKET}"}]
    got: list[Any] = []

    def fail(event: MessageEvent) -> None:
        got.append(event)
        raise ValueError(f"a handler that knows {TOKEN} and ws://127.0.0.1:{fake.port}/rtm/{TICKET}")

    client.register(fail)
    client.connect()
    fake.peer().send(message(1))
    eventually(lambda: got)
    eventually(lambda: any("ValueError" in line for line in logged))
    client.reconnect()
    fake.answers.append({"token": TOKEN})
    answer = client.web.rtm_connect()
    if not hasattr(answer, "data"):
        client.wait(answer)
    check(client, client.settings, client.identity, client.state)
    client.close()
    check(*logged, *(everything_about(each) for each in errors))
    assert any("Received the following response" in line for line in logged)  # slack_sdk was heard, so it was cleaned
    assert any("WS connection established" in line for line in logged)  # and so was picows


def test_a_proxy_password_is_kept(fake: FakeServer, make_client: MakeClient, logged: list[str]) -> None:
    client = make_client(proxy=f"http://user:{PASSWORD}@127.0.0.1:{fake.port}")
    fake.answers.append((407, {}, "no"))
    with pytest.raises(ConnectError) as caught:
        client.connect()
    check(client, client.settings, everything_about(caught.value), *logged)


def test_an_address_that_cannot_be_reached_shows_no_ticket(
    fake: FakeServer, make_client: MakeClient, logged: list[str]
) -> None:
    client = make_client()
    for url in (f"ws://127.0.0.1:1/rtm/{TICKET}", f"http://127.0.0.1/rtm/{TICKET}", f"ws:///rtm/{TICKET}", TICKET):
        fake.answers.append({"url": url})
        with pytest.raises(ConnectError) as caught:
            client.connect()
        check(everything_about(caught.value))
    check(*logged)


class TestWhatTheServerSays:
    """A server that repeats our secrets in its own words puts them into no error."""

    @pytest.mark.parametrize(
        "answer",
        [
            {"ok": False, "error": SAID},
            {"ok": False, "error": "missing_scope", "needed": SAID},
            {"self": {"id": {SAID: SAID}}},
            (500, {"Content-Type": "text/plain"}, SAID),
        ],
        ids=["error", "needed", "another shape", "no JSON"],
    )
    def test_to_rtm_connect(self, fake: FakeServer, make_client: MakeClient, answer: Any) -> None:
        client = make_client()
        fake.answers.append(answer)

        with pytest.raises(ConnectError) as caught:
            client.connect()

        check(caught.value.args, everything_about(caught.value))

    def test_instead_of_hello(self, fake: FakeServer, make_client: MakeClient) -> None:
        client = make_client()
        fake.greeting = [{"type": "error", "error": {"code": 1, "msg": SAID}}]

        with pytest.raises(ConnectError, match=r"no hello: .*xoxb-…1a2b, ws://rtm\.example/…") as caught:
            client.connect()

        check(caught.value.args, everything_about(caught.value))

    def test_to_a_frame(self, fake: FakeServer, make_client: MakeClient) -> None:
        client = make_client()
        fake.reply = lambda frame: {"ok": False, "reply_to": frame["id"], "error": {"code": 2, "msg": SAID}}
        client.connect()

        with pytest.raises(SendRefused) as caught:
            client.say("C1", "x")

        assert caught.value.code == 2
        check(caught.value.args, everything_about(caught.value))

    def test_to_a_frame_nobody_waits_for(self, fake: FakeServer, make_client: MakeClient) -> None:
        client = make_client()
        errors: list[BaseException] = []
        client.add_error_handler(lambda error, _: errors.append(error))
        client.connect()

        fake.peer().send({"ok": False, "reply_to": 999, "error": {"code": 2, "msg": SAID}})

        eventually(lambda: errors)
        check(errors[0].args, everything_about(errors[0]))


@pytest.mark.parametrize(
    "error",
    [
        BackfillIncomplete(ChannelId("C1"), Ts("1700000000.000001"), SAID),
        ConfigError(SAID),
        ConnectError(SAID),
        ConnectRefused(SAID, SAID),
        EventsDropped(SAID),
        FrameError(SAID),
        NotConnected(SAID),
        RtmError(2, SAID),
        SendRefused(2, SAID),
        SendUnknown(SAID),
        ViewIncomplete(SAID, SAID),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_error_holds_a_secret_whatever_it_is_made_of(error: TautwireError) -> None:
    check(error, error.args, everything_about(error))


def test_the_words_of_a_server_stay_in_their_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    LOG.warning("%s", ConnectError("refused\n2026-11-26 ERROR root: forged\r\x1b[31m"))
    assert caplog.messages == ["refused\\x0a2026-11-26 ERROR root: forged\\x0d\\x1b[31m"]
