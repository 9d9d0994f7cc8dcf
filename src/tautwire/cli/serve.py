"""``tautwire serve``: run a workspace until a signal."""

import asyncio
import gc
import logging
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from tautwire.cli.logs import LogFormat, LogLevel, set_up_logging
from tautwire.cli.loop import run
from tautwire.protocol.errors import TautwireError
from tautwire.server.app import Server
from tautwire.server.config import DAY, LOOPBACK, Settings
from tautwire.server.directory import Directory
from tautwire.server.http.descriptors import raise_descriptor_limit
from tautwire.server.http.forwarded import VARIABLE
from tautwire.server.store.engine import StoreError

log = logging.getLogger("tautwire.server")
serve_commands = typer.Typer(add_completion=False)

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
GC_THRESHOLD: Final = 100_000
"""New objects after which the garbage collector runs; Python's default is several hundred."""


class Switch(StrEnum):
    """A setting that is on or off."""

    ON = "on"
    OFF = "off"


class Metrics(StrEnum):
    """The callers that may read the metrics."""

    LOCAL = "local"
    PUBLIC = "public"
    OFF = "off"


@serve_commands.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8065,
    data: Annotated[Path, typer.Option(help="Data directory; created if missing.")] = Path("tautwire-data"),
    new: Annotated[
        bool, typer.Option("--new", help="Begin a new workspace although the database of an old one is missing.")
    ] = False,
    seed: Annotated[Path | None, typer.Option(help="YAML file of people, bots and channels to add.")] = None,
    public_url: Annotated[
        str | None,
        typer.Option(help="URL by which callers reach the server, for RTM URLs; default: the host of each call."),
    ] = None,
    forwarded_allow_ips: Annotated[
        str | None,
        typer.Option(
            envvar=VARIABLE,
            help="Proxies whose X-Forwarded-* headers count: addresses, networks, or *; default: loopback.",
        ),
    ] = None,
    max_connections: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of connections; default: what the limit of open files allows."),
    ] = None,
    max_connections_per_address: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of connections of one address; default: half of all.")
    ] = None,
    rate_limits: Annotated[
        Switch, typer.Option(help="Whether calls and frames that come too fast are refused.")
    ] = Switch.ON,
    log_keep: Annotated[float, typer.Option(help="Days that events are kept for clients that come back.")] = 7.0,
    metrics: Annotated[
        Metrics, typer.Option(help="The callers that may read /metrics: on the same machine, all, none.")
    ] = Metrics.LOCAL,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line about the workspace first.")] = False,
    log_level: Annotated[LogLevel, typer.Option(help="What goes to stderr.")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option(help="Lines of text, or a JSON object a line.")] = LogFormat.TEXT,
    ticket_lifetime: Annotated[
        float, typer.Option(min=0.01, hidden=True, help="Seconds that an RTM URL can be dialled.")
    ] = 30.0,
) -> None:
    """Serve a workspace over RTM and the Web API until SIGINT or SIGTERM."""
    set_up_logging(log_level, log_format)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # else any malformed form of a caller is a warning
    raise_descriptor_limit()
    try:
        settings = Settings(
            host=host, port=port, data=data, new=new, seed=seed, rate_limits=rate_limits is Switch.ON,
            public_url=public_url, forwarded_allow_ips=forwarded_allow_ips, max_connections=max_connections,
            max_connections_per_address=max_connections_per_address, ticket_lifetime=ticket_lifetime,
            log_keep=log_keep * DAY, metrics=metrics.value,
        )  # fmt: skip
        failure = run(_serve(settings, as_json=as_json))
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    if failure is not None:
        typer.echo(f"tautwire: {failure}", err=True)
        raise typer.Exit(1)


async def _serve(settings: Settings, *, as_json: bool) -> StoreError | None:
    """Serve until a signal comes or the store is broken; return the reason if it is broken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        """Begin an orderly stop; a second signal has its default effect, so a process that hangs can be ended."""
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        log.info("stopping; a second signal ends the process at once")
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, end)
    async with Server(settings) as server:
        _tune_collector()
        directory = await server.directory()
        typer.echo(msgspec.json.encode(directory).decode() if as_json else _describe(directory, settings))
        sys.stdout.flush()
        asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(server.broken())
        await asyncio.wait((asked, broken), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        return None if broken.cancel() else broken.result()


def _tune_collector() -> None:
    """Run the garbage collector less often, and not over the objects of the start.

    A connection leaves no cyclic garbage (tests/server/test_front.py). With the default the collector would walk over
    all live connections again and again while new ones arrive, and find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _describe(directory: Directory, settings: Settings) -> str:
    """Return the address and the names of a workspace for people; tokens stay in their file."""
    tokens = settings.data / "tokens.json"
    lines = [
        f"Workspace {directory.team['name']} ({directory.team['id']}) is served. Ctrl-C stops it.",
        f"  Web API   {directory.api_url}",
        f"  people    {', '.join(directory.users)}",
        f"  channels  {', '.join('#' + name for name in directory.channels)}",
        *([f"  tokens    {tokens}"] if tokens.exists() else []),
        "Point a bot at it: SLACK_API_URL="
        + directory.api_url
        + " SLACK_BOT_TOKEN=<token> and the base_url of its SDK.",
    ]
    return "\n".join(lines)
