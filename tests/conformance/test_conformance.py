"""Other people's RTM clients, unmodified, against our real server. How it works: conformance/README.md."""

import asyncio
from pathlib import Path

import pytest
from needs import skip_for
from stores import Store

from conformance import harness, results
from conformance.inbox import Transcript
from conformance.programs import CLIENTS, Client


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Client:
    """A client whose tools are here and whose program is built."""
    client: Client = request.param
    lack = client.lack()
    skip_for(f"{client.title}: {lack}" if lack is not None else None)
    client.prepare()
    return client


@pytest.mark.timeout(900)  # the first build downloads the client's packages
@pytest.mark.parametrize("client", CLIENTS, indirect=True, ids=lambda client: client.name)
async def test_client_does_everything_against_our_server(client: Client, store: Store, tmp_path: Path) -> None:
    transcript = Transcript()
    try:
        outcome = await asyncio.wait_for(harness.run(client, tmp_path, transcript, store.options(tmp_path)), 300)
    finally:
        print(transcript)  # pytest shows it when the test fails
    if store.kind == "sqlite":  # the table is about clients
        results.store(client, outcome)
    assert not outcome.failures
