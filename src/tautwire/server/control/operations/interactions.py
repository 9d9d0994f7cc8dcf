"""Operations that do with apps what a person does: commands, buttons, menus and shortcuts.

Each waits for the app, three seconds at most, and returns what it answered and what the person sees. An app that does
not answer is an answer too: ``error`` says why. Who acts and where is checked before, and refused with an error.
"""

from functools import partial
from typing import Annotated, Any

import msgspec

from tautwire.server.control.operation import Result, members, operation
from tautwire.server.control.operations.acts import Deed, Position, actor, find_deed, mark
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.lookup import find_app
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.interactivity import actions, commands
from tautwire.server.services.interactivity.asking import Outcome
from tautwire.server.services.messaging.texts import MAX_POST
from tautwire.server.services.views import actions as view_actions
from tautwire.server.services.workspace import Workspace

Line = Annotated[str, msgspec.Meta(min_length=2, max_length=MAX_POST, pattern="^/")]
Typed = Annotated[str, msgspec.Meta(max_length=3_000)]


class Commanding(Deed, kw_only=True, forbid_unknown_fields=True):
    """A slash command with its text, as a person types it."""

    text: Line


class Somewhere(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who acts where: in the message ``ts`` of a channel, or in a view that the user has open."""

    user: str
    channel: str = ""
    ts: str = ""
    view_id: str = ""


class Clicking(Somewhere, kw_only=True, forbid_unknown_fields=True):
    """A button of a message or a view."""

    action_id: str
    """Of a button in a legacy attachment its ``name``."""
    block_id: str = ""
    """Needed if several blocks have elements with the ``action_id``."""
    value: str | None = None
    """``positive`` or ``negative`` of feedback buttons; of legacy buttons with one name the value of the wanted one."""


class Choosing(Somewhere, kw_only=True, forbid_unknown_fields=True):
    """A choice in an element of a message or a view."""

    action_id: str
    block_id: str = ""
    value: str | int | list[Any] | dict[str, Any] | None = None
    """The ``value`` of an option, a user or channel, a date, a time, seconds, or a text; a list of them where several
    can be chosen; null for nothing."""


class Looking(Somewhere, kw_only=True, forbid_unknown_fields=True):
    """What a person types in a menu whose options the app gives."""

    action_id: str
    block_id: str = ""
    text: Typed = ""


class Shortcutting(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A shortcut: with ``channel`` and ``ts`` one on that message, without them a global one."""

    user: str
    callback_id: str
    app: str = ""
    """Needed if several apps have the shortcut."""
    channel: str = ""
    ts: str = ""


class Reaction(Position, kw_only=True):
    """What came of an act: what the app answered, and what the person sees."""

    app: str
    is_sent: bool
    error: str | None
    notice: str
    answer: dict[str, Any] | None
    text: str
    shown: list[dict[str, Any]]


class Offer(Reaction, kw_only=True):
    """The same, with the options that the person can choose."""

    options: list[dict[str, Any]]


@operation("command", Commanding, Reaction)
async def command(workspace: Workspace, args: Commanding) -> Result:
    """Use a slash command, and show the answer of its app."""
    who, channel = await find_deed(workspace, args)
    before = mark(workspace)
    return _result(before, await commands.use_command(workspace, who, channel, args.text))


@operation("click", Clicking, Reaction)
async def click(workspace: Workspace, args: Clicking) -> Result:
    """Press a button of a message or a view."""
    return await _act(workspace, args)


@operation("choose", Choosing, Reaction)
async def choose(workspace: Workspace, args: Choosing) -> Result:
    """Choose or type in an element of a message or a view; in an input block that may not be sent to the app yet."""
    return await _act(workspace, args)


@operation("options", Looking, Offer)
async def options(workspace: Workspace, args: Looking) -> Result:
    """Ask an app for the options of its menu in a message or a view; they can be chosen then."""
    who, channel = await _find_place(workspace, args)
    before = mark(workspace)
    element = args.action_id, args.block_id, args.text
    if channel is None:
        outcome, found = await view_actions.find_options_in_view(workspace, who, args.view_id, *element)
    else:
        outcome, found = await actions.find_options(workspace, who, channel, args.ts, *element)
    return {**_result(before, outcome), "options": found}


@operation("shortcut", Shortcutting, Reaction)
async def shortcut(workspace: Workspace, args: Shortcutting) -> Result:
    """Use a shortcut of an app."""
    app = (await workspace.reader.read(partial(find_app, text=args.app))).id if args.app else ""
    if args.channel or args.ts:
        deed = Deed(user=args.user, channel=args.channel)
        who, channel = await find_deed(workspace, deed)
        before = mark(workspace)
        outcome = await commands.use_message_shortcut(workspace, who, channel, args.ts, args.callback_id, app)
    else:
        who = await workspace.reader.read(partial(actor, text=args.user))
        before = mark(workspace)
        outcome = await commands.use_global_shortcut(workspace, who, args.callback_id, app)
    return _result(before, outcome)


async def _act(workspace: Workspace, args: Clicking | Choosing) -> Result:
    who, channel = await _find_place(workspace, args)
    before = mark(workspace)
    element = args.action_id, args.block_id, args.value
    if channel is None:
        outcome = await view_actions.act_in_view(workspace, who, args.view_id, *element)
    else:
        outcome = await actions.act_in_message(workspace, who, channel, args.ts, *element)
    return _result(before, outcome)


async def _find_place(workspace: Workspace, args: Somewhere) -> tuple[Identity, str | None]:
    """Return who acts, and the channel of the message; None if it is a view."""
    if bool(args.view_id) is bool(args.channel and args.ts) or (args.view_id and (args.channel or args.ts)):
        raise Refused("ambiguous_place", "give channel and ts for a message, or view_id for a view, and not both")
    if not args.view_id:
        return await find_deed(workspace, Deed(user=args.user, channel=args.channel))
    return await workspace.reader.read(partial(actor, text=args.user)), None


def _result(before: Result, outcome: Outcome) -> dict[str, Any]:
    return {**before, **members(outcome)}
