"""Views: modals in stacks of at most three, and the Home of an app for each user. The functions are units.

A view is stored while it is open, so it survives a restart; closing deletes it. Only a person, or the answer of an app
to a submission, closes a modal; no method does. What an app gives is checked before anything changes, and a call that
fails changes nothing. Each change leaves an entry of kind ``room`` on the topic of the lowest view of the stack, so
that those who wait for a view look again. Source: wire/views.md.
"""

import secrets
from typing import Any, Final, Literal

import msgspec

from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import new_id
from tautwire.server.services.blockkit.filling import fill_blocks
from tautwire.server.services.blockkit.validation import as_messages, validate_view
from tautwire.server.services.errors import MethodError
from tautwire.server.services.manifests.tabs import check_home
from tautwire.server.services.views.inputs import Inputs, kept_inputs, values_of
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.queries.views import (
    ViewRecord,
    add_view,
    change_view,
    delete_views,
    find_home,
    find_stacks,
    find_top,
    find_view,
    find_view_by_external_id,
)

MAX_DEPTH: Final = 3
"""Views of a stack. Source: wire/views.md#methods (documented)."""
MAX_BYTES: Final = 250_000
"""Of a view as JSON. Source: wire/views.md#objects (documented)."""
MAX_STACKS: Final = 10
"""Stacks that an app has open for one user (ours); a further one takes the place of the oldest."""

ERRORS: Final = ("duplicate_external_id", "view_too_large")
"""Of every method that takes a view."""
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

