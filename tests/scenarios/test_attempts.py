"""Attempts to connect: when the next one may be made, when there is none, and that there is one at a time."""

import time
from itertools import pairwise

import pytest

from subject import PATIENCE, QUICK, MakeSubject, Subject, Talk, aside, eventually, stays
from tautwire import Backoff, ClientClosed, ConnectError, ConnectRefused, NotConnected, Rate, RateLimited
from tautwire.client.notices import ClientState
from tautwire.testing import FOREVER, BlockingWorkspace, Faults


class TestRateLimits:
    def test_retry_after_is_waited_for(self, subject: Subject, faults: Faults) -> None:
        faults.rate_limit("rtm.connect", retry_after=1)
        subject.start()
        subject.wait_ready()

        first, second = (at for at, _ in faults.calls)
        assert 1.0 <= second - first < 1.0 + QUICK.cap + 1.0
        assert [each.retry_after for each in subject.errors if isinstance(each, RateLimited)] == [1.0]

    def test_retry_after_is_waited_for_after_a_drop_as_well(self, subject: Subject, faults: Faults, talk: Talk) -> None:
        subject.connect()
        with talk:
            faults.rate_limit("rtm.connect", retry_after=1, times=2)
            subject.link.rst()
            subject.wait_opened(2)

        talk.was_heard_by(subject)
        limited = [each for each in subject.errors if isinstance(each, RateLimited)]
        assert (subject.connects, len(limited)) == (4, 2), "calls of another client came here"
        times = [at for at, _ in faults.calls]
        assert times[2] - times[1] >= 1.0
        assert times[3] - times[2] >= 1.0

    def test_connect_tells_and_the_next_one_waits(self, subject: Subject, faults: Faults) -> None:
        faults.rate_limit("rtm.connect", retry_after=1)
        with pytest.raises(RateLimited) as told:
            subject.connect()
        assert told.value.retry_after == 1.0
        assert subject.state is ClientState.IDLE
        subject.connect()

        first, second = (at for at, _ in faults.calls)
        assert second - first >= 1.0

    def test_a_limit_in_the_answer_without_a_time_is_a_long_one(self, subject: Subject, faults: Faults) -> None:
        faults.error("rtm.connect", "ratelimited")
        subject.start()
        eventually(lambda: subject.errors)
        stays(lambda: subject.state is ClientState.WAITING and subject.connects == 1, "it called again", 0.5)

        (error,) = subject.errors
        assert isinstance(error, RateLimited)
        assert error.retry_after >= 10


class TestRefusals:
    """What no patience heals: the client says so, once, and rests."""

    @pytest.fixture(params=["invalid_auth", "account_inactive", "token_revoked", "not_allowed_token_type"])
    def code(self, request: pytest.FixtureRequest) -> str:
        found: str = request.param
        return found

    def test_at_the_first_attempt(self, subject: Subject, faults: Faults, code: str) -> None:
        faults.error("rtm.connect", code, times=FOREVER)
        with pytest.raises(ConnectRefused) as told:
            subject.connect()

        assert told.value.code == code
        assert subject.state is ClientState.FAILED
        assert subject.failure is told.value
        with pytest.raises(NotConnected):
            subject.say("C1", "anybody?")
        stays(lambda: subject.connects == 1, "it called again", 0.3)

    def test_run_raises_it(self, subject: Subject, faults: Faults, code: str) -> None:
        faults.error("rtm.connect", code, times=FOREVER)
        with pytest.raises(ConnectRefused, match=code):
            subject.start().result(PATIENCE)
        assert subject.connects == 1

    def test_at_a_later_attempt(
        self, subject: Subject, faults: Faults, blocking_workspace: BlockingWorkspace, code: str
    ) -> None:
        running = subject.start()
        subject.wait_ready()
        blocking_workspace.person("alice").say("general", "hello")
        eventually(lambda: "hello" in subject.heard)
        faults.error("rtm.connect", code, times=FOREVER)
        subject.link.fin()

        with pytest.raises(ConnectRefused, match=code):
            running.result(PATIENCE)
        assert isinstance(subject.failure, ConnectRefused)
        stays(lambda: subject.connects == 2, "it called again", 0.3)

    def test_a_refused_successor_does_not_end_what_works(self, subject: Subject, faults: Faults, talk: Talk) -> None:
        running = subject.start()
        subject.wait_ready()
        with talk:
            faults.error("rtm.connect", "token_revoked", times=FOREVER)
            subject.link.goodbye()
            eventually(lambda: subject.errors)
            talk.go_on()
        talk.was_heard_by(subject)
        assert subject.is_ready()

        subject.link.fin()
        with pytest.raises(ConnectRefused):
            running.result(PATIENCE)
        assert subject.connects == 2


