"""``tautwire tail``: the last messages of a running server, and those that follow."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from tautwire.cli.control import ControlError, NotRunningError, UnknownOutcomeError, call
from tautwire.cli.operator import DATA, AsJson, Data, Operator

tail_commands = typer.Typer(add_completion=False)

PATIENCE: Final = 25
"""Seconds that one call waits for news."""
PAUSE: Final = 1.0
"""Seconds between two tries to reach a server that is away."""
STOPPING: Final = "server_stopping"
"""The code of the server's answer while it stops."""
_CHANGES: Final = {"message_changed": " (edited)", "message_deleted": " (deleted)"}


@tail_commands.command()
def tail(
    channel: Annotated[str | None, typer.Option(help="Id or name of a channel: only what happens there.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=500, help="How many of the last ones.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    every: Annotated[bool, typer.Option("--all", help="All events, not messages alone.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Show the last messages of all channels, private ones too; with --json an object a line, with the whole event."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left half-done: end without a traceback
    wanted = {"channel": channel, "all": every}
    operator = Operator(data, as_json=as_json)
    answer = operator.read("events", **wanted, limit=max(1, lines))
    _print(answer["events"] if lines else [], as_json=as_json)
    is_away = False
    while follow:
        try:
            answer = call(data, "events", **wanted, after=answer["position"], limit=500, timeout=PATIENCE)
        except ControlError as error:
            if not (isinstance(error, NotRunningError | UnknownOutcomeError) or error.code == STOPPING):
                typer.echo(f"tautwire: {error}", err=True)
                raise typer.Exit(error.status) from None
            if not is_away:
                typer.echo(f"tautwire: the server of {data} is away; waiting for it", err=True)
            is_away = True
            time.sleep(PAUSE)
        else:
            is_away = False
            _print(answer["events"], as_json=as_json)


def _print(events: list[dict[str, Any]], *, as_json: bool) -> None:
    for each in events:
        for line in [json.dumps(each, ensure_ascii=False)] if as_json else _lines(each):
            typer.echo(line)
    sys.stdout.flush()


def _lines(seen: dict[str, Any]) -> Iterator[str]:
    """Yield the lines about one event: the first with time, place and author, further lines of its text below."""
    line = seen["line"]
    place = f"#{line['channel']}" if line["channel"] else "-"
    what = _CHANGES.get(line["subtype"] or "", "") if line["type"] == "message" else f" [{line['type']}]"
    head = f"{_time(line['ts'])}  {printable(place)}  {printable(line['user'] or '-')}{printable(what)}: "
    first, *others = (line["text"] or "").split("\n")
    yield head + printable(first)
    for other in others:
        yield " " * 10 + printable(other)


def _time(ts: str | None) -> str:
    return datetime.fromtimestamp(float(ts)).astimezone().strftime("%H:%M:%S") if ts else " " * 8


def printable(text: str) -> str:
    """Return a text of which a terminal does nothing but show it: authors may send escape sequences."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
