"""One client against our server: the steps, in order, and the verdict on each.

``run`` starts a server, lets alice connect with raw frames, starts the client's program and asks it for one thing after
another by chatting with it. A step is judged by what the program reports and by what alice and the server see.
Called by tests/conformance/test_conformance.py; the words of the conversation are in README.md.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.inbox import NothingCameError, Transcript
from conformance.person import Person, RtmSocket
from conformance.programs import Client, Program
from conformance.server import ServerProcess

FIRST_WORDS: Final = 30.0
"""Seconds for a program to start and connect."""
RETURN: Final = 60.0
"""Seconds for a client to come back after a restart: slack_sdk's rtm_v2 needs up to 35, slack-go backs off."""
EXIT: Final = 15.0
"""Seconds for a program to end after it was asked to leave."""


@dataclass
class Outcome:
    """What a run showed.

    Args:
        version: the client's own version, as its program reports it.
        failures: why a step failed, by step. A step that is not in here passed.
        notes: what has to be said about a step, by step.
    """

    version: str = ""
    failures: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Stage:
    """Everybody who takes part in a run. The program uses relaybot's token."""

    client: Client
    server: ServerProcess
    alice: Person
    relaybot: Person
    transcript: Transcript
    socket: RtmSocket
    program: Program
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def channel(self) -> str:
        """The channel in which everything happens."""
        return self.server.channel("general")

    async def ask(self, text: str) -> None:
        """Post a message as alice and wait until the program reports it."""
        ts = await self.alice.post(self.channel, text)
        await self.program.inbox.take(step="message", text=text, ts=ts, user=self.server.user("alice"))

    async def count_connections(self) -> int:
        """Return how many RTM connections of relaybot the server has."""
        seen = await self.relaybot.web.users_getPresence(user=self.server.user("relaybot"))
        return int(seen["connection_count"])

    async def restart_server(self) -> None:
        """End the server, start it on the same data and port, and connect alice again."""
        code = await self.server.stop()
        self.program.inbox.drop(step="hello")  # one of the old server would be taken for the new one's
        await self.server.start()
        self.socket = await self.alice.connect()
        assert code == 0, f"the server ended with exit code {code}"

    async def restart_program(self) -> None:
        """Start another copy of the program and wait for its hello."""
        await self.program.stop()
        self.program = await start_program(self.client, self.server, self.transcript)
        await self.program.inbox.take(step="hello", within=FIRST_WORDS)


async def start_program(client: Client, server: ServerProcess, transcript: Transcript) -> Program:
    """Start the client's program with relaybot's token."""
    return await Program.start(client, api_url=server.api_url, token=server.token("relaybot"), transcript=transcript)


async def connect(stage: Stage) -> None:
    """The client calls rtm.connect and opens the WebSocket."""
    await stage.program.inbox.take(step="connect", ok=True, within=FIRST_WORDS)


async def hello(stage: Stage) -> None:
    """The client gets hello."""
    await stage.program.inbox.take(step="hello")


async def receive(stage: Stage) -> None:
    """The client gets what alice sends, by chat.postMessage and by RTM."""
    await stage.ask("hello by web")
    await stage.socket.send({"id": 1, "type": "message", "channel": stage.channel, "text": "hello by frame"})
    ack = await stage.socket.inbox.take(reply_to=1, ok=True)
    await stage.program.inbox.take(
        step="message", text="hello by frame", ts=ack["ts"], user=stage.server.user("alice"), channel=stage.channel
    )


async def send(stage: Stage) -> None:
    """The client sends a message by RTM and sees its ack; alice gets that very message."""
    await stage.ask("say good morning")
    ack = await stage.program.inbox.take(step="ack", ok=True, text="good morning")
    await stage.socket.inbox.take(
        type="message", text="good morning", ts=ack["ts"], user=stage.server.user("relaybot"), channel=stage.channel
    )


async def typing(stage: Stage) -> None:
    """The client sees alice type, and alice sees the client type."""
    await stage.socket.send({"id": 2, "type": "typing", "channel": stage.channel})
    await stage.program.inbox.take(step="user_typing", user=stage.server.user("alice"), channel=stage.channel)
    await stage.ask("type")
    await stage.socket.inbox.take(type="user_typing", user=stage.server.user("relaybot"), channel=stage.channel)


async def presence(stage: Stage) -> None:
    """presence_sub and presence_query are answered, and the client sees alice go and come back."""
    alice = [stage.server.user("alice")]
    await stage.ask("watch")
    for _ in ("presence_sub", "presence_query"):
        await stage.program.inbox.take(step="presence_change", users=alice, presence="active")
    for manual, seen in (("away", "away"), ("auto", "active")):
        await stage.alice.web.users_setPresence(presence=manual)
        await stage.program.inbox.take(step="presence_change", users=alice, presence=seen)


