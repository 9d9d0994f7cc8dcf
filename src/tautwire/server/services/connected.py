"""Who is connected to a workspace, and how far apps are behind, for its operator."""

from math import isfinite
from typing import Any, Literal

import msgspec

State = Literal["served", "away", "unverified", "verified", "disabled"]

MAX_OPEN = 100
"""Events that are listed of an app."""


class LiveConnection(msgspec.Struct, frozen=True, kw_only=True):
    """A live connection of a user or an app.

    ``since`` is in seconds since 1970; ``heard`` is how many seconds ago its last frame came. ``round_trip`` is the
    seconds from the server's last PING to the answer, null before the first: over RTM only the silent get one.
    ``queued`` counts the bytes that wait for it, ``unacknowledged`` the events of Socket Mode that it has. ``address``
    is that of a proxy if there is one.
    """

    number: int
    door: Literal["rtm", "socket_mode"]
    app: str | None
    user: str | None
    since: float
    heard: float
    round_trip: float | None
    queued: int
    slow: bool
    unacknowledged: int
    address: str


class OpenEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that an app has not acknowledged. ``event`` is its id; empty if this run of the server has not sent it.

    ``attempt`` is how often it was sent again, ``reason`` why the last time, ``connection`` the one that has it (0: it
    waits). ``due`` is in how many seconds it is tried again or counts as late; null while the answer is waited for.
    """

    position: int
    event: str
    envelope: str
    attempt: int
    reason: str
    connection: int
    due: float | None


class ServedApp(msgspec.Struct, frozen=True, kw_only=True):
    """How an app gets its events.

    ``state`` is ``served``, ``away`` (it has no connection, or cannot be reached), or that of its request URL:
    ``unverified``, ``verified`` (it is about to be served) or ``disabled``. ``behind`` counts the entries of the log
    that were not looked at for it, ``open`` its unacknowledged events, of which ``events`` has the first hundred, and
    ``given_up`` those that ran out of tries since the server was started.
    """

    app: str
    way: Literal["socket_mode", "http", "none"]
    state: State
    behind: int
    open: int
    given_up: int
    events: list[OpenEvent]


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """The connections, oldest first, and the apps that get events. ``now`` is in seconds since 1970."""

    now: float
    connections: list[LiveConnection]
    apps: list[ServedApp]


def is_live(connection: Any) -> bool:
    """Whether a connection of a door belongs to someone, and has not ended."""
    return connection.ticket is not None and connection.ended is None


def live(
    connection: Any, door: Literal["rtm", "socket_mode"], *, now: float, wall: float, has: int = 0
) -> LiveConnection:
    """Return how a connection of a door is.

    Args:
        now: on the steady clock of the door.
        wall: in seconds since 1970.
        has: the events that it has not acknowledged.
    """
    who = connection.ticket.who
    return LiveConnection(
        number=connection.number,
        door=door,
        app=who.app_id or None,
        user=str(who.user) or None,
        since=wall - (now - connection.opened),
        heard=max(0.0, now - connection.heard),
        round_trip=connection.round_trip,
        queued=connection.queued_bytes,
        slow=connection.is_slow,
        unacknowledged=has,
        address=connection.address,
    )


def served_app(tap: Any, state: State | None, *, head: int, now: float) -> ServedApp:
    """Return how an app gets its events.

    Args:
        tap: that of the app.
        state: what the door for HTTP says of it.
        head: the position of the newest entry of the log.
        now: on the steady clock of the tap.
    """
    subscription = tap.subscription
    way: Literal["socket_mode", "http", "none"]
    way = "socket_mode" if subscription.socket_mode else "http" if subscription.request_url else "none"
    if way != "http":
        state = "served" if tap.is_running else "away"
    return ServedApp(
        app=tap.app, way=way, state=state or subscription.request_state, behind=max(0, head - tap.read),
        open=tap.open_events, given_up=tap.given_up,
        events=[_open(event, now) for event in tap.list_open(MAX_OPEN)],
    )  # fmt: skip


def _open(event: Any, now: float) -> OpenEvent:
    is_waiting = not event.is_reported or not event.connection
    return OpenEvent(
        position=event.place[0], event=event.event_id, envelope=event.envelope_id, attempt=event.attempt,
        reason=event.reason, connection=event.connection,
        due=max(0.0, event.due - now) if is_waiting and event.due and isfinite(event.due) else None,
    )  # fmt: skip
