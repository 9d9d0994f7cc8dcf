"""Times in which no connection comes about: how often the client tries, what it costs, and that nothing is lost."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from subject import MakeSubject, Subject, Talk, eventually, stays
from tautwire import Backoff, ConnectError, Rate, Timeouts
from tautwire.testing import FOREVER, BlockingWorkspace, Faults

HURRIED = Backoff(base=0.01, cap=0.02, stable_after=60.0, budget=Rate(per_second=10.0, burst=4))
"""As fast as the budget allows, so that a client that forgets its budget is found out."""

HELLO, CONNECT_TIMEOUT = 0.2, 0.5
"""Seconds; short, so that a scenario gets to the next attempt."""

NAME = "workspace.test"


@dataclass
class Resolver:
    """Looks up one more name, unless it is out of order."""

    works: bool = True


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver()
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if host not in (NAME, NAME.encode()):
            return real(host, *args, **options)
        if not resolver.works:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return resolver


class Outage:
    """Something that keeps connections from coming about."""

    def __init__(self, faults: Faults, resolver: Resolver, begin: Callable[["Outage"], None]) -> None:
        self.faults = faults
        self.resolver = resolver
        self._begin = begin

    @property
    def fails_attempts(self) -> bool:
        """Whether attempts come to nothing; else connections come about and end at once."""
        return self._begin is not OUTAGES["connections drop after hello"]

    def begin(self) -> None:
        self._begin(self)

    def end(self) -> None:
        self.resolver.works = True
        self.faults.clear()


def no_name(outage: Outage) -> None:
    outage.resolver.works = False


OUTAGES: dict[str, Callable[[Outage], None]] = {
    "nobody listens": lambda outage: outage.faults.refuse_connections(),
    "the name does not resolve": no_name,
    "the API drops calls": lambda outage: outage.faults.drop("rtm.connect", times=FOREVER),
    "the API answers 500": lambda outage: outage.faults.fail("rtm.connect", status=500, times=FOREVER),
    "the API answers 503": lambda outage: outage.faults.fail("rtm.connect", status=503, times=FOREVER),
    "the API has an internal error": lambda outage: outage.faults.error("rtm.connect", "fatal_error", times=FOREVER),
    "the upgrade is refused": lambda outage: outage.faults.upgrade("refuse", times=FOREVER),
    "tickets are expired": lambda outage: outage.faults.upgrade("expired", times=FOREVER),
    "no hello comes": lambda outage: outage.faults.upgrade("no_hello", times=FOREVER),
    "the upgrade is not answered": lambda outage: outage.faults.upgrade("hang", times=FOREVER),
    "connections drop after hello": lambda outage: outage.faults.upgrade("drop", times=FOREVER),
}


CHEAP = [
    "nobody listens",
    "the name does not resolve",
    "the API answers 500",
    "the upgrade is refused",
    "connections drop after hello",
]
"""Those that fail at once, so that a client without patience would be busy with them."""


@pytest.fixture(params=OUTAGES.values(), ids=OUTAGES)
def outage(request: pytest.FixtureRequest, faults: Faults, resolver: Resolver) -> Outage:
    return Outage(faults, resolver, request.param)


@pytest.fixture
def address(blocking_workspace: BlockingWorkspace) -> str:
    """The workspace, by a name that has to be looked up."""
    return blocking_workspace.api_url.replace("127.0.0.1", NAME)


def test_attempts_keep_to_the_budget_and_nothing_is_lost(
    outage: Outage, make_subject: MakeSubject, address: str, talk: Talk
) -> None:
    subject = make_subject(
        base_url=address, backoff=HURRIED, timeouts=Timeouts(hello=HELLO), connect_timeout=CONNECT_TIMEOUT
    )
    subject.connect()
    with talk:
        talk.go_on()
        began = time.monotonic()
        outage.begin()
        subject.link.fin()
        eventually(lambda: _attempts(subject) >= 6)
        attempts, lasted = _attempts(subject), time.monotonic() - began
        outage.end()
        subject.wait_ready()
        talk.go_on()

    talk.was_heard_by(subject)
    allowed = HURRIED.budget.burst + HURRIED.budget.per_second * lasted
    assert attempts <= allowed + 1
    assert bool(subject.errors) is outage.fails_attempts
    assert all(isinstance(each, ConnectError) for each in subject.errors)


@pytest.mark.parametrize("outage", [OUTAGES[each] for each in CHEAP], ids=CHEAP, indirect=True)
def test_waiting_costs_next_to_nothing(outage: Outage, make_subject: MakeSubject, address: str) -> None:
    subject = make_subject(base_url=address, backoff=Backoff(base=0.2))
    subject.connect()
    outage.begin()
    subject.link.fin()
    eventually(lambda: _attempts(subject) >= 3)
    cpu, wall = time.process_time(), time.monotonic()
    stays(lambda: True, "", 1.0)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall

    assert cpu < 0.1 * wall


def _attempts(subject: Subject) -> int:
    """All attempts to connect, the first included, whether the front saw them or not."""
    return max(subject.connects, 1 + len(subject.errors))
