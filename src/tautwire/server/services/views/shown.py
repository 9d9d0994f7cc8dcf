"""The views that a person sees, and what the person puts into them. Reads and units; nothing here asks an app.

Of a stack a person sees the view on top; those below it wait. What a person cannot do on the screen is refused in words
for the one who acts for the person. Source: wire/views.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.interactivity.actions import by_id
from tautwire.server.services.interactivity.choices import ImpossibleChoice, choose
from tautwire.server.services.interactivity.elements import VALUES, Found, elements_of, find_element
from tautwire.server.services.views.inputs import Inputs, with_input
from tautwire.server.services.views.views import View, read_view
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.apps import find_app
from tautwire.server.store.queries.channels import find_channel
from tautwire.server.store.queries.membership import find_membership
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.queries.views import ViewRecord, find_top, find_view, find_views_of, set_inputs
from tautwire.server.store.records import ChannelKind

MAX_VIEWS: Final = 100
"""Views of a user that are looked at: those opened last (ours)."""
MAX_INPUTS: Final = 250_000
"""Bytes of JSON of what a person puts into a view (ours)."""

Values = Mapping[str, Mapping[str, Any]]
"""Choices, as ``choices.choose`` takes them, by ``block_id`` and ``action_id``."""
Offered = Mapping[tuple[str, str], Sequence[Any]]
"""The options that an app gave for its own menus, by ``block_id`` and ``action_id``."""


class Shown(NamedTuple):
    """A view that a person sees, and the bot of its app."""

    view: View
    bot_id: str


def find_shown(query: Query, user: str, view_id: str) -> Shown:
    """Return a view that a user sees.

    Raises:
        Refused: the user has no such view open, or another one lies on top of it.
    """
    record = find_view(query, view_id)
    if record is None or record.user_id != user:
        raise NotFound("unknown_view", f"the user has no open view {view_id!r:.80}: `views.list` shows those open")
    top = find_top(query, record.root_id)
    if top is not None and top.id != record.id:
        raise Refused("view_covered", f"the view {record.id} lies under {top.id}: act in that one")
    return Shown(read_view(record), bot_of(query, record))


def views_of(query: Query, user: str, *, only_on_top: bool = False) -> list[Shown]:
    """Return the views that a user has open, those opened last at the end."""
    records = find_views_of(query, user, count=MAX_VIEWS)
    tops = {record.root_id: record.id for record in sorted(records, key=lambda record: record.depth)}
    bots: dict[str, str] = {}
    for record in records:
        if record.app_id not in bots:
            bots[record.app_id] = bot_of(query, record)
    return [
        Shown(read_view(record), bots[record.app_id])
        for record in records
        if not only_on_top or tops[record.root_id] == record.id
    ]


def bot_of(query: Query, record: ViewRecord) -> str:
    """Return the id of the bot, ``B…``, of the app that has a view."""
    app = find_app(query, record.app_id)
    bot = find_user(query, app.bot_user) if app is not None and app.bot_user is not None else None
    return (bot.bot_id if bot is not None else None) or ""


def element_of(view: View, action_id: str, block_id: str = "") -> Found:
    """Return an element of a view; raise ``NotFound`` if there is no such element."""
    found = find_element(view.body.blocks, action_id, block_id)
    if found is None:
        known = ", ".join(f"{each.block_id}/{each.action_id}" for each in elements_of(view.body.blocks))
        raise NotFound(
            "unknown_element",
            f"the view {view.record.id} has no element {action_id!r:.80}"
            + (f" in the block {block_id!r:.80}" if block_id else "")
            + f": it has {known[:500] or 'none'}",
        )
    return found


def with_ids(query: Query, view: View, values: Values) -> Values:
    """Return what a person puts in with ids in place of names of users and conversations.

    A read, run before the unit: to search for similar names takes too long for the writer's thread.

    Raises:
        NotFound: there is no such element, user or conversation.
    """
    return {
        block_id: {
            action_id: by_id(query, element_of(view, action_id, block_id).element["type"], choice)
            for action_id, choice in each.items()
        }
        for block_id, each in values.items()
    }


def put(tx: Transaction, view: View, values: Values, offered: Offered) -> View:
    """Store what a person puts into elements, by ``block_id`` and ``action_id``; return the view as it is then.

    Raises:
        Refused: there is no such element, or it cannot hold the value.
    """
    inputs = view.inputs
    for block_id, each in values.items():
        for action_id, choice in each.items():
            found = element_of(view, action_id, block_id)
            if found.element["type"] not in VALUES:
                raise Refused("no_value", f"{block_id}/{action_id} is a {found.element['type']}, which holds no value")
            try:
                value = choose(found.element, choice, offered.get((block_id, action_id), ()))
            except ImpossibleChoice as error:
                raise Refused("invalid_choice", f"{block_id}/{action_id}: {error}") from None
            inputs = _stored(tx, view, inputs, found, value)
    return _with_inputs(tx, view, inputs)


def put_one(tx: Transaction, view: View, found: Found, value: Any) -> View:
    """Store the value of one element, which ``elements`` made; return the view as it is then."""
    return _with_inputs(tx, view, _stored(tx, view, view.inputs, found, value))


def _with_inputs(tx: Transaction, view: View, inputs: Inputs) -> View:
    encoded = msgspec.json.encode(inputs)
    if len(encoded) > MAX_INPUTS:
        raise Refused(
            "inputs_too_large", f"the values of a view must have at most {MAX_INPUTS} bytes: give shorter ones"
        )
    if inputs != view.inputs:
        set_inputs(tx, view.record.id, encoded)
    return View(view.record, view.body, inputs)


def _stored(query: Query, view: View, inputs: Inputs, found: Found, value: Any) -> Inputs:
    if VALUES[found.element["type"]].kind == "id" and value:
        for each in value if isinstance(value, list) else [value]:
            _check_id(query, view.record.user_id, found.element["type"], each)
    return with_input(inputs, found, value)


def _check_id(query: Query, user: str, kind: str, value: str) -> None:
    """Raise ``Refused`` unless a picker of this user offers the user or conversation."""
    if "users" in kind:
        is_offered = find_user(query, value) is not None
    else:
        channel = find_channel(query, value)
        is_offered = (
            channel is not None
            and (channel.kind is ChannelKind.PUBLIC or find_membership(query, value, user) is not None)
            and not ("channels" in kind and channel.is_direct)
        )
    if not is_offered:
        raise Refused("invalid_choice", f"a {kind} does not offer {value!r:.80} to the user")
