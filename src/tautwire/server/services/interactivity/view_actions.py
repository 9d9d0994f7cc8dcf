"""What a person does inside a view without submitting it: presses, chooses, types, looks for options.

What is put in is stored at once, and stays over a restart. Source: wire/interactivity.md#block_actions.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.protocol.ids import ts_from_micros
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.interactivity.elements import (
    EXTERNAL,
    VALUES,
    Found,
    ImpossibleChoice,
    act,
    read_options,
    sends_actions,
)
from tautwire.server.services.interactivity.payloads import (
    Person,
    block_actions,
    block_suggestion,
    interaction,
    view_container,
)
from tautwire.server.services.interactivity.requests import Request
from tautwire.server.services.interactivity.shown import Shown, element_of, find_shown, put_one
from tautwire.server.services.interactivity.views import view_object
from tautwire.server.services.workspace import Workspace

MIN_QUERY: Final = 3
"""Characters after which options are asked for. Source: wire/interactivity.md#block_suggestion (documented)."""


class Act(NamedTuple):
    """Something that a person did to an element."""

    shown: Shown
    action: dict[str, Any]
    is_sent: bool
    """Whether the app is asked."""


class Acted(msgspec.Struct, frozen=True):
    """What became of it."""

    shown: Shown
    """The view with the new value, as it was when the app was asked."""
    is_sent: bool
    """Whether the app was asked: an element of an input block only stores its value, without ``dispatch_action``."""


async def act_in_view(
    workspace: Workspace, who: Identity, view_id: str, *, action_id: str, block_id: str = "", choice: Any = None,
    offered: Sequence[Any] = (),
) -> Acted:  # fmt: skip
    """Press a button, choose in a menu or type into an input of a view.

    Args:
        choice: as ``elements.act`` takes it.
        offered: the options that the app gave for a menu of its own.

    Raises:
        Refused: the person sees no such view or element, or it has no such choice.
        NotAnswered: the app did not answer. The value is kept.
    """
    done = await workspace.writer.write(
        partial(
            _act, user=who.user, view_id=view_id, action_id=action_id, block_id=block_id, choice=choice, offered=offered
        )
    )
    view, bot_id = done.shown
    if done.is_sent:
        team, app = workspace.team, view.record.app_id
        payload = block_actions(
            interaction("block_actions", team, app, Person(who.user, who.name)),
            view_container(view.record.id),
            done.action,
            trigger_id=workspace.triggers.issue(app, who.user, view.record.id),
        ) | {"view": view_object(view, team.id, bot_id, has_values=True)}
        await workspace.requests.ask(Request(app=app, kind="interactive", payload=msgspec.json.encode(payload)))
    return Acted(done.shown, done.is_sent)


async def options_in_view(
    workspace: Workspace, who: Identity, view_id: str, *, action_id: str, block_id: str = "", text: str = ""
) -> tuple[Found, list[dict[str, Any]]]:
    """Return a menu of a view whose options the app gives, and the options for a text that the person types.

    Raises:
        Refused: the person sees no such view or menu.
        NotAnswered: the app did not answer.
    """
    shown = await workspace.reader.read(partial(find_shown, user=who.user, view_id=view_id))
    view, bot_id = shown
    found = element_of(view, action_id, block_id)
    if found.element["type"] not in EXTERNAL:
        raise Refused("no_external_menu", f"{action_id} is a {found.element['type']}: its options are in the view")
    if len(text) < found.element.get("min_query_length", MIN_QUERY):
        return found, []
    team, app = workspace.team, view.record.app_id
    payload = block_suggestion(
        interaction("block_suggestion", team, app, Person(who.user, who.name)),
        view_container(view.record.id),
        block_id=found.block_id,
        action_id=found.action_id,
        value=text,
    ) | {"view": view_object(view, team.id, bot_id, has_values=True)}
    answer = await workspace.requests.ask(
        Request(app=app, kind="interactive", payload=msgspec.json.encode(payload), wants_options=True)
    )
    return found, read_options(answer.body)


def _act(
    tx: Transaction, user: str, view_id: str, *, action_id: str, block_id: str, choice: Any, offered: Sequence[Any]
) -> Act:
    """Store what a person does to an element (a unit)."""
    view, bot_id = find_shown(tx, user, view_id)
    found = element_of(view, action_id, block_id)
    try:
        action = act(found, choice, action_ts=ts_from_micros(tx.now), offered=offered)
    except ImpossibleChoice as error:
        raise Refused("impossible_choice", f"{found.block_id}/{action_id}: {error}") from None
    value = VALUES.get(found.element["type"])
    if value is not None:
        view = put_one(tx, view, found, action[value.member])
    return Act(Shown(view, bot_id), action, sends_actions(found))
