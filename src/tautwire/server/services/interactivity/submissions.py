"""What ends a modal: a person submits or closes it, and the answer of the app says what the person sees then.

Source: wire/interactivity.md#view_submission.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Literal

import msgspec

from tautwire.protocol.errors import TautwireError
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity import views
from tautwire.server.services.interactivity.inputs import faults, values_of
from tautwire.server.services.interactivity.payloads import Person, interaction
from tautwire.server.services.interactivity.requests import Answer, NotAnswered, Request
from tautwire.server.services.interactivity.shown import Offered, Shown, bot_of, find_shown, put
from tautwire.server.services.interactivity.views import Given, View, check_view, close_views, read_view, view_object
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.queries.views import find_top, find_view

What = Literal["closed", "cleared", "updated", "pushed", "errors"]
_ACTIONS: Final[Mapping[str, What]] = {"clear": "cleared", "update": "updated", "push": "pushed", "errors": "errors"}
"""What each ``response_action`` makes of a modal."""
MAX_ERROR: Final = 3_000
"""Characters of an error under an input (ours)."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a submission."""

    what: What
    errors: dict[str, str] = {}
    """By ``block_id``."""
    seen: Shown | None = None
    """The view that the person sees then; None if the whole modal is closed."""


class Closed(msgspec.Struct, frozen=True):
    """What became of a modal that a person closed."""

    is_notified: bool
    """Whether the app wanted to know, and acknowledged it."""
    seen: Shown | None


class UselessAnswer(TautwireError):  # noqa: N818 - an outcome
    """The answer of the app to a submission is not valid: the person sees an error bar, and the modal stays."""


async def submit(
    workspace: Workspace, who: Identity, view_id: str, values: Mapping[str, Mapping[str, Any]], offered: Offered
) -> Outcome:
    """Submit a modal.

    Args:
        values: what the person puts in before that, by ``block_id`` and ``action_id``.

    Raises:
        Refused: a client would not let the person do so; nothing is stored, and the app is not asked.
        NotAnswered: the app did not answer. What was put in is kept, and the modal stays.
        UselessAnswer: the same after an answer that is not valid.
    """
    view, bot_id = await workspace.writer.write(
        partial(_fill, user=who.user, view_id=view_id, values=values, offered=offered)
    )
    team, app = workspace.team, view.record.app_id
    payload = interaction("view_submission", team, app, Person(who.user, who.name)) | {
        "trigger_id": workspace.triggers.issue(app, who.user, view.record.id),
        "view": view_object(view, team.id, bot_id, has_values=True),
        "response_urls": [],
    }
    answer = await workspace.requests.ask(Request(app=app, kind="interactive", payload=msgspec.json.encode(payload)))
    what, given, errors = _read(answer, view)
    try:
        return await workspace.writer.write(
            partial(_apply, view_id=view.record.id, root=view.record.root_id, what=what, given=given, errors=errors)
        )
    except MethodError as error:
        raise UselessAnswer(error.code) from None


async def close(workspace: Workspace, who: Identity, view_id: str, *, whole_stack: bool) -> Closed:
    """Close a modal with its button, or with ``whole_stack`` all modals of the stack, as the x does.

    An app that wants to know is asked to acknowledge; the modal is closed whatever it answers.

    Raises:
        Refused: the person sees no such modal.
    """
    closed, is_cleared, seen = await workspace.writer.write(
        partial(_close, user=who.user, view_id=view_id, whole_stack=whole_stack)
    )
    view, bot_id = closed
    if not view.body.notify_on_close:
        return Closed(False, seen)
    team, app = workspace.team, view.record.app_id
    payload = interaction("view_closed", team, app, Person(who.user, who.name)) | {
        "view": view_object(view, team.id, bot_id),
        "is_cleared": is_cleared,
    }
    try:
        await workspace.requests.ask(Request(app=app, kind="interactive", payload=msgspec.json.encode(payload)))
    except NotAnswered:
        return Closed(False, seen)
    return Closed(True, seen)


