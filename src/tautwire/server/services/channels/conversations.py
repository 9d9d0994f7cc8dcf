"""Channels and their members: create, join, invite, leave, kick, open and close direct messages, set reading marks.

All functions are units. Each changes rows and emits its events in the order of wire/delivery.md#what-a-call-produces.
Membership changes also write join and leave entries to the log: the hub and ``log.catchup`` follow these, not the
table.
"""

import re
from collections.abc import Sequence
from typing import Final

from tautwire.protocol.ids import ChannelId, UserId
from tautwire.server.log.entry import WORKSPACE, Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity, new_id
from tautwire.server.services.channels import directs
from tautwire.server.services.channels.room import Room, enter, forget
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.messaging import messages
from tautwire.server.services.wire_objects import conversation_object
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.channels import add_channel, find_channel_by_name, find_direct_channel
from tautwire.server.store.queries.membership import add_member, find_membership, remove_member, set_last_read
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import SLACKBOT_ID, ChannelKind, ChannelRecord, Mark

MAX_NAME_LENGTH: Final = 80
MAX_OTHERS: Final = 8
"""Other people in a group direct message. Source: wire/ids-and-timestamps.md#kinds-of-conversations (documented)."""
_ALLOWED_NAME = re.compile(r"[\w-]+", re.UNICODE)


def create(tx: Transaction, team: Team, who: Identity, name: str, *, private: bool, general: bool = False) -> Room:
    """Create a channel with its creator as first member. Names: wire/ids-and-timestamps.md#channel-names."""
    check_name(tx, name)
    channel = ChannelId(new_id("C"))
    kind = ChannelKind.PRIVATE if private else ChannelKind.PUBLIC
    seconds = tx.now // 1_000_000
    add_channel(tx, ChannelRecord(channel, kind, name, who.user, seconds, tx.now, general=general))
    _add_member(tx, channel, who.user)
    room = _enter(tx, channel)
    if not private:
        short = {"id": channel, "name": name, "created": room.channel.created, "creator": who.user, "is_channel": True}
        tx.emit(WORKSPACE, event("channel_created", channel=short, event_ts=next_event_ts(tx)))
    _emit_joined(tx, team, room, who.user, inviter=None)
    return room


def join(tx: Transaction, team: Team, who: Identity, channel: str) -> tuple[Room, bool]:
    """Add the caller to a public channel; return the room, and True if the caller was a member before."""
    room = visible_room(tx, who, channel)
    if room.channel.is_direct or not room.is_public:
        raise MethodError("method_not_supported_for_channel_type")
    if room.channel.archived:
        raise MethodError("is_archived")
    if who.user in room.members:
        return room, True
    return admit(tx, team, room, who.user, inviter=None), False


def invite(
    tx: Transaction, team: Team, who: Identity, channel: str, users: Sequence[str], *, force: bool
) -> tuple[Room, list[dict[str, object]]]:
    """Add other users to a channel of the caller; return the room, and an error for each user that is not added.

    If one of them cannot be added, the call fails and adds none; with ``force`` it adds the others.
    """
    room = messages.writable_room(tx, channel, who)
    if room.channel.is_direct:
        raise MethodError("method_not_supported_for_channel_type")
    if not users:
        raise MethodError("no_user")
    errors: list[dict[str, object]] = [
        {"user": user, "ok": False, "error": code}
        for user in users
        if (code := _cannot_invite(tx, room, who, user)) is not None
    ]
    refused = {error["user"] for error in errors}
    if errors and (not force or len(refused) == len(set(users))):
        raise MethodError(str(errors[0]["error"]), **({"errors": errors} if len(users) > 1 else {}))
    for user in dict.fromkeys(users):
        if user not in refused:
            room = admit(tx, team, room, user, inviter=who.user)
    return room, errors


def admit(tx: Transaction, team: Team, room: Room, user: str, *, inviter: str | None) -> Room:
    """Add a user, whom the rules of the caller let in, to a channel; return the room as it is then."""
    _add_member(tx, room.id, user)
    room = _enter(tx, room.id)
    _emit_joined(tx, team, room, user, inviter=inviter)
    return room


def expel(tx: Transaction, team: Team, channel: str, user: str, *, actor: str) -> None:
    """Remove another user from a channel. Source: wire/web-api-methods.md#conversationskick."""
    room = _enter(tx, channel)
    if room.channel.is_direct:
        raise MethodError("method_not_supported_for_channel_type")
    if room.channel.general:
        raise MethodError("cant_kick_from_general")
    if room.channel.archived:
        raise MethodError("is_archived")
    if user not in room.members:
        raise MethodError("not_in_channel")
    _remove_member(tx, team, room, user, actor=actor)


