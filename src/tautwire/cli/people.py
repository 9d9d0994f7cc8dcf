"""``tautwire user`` and ``tautwire bot``: the people and bots of a running server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tautwire.cli.operator import DATA, AsJson, Data, Operator, Quiet, day, facts, group, table, words

WORDS: Final = {"user": "person", "bot": "bot"}


def _commands(name: str) -> typer.Typer:
    """Return the group ``name``, user or bot: the same commands on different users."""
    word = WORDS[name]
    plural = {"user": "people", "bot": "bots"}[name]
    commands = group(f"The {plural} of a running server: list, show, add, deactivate, reactivate.")
    one = Annotated[str, typer.Argument(help=f"Id, name or e-mail address of the {word}.", metavar=name.upper())]

    @commands.command("list", help=f"List the {plural} of the workspace.")
    def list_(data: Data = DATA, as_json: AsJson = False) -> None:
        operator = Operator(data, as_json=as_json)
        answer = operator.read_all(f"{name}.list", f"{name}s")
        operator.show(answer, lambda: _table(answer[f"{name}s"]))

    @commands.command("show", help=f"Show a {word} and the channels.")
    def show(who: one, data: Data = DATA, as_json: AsJson = False) -> None:
        operator = Operator(data, as_json=as_json)
        answer = operator.read(f"{name}.show", user=who)
        operator.show(answer, lambda: _facts(answer[name]))

    about_add = f"Add a {word} and print the token, which cannot be shown again."

    @commands.command("add", help=about_add if name == "bot" else f"{about_add} People join the general channel.")
    def add(
        new: Annotated[str, typer.Argument(help=f"Name of the {word}, unique among people and bots.", metavar="NAME")],
        real_name: Annotated[str, typer.Option(help="Full name.")] = "",
        email: Annotated[str | None, typer.Option(help="E-mail address.")] = None,
        channel: Annotated[list[str] | None, typer.Option(help="A channel to put it in; can be repeated.")] = None,
        quiet: Quiet = False,
        data: Data = DATA,
        as_json: AsJson = False,
    ) -> None:
        operator = Operator(data, as_json=as_json)
        answer = operator.change(
            f"{name}.add", check=f"tautwire {name} show {new}",
            name=new, real_name=real_name, email=email, channels=channel or [],
        )  # fmt: skip
        operator.show(answer, lambda: _added(answer, name, quiet=quiet))

    @commands.command("deactivate", help=f"Deactivate a {word}: every token is refused, every connection closed.")
    def deactivate(who: one, data: Data = DATA, as_json: AsJson = False) -> None:
        _set_active("deactivate", who, data, as_json=as_json)

    @commands.command("reactivate", help=f"Reactivate a {word}; the tokens that were not revoked are accepted again.")
    def reactivate(who: one, data: Data = DATA, as_json: AsJson = False) -> None:
        _set_active("reactivate", who, data, as_json=as_json)

    def _set_active(verb: str, who: str, data: Path, *, as_json: bool) -> None:
        operator = Operator(data, as_json=as_json)
        answer = operator.change(f"{name}.{verb}", check=f"tautwire {name} show {who}", user=who)
        operator.show(answer, lambda: _facts(answer[name]))

    return commands


def _table(people: list[dict[str, Any]]) -> Iterator[str]:
    columns = ("name", "id", "full name", "e-mail", "since", "state")
    rows = [
        (
            each["name"], each["id"], each["real_name"], each["email"] or "", day(each["created"]),
            words([(each["deactivated"], "deactivated")]),
        )
        for each in people
    ]  # fmt: skip
    return table(columns, rows)


def _facts(person: dict[str, Any]) -> Iterator[str]:
    return facts(
        [
            ("name", person["name"]),
            ("id", person["id"]),
            ("full name", person["real_name"]),
            ("e-mail", person["email"] or ""),
            ("bot id", person.get("bot_id") or ""),
            ("app id", person.get("app_id") or ""),
            ("since", day(person["created"])),
            ("state", words([(person["deactivated"], "deactivated")])),
            ("channels", ", ".join(f"#{channel}" for channel in person.get("channels") or [])),
        ]
    )


def _added(answer: dict[str, Any], name: str, *, quiet: bool) -> Iterator[str]:
    if not quiet:
        yield from _facts(answer[name])
        yield "\nThe token, which cannot be shown again:"
    yield answer["token"]


user_commands = _commands("user")
bot_commands = _commands("bot")
