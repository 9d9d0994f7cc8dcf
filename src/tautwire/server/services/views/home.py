"""The Home of an app: what happens when a person opens it, or the messages beside it.

Each time the app gets ``app_home_opened``, durable as its other events; RTM never gets it.
Source: wire/views.md#app-home.
"""

from typing import Literal, NamedTuple

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.conversations import open_direct
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.manifests.tabs import NO_HOME, NO_MESSAGES, tabs_of
from tautwire.server.services.views.shown import Shown, bot_of
from tautwire.server.services.views.views import read_view, view_object
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.apps import AppRecord
from tautwire.server.store.queries.views import find_home

Tab = Literal["home", "messages"]


class Opened(NamedTuple):
    """What a person who has opened an app sees."""

    channel: str
    """The direct message with the app's bot."""
    home: Shown | None
    """None on the tab ``messages``, or before the app has published its Home."""


def open_home(tx: Transaction, team: Team, who: Identity, app: AppRecord, tab: Tab) -> Opened:
    """Open a tab of an app, and with it the direct message (a unit).

    Raises:
        MethodError: bot_not_found (ours) if the app has no bot; user_disabled if the bot is deactivated; not_enabled
            or messages_tab_disabled if the tab is off.
    """
    if app.bot_user is None:
        raise MethodError("bot_not_found")
    tabs = tabs_of(tx, app.id)
    if not (tabs.home_tab_enabled if tab == "home" else tabs.messages_tab_enabled):
        raise MethodError(NO_HOME if tab == "home" else NO_MESSAGES)
    room, _ = open_direct(tx, who, [app.bot_user])
    record = find_home(tx, app.id, who.user) if tab == "home" else None
    home = Shown(read_view(record), bot_of(tx, record)) if record is not None else None
    view = view_object(home.view, team.id, home.bot_id) if home is not None else None
    tx.emit_to_app(
        app.id,
        event("app_home_opened", user=who.user, channel=room.id, tab=tab, view=view, event_ts=next_event_ts(tx)),
    )
    return Opened(room.id, home)
