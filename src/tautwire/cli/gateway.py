"""``tautwire gateway``: RTM for an app to which the upstream does not offer it. Run, manifest, doctor, attach."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import yaml

from tautwire.attach.config import AttachSettings
from tautwire.attach.explain.explanation import explain as explain_program
from tautwire.cli.attaching import Attaching, Command
from tautwire.cli.logs import LogSettings, set_up_logging
from tautwire.cli.loop import run as run_loop
from tautwire.cli.loop import stop_signal
from tautwire.cli.operator import group
from tautwire.cli.options import as_json as settings_as_json
from tautwire.cli.options import given, toml, with_options
from tautwire.gateway.config import SHARED, GatewaySettings, gateway_rows, server_settings
from tautwire.gateway.gateway import Gateway
from tautwire.gateway.setup.doctor import Finding, examine
from tautwire.gateway.setup.manifest import FEATURES, choose
from tautwire.gateway.setup.manifest import manifest as make_manifest
from tautwire.protocol.errors import ConfigError, TautwireError
from tautwire.server.config import Settings
from tautwire.server.http.descriptors import raise_descriptor_limit
from tautwire.server.sources import FILE_VARIABLE, Configuration, read_settings
from tautwire.server.table import rows

gateway_commands = group("RTM for modern apps: a gateway between old bots and Slack. run, manifest, doctor, attach.")

FILE: Final = Path("gateway.toml")
TABLE: Final = [*gateway_rows(), *rows(LogSettings)]
"""The settings that ``run`` and ``doctor`` take from options, variables and their file."""
RUN_TABLE: Final = [*gateway_rows(), *rows(AttachSettings), *rows(LogSettings)]
"""Those of ``run``."""

EPILOG: Final = (
    "Each setting can also be an environment variable (--local-token: TAUTWIRE_LOCAL_TOKEN) or a key of a TOML file "
    "(local_token). An option counts before a variable, a variable before the file."
)

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"TOML file of settings. Default: what {FILE_VARIABLE} names, else {FILE} in the working directory if "
        "there is one.",
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="FEATURE", help=f"A feature besides the usual ones; one of {', '.join(FEATURES)}."),
]
Without = Annotated[
    list[str] | None, typer.Option("--without", metavar="FEATURE", help="A feature that the bot does not need.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_MARKS: Final = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


@gateway_commands.command("run", epilog=EPILOG)
@with_options(RUN_TABLE)
def run(
    context: typer.Context,
    command: Command = None,
    config: Config = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Check and print all settings and where each comes from, and exit.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line about the gateway first; or the settings as JSON.")
    ] = False,
    **options: Any,
) -> None:
    """Serve RTM and the Web API to bots until SIGINT or SIGTERM, or until the bot given as CMD ends."""
    try:
        configuration = read_settings(RUN_TABLE, given(context, options), os.environ, config, FILE)
        settings, server = configuration.make(GatewaySettings), _server(configuration)
        attach = configuration.make(AttachSettings)
        if print_config:
            typer.echo(settings_as_json(configuration) if as_json else toml(configuration))
            return
        logs = configuration.make(LogSettings)
        set_up_logging(logs.log_level, logs.log_format)
        raise_descriptor_limit()
        code = run_loop(_run(settings, server, attach, command, as_json=as_json))
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


@gateway_commands.command("manifest")
def manifest(
    bot: Annotated[str, typer.Option(metavar="NAME", help="Name of the app and its bot.")],
    extra: With = None,
    without: Without = None,
    as_json: AsJson = False,
) -> None:
    """Print the manifest of the app to create at Slack: its scopes and subscriptions."""
    try:
        made = make_manifest(bot, choose(extra or [], without or []))
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    text = msgspec.json.encode(made).decode() if as_json else yaml.safe_dump(made, sort_keys=False)
    typer.echo(text, nl=as_json)


@gateway_commands.command("doctor", epilog=EPILOG)
@with_options(TABLE)
def doctor(
    context: typer.Context,
    config: Config = None,
    extra: With = None,
    without: Without = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Check tokens, scopes, Socket Mode, reachability and clock; exit with 1 if something has to be changed."""
    try:
        settings = _read(context, options, config).make(GatewaySettings)
        features = choose(extra or [], without or [])
        findings = run_loop(_examine(settings, features, as_json=as_json))
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(any(finding.outcome == "failed" for finding in findings))


@gateway_commands.command("attach", context_settings={"allow_interspersed_args": False})
def attach(
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="A program, as it would be run here.")],
    explain: Annotated[bool, typer.Option("--explain", help="Say which way CMD would take, and why.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which way a program takes to a gateway or a server, and why. The program is not run."""
    try:
        if not explain:
            raise ConfigError("attach needs --explain; to run the program, use: tautwire gateway run -- CMD")
        explanation = explain_program(command, os.environ, Path.cwd())
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(msgspec.json.encode(explanation).decode() if as_json else "\n".join(explanation.lines()))


def _read(context: typer.Context, options: dict[str, Any], config: Path | None) -> Configuration:
    return read_settings(TABLE, given(context, options), os.environ, config, FILE)


def _server(configuration: Configuration) -> Settings:
    return server_settings({name: configuration.chosen[name].value for name in SHARED})


async def _run(
    settings: GatewaySettings, server: Settings, attach: AttachSettings, command: list[str] | None, *, as_json: bool
) -> int:
    """Serve until a signal comes, the command ends, or the store is broken; return the exit code."""
    stop = stop_signal()
    async with contextlib.AsyncExitStack() as stack:
        attaching = Attaching(attach, server.data, command, stack)
        gateway = await stack.enter_async_context(Gateway(settings, server))
        await attaching.start(gateway, gateway.relay.bot.team.domain)
        typer.echo(_about(gateway, attaching) if as_json else _describe(gateway, attaching))
        sys.stdout.flush()
        code, failure = await attaching.run(gateway, stop, gateway.local_token.reveal())
    if failure is not None:
        typer.echo(f"tautwire: {failure}", err=True)
    return code


async def _examine(settings: GatewaySettings, features: list[str], *, as_json: bool) -> list[Finding]:
    findings = []
    async for finding in examine(settings, features):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{_MARKS[finding.outcome]}  {finding.check}: {finding.text}")
    if as_json:
        typer.echo(msgspec.json.encode({"findings": findings}).decode())
    return findings


def _about(gateway: Gateway, attaching: Attaching) -> str:
    bot = gateway.relay.bot
    about = {
        "api_url": gateway.api_url,
        "team": {"id": bot.team.id, "name": bot.team.name, "domain": bot.team.domain},
        "bots": {bot.name: {"id": bot.user, "token": gateway.local_token.reveal()}},
        **attaching.about(),
    }
    return msgspec.json.encode(about).decode()


def _describe(gateway: Gateway, attaching: Attaching) -> str:
    """Return the address for people; the token stays in its file."""
    bot, data = gateway.relay.bot, gateway.relay.data
    place = (
        "the local_token of the settings" if gateway.settings.local_token else f"the token in {data / 'tokens.json'}"
    )
    return "\n".join(
        (
            f"Bot {bot.name} ({bot.user}) of {bot.team.name} is served. Ctrl-C stops it.",
            f"  Web API   {gateway.api_url}",
            f"  token     {place}",
            f"Point a bot at it: SLACK_API_URL={gateway.api_url} SLACK_BOT_TOKEN=<token> and the base_url of its SDK.",
            *attaching.describe(),
        )
    )
