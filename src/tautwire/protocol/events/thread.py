"""Threads one follows, as first-party clients are told."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts
from tautwire.protocol.objects import ThreadSubscription


class ThreadMarkedEvent(Event, frozen=True, kw_only=True, tag="thread_marked"):
    """One read a thread.

    To: all connections of the one user concerned. Source: read in an SDK.
    """

    subscription: ThreadSubscription
    event_ts: Ts | None = None


class ThreadSubscribedEvent(Event, frozen=True, kw_only=True, tag="thread_subscribed"):
    """One started to follow a thread, by replying or by being mentioned.

    To: all connections of the one user concerned. Source: read in an SDK.
    """

    subscription: ThreadSubscription
    event_ts: Ts | None = None


class ThreadUnsubscribedEvent(Event, frozen=True, kw_only=True, tag="thread_unsubscribed"):
    """One stopped following a thread.

    To: all connections of the one user concerned. Source: read in an SDK.
    """

    subscription: ThreadSubscription
    event_ts: Ts | None = None


class UpdateThreadStateEvent(Event, frozen=True, kw_only=True, tag="update_thread_state"):
    """The summary of the threads one follows changed.

    To: all connections of the one user concerned. Source: captured.
    """

    has_unreads: bool
    mention_count: int
    timestamp: Ts
    event_ts: Ts


class UpdateGlobalThreadStateEvent(Event, frozen=True, kw_only=True, tag="update_global_thread_state"):
    """The same over all workspaces of an organisation.

    To: all connections of the one user concerned. Source: uncertain, from reports of what clients saw.
    """

    has_unreads: bool
    mention_count: int
    timestamp: Ts | None = None
    event_ts: Ts
