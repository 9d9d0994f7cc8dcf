"""The rules of faults: which applies, how often, and how likely."""

import pytest

from tautwire.server.faults.answers import answer_of
from tautwire.server.faults.book import MAX_RULES, Book, Rule, TooManyRules
from tautwire.server.faults.frames import nature_of


def test_a_rule_applies_as_often_as_it_says() -> None:
    book = Book()
    rule = book.add(Rule(fault="lost_ack", times=2))

    taken = [book.take(("lost_ack",)) for _ in range(3)]

    assert taken == [rule, rule, None]
    assert (rule.happened, len(book)) == (2, 0)


def test_a_rule_without_a_number_applies_for_ever() -> None:
    book = Book()
    book.add(Rule(fault="slow", times=None))

    assert all(book.take(("slow",)) for _ in range(100))
    assert len(book) == 1


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        ({}, True), ({"user": "U1"}, True), ({"user": "U2"}, False), ({"app": "A1"}, True), ({"app": "A2"}, False),
        ({"method": "api.test"}, True), ({"method": "auth.test"}, False), ({"connection": 3}, True),
        ({"connection": 4}, False), ({"user": "U1", "app": "A2"}, False),
    ],
)  # fmt: skip
def test_a_rule_applies_to_what_it_names(limits: dict[str, object], fits: bool) -> None:
    book = Book()
    book.add(Rule(fault="hang", **limits))  # type: ignore[arg-type]

    assert (book.take(("hang",), user="U1", app="A1", method="api.test", connection=3) is not None) is fits


def test_the_oldest_rule_that_fits_applies_first() -> None:
    book = Book()
    other, first, second = (
        book.add(Rule(fault="hang", method="auth.test")),
        book.add(Rule(fault="rate_limit")),
        book.add(Rule(fault="hang")),
    )

    assert book.take(("hang", "rate_limit"), method="api.test") is first
    assert book.take(("hang", "rate_limit"), method="api.test") is second
    assert book.rules == [other]


def test_a_seed_makes_the_same_choices_again() -> None:
    def choices(seed: int) -> list[bool]:
        book = Book()
        book.add(Rule(fault="lost_ack", times=None, probability=0.5, seed=seed))
        return [book.take(("lost_ack",)) is not None for _ in range(100)]

    assert choices(1) == choices(1) != choices(2)
    assert 20 < sum(choices(1)) < 80


def test_a_rule_that_is_given_back_applies_again() -> None:
    book = Book()
    rule = book.add(Rule(fault="hang"))

    taken = book.take(("hang",))
    assert taken is not None
    book.give_back(taken)

    assert rule.happened == 0
    assert book.take(("hang",)) is rule
    assert book.take(("hang",)) is None


def test_rules_are_ended_by_id_by_fault_and_all() -> None:
    book = Book()
    slow, hang, _ = book.add(Rule(fault="slow")), book.add(Rule(fault="hang")), book.add(Rule(fault="drop"))

    assert book.remove([slow.id]) == [slow]
    assert book.remove(faults=("hang",)) == [hang]
    assert len(book.remove()) == 1
    assert len(book) == 0


def test_the_book_is_bounded() -> None:
    book = Book()
    for _ in range(MAX_RULES):
        book.add(Rule(fault="slow"))

    with pytest.raises(TooManyRules):
        book.add(Rule(fault="slow"))


@pytest.mark.parametrize(
    ("payload", "nature"),
    [
        (b'{"ok":true,"reply_to":1,"ts":"1.1","text":"x"}', "ack"),
        (b'{"reply_to":1,"type":"pong"}', ""),
        (b'{"type":"message","channel":"C1"}', "event"),
        (b'{"envelope_id":"x","type":"events_api"}', "envelope"),
        (b'{"type":"hello"}', ""),
    ],
)
def test_the_nature_of_a_frame(payload: bytes, nature: str) -> None:
    assert nature_of(payload) == nature


@pytest.mark.parametrize(
    ("rule", "status", "body"),
    [
        (Rule(fault="rate_limit", retry_after=7), 429, b'{"ok":false,"error":"ratelimited"}'),
        (Rule(fault="server_error", status=503), 503, b"upstream trouble"),
        (Rule(fault="method_error", code='a"b'), 200, b'{"ok":false,"error":"a\\"b"}'),
        (Rule(fault="garbage"), 200, b'{"ok":tru'),
    ],
)
def test_what_a_faulty_method_answers(rule: Rule, status: int, body: bytes) -> None:
    answer = answer_of(rule)

    assert (answer.status, answer.body) == (status, body)
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
