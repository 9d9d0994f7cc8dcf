"""Threads that a user follows. Source: wire/objects.md#small-objects (read in an SDK)."""

from tautwire.protocol.ids import ChannelId, Ts
from tautwire.protocol.objects._base import WireObject


class ThreadSubscription(WireObject, frozen=True, kw_only=True):
    """That you follow a thread, and how far you have read it."""

    channel: ChannelId
    thread_ts: Ts
    type: str | None = None
    """Always ``thread``."""

    date_create: int | None = None
    """Seconds since 1970."""

    active: bool | None = None
    last_read: Ts | None = None
