"""``tautwire serve``: run a workspace until a signal."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from tautwire.cli.logs import LogSettings, set_up_logging
from tautwire.cli.loop import run, stop_signal
from tautwire.cli.options import as_json as settings_as_json
from tautwire.cli.options import given, toml, with_options
from tautwire.protocol.errors import TautwireError
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.directory import Directory
from tautwire.server.http.descriptors import raise_descriptor_limit
from tautwire.server.sources import DEFAULT_FILE, FILE_VARIABLE, Configuration, read_settings
from tautwire.server.store.engine import StoreError
from tautwire.server.table import rows

log = logging.getLogger("tautwire.server")
serve_commands = typer.Typer(add_completion=False)

GC_THRESHOLD: Final = 100_000
"""New objects after which the garbage collector runs; Python's default is several hundred."""


TABLE: Final = [*rows(Settings), *rows(LogSettings)]
"""The settings that the command takes from options, variables and its file."""

EPILOG: Final = (
    "Each setting can also be an environment variable (--log-keep: TAUTWIRE_LOG_KEEP) or a key of a TOML file "
    "(log_keep). An option counts before a variable, a variable before the file."
)


@serve_commands.command(epilog=EPILOG)
@with_options(TABLE)
def serve(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"TOML file of settings. Default: what {FILE_VARIABLE} names, else {DEFAULT_FILE} in the working "
            "directory if there is one.",
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Check and print all settings and where each comes from, and exit.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line about the workspace first; or the settings as JSON.")
    ] = False,
    **options: Any,
) -> None:
    """Serve a workspace over RTM and the Web API until SIGINT or SIGTERM."""
    try:
        configuration = read_settings(TABLE, given(context, options), os.environ, config)
        settings = configuration.make(Settings)
        if print_config:
            typer.echo(settings_as_json(configuration) if as_json else toml(configuration))
            return
        logs = configuration.make(LogSettings)
        set_up_logging(logs.log_level, logs.log_format)
        _mention(configuration)
        raise_descriptor_limit()
        failure = run(_serve(settings, as_json=as_json))
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    if failure is not None:
        typer.echo(f"tautwire: {failure}", err=True)
        raise typer.Exit(1)


def _mention(configuration: Configuration) -> None:
    """Log what an operator may not be aware of."""
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # else any malformed form of a caller is a warning
    if configuration.file is not None:
        log.info("settings from %s", configuration.file.absolute())
    for sentence in configuration.unknown_variables:
        log.warning("%s", sentence)


async def _serve(settings: Settings, *, as_json: bool) -> StoreError | None:
    """Serve until a signal comes or the store is broken; return the reason if it is broken."""
    stop = stop_signal()
    async with Server(settings) as server:
        _tune_collector()
        directories = await server.directories()
        typer.echo(_as_json(directories, server.api_url) if as_json else _describe(directories))
        sys.stdout.flush()
        asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(server.broken())
        await asyncio.wait((asked, broken), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        return None if broken.cancel() else broken.result()


def _tune_collector() -> None:
    """Run the garbage collector less often, and not over the objects of the start.

    A connection leaves no cyclic garbage (tests/server/http/test_front.py). With the default the collector would walk
    over all live connections again and again while new ones arrive, and find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _as_json(directories: Mapping[Path, Directory], api_url: str) -> str:
    """Return the directory of the only workspace as one line, or of several by the name of their data directory."""
    if len(directories) == 1:
        (directory,) = directories.values()
        return msgspec.json.encode(directory).decode()
    workspaces = {data.name: directory for data, directory in directories.items()}
    return msgspec.json.encode({"api_url": api_url, "workspaces": workspaces}).decode()


def _describe(directories: Mapping[Path, Directory]) -> str:
    """Return the address and the names of the workspaces for people; tokens stay in their files."""
    lines = []
    api_url = ""
    for data, directory in directories.items():
        api_url = directory.api_url
        tokens = data / "tokens.json"
        lines += [
            f"Workspace {directory.team['name']} ({directory.team['id']}) is served. Ctrl-C stops it.",
            f"  Web API   {directory.api_url}",
            f"  people    {', '.join(directory.users)}",
            f"  channels  {', '.join('#' + name for name in directory.channels)}",
            *([f"  tokens    {tokens}"] if tokens.exists() else []),
            *([f"  page      {directory.page}  (once; then see {data / 'page.txt'})"] if directory.page else []),
            *([f"  control   {directory.control.url}, secret in {data / 'control.json'}"] if directory.control else []),
        ]
    lines.append(f"Point a bot at it: SLACK_API_URL={api_url} SLACK_BOT_TOKEN=<token> and the base_url of its SDK.")
    return "\n".join(lines)
