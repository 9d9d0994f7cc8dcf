"""The check of words finds what it is for, and leaves the rest alone."""

from pathlib import Path

import pytest

from tools.plain_english import look


@pytest.mark.parametrize(
    "line",
    [
        "Who is at work, None while nobody is.",
        "ConfigError: one of them makes no sense.",
        "an address that is none of a WebSocket",
        '"""Learn that the hello came."""',
        "What could not be read is told as an error.",
        '"""See that a value is a number."""',
        "answered without what it owes",
        '"""Tell whether an event is a copy."""',
    ],
)
def test_a_banned_construction_is_found_with_advice(line: str) -> None:
    found = list(look(Path("x.py"), f"first\n{line}\n"))
    assert [(each.line, bool(each.advice)) for each in found] == [(2, True)]


@pytest.mark.parametrize(
    "line",
    [
        "The task that keeps the connection up, or None.",
        "Return whether an event is a copy.",
        "None of the arguments is required.",
        "See ``RTMClient.run``.",
        "the word 'nobody'  # plain-english: off",
    ],
)
def test_plain_sentences_pass(line: str) -> None:
    assert not list(look(Path("x.py"), line))
