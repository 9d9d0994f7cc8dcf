"""``tautwire token``: the tokens of a running server."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tautwire.cli.operator import DATA, AsJson, Data, Operator, Quiet, day, facts, group, table, words

token_commands = group("The tokens of a running server: list, issue, rotate, revoke.")

One = Annotated[
    str, typer.Argument(help="Id of the token; - reads the token itself from standard input.", metavar="TOKEN")
]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", help="A scope; can be repeated. Default: those of a classic bot.")
]


@token_commands.command("list")
def list_(
    user: Annotated[str | None, typer.Option(help="Only those of this user or bot.")] = None,
    app: Annotated[str | None, typer.Option(help="Only those of this app.")] = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="Revoked ones too.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List the tokens; their texts are not stored and cannot be shown."""
    operator = Operator(data, as_json=as_json)
    answer = operator.read_all("token.list", "tokens", user=user, app=app, revoked=revoked)
    operator.show(answer, lambda: tokens_table(answer["tokens"]))


@token_commands.command("issue")
def issue(
    holder: Annotated[
        str | None, typer.Argument(help="Id, name or e-mail address of the user or bot.", metavar="[USER]")
    ] = None,
    app: Annotated[str | None, typer.Option(help="Issue an app-level token of this app, for Socket Mode.")] = None,
    scope: Scopes = None,
    configuration: Annotated[
        bool, typer.Option("--configuration", help="A configuration token, with which the person makes apps.")
    ] = False,
    lifetime: Annotated[int | None, typer.Option(min=1, help="Seconds until it expires; default: never.")] = None,
    quiet: Quiet = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Issue a token and print it; it cannot be shown again."""
    if (holder is None) == (app is None):
        raise typer.BadParameter("give a user or bot, or an app with --app")
    operator = Operator(data, as_json=as_json)
    check = f"tautwire token list --app {app}" if app is not None else f"tautwire token list --user {holder}"
    answer = operator.change(
        "token.issue", check=check, user=holder, app=app, scopes=scope or [], configuration=configuration,
        lifetime=lifetime,
    )  # fmt: skip
    operator.show(answer, lambda: _new(answer, quiet=quiet))


@token_commands.command("rotate")
def rotate(
    token: One,
    grace: Annotated[int, typer.Option(min=0, help="Seconds that the old token is accepted.")] = 0,
    quiet: Quiet = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Replace a token by a new one for the same user and scopes, and print it."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change("token.rotate", check="tautwire token list --revoked", token=_read(token), grace=grace)
    operator.show(answer, lambda: _new(answer, quiet=quiet))


@token_commands.command("revoke")
def revoke(token: One, data: Data = DATA, as_json: AsJson = False) -> None:
    """Revoke a token: calls with it fail at once, and its connections are closed."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change("token.revoke", check="tautwire token list --revoked", token=_read(token))
    operator.show(answer, lambda: _facts(answer["details"]))


def tokens_table(tokens: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table of tokens."""
    columns = ("id", "kind", "of", "scopes", "origin", "since", "state")
    rows = [
        (
            each["id"], each["kind"], each["holder"], ",".join(each["scopes"]), each["origin"], day(each["created"]),
            _state(each),
        )
        for each in tokens
    ]  # fmt: skip
    return table(columns, rows)


def _read(argument: str) -> str:
    """Return the id, or the token from standard input: an argument would be in the history of the shell."""
    return sys.stdin.readline().strip() if argument == "-" else argument


def _new(answer: dict[str, Any], *, quiet: bool) -> Iterator[str]:
    if not quiet:
        yield from _facts(answer["details"])
        yield "\nThe token, which cannot be shown again:"
    yield answer["token"]


def _facts(token: dict[str, Any]) -> Iterator[str]:
    return facts(
        [
            ("id", token["id"]),
            ("kind", token["kind"]),
            ("of", token["holder"]),
            ("scopes", ", ".join(token["scopes"])),
            ("since", day(token["created"])),
            ("state", _state(token)),
        ]
    )


def _state(token: dict[str, Any]) -> str:
    expires = token["expires"]
    return words(
        [
            (token["revoked"] is not None, "revoked"),
            (expires is not None, f"expires {day(expires)}" if expires is not None else ""),
        ]
    )