Kind = Literal["modal", "home"]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What an app gave, with the defaults of what it did not give."""

    blocks: list[dict[str, Any]]
    private_metadata: str = ""
    callback_id: str = ""
    title: dict[str, Any] | None = None
    clear_on_close: bool = False
    notify_on_close: bool = False
    close: dict[str, Any] | None = None
    submit: dict[str, Any] | None = None


class Given(msgspec.Struct, frozen=True):
    """A view that an app gave, checked."""

    kind: Kind
    body: Body
    external_id: str | None


class View(msgspec.Struct, frozen=True):
    """An open view."""

    record: ViewRecord
    body: Body
    inputs: Inputs
    """What the user has put in, by block and element."""


def check_view(view: Any, kind: Kind) -> Given:
    """Return a view that an app gave, with the ids and defaults that it lacks. Pure, but for the ids.

    Raises:
        MethodError: invalid_arguments with all faults; view_too_large.
    """
    faults = validate_view(view)
    if not faults and view["type"] != kind:
        faults = [f"unsupported type: {view['type']} [json-pointer:/view/type]"]
    if faults:
        raise MethodError("invalid_arguments", response_metadata={"messages": as_messages(faults)})
    if len(msgspec.json.encode(view)) > MAX_BYTES:
        raise MethodError("view_too_large")
    blocks = fill_blocks(view["blocks"])
    given = {name: view[name] for name in Body.__struct_fields__ if view.get(name) is not None}
    if kind == "home":  # it is not a dialog: nothing opens, submits or closes it
        given = {name: given[name] for name in ("private_metadata", "callback_id") if name in given}
    else:
        given |= {name: {"emoji": True, **given[name]} for name in given.keys() & {"title", "close", "submit"}}
    return Given(kind, Body(**{**given, "blocks": blocks}), view.get("external_id") or None)


def open_modal(tx: Transaction, app: str, user: str, given: Given) -> View:
    """Open a modal for a user: a new stack, which leaves open ones as they are.

    Raises:
        MethodError: duplicate_external_id.
    """
    for oldest in find_stacks(tx, app, user)[MAX_STACKS - 1 :]:
        close_views(tx, oldest, above=0)
    return _add(tx, app, user, "modal", given, below=None)


def push_modal(tx: Transaction, app: str, acted_in: str, given: Given) -> View:
    """Put a modal on top of the stack to which the view ``acted_in`` belongs.

    Raises:
        MethodError: not_found if the view is closed or is not one of the app; push_limit_reached;
            duplicate_external_id; invalid_arguments on top of a Home.
    """
    found = find_view(tx, acted_in)
    top = find_top(tx, found.root_id) if found is not None and found.app_id == app else None
    if top is None:
        raise MethodError("not_found")
    if top.kind != "modal":
        raise _wrong("must match the `type` of the root view whose stack we're pushing onto", "/view/type")
    if top.depth >= MAX_DEPTH:
        raise MethodError("push_limit_reached")
    return _add(tx, app, top.user_id, "modal", given, below=top)


def update(
    tx: Transaction, app: str, given: Given, *, view_id: str = "", external_id: str = "", seen: str | None = None
) -> View:
    """Replace an open view; what the user typed stays where block, element and its kind stay the same.

    Args:
        seen: the ``hash`` that the view has to have; None for any.

    Raises:
        MethodError: not_found, hash_conflict, duplicate_external_id; invalid_arguments if a Home is to become a modal
            or the other way round.
    """
    found = find_view(tx, view_id) if view_id else find_view_by_external_id(tx, app, external_id)
    if found is None or found.app_id != app:
        raise MethodError("not_found")
    return replace(tx, found, given, seen=seen)


def publish(tx: Transaction, app: str, user: str, given: Given, *, seen: str | None = None) -> View:
    """Show a user the Home of an app, in place of the one before.

    Raises:
        MethodError: not_enabled if the Home tab is off; invalid_arguments if there is no such person; hash_conflict,
            duplicate_external_id.
    """
    check_home(tx, app)
    person = find_user(tx, user)
    if person is None or person.deleted or person.bot_id is not None:
        raise _wrong("invalid `user_id`", "/user_id")
    found = find_home(tx, app, user)
    if found is not None:
        return replace(tx, found, given, seen=seen)
    if seen is not None:
        raise MethodError("hash_conflict")
    return _add(tx, app, user, "home", given, below=None)


def replace(tx: Transaction, record: ViewRecord, given: Given, *, seen: str | None = None) -> View:
    """Do what ``update`` does with a view that was found."""
    if given.kind != record.kind:
        raise _wrong("must match the `type` of the view", "/view/type")
    if seen is not None and seen != record.hash:
        raise MethodError("hash_conflict")
    # The name stays if the update has none, so that an app which knows no other name can update twice (ours).
    external_id = given.external_id or record.external_id
    _check_external_id(tx, record.app_id, external_id, but=record.id)
    before = read_view(record)
    inputs = kept_inputs(before.inputs, before.body.blocks, given.body.blocks)
    changed = msgspec.structs.replace(
        record, external_id=external_id, hash=_new_hash(tx), body=msgspec.json.encode(given.body),
        inputs=msgspec.json.encode(inputs),
    )  # fmt: skip
    change_view(tx, changed)
    tx.note("room", Topic(record.root_id))
    return View(changed, given.body, inputs)


def close_views(tx: Transaction, root: str, *, above: int) -> None:
    """Close the views of a stack that are higher than ``above``; all with 0."""
    delete_views(tx, root, above=above)
    tx.note("room", Topic(root))


def read_view(record: ViewRecord) -> View:
    """Return a stored view."""
    return View(record, msgspec.json.decode(record.body, type=Body), msgspec.json.decode(record.inputs, type=Inputs))


def view_object(view: View, team: str, bot_id: str, *, has_values: bool = False) -> dict[str, Any]:
    """Return a view as the wire has it. Source: wire/views.md#objects (captured).

    Args:
        has_values: whether it shows what the elements hold; the answers of methods and ``view_closed`` do not.
    """
    record, body = view.record, view.body
    titled = {"title": body.title} if record.kind == "modal" else {}
    return {
        "id": record.id,
        "team_id": team,
        "type": record.kind,
        "blocks": body.blocks,
        "private_metadata": body.private_metadata,
        "callback_id": body.callback_id,
        "state": {"values": values_of(body.blocks, view.inputs) if has_values else {}},
        "hash": record.hash,
        **titled,
        "clear_on_close": body.clear_on_close,
        "notify_on_close": body.notify_on_close,
        "close": body.close,
        "submit": body.submit,
        "previous_view_id": record.previous_id,
        "root_view_id": record.root_id,
        "app_id": record.app_id,
        "external_id": record.external_id or "",
        "app_installed_team_id": team,
        "bot_id": bot_id,
    }


def _add(tx: Transaction, app: str, user: str, kind: Kind, given: Given, below: ViewRecord | None) -> View:
    _check_external_id(tx, app, given.external_id)
    view_id = new_id("V")
    record = ViewRecord(
        view_id, app, user, kind,
        root_id=view_id if below is None else below.root_id,
        depth=1 if below is None else below.depth + 1,
        previous_id=None if below is None else below.id,
        external_id=given.external_id,
        hash=_new_hash(tx),
        opened=tx.now,
        body=msgspec.json.encode(given.body),
        inputs=b"{}",
    )  # fmt: skip
    add_view(tx, record)
    tx.note("room", Topic(record.root_id))
    return View(record, given.body, {})


def _check_external_id(tx: Transaction, app: str, external_id: str | None, *, but: str = "") -> None:
    if external_id is None:
        return
    found = find_view_by_external_id(tx, app, external_id)
    if found is not None and found.id != but:
        raise MethodError("duplicate_external_id")


def _new_hash(tx: Transaction) -> str:
    return f"{tx.now // 1_000_000}.{''.join(secrets.choice(_LETTERS) for _ in range(8))}"


def _wrong(message: str, place: str) -> MethodError:
    return MethodError(
        "invalid_arguments", response_metadata={"messages": as_messages([f"{message} [json-pointer:{place}]"])}
    )
