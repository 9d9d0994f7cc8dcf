"""Operations on modals and the Home of apps: what a user sees, and what the user does there.

A modal is opened by an app, some time after the act that lets it do so. So ``views.get`` waits until the user sees it.
"""

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from tautwire.server.control.operation import MAX_TIMEOUT, Result, check_open, operation
from tautwire.server.control.operations.acts import Position, actor, mark
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.administration.lookup import find_app
from tautwire.server.services.administration.refusals import NotFound
from tautwire.server.services.views import home, submissions
from tautwire.server.services.views.shown import Shown, views_of
from tautwire.server.services.views.views import view_object
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.queries.apps import AppRecord

Values = dict[str, dict[str, Any]]


class ViewsOf(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whose views; by id or name."""

    user: str


class AwaitedView(ViewsOf, kw_only=True, forbid_unknown_fields=True):
    """A view that the user sees: the one opened last that fits what is given, within ``timeout`` seconds.

    With ``other_than``, a ``hash``, it has to be in another state than that.
    """

    view_id: str | None = None
    callback_id: str | None = None
    app: str | None = None
    kind: Literal["modal", "home"] | None = None
    other_than: str | None = None
    timeout: Annotated[float, msgspec.Meta(ge=0, le=MAX_TIMEOUT)] = 10


class Submitting(ViewsOf, kw_only=True, forbid_unknown_fields=True):
    """A modal to submit, and what is put in before that, by ``block_id`` and ``action_id``.

    A value is the text typed, the ``value`` of an option, an id, a date, a time, or a list of them; null empties it.
    """

    view_id: str
    values: Values = {}


class Closing(ViewsOf, kw_only=True, forbid_unknown_fields=True):
    """A modal to close; with ``whole_stack`` the ones below it are closed too, as the x does."""

    view_id: str
    whole_stack: bool = False


class OpeningHome(ViewsOf, kw_only=True, forbid_unknown_fields=True):
    """An app, by id or name, and the tab of it that the user opens."""

    app: str
    tab: Literal["home", "messages"] = "home"


class Views(msgspec.Struct, kw_only=True):
    """The open views of a user as the wire has them, with what the elements hold; those opened last come last."""

    views: list[dict[str, Any]]


class OneView(msgspec.Struct, kw_only=True):
    """A view as the wire has it, with what the elements hold."""

    view: dict[str, Any]


class Submitted(Position, kw_only=True):
    """What the app made of a modal, and the view that the user sees then (or null).

    ``errors`` has a text for each input block that the app refuses, by ``block_id``. If the outcome is ``failed``,
    ``error`` and ``notice`` say why, and the modal stays: the app did not answer, or its answer is not valid.
    """

    outcome: submissions.What
    error: str | None
    notice: str
    errors: dict[str, str]
    view: dict[str, Any] | None


class Left(Position, kw_only=True):
    """Whether the app acknowledged that the modal is closed, and the view that the user sees then, null for none."""

    acknowledged: bool
    view: dict[str, Any] | None


class AtHome(Position, kw_only=True):
    """The direct message with the app, and its Home; null on the other tab, or before it is published."""

    channel: str
    view: dict[str, Any] | None


@operation("views.list", ViewsOf, Views, reads=True)
async def list_all(workspace: Workspace, args: ViewsOf) -> Result:
    """Return the modals and Homes that a user has open; of a stack also those that are covered."""
    who = await workspace.reader.read(partial(actor, text=args.user))
    found = await workspace.reader.read(partial(views_of, user=who.user))
    return {"views": [_view(workspace, shown) for shown in found]}


@operation("views.get", AwaitedView, OneView, reads=True)
async def get(workspace: Workspace, args: AwaitedView) -> Result:
    """Return a view that a user sees, and wait for it if need be."""
    deadline = asyncio.get_running_loop().time() + args.timeout
    who, app = await workspace.reader.read(lambda query: (
        actor(query, args.user), find_app(query, args.app) if args.app is not None else None
    ))  # fmt: skip
    while True:
        # Before the read: a change after it wakes the wait.
        position = workspace.tail.position
        seen = await _find(workspace, who, app, args)
        if seen is not None:
            return {"view": _view(workspace, seen)}
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise NotFound("unknown_view", f"{args.user} sees no such view: `views.list` shows those that are open")
        check_open(workspace)
        if workspace.tail.position == position:
            await workspace.news.wait(left)


@operation("submit", Submitting, Submitted)
async def submit(workspace: Workspace, args: Submitting) -> Result:
    """Submit a modal, as its button does: what a client would refuse is refused, else the app is asked."""
    who = await workspace.reader.read(partial(actor, text=args.user))
    before = mark(workspace)
    done = await submissions.submit(workspace, who, args.view_id, args.values)
    return {
        **before, "outcome": done.what, "error": done.error, "notice": done.notice, "errors": done.errors,
        "view": _view(workspace, done.seen) if done.seen is not None else None,
    }  # fmt: skip


@operation("close", Closing, Left)
async def close(workspace: Workspace, args: Closing) -> Result:
    """Close a modal; an app that asked for it gets view_closed."""
    who = await workspace.reader.read(partial(actor, text=args.user))
    before = mark(workspace)
    closed = await submissions.close(workspace, who, args.view_id, whole_stack=args.whole_stack)
    seen = _view(workspace, closed.seen) if closed.seen is not None else None
    return {**before, "acknowledged": closed.is_acknowledged, "view": seen}


@operation("home", OpeningHome, AtHome)
async def open_home(workspace: Workspace, args: OpeningHome) -> Result:
    """Open the Home of an app, or the messages with it; the app gets the event app_home_opened."""
    who, app = await workspace.reader.read(lambda query: (actor(query, args.user), find_app(query, args.app)))
    before = mark(workspace)
    opened = await workspace.writer.write(partial(home.open_home, team=workspace.team, who=who, app=app, tab=args.tab))
    seen = _view(workspace, opened.home) if opened.home is not None else None
    return {**before, "channel": opened.channel, "view": seen}


async def find_changed(
    workspace: Workspace, who: Identity, app: AppRecord | None, callback_id: str | None, roots: Collection[str]
) -> dict[str, Any] | None:
    """Return a view that a user sees, of one of these stacks; the one opened last that fits."""
    for shown in reversed(await workspace.reader.read(partial(views_of, user=who.user, only_on_top=True))):
        record, body = shown.view.record, shown.view.body
        is_of_app = app is None or app.id == record.app_id
        if record.root_id in roots and is_of_app and callback_id in (None, body.callback_id):
            return _view(workspace, shown)
    return None


async def _find(workspace: Workspace, who: Identity, app: AppRecord | None, args: AwaitedView) -> Shown | None:
    for shown in reversed(await workspace.reader.read(partial(views_of, user=who.user, only_on_top=True))):
        record, body = shown.view.record, shown.view.body
        if (
            args.view_id in (None, record.id)
            and args.callback_id in (None, body.callback_id)
            and args.kind in (None, record.kind)
            and (app is None or app.id == record.app_id)
            and args.other_than != record.hash
        ):
            return shown
    return None


def _view(workspace: Workspace, shown: Shown) -> dict[str, Any]:
    return view_object(shown.view, workspace.team.id, shown.bot_id, has_values=True)
