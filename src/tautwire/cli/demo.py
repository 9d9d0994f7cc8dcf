"""``tautwire demo``: a conversation over RTM in a few seconds, with every frame printed.

The server is real and has a data directory of its own; a bot and a person connect by real sockets. The printed frames
are those on the wire, without pongs and positions, which add nothing to the story.
"""

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Final

import typer

from tautwire.cli.loop import run
from tautwire.client.rtm_client import RTMClient
from tautwire.protocol.frames import Message, PresenceSub, Typing
from tautwire.protocol.ids import ChannelId, UserId
from tautwire.server.app import Server
from tautwire.server.config import Settings

PATIENCE: Final = 20.0
"""Seconds that any one step may take."""

demo_commands = typer.Typer(add_completion=False)

QUIET: Final = ('"type":"pong"', '"type":"position"')


@demo_commands.command()
def demo() -> None:
    """Start a server, let a bot and a person talk over RTM, and show every frame."""
    logging.getLogger("tautwire").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="tautwire-demo-") as directory:
        run(_demo(Path(directory)))


async def _demo(directory: Path) -> None:
    async with asyncio.timeout(3 * PATIENCE):
        server = Server(Settings(data=directory, port=0, drain=0.2))
        await server.start()
        try:
            facts = await server.directory()
            channel = ChannelId(facts.channels["general"])
            bot = Speaker("relaybot", facts.users["relaybot"]["token"], facts.api_url)
            alice = Speaker("alice", facts.users["alice"]["token"], facts.api_url)
            typer.echo(f"A server for the workspace {facts.team['name']!r} listens at {facts.api_url}\n")
            await _talk(bot, alice, channel)
            typer.echo("\nThe server stops:")
            await server.stop()
            await bot.receives('"type":"goodbye"')
            await bot.client.close()
        finally:
            await server.stop()
    typer.echo(_WHERE_NEXT)


async def _talk(bot: "Speaker", alice: "Speaker", channel: ChannelId) -> None:
    typer.echo("A bot connects and subscribes to alice's presence:")
    await bot.client.connect()
    await bot.receives('"type":"hello"')
    await bot.send(PresenceSub([await _user_id(alice)]))
    await bot.receives('"type":"presence_change"')

    typer.echo("\nalice connects, types, and says something:")
    await alice.client.connect()
    await alice.receives('"type":"hello"')
    await bot.receives('"type":"presence_change"')
    await alice.send(Typing(channel))
    await bot.receives('"type":"user_typing"')
    await alice.send(Message(channel, "relaybot, is it deployed?", id=1))
    await bot.receives('"type":"message"')
    await alice.receives('"reply_to":1')

    typer.echo("\nThe bot answers; when its ack comes, the message is on disk:")
    await bot.send(Message(channel, f"<@{await _user_id(alice)}> it is: https://example.test/build/42", id=1))
    await alice.receives('"type":"message"')
    await bot.receives('"reply_to":1')

    typer.echo("\nalice sets herself away and leaves:")
    await alice.client.web.users_setPresence(presence="away")
    await bot.receives('"type":"presence_change"')
    await alice.receives('"type":"manual_presence_change"')
    await alice.client.close()


class Speaker:
    """A participant of the demo: a client whose frames are printed."""

    def __init__(self, name: str, token: str | None, api_url: str) -> None:
        self.name = name
        self.client = RTMClient(token, api_url, auto_reconnect=False)
        self.client.add_message_handler(self._received)
        self._frames: asyncio.Queue[str] = asyncio.Queue()

    async def send(self, frame: Message | Typing | PresenceSub) -> None:
        """Print a frame and send it."""
        self._print(">", frame.to_json())
        await self.client.send(frame)

    async def receives(self, mark: str) -> None:
        """Wait until a frame with this text has arrived and was printed."""
        async with asyncio.timeout(PATIENCE):
            while mark not in await self._frames.get():
                pass

    async def _received(self, text: str) -> None:
        if not any(mark in text for mark in QUIET):
            self._print("<", text)
            self._frames.put_nowait(text)

    def _print(self, arrow: str, text: str) -> None:
        typer.echo(f"  {self.name:>8} {arrow} {text}")


async def _user_id(speaker: Speaker) -> UserId:
    answer = await speaker.client.web.auth_test()
    return UserId(str(answer["user_id"]))


_WHERE_NEXT = """
That was RTM: every line above went over a real socket, and every acked message is in SQLite.

Keep a server running:   .venv/bin/tautwire serve
Its tokens:              tautwire-data/tokens.json
Point a bot at it:       export SLACK_API_URL=http://127.0.0.1:8065/api/ SLACK_BOT_TOKEN=xoxb-...
                         and give the SDK that address as its base URL (docs/how-to/server/run-a-server.md)"""