def leave(tx: Transaction, team: Team, who: Identity, channel: str) -> bool:
    """Remove the caller from a channel; return False if the caller is not a member."""
    room = visible_room(tx, who, channel)
    if room.channel.is_direct:
        raise MethodError("method_not_supported_for_channel_type")
    if room.channel.general:
        raise MethodError("cant_leave_general")
    if room.channel.archived:
        raise MethodError("is_archived")
    if who.user not in room.members:
        return False
    if len(room.members) == 1 and not room.is_public:
        raise MethodError("last_member")
    _remove_member(tx, team, room, who.user, actor=who.user)
    return True


def kick(tx: Transaction, team: Team, who: Identity, channel: str, user: str) -> None:
    """Remove another member from a channel of the caller."""
    room = visible_room(tx, who, channel)
    if room.channel.is_direct:
        raise MethodError("method_not_supported_for_channel_type")
    if who.user not in room.members:
        raise MethodError("not_in_channel")
    if user == who.user:
        raise MethodError("cant_kick_self")
    if find_user(tx, user) is None:
        raise MethodError("user_not_found")
    if user not in room.members:
        raise MethodError("not_in_channel")
    if room.channel.general:
        raise MethodError("cant_kick_from_general")
    if room.channel.archived:
        raise MethodError("restricted_action")
    _remove_member(tx, team, room, user, actor=who.user)


def close_direct(tx: Transaction, who: Identity, channel: str) -> bool:
    """Take a direct message from the caller's open ones; return False if it was not among them.

    The caller stays a member and gets what is posted there. Events go to the caller's connections.
    """
    room = visible_room(tx, who, channel)
    if not room.channel.is_direct:
        raise MethodError("method_not_supported_for_channel_type")
    membership = find_membership(tx, channel, who.user)
    if membership is None or not membership["open"]:
        return False
    directs.change(tx, room, who.user, is_open=False)
    return True


def open_direct(
    tx: Transaction, who: Identity, users: Sequence[str], *, prevent_creation: bool = False
) -> tuple[Room, bool]:
    """Find or create the direct message of the caller with others; return the room, and True if it was open."""
    others = [user for user in dict.fromkeys(users) if user != who.user] or [who.user]
    if len(others) > MAX_OTHERS:
        raise MethodError("too_many_users")
    for user in others:
        record = find_user(tx, user)
        if record is None:
            raise MethodError("user_not_found")
        if record.deleted:
            raise MethodError("user_disabled")
    people = sorted({who.user, *others})  # the key of the conversation, equal for all its members
    found = find_direct_channel(tx, ",".join(people))
    if found is not None:
        return _enter(tx, found), not _open_again(tx, who, found)
    if prevent_creation:
        raise MethodError("channel_not_found")
    return _create_direct(tx, who, people), False


def mark(tx: Transaction, who: Identity, channel: str, ts: str) -> None:
    """Move the caller's reading mark; emits an event to all connections of the caller."""
    room = enter(tx, channel)
    if room is None or who.user not in room.members:
        raise MethodError("not_in_channel" if room is not None and room.is_public else "channel_not_found")
    set_last_read(tx, channel, who.user, ts)
    names = {ChannelKind.IM: ["im_marked"], ChannelKind.MPIM: ["mpim_marked", "group_marked"]}
    for name in names.get(room.channel.kind, ["channel_marked"]):
        tx.emit(Topic(who.user), event(name, channel=channel, ts=ts, event_ts=next_event_ts(tx)))


def visible_room(tx: Transaction, who: Identity, channel: str) -> Room:
    """Return a room that the caller may see: a public one, or one with the caller as member."""
    room = enter(tx, channel)
    if room is None or (not room.is_public and who.user not in room.members):
        raise MethodError("channel_not_found")
    return room


def _open_again(tx: Transaction, who: Identity, channel: str) -> bool:
    """Put a direct message among the caller's open ones; return False if it is one of them."""
    membership = find_membership(tx, channel, who.user)
    if membership is None or membership["open"]:
        return False
    directs.change(tx, _enter(tx, channel), who.user, is_open=True)
    return True


