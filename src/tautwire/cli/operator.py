"""What the commands of an operator share: their options, a call with its errors, and how results are printed."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tautwire.cli.control import Answer, ControlError, UnknownOutcomeError, call, call_host

Data = Annotated[Path, typer.Option(envvar="TAUTWIRE_DATA", help="Data directory of the running server.")]
DATA = Path("tautwire-data")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, errors too.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the token only.")]


class Operator:
    """Runs operations and prints their results.

    Args:
        data: the data directory of the server.
        as_json: whether results and errors are printed as JSON, for scripts.
        on_host: whether the operations are on whole workspaces.
    """

    def __init__(self, data: Path, *, as_json: bool, on_host: bool = False) -> None:
        self._call = call_host if on_host else call
        self._data = data
        self._as_json = as_json

    def read(self, operation: str, /, **arguments: Any) -> Answer:
        """Return the result of an operation that changes nothing; print an error and exit if there is none."""
        with self._explained("Nothing was changed."):
            return self._call(self._data, operation, **arguments)

    def read_all(self, operation: str, members: str, /, **arguments: Any) -> Answer:
        """Return all pages of a list as one result."""
        items: list[Any] = []
        after: str | None = ""
        while after is not None:
            answer = self.read(operation, after=after, **arguments)
            items += answer[members]
            after = answer["next"]
        return {members: items}

    def change(self, operation: str, /, *, check: str, **arguments: Any) -> Answer:
        """Return the result of an operation that changes something; print an error and exit if there is none.

        Args:
            check: the command that shows whether the change is stored, for the case that the server is lost.
        """
        with self._explained(f"The change may or may not be stored: start the server, and look with `{check}`."):
            return self._call(self._data, operation, **arguments)

    def show(self, answer: Answer, text: Callable[[], Iterator[str]]) -> None:
        """Print a result, as JSON or as text for people."""
        if self._as_json:
            typer.echo(json.dumps(answer, ensure_ascii=False))
            return
        for line in text():
            typer.echo(line)

    @contextmanager
    def _explained(self, if_unknown: str) -> Iterator[None]:
        try:
            yield
        except ControlError as error:
            message = f"{error}. {if_unknown}" if isinstance(error, UnknownOutcomeError) else str(error)
            if self._as_json:
                typer.echo(json.dumps({"error": {"code": error.code, "message": message}}, ensure_ascii=False))
            else:
                typer.echo(f"tautwire: {message}", err=True)
            raise typer.Exit(error.status) from None


def group(about: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(help=about, no_args_is_help=True, add_completion=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table for people: a head, and columns as wide as their longest value."""
    lines = [[column.upper() for column in columns], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        yield "  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip()


def facts(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield a line for each name and value that is not empty."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        if value:
            yield f"{name.ljust(width)}  {value}"


def day(seconds: int) -> str:
    """Return a time as the date of its day, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def words(choices: Sequence[tuple[bool, str]]) -> str:
    """Return the words whose condition holds, with commas between them."""
    return ", ".join(word for holds, word in choices if holds)
