"""Triggers: three seconds, once, for one app."""

import pytest

from scene import TurnedClock
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity import triggers
from tautwire.server.services.interactivity.triggers import Triggers


@pytest.fixture
def made(clock: TurnedClock) -> Triggers:
    return Triggers("T0TEAM", clock)


def error(made: Triggers, app: str, text: str) -> str:
    with pytest.raises(MethodError) as refused:
        made.spend(app, text)
    return refused.value.code


def test_its_form_is_two_numbers_and_32_hex_digits(made: Triggers) -> None:
    number, team, secret = made.issue("A1", "U1").split(".")
    assert number.isdigit()
    assert team.isdigit()
    assert (len(secret), int(secret, 16) > 0) == (32, True)


def test_it_is_spent_once(made: Triggers) -> None:
    text = made.issue("A1", "U1", "V1")
    assert (made.peek("A1", text).view, made.spend("A1", text).user_id) == ("V1", "U1")
    assert error(made, "A1", text) == "exchanged_trigger_id"


def test_a_call_that_fails_gives_it_back(made: Triggers) -> None:
    text = made.issue("A1", "U1")
    made.give_back(made.spend("A1", text))
    assert made.spend("A1", text).app == "A1"


def test_it_expires_after_three_seconds_of_the_workspace(made: Triggers, clock: TurnedClock) -> None:
    text, other = made.issue("A1", "U1"), made.issue("A1", "U1")
    clock.offset += 2.5
    assert made.spend("A1", text).app == "A1"
    clock.offset += 0.6
    assert error(made, "A1", other) == "expired_trigger_id"
    clock.offset += 60
    made.issue("A1", "U1")
    assert len(made) == 1
    assert error(made, "A1", other) == "expired_trigger_id"


@pytest.mark.parametrize("text", ["", "1", "1.2", "1.2.3", "..", "x.y.z", "1" * 1_000, "\ud800.1.2", "²." + "0" * 40])
def test_what_was_never_issued_is_invalid(made: Triggers, text: str) -> None:
    assert error(made, "A1", text) == "invalid_trigger_id"


def test_that_of_another_app_or_workspace_is_invalid(made: Triggers, clock: TurnedClock) -> None:
    assert error(made, "A2", made.issue("A1", "U1")) == "invalid_trigger_id"
    assert error(made, "A1", Triggers("T0TEAM", clock).issue("A1", "U1")) == "invalid_trigger_id"
    number, team, secret = made.issue("A1", "U1").split(".")
    assert error(made, "A1", f"{int(number) + 1}.{team}.{secret}") == "invalid_trigger_id"
    assert error(made, "A1", f"{number}.{int(team) + 1}.{secret}") == "invalid_trigger_id"


def test_how_many_are_remembered_is_bounded(made: Triggers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "MAX_TRIGGERS", 10)
    first = made.issue("A1", "U1")
    for _ in range(20):
        made.issue("A1", "U1")
    assert len(made) == 10
    assert error(made, "A1", first) == "expired_trigger_id"
