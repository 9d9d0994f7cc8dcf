"""``tautwire app``: the apps of a running server."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tautwire.cli.operator import DATA, AsJson, Data, Operator, day, facts, group, table
from tautwire.cli.token import Scopes, tokens_table

app_commands = group("The apps of a running server, each with its bot: list, show, add, request-url, webhook, delete.")

One = Annotated[str, typer.Argument(help="Id or name of the app.", metavar="APP")]


@app_commands.command("list")
def list_(data: Data = DATA, as_json: AsJson = False) -> None:
    """List the apps of the workspace."""
    operator = Operator(data, as_json=as_json)
    answer = operator.read_all("app.list", "apps")
    operator.show(answer, lambda: _table(answer["apps"]))


@app_commands.command("show")
def show(app: One, data: Data = DATA, as_json: AsJson = False) -> None:
    """Show an app with its bot and tokens."""
    operator = Operator(data, as_json=as_json)
    answer = operator.read("app.show", app=app)
    operator.show(answer, lambda: _shown(answer))


@app_commands.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name of the app.", metavar="NAME")],
    bot: Annotated[str | None, typer.Option(help="Name of its bot; default: that of the app.")] = None,
    real_name: Annotated[str, typer.Option(help="Full name of the bot.")] = "",
    scope: Scopes = None,
    app_token: Annotated[bool, typer.Option("--app-token", help="Issue an app-level token, for Socket Mode.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Add an app with its bot, and print its tokens and secrets, which cannot be shown again."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change(
        "app.add", check=f"tautwire app show {name}",
        name=name, bot=bot, real_name=real_name, scopes=scope or [], app_token=app_token,
    )  # fmt: skip
    operator.show(answer, lambda: _added(answer))


@app_commands.command("request-url")
def request_url(
    app: One,
    url: Annotated[str | None, typer.Argument(help="URL; without it, none.", metavar="URL")] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Send the events of an app to a URL over HTTP, once it has answered a challenge there.

    The URL that it has may be set again, if it was switched off. Prints the secret with which requests are signed.
    """
    operator = Operator(data, as_json=as_json)
    answer = operator.change("app.request_url", check=f"tautwire app show {app}", app=app, url=url)
    operator.show(answer, lambda: _directed(answer))


@app_commands.command("webhook")
def webhook(
    app: One,
    channel: Annotated[str, typer.Argument(help="Id or name of the channel.", metavar="CHANNEL")],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Make an incoming webhook of an app, and print its URL, which cannot be shown again."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change("webhooks.create", check=f"tautwire app show {app}", app=app, channel=channel)
    operator.show(answer, lambda: facts([("id", answer["webhook"]["id"]), ("URL", answer["url"])]))


@app_commands.command("delete")
def delete(app: One, data: Data = DATA, as_json: AsJson = False) -> None:
    """Delete an app: its tokens are revoked, and its bot is deactivated. This cannot be undone."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change("app.delete", check="tautwire app list", app=app)
    operator.show(answer, lambda: iter([f"The app {answer['app']['name']} ({answer['app']['id']}) is deleted."]))


def _table(apps: list[dict[str, Any]]) -> Iterator[str]:
    rows = [(each["name"], each["id"], each["bot_user"] or "", day(each["created"])) for each in apps]
    return table(("name", "id", "bot user", "since"), rows)


def _directed(answer: dict[str, Any]) -> Iterator[str]:
    return facts([("request URL", answer["request_url"] or "none"), ("signing secret", answer["signing_secret"] or "")])


def _facts(app: dict[str, Any], bot: str | None) -> Iterator[str]:
    return facts(
        [
            ("name", app["name"]),
            ("id", app["id"]),
            ("bot", bot or app["bot_user"] or ""),
            ("client id", app["client_id"] or ""),
            ("since", day(app["created"])),
        ]
    )


def _shown(answer: dict[str, Any]) -> Iterator[str]:
    bot = answer["bot"]
    yield from _facts(answer["app"], f"{bot['name']} ({bot['id']})" if bot is not None else None)
    if answer["request_url"] is not None:
        yield from facts([("request URL", f"{answer['request_url']} ({answer['request_state']})")])
    if answer["tokens"]:
        yield ""
        yield from tokens_table(answer["tokens"])


def _added(answer: dict[str, Any]) -> Iterator[str]:
    yield from _facts(answer["app"], None)
    yield "\nSecrets, which cannot be shown again:"
    yield from facts(
        [
            ("bot token", answer["bot_token"]),
            ("app-level token", answer.get("app_token") or ""),
            ("client secret", answer["client_secret"]),
            ("signing secret", answer["signing_secret"]),
        ]
    )
