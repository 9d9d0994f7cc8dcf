"""The back-off that follows from short lives of connections."""

import pytest

from drive import MakeAsync, peer
from fake import FakeServer
from tautwire import Backoff, Rate


async def test_connections_that_end_after_their_hello_are_failures(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a server that says hello and drops would be asked again and again."""
    monkeypatch.setattr("tautwire.client.connection.attempts.random.random", lambda: 1.0)
    base = 0.05
    client = make(backoff=Backoff(base=base, cap=60.0, budget=Rate(per_second=100.0, burst=100)))
    await client.connect()
    for _ in range(5):
        (await peer(fake)).drop()
    await peer(fake)
    pauses = [after - before for before, after in zip(fake.connected_at, fake.connected_at[1:], strict=False)]
    assert [pause >= base * 2**number for number, pause in enumerate(pauses, 1)] == [True] * 5
