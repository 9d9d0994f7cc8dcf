"""``tautwire team``: the name, domain and picture of the workspace of a running server."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tautwire.cli.operator import DATA, AsJson, Data, Operator, facts, group

team_commands = group("The workspace of a running server: show or change its name, domain and picture.")


@team_commands.command("show")
def show(data: Data = DATA, as_json: AsJson = False) -> None:
    """Show the name, domain and picture of the workspace."""
    operator = Operator(data, as_json=as_json)
    answer = operator.read("team.show")
    operator.show(answer, lambda: _facts(answer["team"]))


@team_commands.command("change")
def change(
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    domain: Annotated[
        str | None, typer.Option(help="New domain: lower-case letters, digits and hyphens, as in acme.")
    ] = None,
    icon: Annotated[
        str | None, typer.Option(help="URL of a new picture; an empty text for the default picture.")
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Change the workspace; connected clients get the new name and domain at once."""
    if name is None and domain is None and icon is None:
        raise typer.BadParameter("give at least one of --name, --domain and --icon")
    operator = Operator(data, as_json=as_json)
    answer = operator.change("team.change", check="tautwire team show", name=name, domain=domain, icon=icon)
    operator.show(answer, lambda: _facts(answer["team"]))


def _facts(team: dict[str, Any]) -> Iterator[str]:
    return facts([("name", team["name"]), ("domain", team["domain"]), ("id", team["id"]), ("icon", team["icon"])])
