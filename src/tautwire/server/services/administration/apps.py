"""Apps, as an operator sees, adds and deletes them."""

from collections.abc import Collection

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access import apps, consents, subscriptions
from tautwire.server.services.access.apps import Secrets
from tautwire.server.services.access.consents import Wish
from tautwire.server.services.access.identity import CLASSIC
from tautwire.server.services.access.tokens import APP_SCOPES, issue, issue_for_app
from tautwire.server.services.administration.people import checked_line, checked_name
from tautwire.server.services.administration.refusals import Refused, explained
from tautwire.server.services.errors import MethodError
from tautwire.server.services.manifests.installing import create, scopes_of, stored, update
from tautwire.server.services.manifests.reading import Described, ManifestError, Tree, describe, read_yaml
from tautwire.server.services.manifests.rules import is_redirect_url
from tautwire.server.services.seed import Scope
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.apps import AppRecord, find_signing_secret
from tautwire.server.store.queries.taps import BOT, USER
from tautwire.server.store.records import UserRecord


class App(msgspec.Struct, kw_only=True):
    """An app. ``created`` is in seconds since 1970."""

    id: str
    name: str
    bot_user: str | None
    client_id: str | None
    created: int


class NewApp(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An app to add, with its bot: of a manifest, or with a name and what else is given."""

    name: str | None = None
    """None with a manifest, which has it."""
    manifest: str | Tree | None = None
    """Its manifest: the text of one in YAML or JSON, or the object."""
    bot: str | None = None
    """The name of the bot; the app's if None."""
    real_name: str = ""
    scopes: list[Scope] = []
    """Of the bot token; without them it has those of a classic bot."""
    app_token: bool = False
    """Whether the app gets an app-level token, for Socket Mode; with Socket Mode it gets one anyway."""
    socket_mode: bool = False
    """Whether it gets its events over Socket Mode."""
    events: list[str] = []
    """The events to which its bot subscribes."""
    user_events: list[str] = []
    """The events to which it subscribes for the people who authorise it."""


class AppChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of an app; what is None stays."""

    app: str
    manifest: str | Tree | None = None
    """Replaces the whole manifest: what is left out of it is reset."""
    socket_mode: bool | None = None
    events: list[str] | None = None
    user_events: list[str] | None = None


class Warned(msgspec.Struct, frozen=True):
    """A member of a manifest without effect."""

    pointer: str
    message: str


class Added(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A new app with its secrets, of which only the signing secret can be read again, by the app's own doors."""

    app: App
    bot_token: str
    app_token: str | None = None
    client_id: str
    client_secret: str
    signing_secret: str
    warnings: list[Warned] = []
    """What this server does not do of the manifest."""

    def __repr__(self) -> str:
        return f"Added(app={self.app!r}, …)"


def add(tx: Transaction, team: Team, wanted: NewApp) -> Added:
    """Add an app with its bot, tokens and secrets (a unit)."""
    if wanted.manifest is not None:
        return _add_described(tx, team, wanted, described(wanted.manifest))
    name = checked_name(wanted.name or "")
    bot = checked_name(wanted.bot if wanted.bot is not None else name)
    checked_line(wanted.real_name, "the full name")
    try:
        made = apps.create_app(tx, team, name, bot_name=bot, real_name=wanted.real_name)
    except MethodError as error:
        raise explained(error, f"the app {name!r} with the bot {bot!r} cannot be added") from None
    if wanted.events or wanted.user_events or wanted.socket_mode:
        _subscribe(tx, made.record, wanted.events, wanted.user_events, wanted.socket_mode)
    secrets: Secrets = apps.renew_secrets(tx, made.record.id)
    return _added(tx, made, secrets, wanted.scopes or CLASSIC, has_app_token=wanted.app_token or wanted.socket_mode)


def _add_described(tx: Transaction, team: Team, wanted: NewApp, described: Described) -> Added:
    """Add the app of a manifest, and install it: it has its tokens at once."""
    given = msgspec.structs.replace(wanted, manifest=None, app_token=False)
    if given != NewApp():
        raise Refused("invalid_arguments", "beside a manifest only app_token can be given: put the rest into it")
    manifest = described.manifest
    try:
        made, secrets = create(tx, team, described)
    except MethodError as error:
        names = f"the app {manifest.name!r} with the bot {manifest.bot_name!r}"
        raise explained(error, f"{names} cannot be added") from None
    has_app_token = wanted.app_token or manifest.settings.socket_mode_enabled
    added = _added(tx, made, secrets, manifest.bot_scopes, has_app_token=has_app_token)
    added.warnings = [Warned(each.pointer, each.message) for each in described.warnings]
    return added


def _added(tx: Transaction, made: apps.App, secrets: Secrets, scopes: Collection[str], *, has_app_token: bool) -> Added:
    return Added(
        app=app(msgspec.structs.replace(made.record, client_id=secrets.client_id)),
        bot_token=issue(tx, made.bot, scopes=scopes).text,
        app_token=issue_for_app(tx, made.record, APP_SCOPES).text if has_app_token else None,
        client_id=secrets.client_id, client_secret=secrets.client_secret, signing_secret=secrets.signing_secret,
    )  # fmt: skip


def described(manifest: str | Tree) -> Described:
    """Return a manifest that was given as text or as an object.

    Raises:
        Refused: invalid_manifest, with all that is wrong.
    """
    try:
        return read_yaml(manifest.encode()) if isinstance(manifest, str) else describe(manifest)
    except (ManifestError, UnicodeEncodeError) as error:
        raise Refused("invalid_manifest", f"the manifest is not valid: {error}") from None


def change(tx: Transaction, record: AppRecord, wanted: AppChange) -> bool:
    """Change an app (a unit); return whether it has to be installed again, for other scopes."""
    if wanted.manifest is not None:
        try:
            return update(tx, record, described(wanted.manifest))
        except MethodError as error:
            raise explained(error, f"the manifest of {record.name!r} cannot be replaced") from None
    _subscribe(tx, record, wanted.events, wanted.user_events, wanted.socket_mode)
    return False


def _subscribe(
    tx: Transaction, record: AppRecord, events: list[str] | None, user_events: list[str] | None, is_socket: bool | None
) -> None:
    for names, kind in ((events, BOT), (user_events, USER)):
        if names is None:
            continue
        try:
            subscriptions.subscribe(tx, record.id, names, kind=kind)
        except MethodError as error:
            what = f"the events of {record.name!r} cannot be set, {kind} event {error.members.get('event')!r}"
            raise explained(error, what) from None
    if is_socket is not None:
        subscriptions.switch_socket_mode(tx, record.id, is_on=is_socket)


class Wanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A consent of a person to an app."""

    app: str
    user: str
    scopes: list[Scope] | None = None
    """Of the bot; those of the app's manifest if None."""
    user_scopes: list[Scope] | None = None
    redirect_uri: str = ""
    """As the app sends it; empty if it leaves it out."""
    state: str = ""


class Consented(msgspec.Struct, kw_only=True):
    """A consent. The code works once, for ten minutes."""

    code: str
    redirect_uri: str
    location: str
    """The URL to which the person's browser is sent; empty if the app has none."""

    def __repr__(self) -> str:
        return f"Consented(redirect_uri={self.redirect_uri!r}, …)"


def consent(tx: Transaction, record: AppRecord, person: UserRecord, wanted: Wanted) -> Consented:
    """Note that a person consents to an app (a unit)."""
    manifest = stored(tx, record.id)
    scopes, user_scopes = scopes_of(tx, record)
    asked = [scopes if wanted.scopes is None else wanted.scopes]
    asked.append(user_scopes if wanted.user_scopes is None else wanted.user_scopes)
    for of_kind, allowed, whose in zip(asked, (scopes, user_scopes), ("bot", "person"), strict=True):
        more = sorted({*of_kind} - allowed) if manifest is not None else []
        if more:
            raise Refused("invalid_scope", f"the manifest of {record.name!r} has no scope {more[0]!r} of its {whose}")
    urls = manifest.oauth_config.redirect_urls if manifest is not None else []
    if manifest is None and wanted.redirect_uri and is_redirect_url(wanted.redirect_uri):
        urls = [wanted.redirect_uri]  # the operator's word, since there is no list
    try:
        given = consents.consent(tx, record, person, Wish(asked[0], asked[1], wanted.redirect_uri), urls)
    except MethodError as error:
        raise explained(error, f"{person.name} cannot install {record.name!r}") from None
    return Consented(code=given.code, redirect_uri=given.redirect_uri, location=given.location(wanted.state))


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