class TestSingleFlight:
    """Whoever wants a connection, there is one attempt at a time."""

    def test_many_connects_are_one(self, subject: Subject, faults: Faults) -> None:
        faults.delay(0.2, "rtm.connect")
        waiting = [aside(subject.connect) for _ in range(8)]
        for each in waiting:
            each.result(PATIENCE)

        assert subject.connects == 1
        assert len(faults.links) == 1

    def test_many_connects_fail_together(self, subject: Subject, faults: Faults) -> None:
        faults.delay(0.2, "rtm.connect")
        faults.upgrade("refuse")
        waiting = [aside(subject.connect) for _ in range(8)]
        for each in waiting:
            with pytest.raises(ConnectError):
                each.result(PATIENCE)

        assert subject.connects == 1

    def test_many_reconnects_are_few(self, subject: Subject, faults: Faults, talk: Talk) -> None:
        subject.connect()
        faults.delay(0.2, "rtm.connect")
        with talk:
            waiting = [aside(subject.reconnect) for _ in range(8)]
            for each in waiting:
                each.result(PATIENCE)

        talk.was_heard_by(subject)
        assert subject.connects == 2
        assert subject.gaps == []


class TestSlowness:
    def test_a_slow_api_is_waited_for(self, subject: Subject, faults: Faults) -> None:
        faults.delay(0.5, "rtm.connect")
        subject.connect()

        assert subject.connects == 1

    @pytest.mark.parametrize("kind_of_slowness", ["the API", "the upgrade"])
    def test_but_not_for_ever(self, make_subject: MakeSubject, faults: Faults, kind_of_slowness: str) -> None:
        subject = make_subject(connect_timeout=0.5)
        if kind_of_slowness == "the API":
            faults.delay(1.0, "rtm.connect")
        else:
            faults.upgrade("hang")
        began = time.monotonic()
        with pytest.raises(ConnectError):
            subject.connect()

        assert time.monotonic() - began < 2.0

    def test_a_slow_server_loses_nothing(self, subject: Subject, faults: Faults, talk: Talk) -> None:
        subject.connect()
        with talk:
            faults.slow_down(0.01)
            talk.go_on()
            faults.slow_down(0)

        talk.was_heard_by(subject)
        assert subject.connects == 1


class TestSeveralClients:
    def test_clients_of_one_token_share_a_budget(self, make_subject: MakeSubject, faults: Faults) -> None:
        """Three attempts are free and the fourth, whoever makes it, has to be earned."""
        slow = Backoff(base=0.01, cap=0.01, budget=Rate(per_second=1.0, burst=3))
        for _ in range(4):
            make_subject(backoff=slow).connect()
        times = [at for at, _ in faults.calls]
        assert times[3] - times[0] >= 0.9

    def test_clients_of_one_token_make_one_attempt_at_a_time(self, make_subject: MakeSubject, faults: Faults) -> None:
        faults.delay(0.3, "rtm.connect", times=4)
        waiting = [aside(make_subject().connect) for _ in range(4)]
        for each in waiting:
            each.result(PATIENCE)
        times = [at for at, _ in faults.calls]
        assert len(times) == 4
        assert all(later - sooner >= 0.29 for sooner, later in pairwise(times))

    def test_an_attempt_that_is_given_up_lets_the_next_begin(self, make_subject: MakeSubject, faults: Faults) -> None:
        faults.delay(3.0, "rtm.connect")
        first, second = make_subject(), make_subject()
        waiting = aside(first.connect)
        eventually(lambda: faults.count("rtm.connect") == 1)
        first.close()
        with pytest.raises(ClientClosed):
            waiting.result(PATIENCE)
        began = time.monotonic()
        second.connect()
        assert time.monotonic() - began < 2.0

    def test_a_closed_client_leaves_nothing_to_pay(self, make_subject: MakeSubject, faults: Faults) -> None:
        """A program that makes one client after the other, such as a test, is not slowed down."""
        slow = Backoff(base=0.01, cap=0.01, budget=Rate(per_second=0.01, burst=1))
        for _ in range(3):
            subject = make_subject(backoff=slow)
            subject.connect()
            subject.close()
        assert len(faults.calls) == 3