def _create_direct(tx: Transaction, who: Identity, people: list[str]) -> Room:
    single = len(people) <= 2
    channel = ChannelId(new_id("D" if single else "G"))
    names = {user.id: user.name for user in (find_user(tx, person) for person in people) if user is not None}
    kind = ChannelKind.IM if single else ChannelKind.MPIM
    name = None if single else f"mpdm-{'--'.join(names.values())}-{channel[-4:].lower()}"
    seconds = tx.now // 1_000_000
    add_channel(tx, ChannelRecord(channel, kind, name, who.user, seconds, tx.now, people=",".join(people)))
    for user in people:
        _add_member(tx, channel, user)
    room = _enter(tx, channel)
    for user in people:
        seen = conversation_object(room.channel, viewer=user, mark=Mark())
        if single:
            # With the name of the other user, here alone: old bots index it, and end without it (seen with limbo 9).
            seen["name"] = names.get(UserId(seen["user"]), "")
            tx.emit(Topic(user), event("im_created", user=user, channel=seen, event_ts=next_event_ts(tx)))
        else:
            tx.emit(Topic(user), event("mpim_joined", channel=seen, event_ts=next_event_ts(tx)))
            tx.emit(Topic(user), event("group_joined", channel=seen, event_ts=next_event_ts(tx)))
    directs.emit(tx, room, who.user, "open")
    return room


def check_name(tx: Transaction, name: str) -> None:
    """Raise ``MethodError`` unless a channel may get this name. Source: wire/ids-and-timestamps.md#channel-names."""
    if not name:
        raise MethodError("invalid_name_required")
    if len(name) > MAX_NAME_LENGTH:
        raise MethodError("invalid_name_maxlength")
    if "." in name or name != name.lower():
        raise MethodError("invalid_name_specials")
    if not _ALLOWED_NAME.fullmatch(name):
        raise MethodError("invalid_name_specials")
    if not any(character.isalnum() for character in name):
        raise MethodError("invalid_name_punctuation")
    if find_channel_by_name(tx, name) is not None:
        raise MethodError("name_taken")


def _enter(tx: Transaction, channel: str) -> Room:
    room = enter(tx, channel)
    if room is None:
        raise MethodError("channel_not_found")
    return room


def _add_member(tx: Transaction, channel: str, user: str) -> None:
    add_member(tx, channel, user, tx.now)
    forget(tx, channel)
    tx.join(Topic(channel), user)


def _emit_joined(tx: Transaction, team: Team, room: Room, user: str, *, inviter: str | None) -> None:
    """Emit the channel to the new member, then the join to all members, and post the system message."""
    seen = conversation_object(room.channel, viewer=user, mark=Mark())
    seen["members"] = sorted(room.members)
    name = "channel_joined" if room.is_public else "group_joined"
    tx.emit(Topic(user), event(name, channel=seen, event_ts=next_event_ts(tx)))
    tx.emit(
        room.topic,
        event(
            "member_joined_channel",
            user=user,
            channel=room.id,
            channel_type=room.id[0],
            team=team.id,
            inviter=inviter,
            event_ts=next_event_ts(tx),
        ),
    )
    messages.announce(tx, team, room, user, "channel_join", f"<@{user}> has joined the channel", inviter=inviter)


def _remove_member(tx: Transaction, team: Team, room: Room, user: str, *, actor: str) -> None:
    """Remove a member first: channel_left goes to the user, member_left_channel to the remaining members."""
    remove_member(tx, room.id, user)
    forget(tx, room.id)
    tx.leave(room.topic, user)
    left = "channel_left" if room.is_public else "group_left"
    tx.emit(Topic(user), event(left, channel=room.id, actor_id=actor, event_ts=next_event_ts(tx)))
    room = _enter(tx, room.id)
    messages.announce(tx, team, room, user, "channel_leave", f"<@{user}> has left the channel")
    tx.emit(
        room.topic,
        event(
            "member_left_channel",
            user=user,
            channel=room.id,
            channel_type=room.id[0],
            team=team.id,
            event_ts=next_event_ts(tx),
        ),
    )


def _cannot_invite(tx: Transaction, room: Room, who: Identity, user: str) -> str | None:
    if user == who.user:
        return "cant_invite_self"
    if user in room.members:
        return "already_in_channel"
    record = find_user(tx, user)
    if record is None or record.deleted:
        return "user_not_found"
    if user == SLACKBOT_ID:
        return "cant_invite"
    return None
