"""Who is there, and who is typing."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import ChannelId, Ts, UserId


class PresenceChangeEvent(Event, frozen=True, kw_only=True, tag="presence_change"):
    """Users turned active or away; also the answer to presence_sub and presence_query.

    Carries either ``user`` or ``users``: the latter, even for one, if the connection was asked for with
    batch_presence_aware.

    To: connections that subscribed to the user or asked. Source: documented.
    """

    user: UserId | None = None
    users: list[UserId] | None = None
    presence: str
    """``active`` or ``away``."""

    @property
    def ids(self) -> list[UserId]:
        """The users, whether the frame names one or several."""
        return self.users if self.users is not None else [] if self.user is None else [self.user]


class ManualPresenceChangeEvent(Event, frozen=True, kw_only=True, tag="manual_presence_change"):
    """You set your own presence by hand.

    To: you, on all your connections. Source: documented.
    """

    presence: str
    """``away``, or ``active`` when you are no longer set away by hand."""


class UserTypingEvent(Event, frozen=True, kw_only=True, tag="user_typing"):
    """Somebody is typing.

    Shown until a message of theirs comes or about five seconds pass; nothing tells that they stopped.

    To: the other members of the conversation. Source: documented, captured.
    """

    channel: ChannelId
    user: UserId
    thread_ts: Ts | None = None
    id: int | None = None
