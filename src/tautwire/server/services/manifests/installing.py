"""Apps made, changed and shown by manifests. All functions that take a transaction are units.

The present state of an app is in its own rows. The manifest is stored beside it for what has no row, and ``export``
puts both together: a subscription that is changed in another way is in the export too.
"""

import copy
from typing import Any, NamedTuple

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access import apps
from tautwire.server.services.access.apps import App, Secrets
from tautwire.server.services.access.features import Features, configure, read_features
from tautwire.server.services.access.identity import CLASSIC, split_scopes
from tautwire.server.services.access.subscriptions import direct, read_subscription, subscribe, switch_socket_mode
from tautwire.server.services.errors import MethodError
from tautwire.server.services.manifests.reading import Described, Tree
from tautwire.server.services.manifests.shape import Manifest, handle
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import AppRecord, find_app_by_name
from tautwire.server.store.queries.manifests import find_origin, set_manifest, set_owner
from tautwire.server.store.queries.taps import BOT, USER
from tautwire.server.store.queries.tokens import find_tokens_of_app
from tautwire.server.store.queries.users import find_user


class Made(NamedTuple):
    """A new app."""

    app: App
    secrets: Secrets


def create(tx: Transaction, team: Team | None, described: Described, *, owner: str | None = None) -> Made:
    """Create the app of a manifest with its bot and its secrets, and without tokens.

    Args:
        team: None while the workspace is being filled: there are no events then.
        owner: the person who makes it; None if that is the operator.

    Raises:
        MethodError: name_taken, by an app or, for the bot, by a user.
    """
    manifest = described.manifest
    options = {"bot_name": manifest.bot_name, "real_name": manifest.name}
    made = (
        apps.add(tx, manifest.name, **options) if team is None else apps.create_app(tx, team, manifest.name, **options)
    )
    secrets = apps.renew_secrets(tx, made.record.id)
    if owner is not None:
        set_owner(tx, made.record.id, owner)
    _apply(tx, made.record.id, described)
    return Made(made, secrets)


def update(tx: Transaction, record: AppRecord, described: Described) -> bool:
    """Replace the manifest of an app: members that are left out are reset. Its bot keeps its name.

    Returns:
        Whether its scopes are others now, so that it has to be installed again.

    Raises:
        MethodError: app_not_found; name_taken, by another app.
    """
    if record.deleted is not None:
        raise MethodError("app_not_found")
    other = find_app_by_name(tx, described.manifest.name)
    if other is not None and other.id != record.id:
        raise MethodError("name_taken")
    before = scopes_of(tx, record)
    _apply(tx, record.id, described)
    return before != scopes_of(tx, record)


def _apply(tx: Transaction, app: str, described: Described) -> None:
    manifest = described.manifest
    set_manifest(tx, app, manifest.name, msgspec.json.encode(described.tree).decode())
    events = manifest.subscriptions
    present = read_subscription(tx, app)
    url = events.request_url or None
    if url != ((present.request_url or None) if present is not None else None):
        direct(tx, app, url)
    subscribe(tx, app, events.bot_events, kind=BOT)
    subscribe(tx, app, events.user_events, kind=USER)
    switch_socket_mode(tx, app, is_on=manifest.settings.socket_mode_enabled)
    configure(tx, app, manifest.asked)


def stored(query: Query, app: str) -> Manifest | None:
    """Return the description of an app as it was given, None if it was made without one."""
    text = find_origin(query, app).manifest
    return msgspec.json.decode(text, type=Manifest) if text is not None else None


def scopes_of(query: Query, record: AppRecord) -> tuple[frozenset[str], frozenset[str]]:
    """Return the scopes that an app may ask for: of its bot, and of people.

    Without a manifest they are those of the tokens that it has; a classic bot has no list.
    """
    manifest = stored(query, record.id)
    if manifest is not None:
        return manifest.bot_scopes, manifest.user_scopes
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for token in find_tokens_of_app(query, record.id):
        if token.user_id is not None and token.revoked is None:
            found[token.user_id == record.bot_user] |= split_scopes(token.scopes) - CLASSIC
    return frozenset(found[True]), frozenset(found[False])


def export(query: Query, record: AppRecord) -> Tree:
    """Return the manifest of an app as the app is now."""
    text = find_origin(query, record.id).manifest
    tree: Tree = msgspec.json.decode(text) if text is not None else {"_metadata": {"major_version": 1}}
    tree = copy.deepcopy(tree)
    _group(tree, "display_information")["name"] = record.name
    bot = find_user(query, record.bot_user) if record.bot_user is not None else None
    if bot is not None:
        group = _group(_group(tree, "features"), "bot_user")
        if handle(str(group.get("display_name", ""))) != bot.name:
            group["display_name"] = bot.name
    if text is None:
        scopes = dict(zip(("bot", "user"), scopes_of(query, record), strict=True))
        _group(tree, "oauth_config")["scopes"] = {name: sorted(value) for name, value in scopes.items() if value}
    settings = _group(tree, "settings")
    if settings.get("socket_mode_enabled", False) is not record.socket_mode:
        settings["socket_mode_enabled"] = record.socket_mode
    subscription = read_subscription(query, record.id)
    if subscription is not None:
        events = _group(settings, "event_subscriptions")
        for name, value in (
            ("request_url", subscription.request_url),
            ("bot_events", _in_order(events.get("bot_events"), subscription.events)),
            ("user_events", _in_order(events.get("user_events"), subscription.user_events)),
        ):
            events[name] = value
            if not value:
                del events[name]
        if not events:
            del settings["event_subscriptions"]
    _export_features(tree, read_features(query, record.id))
    return tree


def _export_features(tree: Tree, present: Features) -> None:
    """Put what people can ask an app for into a manifest, if the manifest says something else."""
    try:
        is_same = _in_no_order(msgspec.convert(tree, Manifest).asked) == _in_no_order(present)
    except msgspec.ValidationError:  # an app without a manifest may have a longer name
        is_same = False
    if is_same:
        return
    group, settings = _group(tree, "features"), _group(tree, "settings")
    group["slash_commands"] = [
        {
            "command": each.name,
            **({"url": each.url} if each.url else {}),
            "description": each.description or each.name,
            **({"usage_hint": each.usage_hint} if each.usage_hint else {}),
            "should_escape": each.should_escape,
        }
        for each in present.commands
    ]
    group["shortcuts"] = [
        {
            "name": each.name or each.callback_id,
            "type": each.type,
            "callback_id": each.callback_id,
            "description": each.description or each.callback_id,
        }
        for each in present.shortcuts
    ]
    interactivity = present.interactivity
    settings["interactivity"] = {
        "is_enabled": interactivity.is_enabled,
        **({"request_url": interactivity.request_url} if interactivity.request_url else {}),
        **({"message_menu_options_url": interactivity.options_url} if interactivity.options_url else {}),
    }
    for name in ("slash_commands", "shortcuts"):
        if not group[name]:
            del group[name]


def _in_no_order(features: Features) -> tuple[object, ...]:
    return frozenset(features.commands), frozenset(features.shortcuts), features.interactivity


def _group(tree: Tree, name: str) -> Any:
    return tree.setdefault(name, {})


def _in_order(given: list[str] | None, present: frozenset[str]) -> list[str]:
    """Return the present names, in the order in which they were given if they are the same."""
    return given if given is not None and set(given) == present else sorted(present)
