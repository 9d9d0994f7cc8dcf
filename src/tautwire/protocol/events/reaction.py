"""Emoji put on things and taken off."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts, UserId
from tautwire.protocol.objects import Item


class ReactionAddedEvent(Event, frozen=True, kw_only=True, tag="reaction_added"):
    """Somebody reacted with an emoji; you included.

    ``item_user`` is who wrote the item, absent for webhooks. ``ts`` was seen in direct messages and private channels.

    To: users who can see the item. Source: documented.
    """

    user: UserId
    reaction: str
    """The name of the emoji, without colons."""

    item_user: UserId | None = None
    item: Item
    event_ts: Ts
    ts: Ts | None = None


class ReactionRemovedEvent(Event, frozen=True, kw_only=True, tag="reaction_removed"):
    """Somebody took a reaction back.

    To: users who can see the item. Source: documented.
    """

    user: UserId
    reaction: str
    item_user: UserId | None = None
    item: Item
    event_ts: Ts
    ts: Ts | None = None
