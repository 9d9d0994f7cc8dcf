"""What the verbs are given is looked at first: a mistake is named at once, costs no turn, and nothing is sent."""

import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from drive import MakeClient, eventually
from fake import TOKEN, FakeServer, answer_all
from tautwire import (
    Ack,
    BlockingRTMClient,
    ClientClosed,
    ConfigError,
    ConnectRefused,
    FrameError,
    Message,
    NotConnected,
    NotSent,
    PresenceSub,
    Rate,
    RTMClient,
    SendUnknown,
    Typing,
)
from tautwire.client.sending import pacer as turn
from tautwire.client.sending.pacer import MessagePacer

WRONG_SAYS: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "a text of None": (("C1", None), {}, "text must be a str, got None"),
    "a number as text": (("C1", 5), {}, "text must be a str, got 5"),
    "bytes as text": (("C1", b"x"), {}, "text must be a str, got b'x'"),
    "an empty text": (("C1", ""), {}, "text must not be empty"),
    "a long text": (("C1", "x" * 4001), {}, "text must have at most 4000 characters, got 4001"),
    "a text of many bytes": (("C1", "\x01" * 4000), {}, "the frame must have at most 16384 bytes, got 240"),
    "half an emoji": (("C1", "\ud83d"), {}, "cannot be written as JSON"),
    "no channel": (("", "x"), {}, "channel must not be empty"),
    "a channel of None": ((None, "x"), {}, "channel must be a str, got None"),
    "a long wrong channel": (([1] * 100, "x"), {}, r"channel must be a str, got \[1, 1, .*…"),
    "a number as thread": (("C1", "x"), {"thread_ts": 1.5}, "thread_ts must be a str, got 1.5"),
    "an empty thread": (("C1", "x"), {"thread_ts": ""}, "thread_ts must not be empty"),
    "a broadcast of 1": (("C1", "x"), {"reply_broadcast": 1}, "reply_broadcast must be True, False or None, got 1"),
}

WRONG_FRAMES: dict[str, tuple[Any, str]] = {
    "a number as type": ({"type": 5}, "type must be a str such as 'message', got 5"),
    "no type": ({"channel": "C1"}, "type must be a str such as 'message', got None"),
    "a message without text": ({"type": "message", "channel": "C1"}, "text must be a str, got None"),
    "a message without channel": ('{"type":"message","text":"x"}', "channel must be a str, got None"),
    "a wrong message": (Message("C1", None), "text must be a str, got None"),  # type: ignore[arg-type]
    "typing nowhere": (Typing(""), "channel must not be empty"),  # type: ignore[arg-type]
    "an id that is text": ({"type": "tickle", "id": "7"}, "an integer from 1 to"),
    "one user alone": ({"type": "presence_sub", "ids": "U1"}, "ids must be a list of user ids, got 'U1'"),
    "no users": (PresenceSub(None), "ids must be a list of user ids, got None"),  # type: ignore[arg-type]
    "a wrong user": ({"type": "presence_query", "ids": ["U1", 5]}, "ids must be a list of user ids, got one with 5"),
    "no JSON": ("nonsense", "a frame must be a JSON object"),
}


@pytest.mark.parametrize(("given", "options", "complaint"), WRONG_SAYS.values(), ids=WRONG_SAYS)
@pytest.mark.parametrize("is_online", [True, False], ids=["online", "offline"])
def test_say_names_the_argument_that_is_wrong(
    given: tuple[Any, ...], options: dict[str, Any], complaint: str, is_online: bool, fake: FakeServer, client: Any
) -> None:
    if is_online:
        client.connect()
    with pytest.raises(FrameError, match=complaint):
        client.say(*given, **options)
    if is_online:
        client.typing("C1")
        assert fake.peer().next_frame()["type"] == "typing"


@pytest.mark.parametrize(("frame", "complaint"), WRONG_FRAMES.values(), ids=WRONG_FRAMES)
def test_send_names_the_member_that_is_wrong(frame: Any, complaint: str, client: Any) -> None:
    with pytest.raises(FrameError, match=complaint):
        client.send(frame)
    client.connect()
    with pytest.raises(FrameError, match=complaint):
        client.send(frame)


@pytest.mark.parametrize("verb", ["presence_sub", "presence_query"])
@pytest.mark.parametrize("ids", ["U1", None, 5, b"U1", ["U1", ""]])
def test_users_are_given_as_a_list(verb: str, ids: Any, client: Any) -> None:
    """One id alone would be taken for a list of its letters."""
    with pytest.raises(FrameError, match="ids must be a list of user ids, got"):
        getattr(client, verb)(ids)


