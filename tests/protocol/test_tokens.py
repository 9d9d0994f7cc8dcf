"""Secrets show their mask, and free text loses its secrets."""

import copy
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.protocol.tokens import Ticket, Token, TokenKind, redact

SECRET = "abcdefghijKLMNOP9z8y"
TOKEN = f"xoxb-123456789012-{SECRET}"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, lambda value: f"{value}", lambda v: f"{[v]}"])
@pytest.mark.parametrize("secret", [Token(TOKEN), Ticket(TOKEN)])
def test_a_secret_shows_its_mask_only(show: object, secret: Token) -> None:
    shown = show(secret)  # type: ignore[operator]
    assert "xoxb-…9z8y" in shown
    assert "KLMNOP" not in shown


def test_a_secret_is_revealed_on_request() -> None:
    assert Token(TOKEN).reveal() == TOKEN


def test_a_short_secret_shows_nothing_of_itself() -> None:
    assert str(Token("xoxb-1a2b")) == "xoxb-…"
    assert str(Ticket("1a2b")) == "…"


def test_a_secret_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Token(TOKEN)._text = "other"  # type: ignore[misc]


def test_equal_secrets_of_one_sort_are_equal() -> None:
    assert Token(TOKEN) == Token(TOKEN)
    assert hash(Token(TOKEN)) == hash(Token(TOKEN))
    assert Token(TOKEN) != Ticket(TOKEN)
    assert Token(TOKEN) != TOKEN


def test_a_secret_survives_being_copied_and_sent_to_another_process() -> None:
    token = Token(TOKEN)
    assert copy.deepcopy(token) == token
    assert pickle.loads(pickle.dumps(token)) == token  # noqa: S301 - our own bytes


def test_a_token_in_a_log_record_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("connecting with %s and %r", Token(TOKEN), {"token": Token(TOKEN)})
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        ("xoxb-", TokenKind.BOT),
        ("xoxe.xoxb-", TokenKind.BOT),
        ("xoxp-", TokenKind.USER),
        ("xoxe.xoxp-", TokenKind.USER),
        ("xoxe-", TokenKind.REFRESH),
        ("xapp-", TokenKind.APP),
        ("xwfp-", TokenKind.WORKFLOW),
        ("xoxc-", TokenKind.SESSION),
        ("xoxs-", TokenKind.SESSION),
        ("xoxd-", TokenKind.COOKIE),
        ("xoxa-", TokenKind.OLD),
        ("xoxq-", TokenKind.UNKNOWN),
        ("", TokenKind.UNKNOWN),
    ],
)
def test_the_prefix_tells_the_kind(prefix: str, kind: TokenKind) -> None:
    assert Token(prefix + SECRET).kind is kind


LEAKS = [
    "{token}",
    "Authorization: Bearer {token}",
    "authorization: bearer {secret}",
    "POST /api/chat.postMessage?token={secret}&channel=C1",
    "access_token={secret}; client_secret={secret}",
    '{{"ok":true,"token":"{secret}","refresh_token": "{secret}"}}',
    "{{'bot_token': '{secret}'}}",
    "dialling wss://rt.example.test/websocket/{secret}",
    "dialling ws://127.0.0.1:8080/rtm/{secret}?x=1",
    '{{"url":"wss:\\/\\/rt.example.test\\/websocket\\/{secret}="}}',
    "wss://rt.example.test/?{secret}",
    "proxy http://user:{secret}@proxy.example.test:3128/",
    "proxy https://{secret}@proxy.example.test",
    "proxy http://user:p@{secret}@proxy.example.test",
    "Cookie: b=1; d={secret}; lc=2",
    "xoxd-{secret}%2Bx%3D%3D",
    "xoxe.xoxp-1-{secret}",
    "xapp-1-A0EX00001-{secret}",
    "xwfp-{secret}",
]


@pytest.mark.parametrize("leak", LEAKS)
def test_free_text_loses_its_secrets(leak: str) -> None:
    text = redact(leak.format(token=TOKEN, secret=SECRET))
    assert "KLMNOP" not in text
    assert "…" in text


@given(st.sampled_from(LEAKS), st.text(max_size=20), st.text(max_size=20))
def test_secrets_are_found_in_any_surroundings(leak: str, before: str, after: str) -> None:
    text = f"{before} {leak.format(token=TOKEN, secret=SECRET)} {after}"
    assert "KLMNOP" not in redact(text)


@given(st.one_of(st.text(), st.lists(st.sampled_from(LEAKS)).map(" ".join)))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text", ["nothing secret here", "id=5; kind=x", "see https://x.test/a?b=c", "a token is a token", "xoxb"]
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("POST /x?access_token={}&a=b", "POST /x?access_token=xoxb-…9z8y&a=b"),
        ("Authorization: Bearer {}", "Authorization: Bearer xoxb-…9z8y"),
        ("see {{'bot_token': '{}'}}", "see {{'bot_token': 'xoxb-…9z8y'}}".replace("{{", "{").replace("}}", "}")),
        ("b=1; d={}; lc=2", "b=1; d=xoxb-…9z8y; lc=2"),
    ],
)
def test_a_token_that_a_name_announces_keeps_the_end_that_its_mask_shows(text: str, masked: str) -> None:
    """It tells one token from another in a log."""
    assert redact(text.format(TOKEN)) == masked


def test_what_is_not_secret_stays_readable() -> None:
    text = redact(
        f"https://user:pw@proxy.example.test:3128/x wss://rt.example.test:443/rtm/{SECRET} token={SECRET}&a=b"
    )
    assert text == "https://…@proxy.example.test:3128/x wss://rt.example.test:443/… token=…&a=b"


@pytest.mark.parametrize(("text", "mask"), [("abcdefghijklmnop", "…mnop"), ("abcdefghijklmno", "…")])
def test_a_secret_of_16_characters_is_long_enough_to_show_its_end(text: str, mask: str) -> None:
    assert str(Ticket(text)) == mask


@pytest.mark.parametrize("secret", [Token(TOKEN), Ticket(TOKEN)])
def test_a_secret_has_no_dictionary_that_a_debugger_would_show(secret: Token | Ticket) -> None:
    with pytest.raises(TypeError):
        vars(secret)
