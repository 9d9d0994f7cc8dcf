"""The ``reactions`` family."""

from functools import partial

from tautwire.server.services import reactions
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method


class Reaction(Arguments, frozen=True, kw_only=True):
    """Arguments of reactions.add and reactions.remove."""

    REQUIRED = ("name", "channel", "timestamp")

    name: str = ""
    channel: Place = ""
    timestamp: str = ""


@method("reactions.add", Reaction, Tier.THREE)
async def add(call: Call, args: Reaction) -> Answer:
    """Add a reaction to a message."""
    _check_item(args)
    await call.write(partial(reactions.add, who=call.who, channel=args.channel, ts=args.timestamp, name=args.name))
    return {}


@method("reactions.remove", Reaction, Tier.THREE)
async def remove(call: Call, args: Reaction) -> Answer:
    """Remove a reaction of the caller."""
    _check_item(args)
    await call.write(partial(reactions.remove, who=call.who, channel=args.channel, ts=args.timestamp, name=args.name))
    return {}


def _check_item(args: Reaction) -> None:
    if not args.channel or not args.timestamp:
        raise MethodError("no_item_specified")
