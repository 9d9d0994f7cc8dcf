"""A planned change of the connection: it comes to its end at most once, whatever happens to either side."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tautwire.client.connection import handover
from tautwire.client.connection.handover import Handover
from tautwire.client.notices import Resume
from tautwire.session.client import Cause


class Old:
    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        self.is_drained = False
        self.linger: float | None = None
        self.drained: Callable[[], None] = lambda: None

    def retire(self, drained: Callable[[], None], linger: float) -> None:
        self.drained, self.linger = drained, linger
        self.steps.append("retire")

    def abort(self, reason: str, cause: Cause) -> None:
        self.steps.append(f"abort {cause.value}")
        self.drained()


class New:
    def __init__(self, steps: list[str], resume: Resume | None) -> None:
        self.steps = steps
        self.answer = SimpleNamespace(resume=resume)

    def hold(self) -> None:
        self.steps.append("hold")

    def release(self) -> None:
        self.steps.append("release")


def change(resume: Resume | None) -> tuple[Handover, Any, list[str]]:
    steps: list[str] = []
    old = Old(steps)
    made = Handover(
        old,  # type: ignore[arg-type]
        New(steps, resume),  # type: ignore[arg-type]
        lambda _: steps.append("cut short"),
        lambda _: steps.append("taken over"),
    )
    made.begin()
    return made, old, steps


def test_the_new_connection_speaks_when_the_old_one_has_said_all() -> None:
    made, old, steps = change(None)
    assert steps == ["hold", "retire"]
    assert not made.over.is_set()
    old.is_drained = True
    old.drained()
    assert steps[2:] == ["taken over", "release"]
    assert made.over.is_set()


@pytest.mark.parametrize(
    ("resume", "is_cut_short"), [(None, True), (Resume.NEW, True), (Resume.RESYNC, True), (Resume.RESUMED, False)]
)
def test_what_the_old_connection_did_not_say_is_lost_unless_the_new_one_resumes(
    resume: Resume | None, is_cut_short: bool
) -> None:
    _, old, steps = change(resume)
    old.drained()
    assert steps[2:] == [*(["cut short"] if is_cut_short else []), "taken over", "release"]


def test_it_comes_to_its_end_once() -> None:
    made, old, steps = change(Resume.RESUMED)
    made.abort()
    assert steps[2:] == ["abort replaced", "taken over", "release"]
    made.abort()
    old.drained()
    assert steps[2:] == ["abort replaced", "taken over", "release"]


@pytest.mark.parametrize(("resume", "waits"), [(None, True), (Resume.RESUMED, False), (Resume.RESYNC, False)])
def test_only_a_server_without_positions_may_say_more_behind_its_pong(resume: Resume | None, waits: bool) -> None:
    _, old, _ = change(resume)
    assert old.linger == (handover.SETTLE if waits else 0.0)
