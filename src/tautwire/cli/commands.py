"""The command with the sub-commands, a module for each; loaded by ``main`` where the libraries of the server are."""

import typer

from tautwire import __version__
from tautwire.cli.demo import demo
from tautwire.cli.serve import EPILOG, serve

app = typer.Typer(name="tautwire", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command(epilog=EPILOG)(serve)
app.command()(demo)


@app.callback(invoke_without_command=True)
def main(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Run a self-hosted workspace that RTM and Web API clients connect to unmodified."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
