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
from tautwire.server.services.interactivity.actions import SUBJECT
from tautwire.server.services.interactivity.asking import ask, interactive
from tautwire.server.services.interactivity.elements import VALUES, elements_of
from tautwire.server.services.interactivity.payloads import interaction
from tautwire.server.services.interactivity.requests import Answer
from tautwire.server.services.interactivity.response_urls import Source, issue
from tautwire.server.services.views import views
from tautwire.server.services.views.inputs import faults, values_of
from tautwire.server.services.views.shown import Offered, Shown, Values, bot_of, find_shown, put, with_ids
from tautwire.server.services.views.views import Given, View, check_view, close_views, read_view, view_object
from tautwire.server.services.workspace import Team, Workspace
from tautwire.server.store.queries.views import ViewRecord, find_top, find_view

What = Literal["closed", "cleared", "updated", "pushed", "errors", "failed"]
_ACTIONS: Final[Mapping[str, What]] = {"clear": "cleared", "update": "updated", "push": "pushed", "errors": "errors"}
"""What each ``response_action`` makes of a modal."""
MAX_ERROR: Final = 3_000
"""Characters of an error under an input (ours)."""
INVALID_ANSWER: Final = "invalid_answer"
"""The error of an answer that is not valid (ours)."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a modal that a person submitted."""

    what: What
    error: str | None = None
    """Why it failed: the app did not answer, or not validly. The modal stays, with what the person put in."""
    notice: str = ""
    """The error in words."""
    errors: dict[str, str] = {}
    """What the app says of inputs, by ``block_id``. The modal stays."""
    seen: Shown | None = None
    """The view that the person sees then; None if the whole modal is closed."""


class Closing(msgspec.Struct, frozen=True):
    """What became of a modal that a person closed."""

    is_acknowledged: bool
    """Whether the app asked for ``view_closed``, and acknowledged it."""
    seen: Shown | None


class _InvalidAnswer(TautwireError):  # noqa: N818 - an outcome
    """An answer that is not valid; the text says why."""


async def submit(workspace: Workspace, who: Identity, view_id: str, values: Values) -> Submission:
    """Submit a modal.

    Args:
        values: what the person puts in before that; users and channels may be given by name.

    Raises:
        Refused: a client would not let the person do so; nothing is stored, and the app is not asked.
    """
    resolved = await workspace.reader.read(
        lambda query: with_ids(query, find_shown(query, who.user, view_id).view, values)
    )
    offered = {
        (block_id, action_id): workspace.offered.find(who.user, view_id, block_id, action_id) or []
        for block_id, each in resolved.items()
        for action_id in each
    }
    shown, rooms = await workspace.writer.write(
        partial(_fill, team=workspace.team, user=who.user, view_id=view_id, values=resolved, offered=offered)
    )
    view, bot_id = shown
    team, app = workspace.team, view.record.app_id
    payload = interaction("view_submission", team, app, who) | {
        "trigger_id": workspace.triggers.issue(app, who.user, view.record.id),
        "view": view_object(view, team.id, bot_id, has_values=True),
        "response_urls": [{**room, "response_url": workspace.base_url + room["response_url"]} for room in rooms],
    }
    asked = await ask(workspace, interactive(app, payload), SUBJECT)
    if asked.error is not None:
        return Submission(what="failed", error=asked.error, notice=asked.notice, seen=shown)
    try:
        what, given, errors = _read(Answer(asked.answer, asked.text), view)
        return await workspace.writer.write(partial(_apply, record=view.record, what=what, given=given, errors=errors))
    except (_InvalidAnswer, MethodError) as error:
        return Submission(
            what="failed", error=INVALID_ANSWER, notice=f"the answer of the app is not valid: {error}", seen=shown
        )


async def close(workspace: Workspace, who: Identity, view_id: str, *, whole_stack: bool) -> Closing:
    """Close a modal with its button, or with ``whole_stack`` all modals of the stack, as the x does.

    It is closed whatever the app answers.

    Raises:
        Refused: the person sees no such modal.
    """
    closed, is_cleared, seen = await workspace.writer.write(
        partial(_close, user=who.user, view_id=view_id, whole_stack=whole_stack)
    )
    view, bot_id = closed
    if not view.body.notify_on_close:
        return Closing(False, seen)
    team, app = workspace.team, view.record.app_id
    payload = interaction("view_closed", team, app, who) | {
        "view": view_object(view, team.id, bot_id),
        "is_cleared": is_cleared,
    }
    asked = await ask(workspace, interactive(app, payload), SUBJECT)
    return Closing(asked.error is None, seen)


