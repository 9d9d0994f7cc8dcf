"""The rules between the members of a manifest, and what this server does not do of it.

Source of the rules: wire/apps.md#app-manifest (two of them documented, the others recommended). A warning names a
member that is kept for the export and has no effect.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tautwire.server.services.access.scopes import EVENT_SCOPES, KNOWN_SCOPES, allows
from tautwire.server.services.access.subscriptions import BOT_EVENTS, USER_EVENTS, is_request_url
from tautwire.server.services.manifests.shape import (
    AppHome,
    Behaviour,
    BotUser,
    Display,
    EventSubscriptions,
    Features,
    Interactivity,
    Manifest,
    Metadata,
    OAuth,
    Pointer,
    Scopes,
    Shortcut,
    SlashCommand,
    members_of,
)


class Finding(msgspec.Struct, frozen=True):
    """Something about a manifest, and where."""

    message: str
    pointer: Pointer


_EVENTS: Final = "/settings/event_subscriptions"
_SCOPES: Final = "/oauth_config/scopes"


def faults(manifest: Manifest) -> list[Finding]:
    """Return what is wrong with a manifest whose members are as described."""
    return [*_doors(manifest), *_events(manifest), *_scopes(manifest), *_urls(manifest), *_commands(manifest)]


def _doors(manifest: Manifest) -> Iterator[Finding]:
    settings, events = manifest.settings, manifest.subscriptions
    if settings.socket_mode_enabled:
        return
    if (events.bot_events or events.user_events) and not events.request_url:
        yield Finding("event subscriptions need a request URL or Socket Mode", _EVENTS)
    interactivity = settings.interactivity
    if interactivity is not None and interactivity.is_enabled and not interactivity.request_url:
        yield Finding("interactivity needs a request URL or Socket Mode", "/settings/interactivity")


def _events(manifest: Manifest) -> Iterator[Finding]:
    events = manifest.subscriptions
    lists = (
        ("bot", events.bot_events, BOT_EVENTS, manifest.bot_scopes),
        ("user", events.user_events, USER_EVENTS, manifest.user_scopes),
    )
    for kind, names, known, scopes in lists:
        for place, name in enumerate(names):
            pointer = f"{_EVENTS}/{kind}_events/{place}"
            if name not in known:
                yield Finding(f"there is no event {name[:80]!r} to which a {kind} can subscribe", pointer)
            elif not allows(scopes, name):
                needed = " or ".join(sorted(EVENT_SCOPES[name]))
                yield Finding(f"{name} needs the {kind} scope {needed}", pointer)
        for place in _repeated(names):
            yield Finding("the event is there twice", f"{_EVENTS}/{kind}_events/{place}")
    if events.bot_events and manifest.features.bot_user is None:
        yield Finding("events of a bot need features.bot_user", f"{_EVENTS}/bot_events")


def _scopes(manifest: Manifest) -> Iterator[Finding]:
    scopes = manifest.oauth_config.scopes
    for name in Scopes.__struct_fields__:
        for place, scope in enumerate(getattr(scopes, name)):
            if scope not in KNOWN_SCOPES and not scope.startswith("admin"):
                yield Finding(f"there is no scope {scope!r}", f"{_SCOPES}/{name}/{place}")
            elif name.endswith("_optional") and scope not in getattr(scopes, name.removesuffix("_optional")):
                yield Finding(
                    f"an optional scope must be in {name.removesuffix('_optional')} too", f"{_SCOPES}/{name}/{place}"
                )
    features = manifest.features
    if (features.slash_commands or features.shortcuts) and "commands" not in manifest.bot_scopes:
        where = "slash_commands" if features.slash_commands else "shortcuts"
        yield Finding("commands and shortcuts need the bot scope commands", f"/features/{where}")


def _urls(manifest: Manifest) -> Iterator[Finding]:
    settings = manifest.settings
    urls = [(f"{_EVENTS}/request_url", manifest.subscriptions.request_url)]
    if settings.interactivity is not None:
        at = "/settings/interactivity"
        urls += [
            (f"{at}/request_url", settings.interactivity.request_url),
            (f"{at}/message_menu_options_url", settings.interactivity.message_menu_options_url),
        ]
    commands = manifest.features.slash_commands
    urls += [(f"/features/slash_commands/{place}/url", each.url) for place, each in enumerate(commands)]
    for pointer, url in urls:
        if url and not is_request_url(url):
            yield Finding("it must be an http or https URL without user and #", pointer)
    for place, url in enumerate(manifest.oauth_config.redirect_urls):
        if not is_redirect_url(url):
            pointer = f"/oauth_config/redirect_urls/{place}"
            yield Finding("it must be an https URL without #, or one with http of this machine", pointer)


def _commands(manifest: Manifest) -> Iterator[Finding]:
    for place in _repeated([each.command for each in manifest.features.slash_commands]):
        yield Finding("the command is there twice", f"/features/slash_commands/{place}/command")
    for place in _repeated([(each.type, each.callback_id) for each in manifest.features.shortcuts]):
        yield Finding("the shortcut is there twice", f"/features/shortcuts/{place}/callback_id")
    if manifest.settings.socket_mode_enabled:
        return
    for place, command in enumerate(manifest.features.slash_commands):
        if not command.url:
            yield Finding("a command needs a URL or Socket Mode", f"/features/slash_commands/{place}/url")


def _repeated(names: Sequence[Hashable]) -> Iterator[int]:
    """Yield the places of names that came before."""
    seen: set[Hashable] = set()
    for place, name in enumerate(names):
        if name in seen:
            yield place
        seen.add(name)


def is_redirect_url(url: str) -> bool:
    """Whether people may be sent to a URL after their consent: https, or http of this machine (ours)."""
    if not is_request_url(url):
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


# --- what is not done ---

_NOT_DONE: Final[Mapping[Pointer, str]] = {
    "/features/agent_view": "agents are not shown",
    "/features/assistant_view": "the app has its scope, and no pane of its own",
    "/features/bot_user/always_online": "the bot is active while it is connected",
    "/features/app_home/messages_tab_read_only_enabled": "people may write to the app's direct message",
    "/features/rich_previews": "links are not shown as previews",
    "/features/unfurl_domains": "link_shared is not sent",
    "/features/workflow_steps": "steps of workflows are retired",
    "/oauth_config/token_management_enabled": "tokens are not managed by the app",
    "/settings/allowed_ip_address_ranges": "calls from other addresses are not refused",
    "/settings/event_subscriptions/metadata_subscriptions": "events of metadata are not sent",
    "/settings/function_runtime": "functions are not run",
    "/settings/incoming_webhooks": "incoming webhooks are made by the operator",
    "/settings/is_hosted": "the app is not hosted here",
    "/settings/org_deploy_enabled": "there is one workspace, and no organization",
    "/settings/siws_links": "people do not sign in with it",
    "/settings/token_rotation_enabled": "tokens do not expire",
    "/app_directory": "there is no directory of apps",
    "/compliance": "it has no effect",
    "/datastores": "there are no datastores",
    "/external_auth_providers": "there are no external providers",
    "/functions": "functions are not run",
    "/metadata_events": "events of metadata are not sent",
    "/outgoing_domains": "no code of the app is run here",
    "/types": "there are no types of functions",
    "/workflows": "workflows are not run",
}
"""The members without effect, and what is not done."""

_KNOWN: Final[Mapping[Pointer, type[msgspec.Struct]]] = {
    "": Manifest,
    "/_metadata": Metadata,
    "/display_information": Display,
    "/features": Features,
    "/features/app_home": AppHome,
    "/features/bot_user": BotUser,
    "/features/shortcuts/*": Shortcut,
    "/features/slash_commands/*": SlashCommand,
    "/oauth_config": OAuth,
    "/oauth_config/scopes": Scopes,
    "/settings": Behaviour,
    "/settings/event_subscriptions": EventSubscriptions,
    "/settings/interactivity": Interactivity,
}
"""The described structures, by their place."""


def gaps(tree: Mapping[str, Any], manifest: Manifest) -> list[Finding]:
    """Return what this server does not do of a manifest, with its place."""
    found = [Finding(why, pointer) for pointer, why in _NOT_DONE.items() if _asks_for(_at(tree, pointer))]
    for place, described in _KNOWN.items():
        known = {*members_of(described)}
        for pointer, part in _all_at(tree, place):
            found += [
                Finding("the member is not known", f"{pointer}/{name}")
                for name in part
                if name not in known and f"{place}/{name}" not in _NOT_DONE
            ]
    if manifest.settings.socket_mode_enabled and manifest.subscriptions.request_url:
        found.append(Finding("it is kept and not used: Socket Mode is on", f"{_EVENTS}/request_url"))
    return found


def _asks_for(part: Any) -> bool:
    """Whether a member wants anything: not if it is absent, empty or switched off."""
    if isinstance(part, Mapping):
        if part.get("is_enabled", True) is False:
            return False
        return any(_asks_for(each) for each in part.values())
    return bool(part)


def _at(tree: Any, pointer: Pointer) -> Any:
    for step in pointer.split("/")[1:]:
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree


def _all_at(tree: Mapping[str, Any], place: Pointer) -> Iterable[tuple[Pointer, Mapping[str, Any]]]:
    """Return the objects at a place, of which ``*`` is each element of a list."""
    outer, is_list, _ = place.partition("/*")
    found = _at(tree, outer)
    if is_list:
        parts = found if isinstance(found, list) else []
        return [(f"{outer}/{number}", part) for number, part in enumerate(parts) if isinstance(part, Mapping)]
    return [(outer, found)] if isinstance(found, Mapping) else []
