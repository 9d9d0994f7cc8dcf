"""The tables ``app_event``, the events that apps subscribed to, and ``tap``, how far each app is done with the log."""

from collections.abc import Collection, Mapping

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements

BOT = "bot"
"""The kind of a subscription to what the bot may see."""
USER = "user"
"""The kind of a subscription to what the people may see who authorised the app."""


def find_subscriptions(query: Query) -> list[Row]:
    """Return the apps with a tap that are not deleted.

    Each has ``app_id``, ``bot_user``, ``bot_id``, ``socket_mode``, ``request_url``, ``request_state``, ``settled`` and
    ``ahead``.
    """
    return [*query.all(f"{_TAPS} ORDER BY t.app_id")]


def find_subscription(query: Query, app: str) -> Row | None:
    """Return the same of one app, None if it has no tap or is deleted."""
    return query.one(f"{_TAPS} AND t.app_id = ?", app)


_TAPS = (
    "SELECT t.app_id, a.bot_user, u.bot_id, a.socket_mode, a.request_url, a.request_state, t.settled, t.ahead"
    " FROM tap t JOIN app a ON a.id = t.app_id LEFT JOIN users u ON u.id = a.bot_user WHERE a.deleted IS NULL"
)


def find_events(query: Query, kind: str) -> dict[str, frozenset[str]]:
    """Return the names of the events of a kind of subscription of all apps, by app."""
    found: dict[str, set[str]] = {}
    for app, event in query.all("SELECT app_id, event FROM app_event WHERE kind = ?", kind):
        found.setdefault(app, set()).add(event)
    return {app: frozenset(events) for app, events in found.items()}


def find_events_of(query: Query, app: str, kind: str) -> frozenset[str]:
    """Return the same of one app."""
    rows = query.all("SELECT event FROM app_event WHERE app_id = ? AND kind = ?", app, kind)
    return frozenset(row[0] for row in rows)


def replace_events(tx: Statements, app: str, events: Collection[str], kind: str) -> None:
    """Store the events of a kind of subscription of an app, in place of those before."""
    tx.execute("DELETE FROM app_event WHERE app_id = ? AND kind = ?", app, kind)
    for event in sorted(events):
        tx.execute("INSERT INTO app_event (app_id, kind, event) VALUES (?, ?, ?)", app, kind, event)


def set_socket_mode(tx: Statements, app: str, *, is_on: bool) -> None:
    """Store whether an app gets its events over Socket Mode."""
    tx.execute("UPDATE app SET socket_mode = ? WHERE id = ?", is_on, app)


def set_request_url(tx: Statements, app: str, url: str | None, state: str) -> None:
    """Store where an app gets its events over HTTP, None for nowhere, and in which state that is."""
    tx.execute("UPDATE app SET request_url = ?, request_state = ? WHERE id = ?", url, state, app)


def set_request_state(tx: Statements, app: str, url: str, state: str) -> None:
    """Store the state of a request URL; no effect if the app has another one now."""
    tx.execute("UPDATE app SET request_state = ? WHERE id = ? AND request_url = ?", state, app, url)


def begin_tap(tx: Statements, app: str) -> None:
    """Store that an app gets what comes from now on; no effect if it has a tap."""
    tx.execute(
        "INSERT INTO tap (app_id, settled, ahead) SELECT ?, head, ? FROM workspace WHERE true"
        " ON CONFLICT (app_id) DO NOTHING",
        app,
        b"",
    )


def set_settled(tx: Statements, settled: Mapping[str, tuple[int, bytes]]) -> None:
    """Store how far apps are done with the log, and what they have done ahead of that."""
    for app, (position, ahead) in settled.items():
        tx.execute(
            "UPDATE tap SET settled = ?, ahead = ? WHERE app_id = ? AND settled <= ?", position, ahead, app, position
        )
