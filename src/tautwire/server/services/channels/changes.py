"""Changes of a channel itself: archived, renamed, with another topic or purpose. Its members: ``conversations``.

All functions are units of the caller. Each emits its events in the order of wire/delivery.md#what-a-call-produces and
leaves a system message in the channel, so that an entry of the channel's topic tells other writers of the change.
"""

from typing import Final

from tautwire.server.log.entry import WORKSPACE
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels.conversations import check_name, visible_room
from tautwire.server.services.channels.room import Room, enter, forget
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.messaging import messages
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.channels import set_archived, set_name, set_purpose, set_topic
from tautwire.server.store.records import ChannelKind

MAX_TOPIC: Final = 250
"""Characters of a topic or purpose. Source: wire/web-api-methods.md#conversationssettopic (documented)."""


def archive(tx: Transaction, team: Team, who: Identity, channel: str) -> None:
    """Close a channel of the caller for posts; its members stay."""
    room = _own_room(tx, who, channel)
    if room.channel.general:
        raise MethodError("cant_archive_general")
    if room.channel.archived:
        raise MethodError("already_archived")
    set_archived(tx, channel, archived=True, updated=tx.now)
    room = _changed(tx, room)
    _emit(tx, room, event("channel_archive", channel=room.id, user=who.user, is_moved=0, event_ts=next_event_ts(tx)))
    messages.announce(tx, team, room, who.user, "channel_archive", f"<@{who.user}> archived the channel")


def unarchive(tx: Transaction, team: Team, who: Identity, channel: str) -> None:
    """Open an archived channel again: a public one, or a private one of the caller."""
    room = visible_room(tx, who, channel)
    if room.channel.is_direct:
        raise MethodError("method_not_supported_for_channel_type")
    if not room.channel.archived:
        raise MethodError("not_archived")
    set_archived(tx, channel, archived=False, updated=tx.now)
    room = _changed(tx, room)
    _emit(tx, room, event("channel_unarchive", channel=room.id, user=who.user, event_ts=next_event_ts(tx)))
    messages.announce(tx, team, room, who.user, "channel_unarchive", f"<@{who.user}> un-archived the channel")


def rename(tx: Transaction, team: Team, who: Identity, channel: str, name: str) -> Room:
    """Rename a channel that the caller has created.

    Source: wire/web-api-methods.md#conversationsrename (uncertain; there are no admins here, who may do it too).
    """
    room = _own_room(tx, who, channel)
    if room.channel.archived:
        raise MethodError("is_archived")
    if room.channel.creator != who.user:
        raise MethodError("not_authorized")
    check_name(tx, name)
    old = room.channel.name
    set_name(tx, channel, name, updated=tx.now)
    room = _changed(tx, room)
    short = {
        "id": room.id, "name": name, "name_normalized": name, "created": room.channel.created,
        "is_channel": True, "is_mpim": False,
    }  # fmt: skip
    _emit(tx, room, event("channel_rename", channel=short, event_ts=next_event_ts(tx)))
    text = f'<@{who.user}> has renamed the channel from "{old}" to "{name}"'
    messages.announce(tx, team, room, who.user, "channel_name", text, old_name=old, name=name)
    return room


def change_topic(tx: Transaction, team: Team, who: Identity, channel: str, topic: str) -> Room:
    """Set the topic of a channel of the caller; an empty one clears it."""
    room = _describable(tx, who, channel, topic)
    set_topic(tx, channel, topic, who.user, updated=tx.now)
    return _described(tx, team, who, room, "topic", topic)


def change_purpose(tx: Transaction, team: Team, who: Identity, channel: str, purpose: str) -> Room:
    """Set the purpose of a channel of the caller; an empty one clears it."""
    room = _describable(tx, who, channel, purpose)
    set_purpose(tx, channel, purpose, who.user, updated=tx.now)
    return _described(tx, team, who, room, "purpose", purpose)


def _own_room(tx: Transaction, who: Identity, channel: str) -> Room:
    """Return a channel with the caller as member; direct messages cannot be changed so."""
    room = visible_room(tx, who, channel)
    if room.channel.is_direct:
        raise MethodError("method_not_supported_for_channel_type")
    if who.user not in room.members:
        raise MethodError("not_in_channel")
    return room


def _describable(tx: Transaction, who: Identity, channel: str, text: str) -> Room:
    room = messages.writable_room(tx, channel, who)
    if room.channel.kind is ChannelKind.IM:
        raise MethodError("method_not_supported_for_channel_type")
    if len(text) > MAX_TOPIC:
        raise MethodError("too_long")
    return room


def _described(tx: Transaction, team: Team, who: Identity, room: Room, what: str, value: str) -> Room:
    room = _changed(tx, room)
    text = f"set the channel {what}: {value}" if value else f"cleared the channel {what}"
    messages.announce(tx, team, room, who.user, f"channel_{what}", f"<@{who.user}> {text}", **{what: value})
    return room


def _changed(tx: Transaction, room: Room) -> Room:
    """Return the room as the database has it now."""
    forget(tx, room.id)
    changed = enter(tx, room.id)
    if changed is None:
        raise MethodError("channel_not_found")
    return changed


def _emit(tx: Transaction, room: Room, payload: bytes) -> None:
    """Emit to all, of a private channel to its members. Source: wire/delivery.md#audiences."""
    tx.emit(WORKSPACE if room.is_public else room.topic, payload)
