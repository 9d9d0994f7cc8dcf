"""What a person does in a message: presses a button, chooses, types, or looks for the options of a menu.

What the person has chosen in a message is remembered for a while, as a client does: each action carries the ``state``
of all elements of the message.
"""

from collections.abc import Mapping
from typing import Any, Final

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.lookup import find_channel, find_user
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.interactivity import payloads
from tautwire.server.services.interactivity.asking import (
    Outcome,
    ask,
    interactive,
    now_ts,
    response_url,
    show_answer,
)
from tautwire.server.services.interactivity.choices import ImpossibleChoice, act, read_options
from tautwire.server.services.interactivity.elements import EXTERNAL, VALUES, sends_actions, state_of
from tautwire.server.services.interactivity.payloads import Payload
from tautwire.server.services.interactivity.response_urls import Source
from tautwire.server.services.interactivity.targets import (
    LegacyPlace,
    Place,
    Target,
    find_legacy,
    find_place,
    find_target,
    no_element,
)
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query

MIN_QUERY: Final = 3
"""``min_query_length`` of a menu that has none. Source: wire/interactivity.md#block_suggestion (documented)."""
SUBJECT: Final = "the app did not answer:"


async def act_in_message(
    workspace: Workspace, who: Identity, channel: str, ts: str, action_id: str, block_id: str = "", choice: Any = None
) -> Outcome:
    """Press, choose or type in an element of a message, and send that to the app.

    Args:
        action_id: of the element; of a button or menu in a legacy attachment its ``name``.
        choice: see ``choices``; users and channels may be given by name.

    Raises:
        MethodError: channel_not_found, message_not_found.
        Refused: the message has no such element, or the element no such choice.
    """
    # Outside of ``read``, which runs in another thread: what is remembered belongs to the loop.
    ephemeral = workspace.ephemerals.find(who.user, channel, ts)

    def read(query: Query) -> tuple[Target, Place | LegacyPlace, Any]:
        target = find_target(query, who, channel, ts, ephemeral)
        place = find_place(target, action_id, block_id)
        if place is not None:
            return target, place, by_id(query, place.found.element["type"], choice)
        legacy = find_legacy(target, action_id, choice)
        if legacy is None:
            raise no_element(target, action_id)
        return target, legacy, choice

    target, place, chosen = await workspace.reader.read(read)
    if isinstance(place, LegacyPlace):
        return await _act_legacy(workspace, who, target, place, chosen)
    return await _act(workspace, who, target, place, chosen)


