"""The table of users, and the events that change it. Pure state, written by one thread."""

from collections.abc import Iterable
from typing import Final

from tautwire.protocol import events as ev
from tautwire.protocol.events import Event
from tautwire.protocol.ids import UserId
from tautwire.protocol.objects import User

PEOPLE_EVENTS: Final = (
    ev.TeamJoinEvent,
    ev.UserChangeEvent,
    ev.UserProfileChangedEvent,
    ev.UserStatusChangedEvent,
    ev.UserHuddleChangedEvent,
)
"""Events that hold a whole user. Source: wire/delivery.md#rules-for-every-event (documented)."""


class People:
    """The users of an answer, changed by the events after it."""

    def __init__(self, users: Iterable[User] = ()) -> None:
        self.users: dict[UserId, User] = {each.id: each for each in users}

    def apply(self, event: Event) -> None:
        """Apply an event, if it changes users."""
        if isinstance(event, PEOPLE_EVENTS):
            self.users[event.user.id] = event.user