def _fill(
    tx: Transaction, team: Team, user: str, view_id: str, values: Values, offered: Offered
) -> tuple[Shown, list[dict[str, str]]]:
    """Put values into a modal that can then be submitted (a unit); return it and its ``response_urls``."""
    view, bot_id = _modal(find_shown(tx, user, view_id))
    if view.body.submit is None:
        raise Refused("not_submittable", f"the view {view_id} has no button to submit it: `close` closes it")
    view = put(tx, view, values, offered)
    found = faults(view.body.blocks, values_of(view.body.blocks, view.inputs))
    if found:
        text = "; ".join(f"{block_id}: {fault}" for block_id, fault in found.items())
        raise Refused("invalid_values", f"the view {view_id} cannot be submitted so: {text}")
    return Shown(view, bot_id), _response_urls(tx, team, view)


def _response_urls(tx: Transaction, team: Team, view: View) -> list[dict[str, str]]:
    """Return a URL for each conversation that was chosen in a menu of an input block that has one.

    Source: wire/interactivity.md#view_submission (documented).
    """
    urls = []
    for found in elements_of(view.body.blocks):
        kind = found.element["type"]
        if found.block.get("type") != "input" or found.element.get("response_url_enabled") is not True:
            continue
        channel = values_of(view.body.blocks, view.inputs)[found.block_id][found.action_id][VALUES[kind].member]
        if channel:
            source = Source(kind="view", channel=channel)
            urls.append({
                "block_id": found.block_id, "action_id": found.action_id, "channel_id": channel,
                "response_url": issue(tx, team, view.record.app_id, view.record.user_id, source),
            })  # fmt: skip
    return urls


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
    """Return what an answer says."""
    if answer.is_empty:
        return "closed", None, {}
    body = answer.body or {}
    action = body.get("response_action")
    what = _ACTIONS.get(action) if isinstance(action, str) else None
    if what is None:
        raise _InvalidAnswer(f"response_action must be one of {', '.join(_ACTIONS)}, got {action!r:.80}")
    if what == "errors":
        return what, None, _errors(body.get("errors"), view)
    if what == "cleared":
        return what, None, {}
    try:
        return what, check_view(body.get("view"), "modal"), {}
    except MethodError as error:
        details = error.members.get("response_metadata")
        messages = details.get("messages", []) if isinstance(details, dict) else []
        raise _InvalidAnswer("; ".join([f"its view is not valid ({error.code})", *messages])) from None


def _errors(errors: Any, view: View) -> dict[str, str]:
    inputs = {block.get("block_id") for block in view.body.blocks if block.get("type") == "input"}
    if not isinstance(errors, dict) or not errors:
        raise _InvalidAnswer(f"errors must be an object with a text for each block, got {errors!r:.80}")
    for block_id, text in errors.items():
        if block_id not in inputs:
            raise _InvalidAnswer(f"errors must be of input blocks, got one of {block_id!r:.80}")
        if not isinstance(text, str) or not 0 < len(text) <= MAX_ERROR:
            raise _InvalidAnswer(f"the error of {block_id} must be a text of 1 to {MAX_ERROR} characters")
    return errors


def _apply(tx: Transaction, record: ViewRecord, what: What, given: Given | None, errors: dict[str, str]) -> Submission:
    """Do with a modal what the app answered (a unit); no effect if it was closed meanwhile."""
    present = find_view(tx, record.id)
    root = record.root_id
    if present is None:
        return Submission(what="closed", seen=_top(tx, root))
    match what:
        case "updated" if given is not None:
            views.replace(tx, present, given)
        case "pushed" if given is not None:
            views.push_modal(tx, present.app_id, present.id, given)
        case "closed":  # with what the app may have pushed on it meanwhile
            close_views(tx, root, above=present.depth - 1)
        case "cleared":
            close_views(tx, root, above=0)
    return Submission(what=what, errors=errors, seen=_top(tx, root))


def _modal(shown: Shown) -> Shown:
    if shown.view.record.kind != "modal":
        raise Refused("not_a_modal", f"the view {shown.view.record.id} is a Home, which is not submitted or closed")
    return shown


def _top(tx: Transaction, root: str) -> Shown | None:
    record = find_top(tx, root)
    return None if record is None else Shown(read_view(record), bot_of(tx, record))
