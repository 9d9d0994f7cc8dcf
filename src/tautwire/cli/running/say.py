"""``tautwire say``: post a message from the shell, as one of the people or bots."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tautwire.cli.operator import DATA, AsJson, Data, Operator

say_commands = typer.Typer(add_completion=False)


@say_commands.command()
def say(
    channel: Annotated[str, typer.Argument(help="Id or name of the channel.", metavar="CHANNEL")],
    text: Annotated[str, typer.Argument(help="Text in wire form; `-` reads it from stdin.", metavar="TEXT")],
    who: Annotated[
        str | None,
        typer.Option("--as", metavar="USER", help="Who says it: id, name or e-mail address. Default: the only person."),
    ] = None,
    thread: Annotated[str | None, typer.Option(metavar="TS", help="Reply to the message with this ts.")] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Post a message on a running server, by the rules that hold for its author."""
    operator = Operator(data, as_json=as_json)
    arguments = {
        "user": who if who is not None else _only_person(data, as_json=as_json),
        "channel": channel,
        "text": sys.stdin.read().removesuffix("\n") if text == "-" else text,
    }
    check = f"tautwire tail --channel {channel}"
    if thread is None:
        answer = operator.change("say", check=check, **arguments)
    else:
        answer = operator.change("reply", check=check, ts=thread, **arguments)
    operator.show(answer, lambda: iter([answer["ts"]]))


def _only_person(data: Path, *, as_json: bool) -> str:
    """Return the only person of the workspace; end the command if there are others: one of them has to be chosen."""
    found = Operator(data, as_json=as_json).read_all("user.list", "users")["users"]
    people = [each for each in found if not each["deactivated"]]
    if len(people) != 1:
        names = ", ".join(each["name"] for each in people[:5]) + (" …" if len(people) > 5 else "")
        raise typer.BadParameter(f"say who says it, with --as: {names or 'there are no people, give a bot'}")
    return str(people[0]["id"])
