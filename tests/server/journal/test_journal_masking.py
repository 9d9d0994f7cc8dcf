"""Secrets that must not be seen in a journal, in every place and disguise."""

import json
from typing import Any

import pytest

from tautwire.server.journal.masking import MASK, MAX_DEPTH, clean, masked

TOKEN = "xoxb-123456789012-abcdefghijklmnop"


@pytest.mark.parametrize(
    "value",
    [
        {"token": "anything"},
        {"a": [{"access_token": "anything"}]},
        {"signing_secret": "anything", "client_secret": "anything"},
        {"Authorization": "Bearer anything"},
        {"X-Slack-Signature": "v0=anything"},
        {"url": "wss://host:1/rtm/T1.anything"},
        {"response_url": "http://host/anything"},
        {"token": {"text": "anything"}},
        {"url": "http://me:anything@host/"},
    ],
)
def test_the_value_of_a_secret_member_is_masked(value: dict[str, Any]) -> None:
    assert "anything" not in json.dumps(masked(json.dumps(value).encode()))


@pytest.mark.parametrize(
    "data",
    [
        b'{"text":"use %b please"}' % TOKEN.encode(),
        b'{"text":"\\u0078oxb-123456789012-abcdefghijklmnop"}',
        b'{"%b":1}' % TOKEN.encode(),
        b"%b" % TOKEN.encode(),
        b'{"text":"%b' % TOKEN.encode(),  # cut
        b"\xff\xfe%b" % TOKEN.encode(),
        b'["xapp-1-A1-2-abcdefghijklmnop"]',
    ],
)
def test_a_token_is_masked_wherever_it_stands(data: bytes) -> None:
    shown = json.dumps(masked(data))

    assert "abcdefghijkl" not in shown
    assert "…" in json.loads(shown) if isinstance(json.loads(shown), str) else "\\u2026" in shown


def test_what_is_no_secret_stays() -> None:
    value = {"text": "token", "n": 1.5, "none": None, "yes": True, "list": ["a"], "token": ""}

    assert masked(json.dumps(value).encode()) == value


@pytest.mark.parametrize("data", [b"[" * 900 + b"]" * 900, b'{"a":' * 500 + b"1" + b"}" * 500, b"[" * 100_000])
def test_what_is_nested_deeply_ends(data: bytes) -> None:
    assert len(json.dumps(masked(data))) < 200_001


def test_depth_is_bounded() -> None:
    value: Any = TOKEN
    for _ in range(MAX_DEPTH + 5):
        value = [value]

    assert "…" in str(clean(value))
    assert TOKEN not in str(clean(value))


SECRETS_BY_FORM = [
    ("http://h:1/hooks/services/T0AB/B0CD/", "a_b-c0"),
    ("http://h:1/hooks/commands/T0AB/123/", "a_b-c0"),
    ("http:\\/\\/h:1\\/hooks\\/actions\\/T0AB\\/123\\/", "a_b-c0"),
    ("http://h:1/files-upload/T0AB-F0CD-", "a_b-c0"),
    ("", f"{'1' * 12}.{'0f' * 32}"),
    ("", f"{'1' * 13}.334159592739.{'0f' * 16}"),
]


@pytest.mark.parametrize(("before", "secret"), SECRETS_BY_FORM)
def test_secrets_of_the_server_are_masked_wherever_they_stand(before: str, secret: str) -> None:
    """A part that is too long is cut, so it is no JSON; and codes have a name that other things have too."""
    cut = f'{{"code": "{before}{secret}", "x": "'.encode()
    for shown in (
        masked(cut),
        masked(f"see {before}{secret} and".encode()),
        masked(json.dumps({"code": before + secret}).encode()),
    ):
        assert secret not in str(shown)
        assert MASK in str(shown)


def test_what_only_looks_alike_stays() -> None:
    for text in ("1795751192.365334", "580366790662.973639817579", "http://h/hooks/x", "0f" * 32):
        assert masked(json.dumps(text).encode()) == text
