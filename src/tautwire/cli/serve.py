"""``tautwire serve``: run a workspace until a signal."""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from tautwire.attach.config import AttachSettings
from tautwire.cli.attaching import Attaching, Command
from tautwire.cli.logs import LogSettings, set_up_logging
from tautwire.cli.loop import entered, run, stop_signal
from tautwire.cli.options import as_json as settings_as_json
from tautwire.cli.options import given, toml, with_options
from tautwire.protocol.errors import ConfigError, TautwireError
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


TABLE: Final = [*rows(Settings), *rows(AttachSettings), *rows(LogSettings)]
"""The settings that the command takes from options, variables and its file."""

EPILOG: Final = (
    "Each setting can also be an environment variable (--log-keep: TAUTWIRE_LOG_KEEP) or a key of a TOML file "
    "(log_keep). An option counts before a variable, a variable before the file."
)


@serve_commands.command(epilog=EPILOG)
@with_options(TABLE)
def serve(
    context: typer.Context,
    command: Command = None,
    bot: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="The bot or person whose token CMD gets. Default: the only bot."),
    ] = None,
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
    """Serve a workspace over RTM and the Web API until SIGINT or SIGTERM, or until the program given as CMD ends."""
    try:
        configuration = read_settings(TABLE, given(context, options), os.environ, config)
        settings, attach = configuration.make(Settings), configuration.make(AttachSettings)
        if print_config:
            typer.echo(settings_as_json(configuration) if as_json else toml(configuration))
            return
        logs = configuration.make(LogSettings)
        set_up_logging(logs.log_level, logs.log_format)
        _mention(configuration)
        raise_descriptor_limit()
        code, failure = run(_serve(settings, attach, command, bot, as_json=as_json))
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    if failure is not None:
        typer.echo(f"tautwire: {failure}", err=True)
    raise typer.Exit(code)


def _mention(configuration: Configuration) -> None:
    """Log what an operator may not be aware of."""
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # else any malformed form of a caller is a warning
    if configuration.file is not None:
        log.info("settings from %s", configuration.file.absolute())
    for sentence in configuration.unknown_variables:
        log.warning("%s", sentence)


async def _serve(
    settings: Settings, attach: AttachSettings, command: list[str] | None, bot: str | None, *, as_json: bool
) -> tuple[int, StoreError | None]:
    """Serve until a signal comes, the program ends, or the store is broken; return exit code and reason."""
    stop = stop_signal()
    async with contextlib.AsyncExitStack() as stack:
        attaching = Attaching(attach, settings.data, command, stack, os.environ)
        server = await entered(stack, Server(settings), stop)
        if server is None:
            return attaching.code_if_not_run, None
        _tune_collector()
        directories = await server.directories()
        token, app_token = _tokens(directories, bot) if command else ("", None)
        (team,) = {found.team["domain"] for found in directories.values()} if len(directories) == 1 else ("",)
        await attaching.start(server, team)
        about = attaching.about()
        typer.echo(
            _as_json(directories, server.api_url, about)
            if as_json
            else "\n".join((_describe(directories), *attaching.describe()))
        )
        sys.stdout.flush()
        return await attaching.run(server, stop, token, app_token)


def _tokens(directories: Mapping[Path, Directory], name: str | None) -> tuple[str, str | None]:
    """Return the token of a bot or a person, and the app-level token of the bot's app.

    Raises:
        ConfigError: there is none, or no name was given and there are several bots.
    """
    apps = {app: secrets for found in directories.values() for app, secrets in found.apps.items()}
    people = {user: facts["token"] for found in directories.values() for user, facts in found.users.items()}
    bots = [app for app, secrets in apps.items() if secrets["bot_token"]]
    if name is None and len(bots) != 1:
        raise ConfigError(f"name the bot whose token the program gets, with --as: {', '.join(bots) or 'there is none'}")
    wanted = bots[0] if name is None else name
    if wanted in apps and apps[wanted]["bot_token"]:
        return str(apps[wanted]["bot_token"]), apps[wanted]["app_token"]
    token = people.get(wanted)
    if token is None:
        raise ConfigError(f"no token of {wanted!r} is known: it is not in the seed file; see tautwire token")
    return token, None


def _tune_collector() -> None:
    """Run the garbage collector less often, and not over the objects of the start.

    A connection leaves no cyclic garbage (tests/server/http/test_front.py). With the default the collector would walk
    over all live connections again and again while new ones arrive, and find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def _as_json(directories: Mapping[Path, Directory], api_url: str, about: Mapping[str, Any]) -> str:
    """Return the directory of the only workspace as one line, or of several by the name of their data directory."""
    if len(directories) == 1:
        (directory,) = directories.values()
        return msgspec.json.encode(msgspec.to_builtins(directory) | about).decode()
    workspaces = {data.name: directory for data, directory in directories.items()}
    return msgspec.json.encode({"api_url": api_url, "workspaces": workspaces, **about}).decode()


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
