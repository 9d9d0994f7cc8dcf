"""What apps subscribe to: events of the Events API, and the way by which they come. The functions are units.

Events come over Socket Mode if it is on, else over HTTP if the app has a request URL. A URL gets events once the app
has answered a challenge there (``events_api.verification``).

Each change leaves an entry of kind ``room`` on the app's topic with the new state, which the taps of every node apply.
A subscription begins at its place in the log: an app gets no event from before it.
"""

import re
import secrets
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tautwire.protocol.correspondence import MESSAGES, ONLY_EVENTS_API, SAME
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.queries.apps import find_app, find_signing_secret, set_signing_secret
from tautwire.server.store.queries.taps import (
    begin_tap,
    find_events,
    find_events_of,
    find_subscription,
    find_subscriptions,
    replace_events,
    set_request_state,
    set_request_url,
    set_socket_mode,
)

BOT_EVENTS: Final = SAME | ONLY_EVENTS_API | {"message", "message.app_home", *MESSAGES.values()}
"""The events to which a bot can subscribe, those included that this server never sends.
Source: wire/events-api.md#event-by-event."""


UNVERIFIED: Final = "unverified"
"""State of a request URL: the app has not answered the challenge yet, and gets nothing."""
VERIFIED: Final = "verified"
DISABLED: Final = "disabled"
"""State of a request URL: it failed too often, and gets nothing until it is set again."""

_URL: Final = re.compile(r"https?://(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?][!-~]*)?", re.ASCII)
_MAX_URL: Final = 2_000
"""Characters of a request URL."""


class Subscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an app gets, and as whom. Its payload of an entry of the log is this as JSON."""

    app: str
    bot_user: str = ""
    bot_id: str = ""
    socket_mode: bool = False
    events: frozenset[str] = frozenset()
    deleted: bool = False
    request_url: str = ""
    """Where it gets its events over HTTP; empty if nowhere."""
    request_state: str = UNVERIFIED


def subscribe(tx: Transaction, app: str, events: Collection[str]) -> None:
    """Replace the events to which the bot of an app subscribes.

    Raises:
        MethodError: app_not_found; invalid_event (ours) with ``event``, if there is no such event for bots.
    """
    _check(tx, app)
    for event in events:
        if event not in BOT_EVENTS:
            raise MethodError("invalid_event", event=event)
    begin_tap(tx, app)
    replace_events(tx, app, set(events))
    announce(tx, app)


def switch_socket_mode(tx: Transaction, app: str, *, is_on: bool) -> None:
    """Have an app get its events over Socket Mode, or no longer: its connections are then closed.

    Raises:
        MethodError: app_not_found.
    """
    _check(tx, app)
    begin_tap(tx, app)
    set_socket_mode(tx, app, is_on=is_on)
    announce(tx, app)


def direct(tx: Transaction, app: str, url: str | None) -> None:
    """Have an app get its events at a URL, which has to be verified first; None ends that.

    The URL may be the one it has: it is verified anew, and no longer disabled. An app without a signing secret gets
    one.

    Raises:
        MethodError: app_not_found; invalid_request_url (ours).
    """
    _check(tx, app)
    if url is not None:
        if not is_request_url(url):
            raise MethodError("invalid_request_url")
        if find_signing_secret(tx, app) is None:
            set_signing_secret(tx, app, secrets.token_hex(16))
    begin_tap(tx, app)
    set_request_url(tx, app, url, UNVERIFIED)
    announce(tx, app)


def note_request_state(tx: Transaction, app: str, url: str, state: str) -> None:
    """Note what became of a request URL; no effect if the app has another one or is deleted."""
    set_request_state(tx, app, url, state)
    announce(tx, app)


def is_request_url(url: str) -> bool:
    """Whether events can be sent to a URL: http or https, without user, password and fragment."""
    if len(url) > _MAX_URL or "#" in url or _URL.fullmatch(url) is None:
        return False
    try:
        return urlsplit(url).port != 0
    except ValueError:  # not an IPv6 address, or a port that is too large
        return False


def announce(tx: Transaction, app: str) -> None:
    """Leave the entry by which the taps of every node learn the present subscription, or that the app is deleted."""
    row = find_subscription(tx, app)
    state = Subscription(app, deleted=True) if row is None else _read(row, find_events_of(tx, app))
    tx.note("room", Topic(app), msgspec.json.encode(state))


def read_subscription(query: Query, app: str) -> Subscription | None:
    """Return what an app gets, None if that is nothing."""
    row = find_subscription(query, app)
    return None if row is None else _read(row, find_events_of(query, app))


def read_subscriptions(query: Query) -> list[tuple[Subscription, tuple[int, bytes]]]:
    """Return what each app gets, and how far it is done with the log, as ``taps.window`` wrote it."""
    events = find_events(query)
    return [
        (_read(row, events.get(row["app_id"], frozenset())), (row["settled"], bytes(row["ahead"])))
        for row in find_subscriptions(query)
    ]


def _check(tx: Transaction, app: str) -> None:
    record = find_app(tx, app)
    if record is None or record.deleted is not None:
        raise MethodError("app_not_found")


def _read(row: Row, events: frozenset[str]) -> Subscription:
    return Subscription(
        row["app_id"], row["bot_user"] or "", row["bot_id"] or "", bool(row["socket_mode"]), events,
        request_url=row["request_url"] or "", request_state=row["request_state"],
    )  # fmt: skip
