"""Reactions to messages. Both functions are units."""

import re
from typing import Final

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.identity import Identity
from tautwire.server.services.room import Room, enter
from tautwire.server.store.messages import find_message
from tautwire.server.store.reactions import add_reaction, find_reaction_names, has_reaction, remove_reaction

_NAME: Final = re.compile(r"[\w+'-]{1,100}(::skin-tone-[2-6])?", re.UNICODE)
MAX_REACTIONS: Final = 50
"""Different reactions to one message (that there is a limit is documented, the figure is not)."""


def add(tx: Transaction, who: Identity, channel: str, ts: str, name: str) -> None:
    """Add the caller's reaction; emits reaction_added."""
    room, author = _find(tx, who, channel, ts)
    name = _plain(name)
    used = find_reaction_names(tx, channel, ts)
    if name not in used and len(used) >= MAX_REACTIONS:
        raise MethodError("too_many_emoji")
    if has_reaction(tx, channel, ts, name, who.user):
        raise MethodError("already_reacted")
    add_reaction(tx, channel, ts, name, who.user, tx.now)
    _emit(tx, room, "reaction_added", who, author, ts, name)


def remove(tx: Transaction, who: Identity, channel: str, ts: str, name: str) -> None:
    """Remove the caller's reaction; emits reaction_removed."""
    room, author = _find(tx, who, channel, ts)
    name = _plain(name)
    if not remove_reaction(tx, channel, ts, name, who.user):
        raise MethodError("no_reaction")
    _emit(tx, room, "reaction_removed", who, author, ts, name)


def _find(tx: Transaction, who: Identity, channel: str, ts: str) -> tuple[Room, str]:
    """Return the room and the author of the message.

    Only members may react. Slack answers ``not_in_channel`` to a bot that is not a member, which is observed and not
    documented; the same answer to a person is ours.
    """
    room = enter(tx, channel)
    if room is None:
        raise MethodError("channel_not_found")
    if who.user not in room.members:
        raise MethodError("not_in_channel" if room.is_public else "channel_not_found")
    if room.channel.archived:
        raise MethodError("is_archived")
    row = find_message(tx, channel, ts)
    if row is None:
        raise MethodError("message_not_found")
    return room, row["user_id"]


def _plain(name: str) -> str:
    """Return the name of an emoji without colons around it."""
    name = name.strip(":")
    if not _NAME.fullmatch(name):
        raise MethodError("invalid_name")
    return name


def _emit(tx: Transaction, room: Room, kind: str, who: Identity, author: str, ts: str, name: str) -> None:
    item = {"type": "message", "channel": room.id, "ts": ts}
    tx.emit(
        room.topic,
        event(kind, user=who.user, reaction=name, item_user=author, item=item, event_ts=next_event_ts(tx)),
    )
