"""The ``reactions`` family."""

from functools import partial
from typing import Final

from tautwire.server.services import reactions
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method

ITEM_ERRORS: Final = (
    "channel_not_found", "invalid_name", "is_archived", "message_not_found", "no_item_specified", "not_in_channel",
)  # fmt: skip
"""The errors of both methods that concern the message and the name."""


class ReactionsAdd(Arguments, frozen=True, kw_only=True):
    """Arguments of reactions.add."""

    REQUIRED = ("name", "channel", "timestamp")

    name: str = ""
    channel: Place = ""
    timestamp: str = ""


class ReactionsRemove(ReactionsAdd, frozen=True, kw_only=True):
    """Arguments of reactions.remove."""


@method(
    "reactions.add", ReactionsAdd, Tier.THREE, users_and_bots("reactions:write"),
    errors=[*ITEM_ERRORS, "already_reacted", "too_many_emoji"],
)  # fmt: skip
async def add(call: Call, args: ReactionsAdd) -> Answer:
    """Add a reaction to a message."""
    _check_item(args)
    await call.write(partial(reactions.add, who=call.who, channel=args.channel, ts=args.timestamp, name=args.name))
    return {}


@method(
    "reactions.remove", ReactionsRemove, Tier.TWO, users_and_bots("reactions:write"),
    errors=[*ITEM_ERRORS, "no_reaction"],
)  # fmt: skip
async def remove(call: Call, args: ReactionsRemove) -> Answer:
    """Remove a reaction of the caller."""
    _check_item(args)
    await call.write(partial(reactions.remove, who=call.who, channel=args.channel, ts=args.timestamp, name=args.name))
    return {}


def _check_item(args: ReactionsAdd) -> None:
    if not args.channel or not args.timestamp:
        raise MethodError("no_item_specified")
