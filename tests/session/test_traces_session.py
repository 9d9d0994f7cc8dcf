"""What the spans of client, server and gateway have in common."""

import pytest

from tautwire.session.traces import error_type, message_attributes


def test_a_channel_is_named_by_its_id() -> None:
    assert message_attributes("message", "send", "C0GENERAL") == {
        "messaging.system": "tautwire",
        "messaging.operation.name": "message",
        "messaging.operation.type": "send",
        "messaging.destination.name": "C0GENERAL",
    }


@pytest.mark.parametrize("channel", ["a secret", "#general", "C" * 25, "C0\n", None, 7])
def test_what_is_no_id_is_left_out(channel: object) -> None:
    assert "messaging.destination.name" not in message_attributes("message", "send", channel)


def test_an_error_is_known_by_its_code_or_class() -> None:
    error = ValueError("a secret")
    assert error_type(error) == "ValueError"
    error.code = "no_text"  # type: ignore[attr-defined]
    assert error_type(error) == "no_text"
