"""The table ``opened_view``: modals that people have open, in stacks, and the Home of an app for each user."""

import msgspec

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements, marks


class ViewRecord(msgspec.Struct, frozen=True, gc=False):
    """A view that a user has open."""

    id: str
    app_id: str
    user_id: str
    kind: str
    """``modal`` or ``home``."""
    root_id: str
    """The lowest view of its stack; its own id if it is that."""
    depth: int
    """Its place in the stack, from 1."""
    previous_id: str | None
    """The view below it."""
    external_id: str | None
    """The name that the app gave it."""
    hash: str
    """New at every update."""
    opened: int
    """In microseconds."""
    body: bytes
    """What the app gave, as JSON."""
    inputs: bytes
    """What the user has put in, as JSON."""


_COLUMNS = ViewRecord.__struct_fields__
_VIEWS = f"SELECT {', '.join(_COLUMNS)} FROM opened_view"


def find_view(query: Query, view: str) -> ViewRecord | None:
    """Return the open view with this id."""
    return _record(query.one(f"{_VIEWS} WHERE id = ?", view))


def find_view_by_external_id(query: Query, app: str, external_id: str) -> ViewRecord | None:
    """Return the open view to which an app gave this name."""
    return _record(query.one(f"{_VIEWS} WHERE app_id = ? AND external_id = ?", app, external_id))


def find_top(query: Query, root: str) -> ViewRecord | None:
    """Return the view on top of a stack."""
    return _record(query.one(f"{_VIEWS} WHERE root_id = ? ORDER BY depth DESC LIMIT 1", root))


def find_home(query: Query, app: str, user: str) -> ViewRecord | None:
    """Return the Home of an app for a user, None before it is published."""
    return _record(query.one(f"{_VIEWS} WHERE user_id = ? AND app_id = ? AND kind = 'home'", user, app))


def find_views_of(query: Query, user: str, *, count: int) -> list[ViewRecord]:
    """Return the views of a user that were opened last, in the order of their opening."""
    rows = query.all(f"{_VIEWS} WHERE user_id = ? ORDER BY opened DESC, root_id, depth DESC LIMIT ?", user, count)
    return [_read(row) for row in reversed(rows)]


def find_stacks(query: Query, app: str, user: str) -> list[str]:
    """Return the lowest views of the stacks of modals that an app has open for a user, the newest first."""
    rows = query.all(
        "SELECT id FROM opened_view WHERE user_id = ? AND app_id = ? AND kind = 'modal' AND depth = ?"
        " ORDER BY opened DESC, id DESC",
        user,
        app,
        1,
    )
    return [row[0] for row in rows]


def add_view(tx: Statements, view: ViewRecord) -> None:
    """Store a new view."""
    values = [getattr(view, column) for column in _COLUMNS]
    tx.execute(f"INSERT INTO opened_view ({', '.join(_COLUMNS)}) VALUES ({marks(values)})", *values)


def change_view(tx: Statements, view: ViewRecord) -> None:
    """Store what an update can change of a view."""
    tx.execute(
        "UPDATE opened_view SET external_id = ?, hash = ?, body = ?, inputs = ? WHERE id = ?",
        view.external_id, view.hash, view.body, view.inputs, view.id,
    )  # fmt: skip


def set_inputs(tx: Statements, view: str, inputs: bytes) -> None:
    """Store what the user has put in."""
    tx.execute("UPDATE opened_view SET inputs = ? WHERE id = ?", inputs, view)


def delete_views(tx: Statements, root: str, *, above: int) -> None:
    """Delete the views of a stack that are higher than ``above``; all with 0."""
    tx.execute("DELETE FROM opened_view WHERE root_id = ? AND depth > ?", root, above)


def delete_views_of_app(tx: Statements, app: str) -> None:
    """Delete all views of an app."""
    tx.execute("DELETE FROM opened_view WHERE app_id = ?", app)


def _record(row: Row | None) -> ViewRecord | None:
    return _read(row) if row is not None else None


def _read(row: Row) -> ViewRecord:
    id_, app, user, kind, root, depth, previous, external_id, hash_, opened, body, inputs = row
    return ViewRecord(
        id_, app, user, kind, root, depth, previous, external_id, hash_, opened, bytes(body), bytes(inputs)
    )
