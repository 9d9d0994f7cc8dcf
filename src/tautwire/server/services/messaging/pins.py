"""Pins: messages that the members of a channel keep in view. ``add`` and ``remove`` are units."""

from typing import Any, Final

from tautwire.protocol.ids import is_ts
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels import conversations
from tautwire.server.services.channels.room import Room
from tautwire.server.services.channels.visible import readable_channel
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.messaging import messages
from tautwire.server.services.messaging.history import MAX_PAGE
from tautwire.server.services.messaging.messages import Body
from tautwire.server.services.messaging.permalinks import permalink
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.messages import find_message
from tautwire.server.store.queries.pins import add_pin, count_pins, find_pin, find_pins, remove_pin
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import SLACKBOT_ID, SLACKBOT_NAME

MAX_PINS: Final = 100
"""Pins of one channel (that there is a limit is documented, the figure is not)."""
_SLACKBOT: Final = Identity(SLACKBOT_ID, SLACKBOT_NAME, None, None)


def add(tx: Transaction, team: Team, who: Identity, channel: str, ts: str, base_url: str) -> None:
    """Pin a message; emits pin_added, and posts a message of subtype pinned_item."""
    room = _member_room(tx, who, channel, ts)
    _, body = messages.find_live(tx, channel, ts)
    if find_pin(tx, channel, ts) is not None:
        raise MethodError("already_pinned")
    if count_pins(tx, channel) >= MAX_PINS:
        raise MethodError("too_many_pins")
    add_pin(tx, channel, ts, who.user, tx.now)
    item = _item(channel, body, who.user, tx.now, base_url)
    _emit(tx, room, "pin_added", who, item, body)
    text = f"<@{who.user}> pinned a message to this channel."
    messages.announce(
        tx, team, room, who.user, "pinned_item", text, item_type=_item_type(room), item=_short(room, body)
    )


def remove(tx: Transaction, team: Team, who: Identity, channel: str, ts: str, base_url: str) -> None:
    """Unpin a message; emits pin_removed. If another user had pinned it, Slackbot says so to that user.

    Source: wire/delivery.md#what-a-call-produces (documented).
    """
    room = _member_room(tx, who, channel, ts)
    _, body = messages.find_live(tx, channel, ts)
    pin = find_pin(tx, channel, ts)
    if pin is None:
        raise MethodError("no_pin")
    remove_pin(tx, channel, ts)
    item = _item(channel, body, pin["user_id"], pin["created"], base_url)
    _emit(tx, room, "pin_removed", who, item, body, has_pins=count_pins(tx, channel) > 0)
    pinner = find_user(tx, pin["user_id"])
    # Slackbot cannot write to users who are gone, and has nothing to show to one who has left the channel.
    if pinner is not None and not pinner.deleted and pinner.id != who.user and pinner.id in room.members:
        direct, _ = conversations.open_direct(tx, _SLACKBOT, [pinner.id])
        text = f"<@{who.user}> unpinned a message that you pinned in <#{channel}>."
        messages.announce(
            tx, team, direct, SLACKBOT_ID, "unpinned_item", text, item_type=_item_type(room), item=_short(room, body)
        )


def list_pins(query: Query, who: Identity, channel: str, base_url: str) -> list[dict[str, Any]]:
    """Return the pinned items of a channel that the caller may read, the newest pin first.

    The list ends early if its messages are large: it has no pages.
    """
    readable_channel(query, who, channel, refusal="channel_not_found")
    items: list[dict[str, Any]] = []
    size = 0
    for pin in find_pins(query, channel):
        size += pin["size"]
        if size > MAX_PAGE and items:
            break
        row = find_message(query, channel, pin["ts"])
        if row is not None:
            items.append(_item(channel, messages.load(row), pin["user_id"], pin["created"], base_url))
    return items


def _member_room(tx: Transaction, who: Identity, channel: str, ts: str) -> Room:
    room = messages.writable_room(tx, channel, who)
    if not is_ts(ts):
        raise MethodError("bad_timestamp")
    if find_message(tx, channel, ts) is None:
        raise MethodError("message_not_found")
    return room


def _item(channel: str, body: Body, user: str, created: int, base_url: str) -> dict[str, Any]:
    """Return a pinned item. Source: wire/delivery.md#reactions-pins-and-stars (documented)."""
    link = permalink(base_url, channel, body["ts"], body.get("thread_ts"))
    message = body | {"pinned_to": [channel], "permalink": link}
    return {
        "type": "message",
        "channel": channel,
        "message": message,
        "created": created // 1_000_000,
        "created_by": user,
    }


def _short(room: Room, body: Body) -> dict[str, Any]:
    """Return the item of a system message: of the message only what names and shows it."""
    message = {name: body[name] for name in ("type", "subtype", "user", "text", "ts") if name in body}
    return {"type": "message", "channel": room.id, "message": message}


def _item_type(room: Room) -> str:
    """Return the letter for a message in this kind of conversation. Source: wire/event-sources.md#messages."""
    return "C" if room.is_public else "G"


def _emit(
    tx: Transaction, room: Room, kind: str, who: Identity, item: dict[str, Any], body: Body, **members: bool
) -> None:
    pinned = {"channel": room.id, "pinned_by": item["created_by"], "pinned_ts": item["created"]}
    tx.emit(
        room.topic,
        event(
            kind, user=who.user, channel_id=room.id, item=item, item_user=body.get("user"), pinned_info=pinned,
            event_ts=next_event_ts(tx), **members,
        ),
    )  # fmt: skip