def _fill(tx: Transaction, user: str, view_id: str, values: Mapping[str, Mapping[str, Any]], offered: Offered) -> Shown:
    """Put values into a modal that can then be submitted (a unit)."""
    view, bot_id = _modal(find_shown(tx, user, view_id))
    if view.body.submit is None:
        raise Refused("not_submittable", f"the view {view_id} has no button to submit it: `close` closes it")
    view = put(tx, view, values, offered)
    found = faults(view.body.blocks, values_of(view.body.blocks, view.inputs))
    if found:
        text = "; ".join(f"{block_id}: {fault}" for block_id, fault in found.items())
        raise Refused("invalid_values", f"the view {view_id} cannot be submitted so: {text}")
    return Shown(view, bot_id)


def _close(tx: Transaction, user: str, view_id: str, *, whole_stack: bool) -> tuple[Shown, bool, Shown | None]:
    """Close a modal (a unit); return the view that the app hears of, whether all are closed, and what is seen then."""
    view, bot_id = _modal(find_shown(tx, user, view_id))
    record = view.record
    if not whole_stack and not view.body.clear_on_close:
        close_views(tx, record.root_id, above=record.depth - 1)
        return Shown(view, bot_id), False, _top(tx, record.root_id)
    root = find_view(tx, record.root_id)
    close_views(tx, record.root_id, above=0)
    return Shown(view if root is None else read_view(root), bot_id), True, None


def _read(answer: Answer, view: View) -> tuple[What, Given | None, dict[str, str]]:
    """Return what an answer says; raise ``UselessAnswer`` if it is not valid."""
    if answer.is_empty:
        return "closed", None, {}
    body = answer.body or {}
    action = body.get("response_action")
    what = _ACTIONS.get(action) if isinstance(action, str) else None
    if what is None:
        raise UselessAnswer(f"response_action must be one of {', '.join(_ACTIONS)}, got {action!r:.80}")
    if what == "errors":
        return what, None, _errors(body.get("errors"), view)
    if what == "cleared":
        return what, None, {}
    try:
        return what, check_view(body.get("view"), "modal"), {}
    except MethodError as error:
        details = error.members.get("response_metadata")
        messages = details.get("messages", []) if isinstance(details, dict) else []
        raise UselessAnswer("; ".join([f"its view is not valid ({error.code})", *messages])) from None


def _errors(errors: Any, view: View) -> dict[str, str]:
    inputs = {block.get("block_id") for block in view.body.blocks if block.get("type") == "input"}
    if not isinstance(errors, dict) or not errors:
        raise UselessAnswer(f"errors must be an object with a text for each block, got {errors!r:.80}")
    for block_id, text in errors.items():
        if block_id not in inputs:
            raise UselessAnswer(f"errors must be of input blocks, got one of {block_id!r:.80}")
        if not isinstance(text, str) or not 0 < len(text) <= MAX_ERROR:
            raise UselessAnswer(f"the error of {block_id} must be a text of 1 to {MAX_ERROR} characters")
    return errors


def _apply(
    tx: Transaction, view_id: str, root: str, what: What, given: Given | None, errors: dict[str, str]
) -> Outcome:
    """Do with a modal what the app answered (a unit); no effect if it was closed meanwhile."""
    record = find_view(tx, view_id)
    if record is None:
        return Outcome("closed", seen=_top(tx, root))
    match what:
        case "updated" if given is not None:
            views.replace(tx, record, given)
        case "pushed" if given is not None:
            views.push_modal(tx, record.app_id, record.id, given)
        case "closed":
            close_views(tx, root, above=record.depth - 1)
        case "cleared":
            close_views(tx, root, above=0)
    return Outcome(what, errors, _top(tx, root))


def _modal(shown: Shown) -> Shown:
    if shown.view.record.kind != "modal":
        raise Refused("not_a_modal", f"the view {shown.view.record.id} is a Home, which is not submitted or closed")
    return shown


def _top(tx: Transaction, root: str) -> Shown | None:
    record = find_top(tx, root)
    return None if record is None else Shown(read_view(record), bot_of(tx, record))
