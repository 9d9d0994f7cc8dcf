"""``views.*``: the modals that an app shows, and its Home. Source: wire/views.md#methods."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.blockkit.validation import as_messages
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity import triggers
from tautwire.server.services.interactivity.triggers import Trigger
from tautwire.server.services.views import views
from tautwire.server.services.views.views import Given, View
from tautwire.server.web_api.access import access
from tautwire.server.web_api.arguments import Json
from tautwire.server.web_api.method import Answer, Arguments, Call, Tier, method

BOTS = access(bot=[])


class ViewsOpen(Arguments, frozen=True, kw_only=True):
    """Arguments of views.open."""

    REQUIRED = ("trigger_id", "view")

    trigger_id: str = ""
    interactivity_pointer: str = ""
    view: Json = None


class ViewsPush(ViewsOpen, frozen=True, kw_only=True):
    """Arguments of views.push."""


class ViewsUpdate(Arguments, frozen=True, kw_only=True):
    """Arguments of views.update."""

    REQUIRED = ("view",)
    ONE_OF = ("view_id", "external_id")

    view_id: str = ""
    external_id: str = ""
    view: Json = None
    hash: str | None = None


class ViewsPublish(Arguments, frozen=True, kw_only=True):
    """Arguments of views.publish."""

    REQUIRED = ("user_id", "view")

    user_id: str = ""
    view: Json = None
    hash: str | None = None


@method("views.open", ViewsOpen, Tier.FOUR, BOTS, errors=[*triggers.ERRORS, *views.ERRORS])
async def open_(call: Call, args: ViewsOpen) -> Answer:
    """Show a modal to the person who has just acted."""
    return await _with_trigger(
        call, args, lambda tx, trigger, given: views.open_modal(tx, trigger.app, trigger.user_id, given)
    )


@method(
    "views.push",
    ViewsPush,
    Tier.FOUR,
    BOTS,
    errors=[*triggers.ERRORS, *views.ERRORS, "not_found", "push_limit_reached"],
)
async def push(call: Call, args: ViewsPush) -> Answer:
    """Put a modal on top of the one in which the person has just acted."""
    return await _with_trigger(
        call, args, lambda tx, trigger, given: views.push_modal(tx, trigger.app, trigger.view, given)
    )


@method("views.update", ViewsUpdate, Tier.FOUR, BOTS, errors=[*views.ERRORS, "hash_conflict", "not_found"])
async def update(call: Call, args: ViewsUpdate) -> Answer:
    """Replace an open view of the app."""
    if not args.view_id and not args.external_id:
        raise _missing("view_id")
    given = _given(args.view, _kind_of(args.view))
    return await _answer(
        call,
        partial(
            views.update, app=_app(call), given=given, view_id=args.view_id, external_id=args.external_id,
            seen=args.hash or None,
        ),
    )  # fmt: skip


@method("views.publish", ViewsPublish, Tier.FOUR, BOTS, errors=[*views.ERRORS, "hash_conflict", "not_enabled"])
async def publish(call: Call, args: ViewsPublish) -> Answer:
    """Show a user the Home of the app."""
    if not args.user_id:
        raise _missing("user_id")
    given = _given(args.view, "home")
    return await _answer(
        call, partial(views.publish, app=_app(call), user=args.user_id, given=given, seen=args.hash or None)
    )


async def _with_trigger(call: Call, args: ViewsOpen, make: Callable[[Transaction, Trigger, Given], View]) -> Answer:
    """Make a view with a trigger, which can be used again if that fails."""
    known, app, text = call.workspace.triggers, _app(call), args.trigger_id or args.interactivity_pointer
    known.peek(app, text)
    given = _given(args.view, "modal")
    trigger = known.spend(app, text)
    try:
        return await _answer(call, lambda tx: make(tx, trigger, given))
    except BaseException:
        known.give_back(trigger)
        raise


async def _answer(call: Call, unit: Callable[[Transaction], View]) -> Answer:
    view = await call.write(unit)
    return {"view": views.view_object(view, call.team.id, call.who.bot_id or "")}


def _given(view: Any, kind: views.Kind) -> Given:
    if view is None:
        raise _missing("view")
    return views.check_view(view, kind)


def _kind_of(view: Any) -> views.Kind:
    return "home" if isinstance(view, dict) and view.get("type") == "home" else "modal"


def _app(call: Call) -> str:
    """Return the caller's app; a token without one shows no views."""
    if call.who.app_id is None:
        raise MethodError("not_allowed_token_type")
    return call.who.app_id


def _missing(name: str) -> MethodError:
    faults = [f"missing required field: {name} [json-pointer:/{name}]"]
    return MethodError("invalid_arguments", response_metadata={"messages": as_messages(faults)})
