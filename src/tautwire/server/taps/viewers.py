"""Who sees events for an app: its bot, and the people who authorised it; and as whom the app gets each event. Pure.

An event is sent once, however many of them see it: as the bot if the bot sees it and the app subscribes to it for the
bot, else as one of the people. A viewer counts only for what the scopes of its tokens allow
(``services.access.scopes``). Events for the app alone come on its own topic: ``app_uninstalled`` and ``tokens_revoked``
without a viewer, also when no token is left, others as the bot.
Source: wire/events-api.md#authorizations.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from tautwire.server.log.entry import Entry
from tautwire.server.services.access.scopes import allowed
from tautwire.server.services.access.subscriptions import Subscription
from tautwire.server.taps.filter import AppEvent, Filter

LIFE_CYCLE: Final = frozenset({"app_uninstalled", "tokens_revoked"})
"""The events about an app itself."""

Installation = Mapping[str, frozenset[str]]
"""The users of whom an app has tokens, with the scopes of these."""


class ViewedEvent(NamedTuple):
    """An event, and the user as whom the app gets it; empty for an event about the app itself."""

    event: AppEvent
    viewer: str


class Viewers:
    """The viewers of one app.

    Args:
        enforces_scopes: whether a viewer without the scope of an event does not count.
    """

    def __init__(self, subscription: Subscription, installation: Installation, *, enforces_scopes: bool) -> None:
        self._app = subscription.app
        self._bot = subscription.bot_user
        filters: dict[frozenset[str], Filter] = {}
        self._people: dict[str, Filter] = {}
        self._bot_filter: Filter | None = None
        for user, scopes in installation.items():
            held = scopes if enforces_scopes else None
            if user == self._bot:
                self._bot_filter = Filter(allowed(held, subscription.events), self._bot, subscription.bot_id)
            elif subscription.user_events:
                events = allowed(held, subscription.user_events)
                self._people[user] = filters.setdefault(events, Filter(events, "", ""))
        self._own = Filter(LIFE_CYCLE & (subscription.events | subscription.user_events), "", "")
        self._filters = [*filters.values(), *([self._bot_filter] if self._bot_filter is not None else [])]

    @property
    def users(self) -> tuple[str, ...]:
        """The users whose conversations count, the bot first, also while it has no token."""
        return (self._bot, *self._people)

    def may_want(self, entry: Entry) -> bool:
        """Whether it is worth to look at an entry; cheap."""
        return entry.topic == self._app or any(each.may_want(entry) for each in self._filters)

    def events(self, entry: Entry, kind: str | None, seen_by: Collection[str]) -> list[ViewedEvent]:
        """Return the events that an entry is for the app, in the order of their ordinals.

        Args:
            kind: of the conversation that is the entry's topic; None if the topic is not a conversation.
            seen_by: those of ``users`` who may see the entry; it has no meaning for an entry on the app's own topic.
        """
        if entry.topic == self._app:
            about_app = _as_viewer("", self._own.events(entry, None))
            if about_app or self._bot_filter is None:
                return about_app
            return _as_viewer(self._bot, self._bot_filter.events(entry, None))
        of_bot: list[ViewedEvent] = []
        if self._bot_filter is not None and self._bot in seen_by:
            of_bot = _as_viewer(self._bot, self._bot_filter.events(entry, kind))
        if any(viewed.event.ordinal == 0 for viewed in of_bot):
            return of_bot
        tried: set[Filter] = set()  # people with the same events have the same filter
        for user, wanted in self._people.items():
            if user in seen_by and wanted not in tried:
                tried.add(wanted)
                of_person = wanted.events(entry, kind)
                if of_person:
                    return [*_as_viewer(user, of_person), *of_bot]
        return of_bot


def _as_viewer(viewer: str, events: Iterable[AppEvent]) -> list[ViewedEvent]:
    return [ViewedEvent(event, viewer) for event in events]
