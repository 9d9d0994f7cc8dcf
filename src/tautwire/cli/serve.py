"""``tautwire serve``: run a workspace until a signal."""

import asyncio
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tautwire.cli.logs import LogFormat, LogLevel, set_up_logging
from tautwire.cli.loop import run
from tautwire.protocol.errors import TautwireError
from tautwire.server.app import Server
from tautwire.server.config import LOOPBACK, Settings
from tautwire.server.directory import Directory
from tautwire.server.store.database import StoreError


class Switch(StrEnum):
    """on or off."""

    ON = "on"
    OFF = "off"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8065,
    data: Annotated[Path, typer.Option(help="Data directory; made if missing.")] = Path("tautwire-data"),
    new: Annotated[
        bool, typer.Option("--new", help="Begin a new workspace where the database of an old one is missing.")
    ] = False,
    seed: Annotated[Path | None, typer.Option(help="YAML file of people, bots and channels to add.")] = None,
    rate_limits: Annotated[Switch, typer.Option(help="Whether clients that go too fast are told so.")] = Switch.ON,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line about the workspace first.")] = False,
    log_level: Annotated[LogLevel, typer.Option(help="What goes to stderr.")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option(help="Lines of text, or a JSON object a line.")] = LogFormat.TEXT,
    ticket_lifetime: Annotated[
        float, typer.Option(min=0.01, hidden=True, help="Seconds that an RTM URL can be dialled.")
    ] = 30.0,
) -> None:
    """Serve a workspace over RTM and the Web API until SIGINT or SIGTERM."""
    set_up_logging(log_level, log_format)
    settings = Settings(
        host=host, port=port, data=data, new=new, seed=seed, rate_limits=rate_limits is Switch.ON,
        ticket_lifetime=ticket_lifetime,
    )  # fmt: skip
    try:
        failure = run(_serve(settings, as_json=as_json))
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    if failure is not None:
        typer.echo(f"tautwire: {failure}", err=True)
        raise typer.Exit(1)


async def _serve(settings: Settings, *, as_json: bool) -> StoreError | None:
    """Serve until a signal comes or nothing can be stored any more; return why, then."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Server(settings) as server:
        directory = await server.directory()
        typer.echo(msgspec.json.encode(directory).decode() if as_json else _describe(directory, settings))
        sys.stdout.flush()
        asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(server.broken())
        await asyncio.wait((asked, broken), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        return None if broken.cancel() else broken.result()


def _describe(directory: Directory, settings: Settings) -> str:
    """Return what a person wants to know; tokens stay in their file."""
    lines = [
        f"Workspace {directory.team['name']} ({directory.team['id']}) is served. Ctrl-C stops it.",
        f"  Web API   {directory.api_url}",
        f"  people    {', '.join(directory.users)}",
        f"  channels  {', '.join('#' + name for name in directory.channels)}",
        f"  tokens    {settings.data / 'tokens.json'}",
        "Point a bot at it: SLACK_API_URL="
        + directory.api_url
        + " SLACK_BOT_TOKEN=<token> and the base_url of its SDK.",
    ]
    return "\n".join(lines)
