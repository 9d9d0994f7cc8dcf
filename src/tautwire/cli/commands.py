"""The command with the sub-commands, a module for each, which is imported when its command runs.

The commands of an operator take a fraction of a second, most of which would be the import of the server and the client.
"""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from tautwire import __version__

COMMANDS: Final = {
    "serve": "serve",
    "gateway": "gateway",
    "demo": "demo",
    "user": "people",
    "bot": "people",
    "app": "app",
    "token": "token",
    "channel": "channel",
    "team": "team",
    "workspaces": "workspaces",
    "doctor": "doctor.command",
    "status": "running.status",
    "tail": "running.tail",
    "say": "running.say",
    "backup": "store.backup",
    "restore": "store.backup",
    "db": "store.db",
}
"""The modules of the commands; each has a ``typer.Typer`` of the command's name."""


class MissingLibrary(Exception):  # noqa: N818 - an outcome, which ``main`` explains
    """A command needs a library that is not installed."""


class _OnDemand(TyperGroup):
    """A group whose commands are imported when one is asked for. It masks secrets in what is said about a wrong command
    line: its arguments may be URLs with passwords.

    Older versions of typer have these types from click, newer ones have types of their own: hence ``Any``.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; return None for an unknown name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        try:
            commands = import_module(f"tautwire.cli.{module}")
        except ModuleNotFoundError as error:
            raise MissingLibrary(error.name) from error
        found = typer.main.get_command(getattr(commands, f"{cmd_name}_commands"))
        found.name = cmd_name
        return found

    def invoke(self, ctx: Any) -> Any:
        """Find a sub-command, parse its arguments, and run it."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            from tautwire.protocol.tokens import redact

            message = getattr(error, "message", None)  # of a usage error; its class is private to typer
            if isinstance(message, str):
                error.message = redact(message)  # type: ignore[attr-defined]
            raise


app = typer.Typer(
    name="tautwire", cls=_OnDemand, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback(invoke_without_command=True)
def main(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Run a self-hosted workspace that RTM and Web API clients connect to unmodified."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
