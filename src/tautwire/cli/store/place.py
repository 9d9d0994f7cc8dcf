"""What the commands share that work on a database without serving it: which one, and how they end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from tautwire.cli.logs import LogFormat, LogLevel, set_up_logging
from tautwire.cli.options import given
from tautwire.cli.serve import TABLE
from tautwire.protocol.errors import TautwireError
from tautwire.server.sources import DEFAULT_FILE, FILE_VARIABLE, read_settings
from tautwire.server.store.engine import StoreError

OPTIONS: Final = [row for row in TABLE if row.name in ("data", "database")]
"""The settings that say where a workspace is."""

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"TOML file of the server's settings. Default: what {FILE_VARIABLE} names, else {DEFAULT_FILE} in the "
        "working directory if there is one.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON line.")]


class Place(NamedTuple):
    """Where a workspace is."""

    data: Path
    database: str | None


def find_place(context: typer.Context, config: Path | None, options: dict[str, Any]) -> Place:
    """Return the place that options, variables, file and defaults name, as for ``tautwire serve``."""
    configuration = read_settings(TABLE, given(context, options), os.environ, config)
    for sentence in configuration.unknown_variables:
        typer.echo(f"tautwire: {sentence}", err=True)
    return Place(configuration.chosen["data"].value, configuration.chosen["database"].value)


@contextmanager
def ending() -> Iterator[None]:
    """Log warnings, and end with a sentence and a status: 1 if the work failed, 2 if the settings are wrong."""
    set_up_logging(LogLevel.WARNING, LogFormat.TEXT)
    try:
        yield
    except TautwireError as error:
        typer.echo(f"tautwire: {error}", err=True)
        raise typer.Exit(1 if isinstance(error, StoreError) else 2) from None
