"""Threads you follow, as sent to first-party clients."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts
from tautwire.protocol.objects import ThreadSubscription


class ThreadMarkedEvent(Event, frozen=True, kw_only=True, tag="thread_marked"):
    """You read a thread.

    To: you, on all your connections. Source: read in an SDK.
    """

    subscription: ThreadSubscription
    event_ts: Ts | None = None


class ThreadSubscribedEvent(Event, frozen=True, kw_only=True, tag="thread_subscribed"):
    """You started to follow a thread, by replying or by being mentioned.

    To: you, on all your connections. Source: read in an SDK.
    """

    subscription: ThreadSubscription
    event_ts: Ts | None = None


class ThreadUnsubscribedEvent(Event, frozen=True, kw_only=True, tag="thread_unsubscribed"):
    """You stopped following a thread.

    To: you, on all your connections. Source: read in an SDK.
    """

    subscription: ThreadSubscription
    event_ts: Ts | None = None


class UpdateThreadStateEvent(Event, frozen=True, kw_only=True, tag="update_thread_state"):
    """The summary of the threads you follow changed.

    To: you, on all your connections. Source: captured.
    """

    has_unreads: bool
    mention_count: int
    timestamp: Ts
    event_ts: Ts


class UpdateGlobalThreadStateEvent(Event, frozen=True, kw_only=True, tag="update_global_thread_state"):
    """The same over all workspaces of an organisation.

    To: you, on all your connections. Source: uncertain, from reports of what clients saw.
    """

    has_unreads: bool
    mention_count: int
    timestamp: Ts | None = None
    event_ts: Ts
