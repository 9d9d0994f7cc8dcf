"""The tabs of an app's direct message, as its manifest has them. Source: wire/views.md#app-home.

An app without a manifest, or with one that does not mention ``features.app_home``, has both tabs (ours).
"""

from typing import Final

import msgspec

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.errors import MethodError
from tautwire.server.services.manifests.shape import AppHome
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.manifests import find_origin
from tautwire.server.store.records import ChannelKind, ChannelRecord

NO_HOME: Final = "not_enabled"
NO_MESSAGES: Final = "messages_tab_disabled"

ALL: Final = AppHome(home_tab_enabled=True, messages_tab_enabled=True)


class _Features(msgspec.Struct):
    app_home: AppHome | None = None


class _Manifest(msgspec.Struct):
    """What is read of a manifest here: a post must not cost the reading of all of it."""

    features: _Features = msgspec.field(default_factory=_Features)


def tabs_of(query: Query, app: str) -> AppHome:
    """Return the tabs of an app."""
    text = find_origin(query, app).manifest
    return (msgspec.json.decode(text, type=_Manifest).features.app_home if text is not None else None) or ALL


def check_home(query: Query, app: str) -> None:
    """Raise ``MethodError`` (not_enabled) if the Home tab of an app is off."""
    if not tabs_of(query, app).home_tab_enabled:
        raise MethodError(NO_HOME)


def check_messages(query: Query, who: Identity, channel: ChannelRecord) -> None:
    """Raise ``MethodError`` (messages_tab_disabled) if an app posts to a direct message and its messages tab is off."""
    is_app = who.is_bot and who.app_id is not None and channel.kind is ChannelKind.IM
    if is_app and not tabs_of(query, str(who.app_id)).messages_tab_enabled:
        raise MethodError(NO_MESSAGES)
