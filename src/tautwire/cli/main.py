"""The entry of the ``tautwire`` command: the sub-commands, or what to install for them.

The bare package is the client: typer and the libraries of the server come with the extra ``server``. Without them the
command still answers ``--help`` and ``--version``.
"""

import sys
from importlib.metadata import metadata

from tautwire import __version__

_HELP = """\
Usage: tautwire [--help | --version]
       tautwire COMMAND ...

tautwire {version}. The client is installed: import tautwire.
{advice}"""


def main() -> None:
    """Run the command with the arguments of the process."""
    try:
        from tautwire.cli.commands import MissingLibrary, app
    except ModuleNotFoundError as error:
        _answer_without_commands(sys.argv[1:], _library(error))
        return
    try:
        app()
    except MissingLibrary as missing:
        if not isinstance(missing.__cause__, ModuleNotFoundError):
            raise
        _answer_without_commands(sys.argv[1:], _library(missing.__cause__))


def _library(error: ModuleNotFoundError) -> str:
    """Return the library that is not installed; raise the error if it is ours, since that is a defect."""
    missing = (error.name or "tautwire").partition(".")[0]
    if missing == "tautwire":
        raise error
    return missing


def _answer_without_commands(arguments: list[str], missing: str) -> None:
    advice = (
        f"The commands, such as serve and demo, need the server parts: {missing} is not installed. Run\n"
        f'pip install "tautwire[server] @ git+{_repository()}"'
    )
    match arguments:
        case ["--version", *_]:
            print(__version__)
        case ["--help", *_]:
            print(_HELP.format(version=__version__, advice=advice))
        case _:
            raise SystemExit(advice)


def _repository() -> str:
    """Return the address of the repository as the package's metadata have it."""
    urls: list[str] = metadata("tautwire").get_all("Project-URL") or []
    return dict(url.split(", ", 1) for url in urls)["Repository"]