def test_any_iterable_of_ids_will_do(fake: FakeServer, client: Any) -> None:
    client.connect()
    peer = fake.peer()
    client.presence_query(each for each in ("U1", "U2"))
    client.presence_sub({"U3": 1})
    assert [peer.next_frame()["ids"] for _ in range(2)] == [["U1", "U2"], ["U3"]]


def test_a_wrong_text_costs_no_turn(fake: FakeServer, make_client: MakeClient) -> None:
    fake.reply = answer_all
    client = make_client(message_rate=Rate(per_second=0.001, burst=1))
    client.connect()
    for _ in range(3):
        with pytest.raises(FrameError):
            client.say("C1", "x" * 4001)
    assert client.say("C1", "the only one").text == "the only one"


def test_a_wrong_text_does_not_wait_behind_those_that_do(fake: FakeServer, make_client: MakeClient) -> None:
    fake.reply = answer_all
    client = make_client(message_rate=Rate(per_second=0.001, burst=1))
    client.connect()
    client.say("C1", "x")
    waiting = aside(client.say, "C1", "waits")
    with pytest.raises(FrameError):
        client.say("C1", "")
    assert waiting.outcome is None
    client.close()
    waiting.join()


# -- how much may wait, and how long ------------------------------------------------------------------------------


class Aside:
    """A call in a thread of its own."""

    def __init__(self, call: Any, *arguments: Any, **options: Any) -> None:
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(call, arguments, options))
        self._thread.start()

    def _run(self, call: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        try:
            self.outcome = call(*arguments, **options)
        except Exception as error:
            self.outcome = error

    def join(self) -> Any:
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.outcome


aside = Aside


def test_only_so_many_messages_wait_for_their_turn(
    fake: FakeServer, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "MAX_WAIT", 3)
    fake.reply = answer_all
    client = make_client(message_rate=Rate(per_second=0.001, burst=1))
    client.connect()
    client.say("C1", "first")
    waiting = [aside(client.say, "C1", "waits") for _ in range(3)]
    eventually(lambda: turn_of(client).waiting == 3)
    with pytest.raises(NotSent, match="3 messages wait for their turn already"):
        client.say("C1", "one too many")
    client.typing("C1")  # waits for no turn
    client.close()
    assert [type(each.join()) for each in waiting] == [ClientClosed] * 3


def turn_of(client: Any) -> MessagePacer:
    found: MessagePacer = getattr(client, "_client", client).sending.pacer
    return found


@pytest.mark.parametrize("way", ["close", "disconnect", "refused"])
def test_what_waits_for_its_turn_does_not_outlive_the_client(
    fake: FakeServer, make_client: MakeClient, way: str
) -> None:
    fake.reply = answer_all
    client = make_client(message_rate=Rate(per_second=0.001, burst=1))
    client.connect()
    client.say("C1", "first")
    waiting = [aside(client.say, "C1", "waits") for _ in range(2)]
    eventually(lambda: turn_of(client).waiting == 2)
    if way == "refused":
        fake.answers.append({"ok": False, "error": "token_revoked"})
        fake.peer().drop()
    else:
        getattr(client, way)()
    outcome = {"close": ClientClosed, "disconnect": NotConnected, "refused": ConnectRefused}[way]
    assert [type(each.join()) for each in waiting] == [outcome] * 2
    assert turn_of(client).waiting == 0


def test_those_who_leave_the_queue_make_room(fake: FakeServer, make_client: MakeClient) -> None:
    fake.reply = answer_all
    client = make_client(message_rate=Rate(per_second=50.0, burst=1))
    client.connect()
    waiting = [aside(client.say, "C1", str(number)) for number in range(5)]
    assert [type(each.join()) for each in waiting] == [Ack] * 5
    assert turn_of(client).waiting == 0


@pytest.mark.parametrize(
    ("rate", "most"), [(None, 0), (Rate(0.5, 1), 1_000), (Rate(1.0, 10), 1_000), (Rate(25.0, 10), 25_000)]
)
def test_a_faster_rate_lets_more_wait(rate: Rate | None, most: int) -> None:
    assert MessagePacer(rate)._most == most


class TestTimeout:
    """``timeout`` of the blocking client's ``say``."""

    @pytest.fixture
    def client(self, fake: FakeServer) -> Any:
        with BlockingRTMClient(TOKEN, fake.api_url, message_rate=Rate(per_second=0.001, burst=1)) as client:
            yield client

    def test_in_time_it_changes_nothing(self, fake: FakeServer, client: BlockingRTMClient) -> None:
        fake.reply = answer_all
        ack = client.say("C1", "hi", thread_ts="1.2", reply_broadcast=True, timeout=10)
        assert ack.text == "hi"

    def test_a_message_that_waits_for_its_turn_is_not_sent(self, fake: FakeServer, client: BlockingRTMClient) -> None:
        fake.reply = lambda frame: answer_all(frame) if frame.get("text") == "first" else None
        client.say("C1", "first", timeout=10)
        with pytest.raises(NotSent, match=r"not sent within 0\.1 s: the message waited"):
            client.say("C1", "second", timeout=0.1)
        client.typing("C1")
        assert fake.peer().next_frame()["type"] == "typing"

    def test_a_message_that_waits_for_a_connection_is_not_sent(
        self, fake: FakeServer, client: BlockingRTMClient
    ) -> None:
        fake.upgrades.extend([503] * 100)
        fake.peer().drop()
        eventually(lambda: not client.is_connected)
        with pytest.raises(NotSent, match=r"not sent within 0\.1 s"):
            client.say("C1", "hi", timeout=0.1)

    def test_a_message_without_a_reply_may_be_stored(self, fake: FakeServer, client: BlockingRTMClient) -> None:
        with pytest.raises(SendUnknown, match=r"no reply within 0\.2 s"):
            client.say("C1", "hi", timeout=0.2)
        assert fake.peer().next_frame("message")["text"] == "hi"
        assert client.ping() < 5  # a late reply finds nothing to settle, and does no harm

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5", True])
    def test_it_is_a_number_of_seconds(self, client: BlockingRTMClient, timeout: Any) -> None:
        with pytest.raises(ConfigError, match="timeout must be a positive number of seconds, got"):
            client.say("C1", "hi", timeout=timeout)


# -- presence -----------------------------------------------------------------------------------------------------


def test_a_subscription_made_offline_is_sent_with_the_next_connection(
    fake: FakeServer, make_client: MakeClient
) -> None:
    for offline in ("wait", "fail", "drop"):
        client = make_client(offline=offline, send_timeout=0)
        client.presence_sub(["U0"])
        client.send({"type": "presence_sub", "ids": ["U1"]})  # the last one counts
        client.connect()
        first = fake.peer()
        assert first.next_frame("presence_sub")["ids"] == ["U1"]
        fake.upgrades.append(503)
        first.drop()
        eventually(lambda client=client: not client.is_connected)
        client.presence_sub(["U2"])
        second = fake.peer()
        assert second.next_frame()["ids"] == ["U2"]
        client.close()
        with pytest.raises(ClientClosed):
            client.presence_sub(["U3"])


# -- where to connect to ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RTMClient, BlockingRTMClient])
@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("", "base_url must be the address of the Web API, .* got an empty text"),
        ("slack.com/api/", "base_url must be the address .* got 'slack.com/api/'"),
        ("ftp://slack.com/api/", "base_url must be"),
        ("http:///api/", "base_url must be"),
        ("http://host:0/api/", "base_url must be"),
        ("http://host:port/api/", "base_url must be"),
        (5, "base_url must be the address .* got 5"),
        ("https://user:pAsSwOrD@slack.test/api/", "base_url must not have a user name or password in it"),
        ("https://xoxb-1-2@slack.test/api/", "base_url must not have a user name or password in it"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(kind: Any, address: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        kind(TOKEN, address)
    assert "pAsSwOrD" not in str(caught.value)
    assert "xoxb" not in str(caught.value)


def test_an_empty_variable_does_not_send_the_token_to_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_API_URL", "")
    with pytest.raises(ConfigError, match="SLACK_API_URL must be the address of the Web API"):
        RTMClient(TOKEN)
    monkeypatch.setenv("SLACK_API_URL", "https://user:pAsSwOrD@slack.test/api/")
    with pytest.raises(ConfigError, match="SLACK_API_URL must not have a user name"):
        RTMClient(TOKEN)
    monkeypatch.delenv("SLACK_API_URL")
    assert RTMClient(TOKEN).settings.base_url == "https://slack.com/api/"


def test_a_token_is_a_text() -> None:
    with pytest.raises(ConfigError, match="token must be a str or a Token, got a int"):
        RTMClient(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "proxy", ["http://[::1", "http://", "https://p:1", "http://p:port", "http://p:0", "socks5://p"]
)
@pytest.mark.parametrize("kind", [RTMClient, BlockingRTMClient])
def test_a_proxy_that_cannot_be_one_is_refused(kind: Any, proxy: str) -> None:
    with pytest.raises(ConfigError, match="proxy must be http://host:port") as caught:
        kind(TOKEN, "https://slack.test/api/", proxy=proxy)
    assert "::1" not in str(caught.value)  # it may hold a password


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_refused(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"ca_file: no certificates in '.*ca\.pem'"):
        RTMClient(TOKEN, "https://slack.test/api/", ca_file=file)


def test_a_file_and_a_context_are_too_much(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give ca_file or ssl, not both"):
        RTMClient(TOKEN, "https://slack.test/api/", ca_file=tmp_path, ssl=ssl.create_default_context())
