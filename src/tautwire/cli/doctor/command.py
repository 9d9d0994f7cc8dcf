"""``tautwire doctor``: look at the machine and the settings of a server, and say what to change."""

import os
from collections.abc import Iterator
from typing import Any

import typer

from tautwire import __version__
from tautwire.cli.doctor.findings import failed, show
from tautwire.cli.doctor.front import check_front
from tautwire.cli.doctor.machine import check_clock, check_data, check_descriptors, check_disk, check_versions
from tautwire.cli.doctor.server import ask_running, check_database, check_port, check_running, check_seed
from tautwire.cli.operator import AsJson
from tautwire.cli.options import given, with_options
from tautwire.cli.serve import EPILOG, TABLE
from tautwire.cli.store.place import Config
from tautwire.gateway.setup.doctor import Finding
from tautwire.protocol.errors import TautwireError
from tautwire.server.config import Settings
from tautwire.server.host import find_data
from tautwire.server.sources import Configuration, read_settings

doctor_commands = typer.Typer(add_completion=False)


@doctor_commands.command(epilog=EPILOG)
@with_options(TABLE)
def doctor(context: typer.Context, config: Config = None, as_json: AsJson = False, **options: Any) -> None:
    """Check what a server with these settings needs, running or not; exit with 1 if something has to be changed."""
    try:
        configuration = read_settings(TABLE, given(context, options), os.environ, config)
        settings = configuration.make(Settings)
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(show(_examine(configuration, settings), as_json=as_json))


def _examine(configuration: Configuration, settings: Settings) -> Iterator[Finding]:
    yield from check_versions()
    for sentence in configuration.unknown_variables:
        yield failed("settings", sentence)
    yield from check_data(settings.data)
    yield from check_disk(settings.data)
    yield from check_descriptors(settings.max_connections)
    running = ask_running(settings.data)
    if isinstance(running, Finding):
        yield running
    elif running is not None:
        yield from check_running(running, __version__)
    else:
        yield from check_port(settings)
    yield from check_seed(settings)
    for data in find_data(settings):
        yield from check_database(data, settings.database)
        yield from check_clock(data)
    yield from check_front(settings, is_running=running is not None)
