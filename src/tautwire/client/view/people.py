"""What is known of users, and which events change it. Pure state, for one thread to write."""

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
"""Events that tell all of a user. Source: wire/delivery.md#rules-for-every-event (documented)."""


class People:
    """The users, as some answer and the events after it say."""

    def __init__(self, users: Iterable[User] = ()) -> None:
        self.users: dict[UserId, User] = {each.id: each for each in users}

    def apply(self, event: Event) -> None:
        """Take in what an event says, if it is of users."""
        if isinstance(event, PEOPLE_EVENTS):
            self.users[event.user.id] = event.user
