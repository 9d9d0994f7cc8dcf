"""``tautwire gateway``: RTM for an app to which the upstream does not offer it. Run, manifest, doctor, attach."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
import yaml

from tautwire.attach.config import AttachSettings
from tautwire.attach.explain.explanation import explain as explain_program
from tautwire.cli.attaching import Attaching, Command
from tautwire.cli.doctor.findings import MARKS
from tautwire.cli.logs import LogSettings, set_up_logging
from tautwire.cli.loop import entered, reload_signal, stop_signal
from tautwire.cli.loop import run as run_loop
from tautwire.cli.operator import group
from tautwire.cli.options import as_json as settings_as_json
from tautwire.cli.options import given, toml, with_options
from tautwire.cli.reloading import keep_reloading
from tautwire.gateway.bots import speaking
from tautwire.gateway.config import SHARED, GatewaySettings, PageSettings, gateway_rows, server_settings
from tautwire.gateway.gateway import Gateway
from tautwire.gateway.places import OWN, TABLES, read_bots
from tautwire.gateway.relay import Relay
from tautwire.gateway.setup.doctor import Finding, examine
from tautwire.gateway.setup.manifest import FEATURES, choose
from tautwire.gateway.setup.manifest import manifest as make_manifest
from tautwire.gateway.tokens import APP, BOT
from tautwire.protocol.errors import ConfigError, TautwireError
from tautwire.server.config import Settings
from tautwire.server.http.descriptors import raise_descriptor_limit
from tautwire.server.sources import FILE_VARIABLE, Configuration, read_settings
from tautwire.server.table import rows
from tautwire.server.tasks import cancel

gateway_commands = group("RTM for modern apps: a gateway between old bots and Slack. run, manifest, doctor, attach.")

FILE: Final = Path("gateway.toml")
TABLE: Final = [*gateway_rows(), *rows(LogSettings)]
"""The settings that ``run`` and ``doctor`` take from options and variables."""
RUN_TABLE: Final = [*gateway_rows(), *rows(PageSettings), *rows(AttachSettings), *rows(LogSettings)]
"""Those of ``run``, and of the file that both read."""

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


@gateway_commands.command("run", epilog=EPILOG)
@with_options(RUN_TABLE)
def run(
    context: typer.Context,
    command: Command = None,
    config: Config = None,
    bot: Annotated[
        str, typer.Option(metavar="NAME", help="The bot that CMD is a program of, if the gateway has several.")
    ] = "",
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Check and print all settings and where each comes from, and exit.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line about the gateway first; or the settings as JSON.")
    ] = False,
    **options: Any,
) -> None:
    """Serve RTM and the Web API to bots until SIGINT or SIGTERM, or until the bot given as CMD ends.

    SIGHUP has it read the settings anew: other tokens of the app, and tables of bots.
    """
    try:
        configuration = _read(context, options, config)
        settings, server = read_bots(configuration), _server(configuration)
        attach = configuration.make(AttachSettings)
        if print_config:
            typer.echo(settings_as_json(configuration) if as_json else toml(configuration))
            return
        logs = configuration.make(LogSettings)
        set_up_logging(logs.log_level, logs.log_format)
        for handler in logging.getLogger().handlers:
            handler.addFilter(_name_the_bot)
        raise_descriptor_limit()
        read = partial(_read, context, options, config)
        has_page = configuration.make(PageSettings).page
        code = run_loop(
            _run(settings, server, attach, command, bot, configuration, read, has_page=has_page, as_json=as_json)
        )
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
    """Check tokens, scopes, Socket Mode, reachability and clock of each bot; exit with 1 if something is to change."""
    try:
        settings = read_bots(_read(context, options, config))
        features = choose(extra or [], without or [])
        is_well = run_loop(_examine(settings, features, as_json=as_json))
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(not is_well)


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
    return read_settings(
        RUN_TABLE, given(context, options), os.environ, config, FILE, tables={TABLES: rows(GatewaySettings)}
    )


def _server(configuration: Configuration) -> Settings:
    return server_settings({name: configuration.chosen[name].value for name in SHARED})


def _name_the_bot(record: logging.LogRecord) -> bool:
    """Begin a line with the bot that it is about, if the gateway has several; a filter that keeps all lines."""
    name = speaking.get()
    if name:
        record.msg, record.args = f"{name}: {record.getMessage()}", ()
    return True


async def _run(
    settings: GatewaySettings | dict[str, GatewaySettings],
    server: Settings,
    attach: AttachSettings,
    command: list[str] | None,
    bot: str,
    configuration: Configuration,
    read: Callable[[], Configuration],
    *,
    has_page: bool,
    as_json: bool,
) -> int:
    """Serve until a signal comes, the command ends, or the store is broken; return the exit code.

    Args:
        configuration: where the settings come from.
        read: reads them anew.
    """
    stop = stop_signal()
    asked = reload_signal(stop)
    if command:
        _check_bot(settings, bot)
    async with contextlib.AsyncExitStack() as stack:
        attaching = Attaching(attach, server.data, command, stack, _without_secrets(settings))
        gateway = await entered(stack, Gateway(settings, server, page=has_page), stop)
        if gateway is None:
            return attaching.code_if_not_run
        token = ""
        if command:
            relay = gateway.bots.get(bot or BOT)
            if relay is None:
                raise ConfigError(f"the bot {bot} is not served: {gateway.bots.fault(bot)}")
            token = relay.local_tokens[BOT].reveal()
        await attaching.start(gateway, gateway.domain)
        typer.echo(_about(gateway, attaching) if as_json else _describe(gateway, attaching))
        sys.stdout.flush()
        reloading = asyncio.create_task(keep_reloading(asked, read, configuration, gateway))
        stack.push_async_callback(cancel, reloading)
        code, failure = await attaching.run(gateway, stop, token)
    if failure is not None:
        typer.echo(f"tautwire: {failure}", err=True)
    return code


def _check_bot(settings: GatewaySettings | dict[str, GatewaySettings], bot: str) -> None:
    if isinstance(settings, GatewaySettings):
        if bot:
            raise ConfigError(f"the gateway has one bot: leave out --bot {bot}")
    elif bot not in settings:
        wrong = f"there is no bot {bot!r}" if bot else "the gateway has several bots"
        raise ConfigError(f"{wrong}: name the one that the program is for with --bot, one of {', '.join(settings)}")


def _without_secrets(settings: GatewaySettings | dict[str, GatewaySettings]) -> dict[str, str]:
    """Return the environment without the variables from which settings take tokens."""
    all_settings = [settings] if isinstance(settings, GatewaySettings) else list(settings.values())
    named = {getattr(each, name) for each in all_settings for name in OWN if name.endswith("_env")}
    return {name: text for name, text in os.environ.items() if name not in named}


async def _examine(
    settings: GatewaySettings | dict[str, GatewaySettings], features: list[str], *, as_json: bool
) -> bool:
    """Print what the doctor finds of each bot; return whether nothing has failed."""
    several = {BOT: settings} if isinstance(settings, GatewaySettings) else settings
    found: dict[str, list[Finding]] = {}
    for name, each in several.items():
        if not as_json and several is settings:
            typer.echo(f"{name}:")
        findings = found[name] = []
        async for finding in examine(each, features):
            findings.append(finding)
            if not as_json:
                typer.echo(f"{MARKS[finding.outcome]}  {finding.check}: {finding.text}")
    if as_json:
        shown = {name: {"findings": findings} for name, findings in found.items()}
        typer.echo(msgspec.json.encode({"bots": shown} if several is settings else shown[BOT]).decode())
    return all(finding.outcome != "failed" for findings in found.values() for finding in findings)


def _about(gateway: Gateway, attaching: Attaching) -> str:
    """Return the line of ``--json``: of a gateway of several bots with the name of each as its table has it."""
    about: dict[str, Any] = {"api_url": gateway.api_url}
    if gateway.page is not None:
        about["page"] = gateway.page
    if gateway.has_several:
        bots = gateway.bots
        about["bots"] = {
            name: {"id": None, "token": None, "fault": bots.fault(name)} if relay is None else _about_bot(relay)
            for name, relay in ((name, bots.get(name)) for name in bots.names)
        }
    else:
        about |= {"team": _team(gateway.relay), "bots": {gateway.relay.bot.name: _about_bot(gateway.relay)}}
    return msgspec.json.encode(about | attaching.about()).decode()


def _about_bot(relay: Relay) -> dict[str, Any]:
    tokens = {name: token.reveal() for name, token in relay.local_tokens.items()}
    about = {"id": relay.bot.user, "name": relay.bot.name, "team": _team(relay), "token": tokens.pop(BOT)}
    if APP in tokens:
        about["app_token"] = tokens.pop(APP)
    return {**about, "programs": tokens} if tokens else about


def _team(relay: Relay) -> dict[str, str]:
    team = relay.bot.team
    return {"id": team.id, "name": team.name, "domain": team.domain}


def _describe(gateway: Gateway, attaching: Attaching) -> str:
    """Return the address for people; tokens stay in their files."""
    lines = []
    for name in gateway.bots.names:
        relay = gateway.bots.get(name)
        label = f"{name}: " if gateway.has_several else ""
        if relay is None:
            lines.append(f"{label}not served: {gateway.bots.fault(name)}")
            continue
        bot = relay.bot
        lines.append(f"{label}{bot.name} ({bot.user}) of {bot.team.name} is served; its token is {_place(relay)}.")
    return "\n".join(
        (
            *lines,
            f"  Web API   {gateway.api_url}",
            *(
                [f"  page      {gateway.page}  (once; then see {gateway.server.data / 'page.txt'})"]
                if gateway.page
                else []
            ),
            f"Point a bot at it: SLACK_API_URL={gateway.api_url} SLACK_BOT_TOKEN=<token> and the base_url of its SDK.",
            *attaching.describe(),
            "Ctrl-C stops the gateway.",
        )
    )


def _place(relay: Relay) -> str:
    return "the one of the settings" if relay.is_token_given else f"in {relay.data / 'tokens.json'}"
