"""The command line: a module for each sub-command."""

from importlib.metadata import version as version_of

try:
    import typer
except ModuleNotFoundError as error:  # the bare package is the client
    raise SystemExit('the tautwire command needs the server parts: pip install "tautwire[all]"') from error

from tautwire.cli.demo import demo
from tautwire.cli.serve import serve

app = typer.Typer(name="tautwire", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(serve)
app.command()(demo)


@app.callback(invoke_without_command=True)
def main(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """RTM for everybody: a self-hosted workspace that RTM and Web API clients connect to unmodified."""
    if version:
        typer.echo(version_of("tautwire"))
        raise typer.Exit