async def find_options(
    workspace: Workspace, who: Identity, channel: str, ts: str, action_id: str, block_id: str, typed: str
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Ask the app for the options of one of its menus; they can then be chosen.

    Raises:
        MethodError: channel_not_found, message_not_found.
        Refused: the message has no such menu, or the text is too short to be sent.
    """
    ephemeral = workspace.ephemerals.find(who.user, channel, ts)
    target = await workspace.reader.read(lambda query: find_target(query, who, channel, ts, ephemeral))
    place = find_place(target, action_id, block_id)
    if place is None:
        raise no_element(target, action_id)
    check_query(place.found.element, typed)
    payload = payloads.block_suggestion(
        payloads.interaction("block_suggestion", workspace.team, target.app, who), _container(target, place),
        block_id=place.found.block_id, action_id=action_id, value=typed,
    )  # fmt: skip
    payload |= {**payloads.in_channel(target.channel), "message": target.message}
    outcome = await ask(workspace, interactive(target.app, payload, wants_options=True), SUBJECT)
    options = read_options(outcome.answer)
    workspace.offered.keep(options, who.user, channel, ts, place.found.block_id, action_id)
    return outcome, options


async def _act(workspace: Workspace, who: Identity, target: Target, place: Place, choice: Any) -> Outcome:
    app, found = target.app, place.found
    key = (who.user, target.channel.id, target.ts)
    offered = workspace.offered.find(*key, found.block_id, found.action_id) or []
    try:
        action = act(found, choice, action_ts=now_ts(workspace), offered=offered)
    except ImpossibleChoice as error:
        raise Refused("invalid_choice", str(error)) from None
    chosen = {(block, element): value for block, element, value in workspace.chosen.find(*key) or []}
    if found.element["type"] in VALUES:
        chosen[found.block_id, found.action_id] = action[VALUES[found.element["type"]].member]
        workspace.chosen.keep([[*ids, value] for ids, value in chosen.items()], *key)
    if not sends_actions(found):
        return Outcome(app=app, is_sent=False)
    source = Source(kind="action", channel=target.channel.id, ts=target.ts, is_ephemeral=target.is_ephemeral)
    url = await response_url(workspace, app, who.user, source)  # before the trigger, whose time is short
    payload = payloads.block_actions(
        payloads.interaction("block_actions", workspace.team, app, who), _container(target, place), action,
        trigger_id=workspace.triggers.issue(app, who.user),
    )  # fmt: skip
    payload |= {
        **payloads.in_channel(target.channel),
        "message": target.message,
        "state": state_of(place.blocks, chosen),
        "response_url": url,
    }
    return await ask(workspace, interactive(app, payload), SUBJECT)


async def _act_legacy(workspace: Workspace, who: Identity, target: Target, place: LegacyPlace, choice: Any) -> Outcome:
    app, action = target.app, place.action
    source = Source(kind="legacy", channel=target.channel.id, ts=target.ts, is_ephemeral=target.is_ephemeral)
    done: Payload = {"name": action.get("name"), "type": action.get("type", "button")}
    if done["type"] == "select":
        if not isinstance(choice, str):
            raise Refused("invalid_choice", f"a menu needs the value of one option, got {choice!r:.80}")
        done["selected_options"] = [{"value": choice}]
    else:
        done["value"] = action.get("value", "")
    payload = payloads.interaction("interactive_message", workspace.team, app, who) | {
        "actions": [done],
        "callback_id": place.attachment["callback_id"],
        "action_ts": now_ts(workspace),
        "message_ts": target.ts,
        "attachment_id": str(place.attachment.get("id", 1)),
        "is_app_unfurl": False,
        "response_url": await response_url(workspace, app, who.user, source),
        "trigger_id": workspace.triggers.issue(app, who.user),
        **payloads.in_channel(target.channel),
    }
    if not target.is_ephemeral:
        payload["original_message"] = target.message
    return await show_answer(workspace, who, source, await ask(workspace, interactive(app, payload), SUBJECT))


def check_query(element: Mapping[str, Any], typed: str) -> None:
    """Raise ``Refused`` unless a client asks the app for options when this is typed in a menu."""
    if element["type"] not in EXTERNAL:
        raise Refused(
            "not_external", f"the app is not asked for the options of a {element['type']}: choose one of them"
        )
    least = element.get("min_query_length", MIN_QUERY)
    if len(typed) < least:
        raise Refused("query_too_short", f"the app is asked from {least} characters on, got {len(typed)}")


def _container(target: Target, place: Place) -> Payload:
    return payloads.message_container(
        target.channel.id, target.ts, is_ephemeral=target.is_ephemeral, thread_ts=target.message.get("thread_ts"),
        attachment=place.attachment,
    )  # fmt: skip


def by_id(query: Query, kind: str, choice: Any) -> Any:
    """Return a choice with ids in place of names of users and channels."""
    if kind not in VALUES or VALUES[kind].kind != "id" or choice is None:
        return choice
    if isinstance(choice, list):
        return [_id(query, kind, each) for each in choice]
    return _id(query, kind, choice)


def _id(query: Query, kind: str, choice: Any) -> Any:
    if not isinstance(choice, str):
        return choice
    return find_user(query, choice).id if "users" in kind else find_channel(query, choice).id
