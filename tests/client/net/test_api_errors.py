"""What is read from slack_sdk's errors: status, error string, missing scope, seconds to wait."""

from types import SimpleNamespace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tautwire.client.net.api_errors import DEFAULT_RETRY_AFTER, Refusal, header, read_refusal


def error(**members: Any) -> SlackApiError:
    return SlackApiError("no", SimpleNamespace(**members))


def test_status_error_string_and_scope_are_read() -> None:
    found = read_refusal(
        error(status_code=403, data={"ok": False, "error": "missing_scope", "needed": "rtm:stream"}, headers={})
    )
    assert found == Refusal(403, "missing_scope", "rtm:stream", None)


@pytest.mark.parametrize(
    "response",
    [
        {"ok": False, "error": "invalid_auth"},  # slack_sdk's type hints allow a dict
        None,
        SimpleNamespace(),
        SimpleNamespace(status_code=None, data=b"<html>", headers=None),
        SimpleNamespace(status_code=0, data={"error": None, "needed": None}, headers={}),
    ],
    ids=["dict", "none", "bare", "bytes", "nulls"],
)
def test_what_is_missing_is_empty(response: Any) -> None:
    assert read_refusal(SlackApiError("no", response)) == Refusal(0, "", "", None)


def test_the_answer_of_aiohttp_itself_has_its_status_under_another_name() -> None:
    """slack_sdk raises with that where the body is no JSON."""
    assert read_refusal(error(status=503, headers={})) == Refusal(503, "", "", None)


@pytest.mark.parametrize(
    ("status", "code", "is_limited"),
    [
        (429, "", True),
        (429, "other", True),
        (200, "ratelimited", True),
        (200, "rate_limited", True),
        (200, "invalid_auth", False),
        (503, "", False),
    ],
)
def test_seconds_to_wait_are_read_only_where_calls_come_too_soon(status: int, code: str, is_limited: bool) -> None:
    found = read_refusal(error(status_code=status, data={"error": code}, headers={"Retry-After": "7"}))
    assert found.retry_after == (7.0 if is_limited else None)


@pytest.mark.parametrize("wish", ["-1", "inf", "-inf", "nan", "soon", "", "Wed, 21 Oct 2026 07:28:00 GMT", None])
def test_a_wish_that_is_no_number_of_seconds_is_the_default(wish: str | None) -> None:
    headers = {} if wish is None else {"Retry-After": wish}
    assert read_refusal(error(status_code=429, data={}, headers=headers)).retry_after == DEFAULT_RETRY_AFTER


@pytest.mark.parametrize("wish", ["0", "1.5", 12])
def test_a_wish_may_be_zero_a_fraction_or_a_number(wish: object) -> None:
    found = read_refusal(error(status_code=429, data={}, headers={"Retry-After": wish}))
    assert found.retry_after == float(str(wish))


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"Retry-After": "7"}, "7"),
        ({"RETRY-AFTER": "7"}, "7"),
        ({"retry-after": ["7", "8"]}, "7"),
        ({"retry-after": 7}, "7"),
        ({"retry-after": None}, None),
        ({"other": "7"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_header_is_found_whatever_its_case_and_the_first_of_several(headers: Any, found: str | None) -> None:
    assert header(SimpleNamespace(headers=headers), "retry-after") == found


def test_an_answer_without_headers_has_none() -> None:
    assert header(object(), "date") is None
