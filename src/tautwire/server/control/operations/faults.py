"""Operations that make something go wrong for apps and users."""

from functools import partial

import msgspec

from tautwire.server.control.operation import Nothing, Result, controls_of, operation
from tautwire.server.faults.book import ENDINGS, MAX_RULES, METHODS, Rule, TooManyRules
from tautwire.server.services.administration.lookup import find_app, find_user
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query


class NewFault(Rule, kw_only=True, forbid_unknown_fields=True):
    """What is to go wrong, for whom, and how often.

    Without ``user``, ``app``, ``method`` and ``connection`` it happens to all. ``times`` is how often it happens, null
    for always; ``probability`` how likely each time, and ``seed`` makes the same choices again. ``seconds`` belong to
    ``slow``, ``late_ack`` and ``hang``, ``code`` to ``method_error``, ``status`` to ``server_error``, and
    ``retry_after`` to ``rate_limit``.
    """


class Faults(msgspec.Struct, kw_only=True):
    """Faults, the oldest first; ``times`` is how often each will happen yet, ``happened`` how often it did."""

    faults: list[Rule]


class Chosen(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which faults end: those of the ids, without them all."""

    ids: list[str] | None = None


@operation("faults.set", NewFault, Faults)
async def set_fault(workspace: Workspace, args: NewFault) -> Result:
    """Make something go wrong; one that ends connections happens at once to those that are open, the oldest first."""
    controls = controls_of(workspace)
    if args.fault == "dropped_call":
        raise Refused("invalid_fault", "dropped_call is a fault of fronts only: choose `hang` or `server_error`")
    if args.id or args.happened:
        raise Refused("invalid_arguments", "id and happened are in the answer: leave them out")
    if args.method is not None and args.fault not in METHODS:
        raise Refused("invalid_fault", f"{args.fault} happens to no method: leave out `method`")
    user, app = await workspace.reader.read(partial(_names, args=args))
    rule = Rule(**{name: getattr(args, name) for name in Rule.__struct_fields__})
    rule.user, rule.app = user, app
    try:
        controls.faults.add(rule)
    except TooManyRules:
        raise Refused("too_many_faults", f"there are {MAX_RULES} faults: end some with `faults.clear`") from None
    if rule.fault in ENDINGS:
        controls.strike()
    return {"faults": [rule]}


@operation("faults.list", Nothing, Faults, reads=True)
async def list_faults(workspace: Workspace, args: Nothing) -> Result:
    """Return the faults that may happen yet."""
    return {"faults": controls_of(workspace).faults.rules}


@operation("faults.clear", Chosen, Faults)
async def clear(workspace: Workspace, args: Chosen) -> Result:
    """End faults; connections that are half-open stay so until the server drops them as silent."""
    book = controls_of(workspace).faults
    unknown = {*(args.ids or ())} - {rule.id for rule in book.rules}
    if unknown:
        raise NotFound("fault_not_found", f"{min(unknown)[:40]!r} is no fault that may happen yet: see `faults.list`")
    return {"faults": book.remove(args.ids)}


def _names(query: Query, args: NewFault) -> tuple[str | None, str | None]:
    user = str(find_user(query, args.user).id) if args.user is not None else None
    return user, find_app(query, args.app).id if args.app is not None else None
