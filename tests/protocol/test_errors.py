"""Exceptions carry data and say what to do next; codes have the texts that clients compare."""

import copy
import pickle

import pytest

from tautwire.protocol import errors
from tautwire.protocol.errors import ErrorCode, RtmError, RtmErrorCode, SendError, TautwireError


def test_all_exceptions_have_one_root() -> None:
    raised = [value for name in errors.__all__ if issubclass(value := getattr(errors, name), Exception)]
    assert len(raised) == 6
    assert all(issubclass(cls, TautwireError) for cls in raised)


@pytest.mark.parametrize(
    ("code", "number", "msg"),
    [
        (RtmErrorCode.SLOW_DOWN, -1, "slow down, too many messages..."),
        (RtmErrorCode.INVALID_CHANNEL, 0, "invalid channel id"),
        (RtmErrorCode.URL_EXPIRED, 1, "Socket URL has expired"),
        (RtmErrorCode.INVALID_FRAME, 1, "invalid frame"),
        (RtmErrorCode.NO_TEXT, 2, "message text is missing"),
        (RtmErrorCode.TEXT_TOO_LONG, 3, "message text is too long"),
        (RtmErrorCode.CANNOT_PROCESS, 4, "cannot process message"),
        (RtmErrorCode.RATELIMITED, 17, "Ratelimited"),
        (RtmErrorCode.UNAUTHORIZED, 401, "unauthorized"),
    ],
)
def test_numbered_errors(code: RtmErrorCode, number: int, msg: str) -> None:
    assert (int(code), code.number, code.msg) == (number, number, msg)


def test_members_that_share_a_number_are_not_one() -> None:
    assert RtmErrorCode.URL_EXPIRED is not RtmErrorCode.INVALID_FRAME


def test_error_codes_are_the_strings_of_the_wire() -> None:
    assert ErrorCode.CHANNEL_NOT_FOUND == "channel_not_found"
    assert all(code.value == code.name.lower() for code in ErrorCode)
    assert list(ErrorCode) == sorted(ErrorCode)


def test_rtm_error_advises_on_speed_only() -> None:
    assert str(RtmError(-1, "slow down")).endswith("send less often")
    assert str(RtmError(0, "invalid channel id")) == "the server refused with error 0: invalid channel id"


def test_a_send_error_names_its_frame_and_channel_once_it_is_known() -> None:
    error = SendError("not sent")
    named = error.of("message", "C1")
    assert (str(error), str(named)) == ("not sent", "message to C1: not sent")
    assert (named.frame, named.channel) == ("message", "C1")
    assert str(error.of("ping", None)) == "ping: not sent"
    assert error.of("message", 5).channel is None


def test_no_error_repeats_more_than_a_thousand_characters() -> None:
    """A server may say megabytes: each log line and each look for secrets would take as long."""
    error = RtmError(5, "no, xoxb-1234567890-secretsecret " + "really " * 100_000)
    assert len(error.msg) <= 1_000
    assert error.msg.startswith("no, xoxb-…")
    assert error.msg.endswith("… (700033 characters)")
    assert copy.copy(error).msg == error.msg
    assert TautwireError("x" * 1_000).args == ("x" * 1_000,)


@pytest.mark.parametrize("error", [RtmError(2, "no text"), RtmError(code=2, msg="no text")])
def test_rtm_error_carries_its_data_however_it_was_made_and_wherever_it_goes(error: RtmError) -> None:
    for each in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own bytes
        assert (each.code, each.msg, each.args) == (2, "no text", (2, "no text"))