async def renew(stage: Stage) -> None:
    """reconnect() is called while the server is there; the new connection works both ways."""
    await stage.ask("renew")
    await stage.program.inbox.take(step="hello")
    await stage.ask("type")
    await stage.socket.inbox.take(type="user_typing", user=stage.server.user("relaybot"))


async def forget(stage: Stage) -> None:
    """Handlers are deregistered and removed while events flow; the others go on."""
    await stage.ask("forget")
    await stage.program.inbox.take(step="forgot")
    await stage.socket.send({"id": 3, "type": "typing", "channel": stage.channel})
    await stage.ask("typing is not seen any more")
    unwanted = stage.program.inbox.drop(step="user_typing")
    assert not unwanted, f"a deregistered handler was called: {unwanted}"


async def reconnect(stage: Stage) -> None:
    """After a restart of the server the client gets hello and messages again, and can send."""
    try:
        await _see_reconnect(stage)
    except NothingCameError:
        defect = stage.client.dies_after_send
        if defect is None or stage.program.inbox.ended is None or not re.search(defect, stage.program.last_error):
            raise
        note = (
            "once the client has sent a message, its next reconnect or disconnect ends its own process "
            f"(`{stage.program.last_error}`); shown with a second process that had not sent"
        )
        stage.outcome.notes |= {"reconnect": note, "disconnect": note}
        await stage.restart_program()
        await _see_reconnect(stage)


async def _see_reconnect(stage: Stage) -> None:
    await stage.restart_server()
    await stage.program.inbox.take(step="hello", within=RETURN)
    await stage.ask("welcome back")
    await stage.ask("type")
    await stage.socket.inbox.take(type="user_typing", user=stage.server.user("relaybot"))


async def disconnect(stage: Stage) -> None:
    """Asked to leave, the client closes its connection, and its program ends by itself."""
    await stage.ask("leave")
    await stage.program.inbox.take(step="disconnect")
    code = await stage.program.ended(EXIT)
    assert code == 0, f"the program ended with exit code {code}: {stage.program.last_error}"
    async with asyncio.timeout(EXIT):
        while await stage.count_connections():  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.05)


Step = Callable[[Stage], Awaitable[None]]

STEPS: Final[tuple[Step, ...]] = (connect, hello, receive, send, typing, presence, reconnect, disconnect)
"""What every client has to do, in the order of the table. A run takes a client's extra steps before ``reconnect``."""

EXTRA_STEPS: Final[dict[str, tuple[Step, ...]]] = {"java_slack_api": (renew, forget)}
"""What a client's own guide shows beyond that."""

FIRST_STEPS: Final = (connect, hello)
"""Without these there is no use in going on."""


def steps_of(client: Client) -> tuple[Step, ...]:
    """Return what a client has to do, in the order in which it is done."""
    where = STEPS.index(reconnect)
    return (*STEPS[:where], *EXTRA_STEPS.get(client.name, ()), *STEPS[where:])


async def run(client: Client, directory: Path, transcript: Transcript, options: Sequence[str] = ()) -> Outcome:
    """Let a client go through all its steps; one that fails does not end the run, unless it is one of the first.

    Args:
        client: prepared with ``client.prepare()``.
        directory: an empty one, for the server's data.
        transcript: gets everything that is said.
        options: further arguments of ``tautwire serve``.
    """
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerProcess(directory, transcript, options))
        alice, relaybot = [
            await stack.enter_async_context(Person(name, server.token(name), server.api_url, transcript))
            for name in ("alice", "relaybot")
        ]
        stage = Stage(
            client=client,
            server=server,
            alice=alice,
            relaybot=relaybot,
            transcript=transcript,
            socket=await alice.connect(),
            program=await start_program(client, server, transcript),
        )
        try:
            await _take_steps(stage)
        finally:
            await stage.program.stop()
    return stage.outcome


async def _take_steps(stage: Stage) -> None:
    outcome = stage.outcome
    outcome.version = (await stage.program.inbox.take(step="start", within=FIRST_WORDS))["version"]
    for step in steps_of(stage.client):
        stage.transcript.note("step", step.__name__)
        try:
            await step(stage)
        except Exception as failure:  # noqa: BLE001 - whatever ends a step is that step's verdict
            outcome.failures[step.__name__] = f"{type(failure).__name__}: {failure}"
            stage.transcript.note("failed", outcome.failures[step.__name__])
            if step in FIRST_STEPS:
                return
        for note in stage.program.inbox.drop(step="note"):
            outcome.notes[step.__name__] = note["text"]
