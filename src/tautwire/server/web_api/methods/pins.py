"""The ``pins`` family."""

from functools import partial

from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import pins
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method


class PinsAdd(Arguments, frozen=True, kw_only=True):
    """Arguments of pins.add."""

    REQUIRED = ("channel", "timestamp")

    channel: Place = ""
    timestamp: str = ""


class PinsRemove(PinsAdd, frozen=True, kw_only=True):
    """Arguments of pins.remove."""


class PinsList(Arguments, frozen=True, kw_only=True):
    """Arguments of pins.list."""

    REQUIRED = ("channel",)

    channel: Place = ""


@method(
    "pins.add", PinsAdd, Tier.TWO, users_and_bots("pins:write"),
    errors=[
        "already_pinned", "bad_timestamp", "channel_not_found", "is_archived", "message_not_found",
        "no_item_specified", "not_in_channel", "too_many_pins",
    ],
)  # fmt: skip
async def add(call: Call, args: PinsAdd) -> Answer:
    """Pin a message to its channel."""
    _check_item(args)
    await call.write(
        partial(pins.add, team=call.team, who=call.who, channel=args.channel, ts=args.timestamp, base_url=call.base_url)
    )
    return {}


@method(
    "pins.remove", PinsRemove, Tier.TWO, users_and_bots("pins:write"),
    errors=[
        "bad_timestamp", "channel_not_found", "is_archived", "message_not_found", "no_item_specified", "no_pin",
        "not_in_channel",
    ],
)  # fmt: skip
async def remove(call: Call, args: PinsRemove) -> Answer:
    """Unpin a message."""
    _check_item(args)
    await call.write(
        partial(
            pins.remove, team=call.team, who=call.who, channel=args.channel, ts=args.timestamp, base_url=call.base_url
        )
    )
    return {}


@method("pins.list", PinsList, Tier.TWO, users_and_bots("pins:read"), errors=["channel_not_found"])
async def list_pins(call: Call, args: PinsList) -> Answer:
    """Return the pinned messages of a channel, the newest pin first."""
    items = await call.read_long(partial(pins.list_pins, who=call.who, channel=args.channel, base_url=call.base_url))
    return {"items": items}


def _check_item(args: PinsAdd) -> None:
    if args.channel and not args.timestamp:
        raise MethodError("no_item_specified")
