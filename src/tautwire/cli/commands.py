"""The command with the sub-commands, a module for each; loaded by ``main`` where the libraries of the server are."""

from typing import Any

import typer
from typer.core import TyperGroup

from tautwire import __version__
from tautwire.cli.backup import backup, restore
from tautwire.cli.db import check, migrate
from tautwire.cli.demo import demo
from tautwire.cli.serve import EPILOG, serve
from tautwire.protocol.tokens import redact


class MaskingGroup(TyperGroup):
    """Masks secrets in what is said about a wrong command line: its arguments may be URLs with passwords."""

    def invoke(self, ctx: Any) -> Any:
        """Find a sub-command, parse its arguments, and run it."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            message = getattr(error, "message", None)  # of a usage error; its class is private to typer
            if isinstance(message, str):
                error.message = redact(message)  # type: ignore[attr-defined]
            raise


app = typer.Typer(
    name="tautwire", cls=MaskingGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.command(epilog=EPILOG)(serve)
app.command()(demo)
app.command()(backup)
app.command()(restore)

db = typer.Typer(no_args_is_help=True, help="Look after the database of a workspace.")
db.command()(check)
db.command()(migrate)
app.add_typer(db, name="db")


@app.callback(invoke_without_command=True)
def main(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Run a self-hosted workspace that RTM and Web API clients connect to unmodified."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
