"""Other people's RTM clients, unmodified, through the gateway: each answers a person who speaks at the upstream.

The programs are those of conformance/README.md; they get the address of the gateway and its local token.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from needs import skip_for

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the conformance package is not installed

from conformance.inbox import Transcript
from conformance.programs import CLIENTS, Client, Program
from stage import OpenStage, Stage

RETURN = 90.0
"""Seconds for a client to come back after a restart: slack_sdk's rtm_v2 needs up to 35."""


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Client:
    """A client whose tools are here and whose program is built."""
    client: Client = request.param
    lack = client.lack()
    skip_for(f"{client.title}: {lack}" if lack is not None else None)
    client.prepare()
    return client


class Conversation:
    """Alice at the upstream, and a program at the gateway."""

    def __init__(self, stage: Stage, client: Client) -> None:
        self.stage = stage
        self._client = client
        self._transcript = Transcript()
        self.program: Program

    async def start(self) -> None:
        gateway = self.stage.gateway
        self.program = await Program.start(
            self._client, api_url=gateway.api_url, token=gateway.local_token.reveal(), transcript=self._transcript
        )
        await self.program.inbox.take(step="connect", ok=True, within=RETURN)
        await self.program.inbox.take(step="hello", within=RETURN)

    async def ask(self, text: str) -> None:
        """Post as alice, and wait until the program reports it."""
        ts = await self.stage.post("alice", self.stage.general, text)
        await self.program.inbox.take(step="message", text=text, ts=ts, user=self.stage.upstream.users["alice"])

    async def hears(self, text: str) -> None:
        """Have the program say something, and see it at the upstream."""
        await self.ask(f"say {text}")
        ack = await self.program.inbox.take(step="ack", ok=True, text=text)
        (stored,) = await self.stage.upstream.history("alice", self.stage.general, limit=1)
        assert (stored["text"], stored["ts"], stored["user"]) == (text, ack["ts"], self.stage.bot)


@pytest.fixture
async def conversation(open_stage: OpenStage, client: Client) -> AsyncIterator[Conversation]:
    conversation = Conversation(await open_stage(presence_budget=600), client)
    await conversation.start()
    try:
        yield conversation
    finally:
        await conversation.program.stop()
        print(conversation._transcript)


@pytest.mark.timeout(900)  # the first build downloads the client's packages
@pytest.mark.parametrize("client", CLIENTS, indirect=True, ids=lambda client: client.name)
async def test_a_client_works_through_the_gateway(conversation: Conversation, client: Client) -> None:
    stage, inbox = conversation.stage, conversation.program.inbox
    await conversation.ask("hello")
    await conversation.ask("type")
    await conversation.ask("watch")
    await inbox.take(step="presence_change", users=[stage.upstream.users["alice"]], presence="away")
    if client.dies_after_send is None:
        await conversation.hears("good morning")
    inbox.drop(step="hello")
    port = stage.gateway.port
    await stage.gateway.stop()
    await stage.start(port=port)
    await inbox.take(step="hello", within=RETURN)
    await conversation.hears("welcome back")
    if client.dies_after_send is None:
        await conversation.ask("leave")
        await inbox.take(step="disconnect")
        assert await conversation.program.ended(RETURN) == 0
