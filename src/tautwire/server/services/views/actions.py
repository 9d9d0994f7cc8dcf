"""What a person does inside a view without submitting it: presses, chooses, types, looks for options.

What is put in is stored at once, and stays over a restart. Source: wire/interactivity.md#block_actions.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.interactivity import payloads
from tautwire.server.services.interactivity.actions import SUBJECT, by_id, check_query
from tautwire.server.services.interactivity.asking import Outcome, ask, interactive, now_ts
from tautwire.server.services.interactivity.choices import ImpossibleChoice, act, read_options
from tautwire.server.services.interactivity.elements import VALUES, Found, sends_actions
from tautwire.server.services.views.shown import Shown, element_of, find_shown, put_one
from tautwire.server.services.views.views import view_object
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query


class Act(NamedTuple):
    """Something that a person did to an element."""

    shown: Shown
    action: dict[str, Any]
    is_sent: bool
    """Whether the app is asked."""


async def act_in_view(
    workspace: Workspace, who: Identity, view_id: str, action_id: str, block_id: str = "", choice: Any = None
) -> Outcome:
    """Press, choose or type in an element of a view, and send that to the app.

    Without ``dispatch_action``, an element of an input block only keeps its value until the view is submitted.

    Args:
        choice: see ``choices``; users and channels may be given by name.

    Raises:
        Refused: the person sees no such view or element, or it has no such choice.
    """

    def read(query: Query) -> tuple[Found, Any]:
        found = element_of(find_shown(query, who.user, view_id).view, action_id, block_id)
        return found, by_id(query, found.element["type"], choice)

    found, chosen = await workspace.reader.read(read)
    offered = workspace.offered.find(who.user, view_id, found.block_id, action_id) or []
    done = await workspace.writer.write(
        partial(
            _act, user=who.user, view_id=view_id, action_id=action_id, block_id=found.block_id, choice=chosen,
            offered=offered, action_ts=now_ts(workspace),
        )
    )  # fmt: skip
    view, bot_id = done.shown
    team, app = workspace.team, view.record.app_id
    if not done.is_sent:
        return Outcome(app=app, is_sent=False)
    payload = payloads.block_actions(
        payloads.interaction("block_actions", team, app, who),
        payloads.view_container(view.record.id), done.action,
        trigger_id=workspace.triggers.issue(app, who.user, view.record.id),
    )  # fmt: skip
    payload |= {"view": view_object(view, team.id, bot_id, has_values=True)}
    return await ask(workspace, interactive(app, payload), SUBJECT)


async def find_options_in_view(
    workspace: Workspace, who: Identity, view_id: str, action_id: str, block_id: str, typed: str
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Ask the app for the options of one of its menus; they can then be chosen.

    Raises:
        Refused: the person sees no such view or menu, or the text is too short to be sent.
    """
    view, bot_id = await workspace.reader.read(partial(find_shown, user=who.user, view_id=view_id))
    found = element_of(view, action_id, block_id)
    check_query(found.element, typed)
    team, app = workspace.team, view.record.app_id
    payload = payloads.block_suggestion(
        payloads.interaction("block_suggestion", team, app, who),
        payloads.view_container(view.record.id), block_id=found.block_id, action_id=action_id, value=typed,
    )  # fmt: skip
    payload |= {"view": view_object(view, team.id, bot_id, has_values=True)}
    outcome = await ask(workspace, interactive(app, payload, wants_options=True), SUBJECT)
    options = read_options(outcome.answer)
    workspace.offered.keep(options, who.user, view_id, found.block_id, action_id)
    return outcome, options


def _act(
    tx: Transaction, user: str, view_id: str, *, action_id: str, block_id: str, choice: Any, offered: Sequence[Any],
    action_ts: str,
) -> Act:  # fmt: skip
    """Store what a person does to an element (a unit)."""
    view, bot_id = find_shown(tx, user, view_id)
    found = element_of(view, action_id, block_id)
    try:
        action = act(found, choice, action_ts=action_ts, offered=offered)
    except ImpossibleChoice as error:
        raise Refused("invalid_choice", f"{found.block_id}/{action_id}: {error}") from None
    value = VALUES.get(found.element["type"])
    if value is not None:
        view = put_one(tx, view, found, action[value.member])
    return Act(Shown(view, bot_id), action, sends_actions(found))
