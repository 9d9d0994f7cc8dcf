"""``tautwire workspaces``: the workspaces that are created beside that of a running server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tautwire.cli.operator import DATA, AsJson, Data, Operator, day, facts, group, table, words

workspaces_commands = group(
    "The workspaces of a running server with the control API: list, create, reset, snapshot, restore, diff, delete."
)

One = Annotated[str, typer.Argument(help="Id of the workspace's team.", metavar="WORKSPACE")]
Name = Annotated[str, typer.Argument(help="Name of the snapshot.", metavar="NAME")]

CHECK = "tautwire workspaces list"


@workspaces_commands.command("list")
def list_(data: Data = DATA, as_json: AsJson = False) -> None:
    """List the workspaces of the server."""
    operator = Operator(data, as_json=as_json, on_host=True)
    answer = operator.read("workspaces.list")
    operator.show(answer, lambda: _table(answer["workspaces"]))


@workspaces_commands.command("create")
def create(
    seed: Annotated[
        Path | None, typer.Option(help="YAML or JSON file of people, bots and channels; default: those of the sample.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name in the list; default: that of the team.")] = None,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="End it with the server, and flush nothing.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Create a workspace, and print how programs reach it, with the tokens of its people and bots."""
    operator = Operator(data, as_json=as_json, on_host=True)
    answer = operator.change(
        "workspaces.create", check=CHECK, seed=_read(seed) if seed is not None else None, name=name, ephemeral=ephemeral
    )
    operator.show(answer, lambda: _created(answer))


@workspaces_commands.command("reset")
def reset(workspace: One, data: Data = DATA, as_json: AsJson = False) -> None:
    """Bring a created workspace back to its seed; ids and tokens stay, connections end."""
    operator = Operator(data, as_json=as_json, on_host=True)
    answer = operator.change("workspaces.reset", check=CHECK, workspace=workspace)
    operator.show(answer, lambda: iter([f"{workspace} is as it was created; its log goes on at {answer['position']}."]))


@workspaces_commands.command("snapshot")
def snapshot(workspace: One, name: Name, data: Data = DATA, as_json: AsJson = False) -> None:
    """Keep the present state of a workspace under a name."""
    operator = Operator(data, as_json=as_json, on_host=True)
    answer = operator.change("workspaces.snapshot", check=CHECK, workspace=workspace, name=name)
    operator.show(answer, lambda: iter([f"The snapshot {name!r} has {answer['size']} bytes."]))


@workspaces_commands.command("restore")
def restore(workspace: One, name: Name, data: Data = DATA, as_json: AsJson = False) -> None:
    """Bring a created workspace back to a snapshot; connections end."""
    operator = Operator(data, as_json=as_json, on_host=True)
    answer = operator.change("workspaces.restore", check=CHECK, workspace=workspace, name=name)
    operator.show(answer, lambda: iter([f"{workspace} is as in {name!r}; its log goes on at {answer['position']}."]))


@workspaces_commands.command("diff")
def diff(
    workspace: One,
    since: Annotated[
        str, typer.Argument(help="Snapshot from which; `seed` is the creation.", metavar="SINCE")
    ] = "seed",
    until: Annotated[str | None, typer.Argument(help="Snapshot up to which; default: now.", metavar="UNTIL")] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Show what was posted, edited, reacted and so on since a snapshot; all of it with --json."""
    operator = Operator(data, as_json=as_json, on_host=True)
    answer = operator.read("workspaces.diff", workspace=workspace, from_snapshot=since, to_snapshot=until)
    operator.show(answer, lambda: _changes(answer["changes"]))


@workspaces_commands.command("delete")
def delete(workspace: One, data: Data = DATA, as_json: AsJson = False) -> None:
    """Close a created workspace, and remove all that it had. This cannot be undone."""
    operator = Operator(data, as_json=as_json, on_host=True)
    answer = operator.change("workspaces.delete", check=CHECK, workspace=workspace)
    operator.show(answer, lambda: iter([f"{workspace} is deleted."]))


def _read(seed: Path) -> Any:
    import msgspec  # here: the other commands start without it

    try:
        return msgspec.yaml.decode(seed.read_bytes())  # JSON is YAML too
    except OSError as error:
        raise typer.BadParameter(f"{seed} cannot be read: {error.strerror or error}") from None
    except Exception as error:
        raise typer.BadParameter(f"{seed} must be YAML: {error}") from error


def _table(workspaces: list[dict[str, Any]]) -> Iterator[str]:
    rows = [
        (
            each["id"],
            each["name"],
            day(each["created"]) if each["created"] is not None else "",
            words([(each["is_sandbox"], "created"), (each["ephemeral"], "ephemeral")]),
        )
        for each in workspaces
    ]
    return table(("id", "name", "since", "kind"), rows)


def _created(answer: dict[str, Any]) -> Iterator[str]:
    yield from facts(
        [
            ("id", answer["workspace"]["id"]),
            ("Web API", answer["api_url"]),
            ("control API", answer["control"]["url"]),
            ("its secret", answer["control"]["secret"]),
        ]
    )
    yield ""
    yield from table(("name", "token"), [(name, user["token"] or "") for name, user in answer["users"].items()])


def _changes(changes: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each change of which people ask first; the rest is counted."""
    for what, found in changes["messages"].items():
        for each in found:
            text = json.dumps(each["text"], ensure_ascii=False)
            yield f"{what:8}  #{each['channel_name']}  {each['user_name']}: {text[:100]}"
    for kind, parts in changes.items():
        if isinstance(parts, dict) and kind not in ("messages", "team"):
            for what, found in parts.items():
                if found:
                    yield f"{kind}: {len(found)} {what}"
    yield f"changes in all: {changes['count']}"
