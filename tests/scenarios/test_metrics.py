"""What the hooks for metrics tell of a life with losses."""

from collections import Counter

import pytest

from subject import MakeSubject, Talk, eventually
from tautwire import Cause, Closed, ConnectError, Metrics, RateLimited, Run, SendRefused
from tautwire.client.notices import ClientState
from tautwire.testing import BlockingWorkspace, Faults


class Noted(Metrics):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.states: list[ClientState] = []
        self.failures: list[ConnectError] = []
        self.connects: list[float] = []
        self.causes: list[Cause] = []
        self.pings: list[float] = []
        self.handlers: Counter[str] = Counter()
        self.replies: list[tuple[str, str]] = []

    def state_changed(self, state: ClientState) -> None:
        self.states.append(state)

    def attempt_failed(self, error: ConnectError) -> None:
        self.failures.append(error)

    def connected(self, seconds: float) -> None:
        self.connects.append(seconds)

    def disconnected(self, closed: Closed) -> None:
        self.causes.append(closed.cause)

    def pinged(self, round_trip: float) -> None:
        self.pings.append(round_trip)

    def handler_ran(self, run: Run) -> None:
        self.handlers[run.handler] += 1
        assert 0 <= run.lag < 10
        assert 0 <= run.seconds < 10

    def reply_received(self, kind: str, outcome: str, seconds: float) -> None:
        self.replies.append((kind, outcome))
        assert 0 <= seconds < 10


def test_a_life_is_told(make_subject: MakeSubject, faults: Faults, talk: Talk) -> None:
    noted = Noted()
    subject = make_subject(metrics=noted)
    subject.connect()
    with talk:
        talk.go_on()
        faults.rate_limit("rtm.connect", retry_after=0)
        subject.link.rst()
        subject.wait_opened(2)
        subject.link.goodbye()
        subject.wait_opened(3)
        subject.link.close()
        subject.wait_opened(4)
        subject.reconnect()
        talk.go_on()
    talk.was_heard_by(subject)
    subject.ping()
    eventually(lambda: len(noted.causes) == 4)
    subject.end()

    assert noted.causes == [Cause.DROPPED, Cause.GOODBYE, Cause.CLOSED, Cause.REPLACED, Cause.STOPPED]
    assert len(noted.connects) == 5
    assert [type(each) for each in noted.failures] == [RateLimited]
    waiting = [ClientState.WAITING, ClientState.CONNECTING]
    assert noted.states == [
        ClientState.CONNECTING,
        ClientState.READY,
        *waiting,  # dropped
        *waiting,  # rate-limited
        ClientState.READY,
        *waiting,  # closed; for goodbye and reconnect() there is always a connection
        ClientState.READY,
        ClientState.CLOSED,
    ]
    assert noted.pings
    assert ("ping", "delivered") in noted.replies
    assert max(noted.handlers.values()) >= len(talk.said)


def test_replies_are_told_by_outcome(
    make_subject: MakeSubject, faults: Faults, blocking_workspace: BlockingWorkspace
) -> None:
    noted = Noted()
    subject = make_subject(metrics=noted)
    subject.connect()
    general = blocking_workspace.channel("general").id
    subject.say(general, "one")
    with pytest.raises(SendRefused):
        subject.say("C0000000000", "two")
    eventually(lambda: len(noted.replies) == 2)
    assert noted.replies == [("message", "delivered"), ("message", "refused")]


def test_queues_are_told(make_subject: MakeSubject, blocking_workspace: BlockingWorkspace) -> None:
    subject = make_subject()
    subject.connect()
    blocking_workspace.person("alice").say("general", "hello")
    eventually(lambda: subject.heard == ["hello"])
    (queue,) = (each for each in subject.queues() if "_hear" in each.handler)
    assert (queue.waiting, queue.dropped) == (0, 0)
