"""What keeps the connection up, with connections that are made by the test."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tautwire import Backoff, ClientState, ConnectError, ConnectRefused, Rate, Token
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.observer import Observer
from tautwire.client.connection.supervisor import Supervisor
from tautwire.client.settings import Settings


class Owner(Observer):
    """Notes what is reported."""

    def __init__(self) -> None:
        self.states: list[ClientState] = []
        self.troubles: list[ConnectError] = []

    def connect_failed(self, error: ConnectError) -> None:
        self.troubles.append(error)

    def state_changed(self, state: ClientState) -> None:
        self.states.append(state)


Make = Callable[[Supervisor], Awaitable[Connection]]


def failing(*errors: ConnectError) -> Make:
    """Return what makes a connection: each attempt fails with the next error."""
    left = list(errors)

    async def make(_: Supervisor) -> Connection:
        raise left.pop(0)

    return make


def supervisor(make: Make, owner: Owner, token: str, budget: Rate) -> Supervisor:
    made = Supervisor(make, Settings(Token(token), backoff=Backoff(base=0.001, cap=0.001, budget=budget)))
    made.observers = (owner,)
    return made


PLENTY = Rate(per_second=1_000.0, burst=1_000)


async def test_each_attempt_that_fails_is_reported_and_a_refusal_is_the_last() -> None:
    owner = Owner()
    lost, refused = ConnectError("lost"), ConnectRefused("invalid_auth")
    subject = supervisor(failing(lost, refused), owner, "xoxb-refused", PLENTY)
    with pytest.raises(ConnectRefused) as caught:
        await asyncio.wait_for(subject.run(), 10)
    assert caught.value is refused is subject.failure
    assert owner.troubles == [lost, refused]
    assert owner.states[-1] is ClientState.FAILED
    await subject.close()


async def test_a_client_whose_token_has_no_budget_left_waits_before_its_first_attempt() -> None:
    """Another client of the token has spent it."""
    budget = Rate(per_second=0.001, burst=1)
    first = supervisor(failing(ConnectError("lost")), Owner(), "xoxb-spent", budget)
    with pytest.raises(ConnectError, match="lost"):
        await asyncio.wait_for(first.connect(), 10)

    owner = Owner()
    second = supervisor(failing(), owner, "xoxb-spent", budget)
    connecting = asyncio.create_task(second.connect())
    while not owner.states:  # noqa: ASYNC110 - the supervisor has no event for it
        await asyncio.sleep(0)
    assert owner.states == [ClientState.WAITING]
    connecting.cancel()
    await asyncio.wait([connecting])
    for each in (first, second):
        await each.close()
    assert owner.states[-1] is ClientState.CLOSED
    assert not owner.troubles
