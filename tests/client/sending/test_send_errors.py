"""A send that fails: one error class to catch, which names the frame and the channel; and channels given by name."""

from typing import Any

import pytest

from drive import Join, MakeClient, eventually
from fake import FakeServer
from tautwire import (
    ClientClosed,
    FrameError,
    Message,
    NotConnected,
    SendError,
    SendRefused,
    SendUnknown,
    ViewOptions,
)
from tautwire.testing import BlockingWorkspace


def test_a_send_of_a_client_that_never_connected_names_the_channel(client: Any) -> None:
    with pytest.raises(SendError, match="message to C024BE91L: not connected") as caught:
        client.say("C024BE91L", "x")
    assert type(caught.value) is NotConnected
    assert (caught.value.frame, caught.value.channel) == ("message", "C024BE91L")


def test_a_send_of_a_closed_client_is_a_send_error(client: Any) -> None:
    client.close()
    with pytest.raises(SendError, match="the client is closed") as caught:
        client.typing("C1")
    assert type(caught.value) is ClientClosed


def test_a_frame_that_must_not_be_sent_names_the_channel(client: Any) -> None:
    with pytest.raises(SendError, match="message to C1: text must not be empty") as caught:
        client.say("C1", "")
    assert type(caught.value) is FrameError


def test_a_refusal_names_the_channel_and_keeps_what_the_server_said(place: BlockingWorkspace, join: Join) -> None:
    alice = join("alice")
    alice.connect()
    with pytest.raises(
        SendError, match="message to C999: the server refused with error 0: invalid channel id"
    ) as caught:
        alice.say("C999", "x")
    assert isinstance(caught.value, SendRefused)
    assert (caught.value.code, caught.value.msg, caught.value.channel) == (0, "invalid channel id", "C999")


def test_a_refused_login_is_a_send_error_with_its_reason(fake: FakeServer, client: Any) -> None:
    fake.answers.append({"ok": False, "error": "invalid_auth"})
    with pytest.raises(Exception, match="invalid_auth"):
        client.connect()
    with pytest.raises(SendError, match=r"message to C1: not connected: rtm\.connect was refused: invalid_auth"):
        client.say("C1", "x")


def test_sends_that_fail_together_each_name_their_own_channel() -> None:
    error = SendUnknown("no reply")
    first, second = error.of("message", "C1"), error.of("message", "C2")
    assert (str(first), str(second), str(error)) == ("message to C1: no reply", "message to C2: no reply", "no reply")
    assert type(first) is SendUnknown


def test_an_error_shows_no_secret_that_stands_in_the_place_of_a_channel() -> None:
    error = NotConnected().of("message", "xoxb-1234567890-secretsecret")
    assert "secretsecret" not in str(error)


@pytest.mark.parametrize("name", ["#general", "@alice"])
def test_a_name_in_place_of_an_id_is_refused_without_a_view(client: Any, name: str) -> None:
    with pytest.raises(FrameError, match=f"channel must be an id such as C024BE91L, got the name '{name}'"):
        client.say(name, "x")


def test_a_name_is_looked_up_in_the_view(place: BlockingWorkspace, join: Join) -> None:
    bot = join("bot", view=ViewOptions())
    bot.connect()
    bot.load_view()
    bot.say("#general", "by verb")
    bot.send({"type": "message", "channel": "#general", "text": "by mapping"})
    bot.send('{"type":"message","channel":"#general","text":"by text"}')
    bot.send(Message("#general", "by frame"))  # type: ignore[arg-type]
    bot.typing("#general")
    general = place.channel("general")
    for text in ("by verb", "by mapping", "by text", "by frame"):
        assert general.wait_for(text=text)


def test_a_name_that_the_view_does_not_know_is_refused(join: Join) -> None:
    bot = join("bot", view=ViewOptions())
    bot.connect()
    bot.load_view()
    with pytest.raises(FrameError, match="the view knows no channel '#nope'"):
        bot.say("#nope", "x")
    with pytest.raises(FrameError, match="the view knows no user '@nope'"):
        bot.say("@nope", "x")
    with pytest.raises(FrameError, match="no direct conversation with '@alice'"):
        bot.say("@alice", "x")


def test_a_user_name_leads_to_the_direct_conversation(place: BlockingWorkspace, join: Join) -> None:
    bot = join("bot", view=ViewOptions())
    bot.connect()
    bot.load_view()
    alice = bot.view.user_named("alice").id
    opened = bot.web.conversations_open(users=alice) if type(bot).__name__ == "Blocking" else None
    if opened is None:
        opened = bot.wait(bot._client.web.conversations_open(users=alice))
    eventually(lambda: bot.view.channel(opened["channel"]["id"]))
    assert bot.say("@alice", "hello").ts


def test_a_name_before_the_view_is_loaded_is_refused_with_advice(make_client: MakeClient) -> None:
    client = make_client(view=ViewOptions())
    with pytest.raises(FrameError, match=r"the view is not loaded yet.*load_view"):
        client.say("#general", "x")
