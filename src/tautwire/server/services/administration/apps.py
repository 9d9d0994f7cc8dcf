"""Apps, as an operator sees, adds and deletes them."""

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access import apps, subscriptions
from tautwire.server.services.access.apps import Secrets
from tautwire.server.services.access.identity import CLASSIC
from tautwire.server.services.access.tokens import issue, issue_for_app
from tautwire.server.services.administration.people import checked_line, checked_name
from tautwire.server.services.administration.refusals import explained
from tautwire.server.services.errors import MethodError
from tautwire.server.services.seed import APP_SCOPES, Scope
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.apps import AppRecord, find_signing_secret


class App(msgspec.Struct, kw_only=True):
    """An app. ``created`` is in seconds since 1970."""

    id: str
    name: str
    bot_user: str | None
    client_id: str | None
    created: int


class NewApp(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An app to add, with its bot."""

    name: str
    bot: str | None = None
    """The name of the bot; the app's if None."""
    real_name: str = ""
    scopes: list[Scope] = []
    """Of the bot token; without them it has those of a classic bot."""
    app_token: bool = False
    """Whether the app gets an app-level token, for Socket Mode."""


class Added(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A new app with its secrets, of which only the signing secret can be read again, by the app's own doors."""

    app: App
    bot_token: str
    app_token: str | None = None
    client_id: str
    client_secret: str
    signing_secret: str

    def __repr__(self) -> str:
        return f"Added(app={self.app!r}, …)"


def add(tx: Transaction, team: Team, wanted: NewApp) -> Added:
    """Add an app with its bot, tokens and secrets (a unit)."""
    checked_name(wanted.name)
    bot = checked_name(wanted.bot if wanted.bot is not None else wanted.name)
    checked_line(wanted.real_name, "the full name")
    try:
        made = apps.create_app(tx, team, wanted.name, bot_name=bot, real_name=wanted.real_name)
    except MethodError as error:
        raise explained(error, f"the app {wanted.name!r} with the bot {bot!r} cannot be added") from None
    bot_token = issue(tx, made.bot, scopes=wanted.scopes or CLASSIC).text
    app_token = issue_for_app(tx, made.record, APP_SCOPES).text if wanted.app_token else None
    secrets: Secrets = apps.renew_secrets(tx, made.record.id)
    return Added(
        app=app(msgspec.structs.replace(made.record, client_id=secrets.client_id)), bot_token=bot_token,
        app_token=app_token, client_id=secrets.client_id, client_secret=secrets.client_secret,
        signing_secret=secrets.signing_secret,
    )  # fmt: skip


class Directed(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where an app gets its events over HTTP. ``signing_secret`` is what the requests are signed with."""

    app: App
    request_url: str | None
    signing_secret: str | None

    def __repr__(self) -> str:
        return f"Directed(app={self.app!r}, …)"


def direct(tx: Transaction, record: AppRecord, url: str | None) -> Directed:
    """Have an app get its events at a URL, or with None no longer over HTTP (a unit)."""
    try:
        subscriptions.direct(tx, record.id, url)
    except MethodError as error:
        raise explained(error, f"the request URL of {record.name!r} cannot be set") from None
    return Directed(app=app(record), request_url=url, signing_secret=find_signing_secret(tx, record.id))


def app(record: AppRecord) -> App:
    """Return what an operator sees of an app."""
    return App(
        id=record.id, name=record.name, bot_user=record.bot_user, client_id=record.client_id, created=record.created
    )
