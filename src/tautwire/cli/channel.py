"""``tautwire channel``: the channels of a running server and their members."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tautwire.cli.operator import DATA, AsJson, Data, Operator, day, facts, group, table, words

channel_commands = group("The channels of a running server and their members: list, show, add, invite, remove.")

One = Annotated[str, typer.Argument(help="Id or name of the channel.", metavar="CHANNEL")]


@channel_commands.command("list")
def list_(data: Data = DATA, as_json: AsJson = False) -> None:
    """List the public and private channels, without direct messages."""
    operator = Operator(data, as_json=as_json)
    answer = operator.read_all("channel.list", "channels")
    operator.show(answer, lambda: _table(answer["channels"]))


@channel_commands.command("show")
def show(channel: One, data: Data = DATA, as_json: AsJson = False) -> None:
    """Show a channel and its members."""
    operator = Operator(data, as_json=as_json)
    answer = operator.read("channel.show", channel=channel)
    answer |= operator.read_all("channel.members", "members", channel=answer["channel"]["id"])
    operator.show(answer, lambda: _facts(answer["channel"], answer["members"]))


@channel_commands.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name of the channel, without #.", metavar="NAME")],
    member: Annotated[
        list[str] | None, typer.Option(help="A member, who is the creator if the first; can be repeated.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a private channel.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Add a channel with its first members."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change(
        "channel.add", check=f"tautwire channel show {name}", name=name, private=private, members=member or []
    )
    operator.show(answer, lambda: _facts(answer["channel"]))


@channel_commands.command("invite")
def invite(
    channel: One,
    users: Annotated[list[str], typer.Argument(help="Ids, names or e-mail addresses.", metavar="USER...")],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Add people and bots to a channel, all of them or none; members stay as they are."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change("channel.invite", check=f"tautwire channel show {channel}", channel=channel, users=users)
    operator.show(answer, lambda: _facts(answer["channel"]))


@channel_commands.command("remove")
def remove(
    channel: One,
    user: Annotated[str, typer.Argument(help="Id, name or e-mail address of the member.", metavar="USER")],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Remove a member from a channel; from the general channel no member can be removed."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change("channel.remove", check=f"tautwire channel show {channel}", channel=channel, user=user)
    operator.show(answer, lambda: _facts(answer["channel"]))


def _table(channels: list[dict[str, Any]]) -> Iterator[str]:
    columns = ("name", "id", "members", "since", "state")
    rows = [
        (each["name"], each["id"], str(each["member_count"]), day(each["created"]), _state(each)) for each in channels
    ]
    return table(columns, rows)


def _facts(channel: dict[str, Any], members: list[dict[str, Any]] | None = None) -> Iterator[str]:
    return facts(
        [
            ("name", channel["name"]),
            ("id", channel["id"]),
            ("state", _state(channel)),
            ("topic", channel["topic"]),
            ("purpose", channel["purpose"]),
            ("since", day(channel["created"])),
            ("members", str(channel["member_count"])),
            ("", ", ".join(member["name"] for member in members or [])),
        ]
    )


def _state(channel: dict[str, Any]) -> str:
    return words(
        [
            (channel["general"], "general"),
            (channel["private"], "private"),
            (channel["archived"], "archived"),
        ]
    )
