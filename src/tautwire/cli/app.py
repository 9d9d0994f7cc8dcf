"""``tautwire app``: the apps of a running server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tautwire.cli.operator import DATA, AsJson, Data, Operator, day, facts, group, table
from tautwire.cli.token import Scopes, tokens_table

app_commands = group(
    "The apps of a running server, each with its bot: list, show, add, change, export, consent, uninstall, "
    "request-url, webhook, delete."
)

MAX_MANIFEST: Final = 100_000
"""Characters of a manifest that is sent to the server."""

One = Annotated[str, typer.Argument(help="Id or name of the app.", metavar="APP")]
Manifest = Annotated[
    Path | None, typer.Option(help="File of its manifest, YAML or JSON.", metavar="FILE", exists=True, dir_okay=False)
]
Events = Annotated[
    list[str] | None, typer.Option("--event", help="An event to which its bot subscribes; can be repeated.")
]
UserEvents = Annotated[
    list[str] | None, typer.Option("--user-event", help="The same for the people who authorise it; can be repeated.")
]


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
    name: Annotated[str | None, typer.Argument(help="Name of the app.", metavar="NAME")] = None,
    manifest: Manifest = None,
    bot: Annotated[str | None, typer.Option(help="Name of its bot; default: that of the app.")] = None,
    real_name: Annotated[str, typer.Option(help="Full name of the bot.")] = "",
    scope: Scopes = None,
    app_token: Annotated[bool, typer.Option("--app-token", help="Issue an app-level token.")] = False,
    socket_mode: Annotated[bool, typer.Option("--socket-mode", help="Send its events over Socket Mode.")] = False,
    event: Events = None,
    user_event: UserEvents = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Add an app with its bot, and print its tokens and secrets, which cannot be shown again."""
    if (name is None) == (manifest is None):
        raise typer.BadParameter("give a name, or a manifest with --manifest")
    operator = Operator(data, as_json=as_json)
    answer = operator.change(
        "app.add", check="tautwire app list", name=name, manifest=_read(manifest), bot=bot, real_name=real_name,
        scopes=scope or [], app_token=app_token, socket_mode=socket_mode, events=event or [],
        user_events=user_event or [],
    )  # fmt: skip
    for each in answer.get("warnings", []):
        typer.echo(f"tautwire: {each['pointer']} has no effect: {each['message']}", err=True)
    operator.show(answer, lambda: _added(answer))


@app_commands.command("change")
def change(
    app: One,
    manifest: Manifest = None,
    event: Events = None,
    user_event: UserEvents = None,
    socket_mode: Annotated[
        bool | None, typer.Option("--socket-mode/--no-socket-mode", help="Whether its events come over Socket Mode.")
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Change an app: the events it subscribes to, their way, or its whole manifest. What is not given stays."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change(
        "app.change", check=f"tautwire app show {app}", app=app, manifest=_read(manifest), events=_none(event),
        user_events=_none(user_event), socket_mode=socket_mode,
    )  # fmt: skip
    operator.show(answer, lambda: _changed(answer))


@app_commands.command("export")
def export(app: One, data: Data = DATA, as_json: AsJson = False) -> None:
    """Print the manifest of an app as JSON, which is YAML too."""
    operator = Operator(data, as_json=as_json)
    answer = operator.read("app.export", app=app)
    operator.show(answer["manifest"], lambda: iter([json.dumps(answer["manifest"], ensure_ascii=False, indent=2)]))


@app_commands.command("consent")
def consent(
    app: One,
    user: Annotated[str, typer.Argument(help="The person who installs it.", metavar="USER")],
    redirect_uri: Annotated[str, typer.Option(help="The redirect URI that the app sends.")] = "",
    state: Annotated[str, typer.Option(help="The state that the app sends.")] = "",
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Let a person install an app, and print the URL, or the code, that gives the app its tokens."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change(
        "app.consent", check=f"tautwire app show {app}", app=app, user=user, redirect_uri=redirect_uri, state=state
    )
    operator.show(answer, lambda: iter([answer["location"] or answer["code"]]))


@app_commands.command("uninstall")
def uninstall(app: One, data: Data = DATA, as_json: AsJson = False) -> None:
    """Uninstall an app: its tokens of its bot and of people are revoked. It gets the events that say so."""
    operator = Operator(data, as_json=as_json)
    answer = operator.change("app.uninstall", check=f"tautwire app show {app}", app=app)
    operator.show(answer, lambda: iter([f"The app {answer['app']['name']} ({answer['app']['id']}) is uninstalled."]))


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


def _read(manifest: Path | None) -> str | None:
    """Return the text of a manifest."""
    if manifest is None:
        return None
    try:
        with manifest.open(encoding="utf-8") as file:
            text = file.read(MAX_MANIFEST + 1)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{manifest} cannot be read: {error}") from None
    if len(text) > MAX_MANIFEST:
        raise typer.BadParameter(f"{manifest} must have at most {MAX_MANIFEST} characters")
    return text


def _none(names: list[str] | None) -> list[str] | None:
    """Return the names that were given; None without any, which leaves the present ones."""
    return [name for name in names if name] if names else None


def _changed(answer: dict[str, Any]) -> Iterator[str]:
    yield f"The app {answer['app']['name']} ({answer['app']['id']}) is changed."
    if answer["permissions_updated"]:
        yield "It asks for other scopes now: install it again."


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
    yield from facts(
        [
            ("Socket Mode", "on" if answer["socket_mode"] else ""),
            ("bot events", ", ".join(answer["events"])),
            ("user events", ", ".join(answer["user_events"])),
        ]
    )
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
