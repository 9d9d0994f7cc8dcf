"""Messages: the rules of posting, editing and deleting, with their rows and events.

Each function is a unit. ``post`` is the hot path: with the room in memory it runs no query, it gathers one row and one
log entry. Thread replies, edits and deletions are rarer and query the database.

The log refers to the row of a new message instead of storing its JSON twice. An edit or a deletion changes the row, so
it first writes the event of the original message into the log (``_keep_event``): the log never changes its meaning.
"""

from typing import Any, Final

import msgspec

from tautwire.protocol.ids import Ts
from tautwire.server.log.entry import Topic, message_event
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.channels import directs
from tautwire.server.services.channels.room import Room, enter
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event
from tautwire.server.services.files.shares import withdraw
from tautwire.server.services.manifests.tabs import check_messages
from tautwire.server.services.messaging.texts import Parse, process
from tautwire.server.services.messaging.threads import thread_facts
from tautwire.server.services.search.entries import replace_entry
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.queries.log import set_event
from tautwire.server.store.queries.messages import (
    MESSAGE,
    MessageRow,
    clear_position,
    delete_message,
    find_logged,
    find_message,
    has_replies,
    set_body,
)
from tautwire.server.store.queries.pins import remove_pin
from tautwire.server.store.queries.reactions import remove_reactions
from tautwire.server.store.queries.search import delete_entry
from tautwire.server.store.queries.users import find_user
from tautwire.server.store.records import SLACKBOT_ID

TOMBSTONE: Final = "tombstone"

_EMPTY: Final = (msgspec.Raw(b"[]"), msgspec.Raw(b"{}"))
"""Values of an update that remove a structure. Source: wire/web-api-methods.md#chatupdate (documented)."""

Body = dict[str, Any]
"""A message object as it is stored and sent. Source: wire/messages.md#a-plain-message."""


class Draft(msgspec.Struct, kw_only=True):
    """A message before the server gave it a ``ts``. ``text`` is in wire form (escaped)."""

    text: str = ""
    thread_ts: str | None = None
    reply_broadcast: bool = False
    subtype: str | None = None
    blocks: msgspec.Raw | None = None
    attachments: msgspec.Raw | None = None
    metadata: Any = None
    username: str | None = None
    icons: dict[str, str] | None = None
    as_bot: bool = False
    """Whether a bot posts under another name: subtype ``bot_message``."""
    mrkdwn: bool = True
    """Whether programs show the text with its formatting."""
    parse: Parse = Parse.URLS
    streaming_state: str | None = None
    files: list[dict[str, Any]] | None = None
    """File objects that it shares, uploaded for it."""


class Posted(msgspec.Struct, frozen=True):
    """A stored message: its channel, its ts and the message object."""

    channel: str
    ts: Ts
    body: Body


def writable_room(tx: Transaction, channel: str, who: Identity, *, visitors: bool = False) -> Room:
    """Return the room if the user may post there.

    With ``visitors`` a person, unlike a bot, may post to a public channel without being a member.

    Raises:
        MethodError: channel_not_found, not_in_channel or is_archived.

    Source: wire/web-api.md#visibility (documented).
    """
    room = enter(tx, channel)
    if room is None:
        raise MethodError("channel_not_found")
    if who.user not in room.members and not (visitors and room.is_public and not who.is_bot):
        raise MethodError("not_in_channel" if room.is_public else "channel_not_found")
    if room.channel.archived:
        raise MethodError("is_archived")
    return room


def post(
    tx: Transaction, team: Team, who: Identity, channel: str, draft: Draft, *, skip: int = 0, visitors: bool = False
) -> Posted:
    """Store a message and emit its event to the channel; connection ``skip`` gets the ack instead."""
    return post_in(tx, team, who, writable_room(tx, channel, who, visitors=visitors), draft, skip=skip)


def open_room(tx: Transaction, channel: str) -> Room:
    """Return a room in which an app answers a person, whether or not its bot is a member.

    Raises:
        MethodError: channel_not_found or is_archived.
    """
    room = enter(tx, channel)
    if room is None:
        raise MethodError("channel_not_found")
    if room.channel.archived:
        raise MethodError("is_archived")
    return room


def post_in(tx: Transaction, team: Team, who: Identity, room: Room, draft: Draft, *, skip: int = 0) -> Posted:
    """Do what ``post`` does, in a room whose rules are checked."""
    parent = _parent(tx, room.id, draft.thread_ts) if draft.thread_ts else None
    body = _body(tx, team, who, draft)
    if room.closed:
        directs.reopen(tx, room)
    body["ts"] = ts = room.next_ts(tx)
    if parent is None:
        _store(tx, room, who.user, body, skip=skip)
    else:
        _reply(tx, room, who, body, parent, broadcast=draft.reply_broadcast, skip=skip)
    return Posted(room.id, ts, body)


def announce(tx: Transaction, team: Team, room: Room, user: str, subtype: str, text: str, **members: object) -> None:
    """Store a system message (a user joined, left, …) and emit its event to the channel."""
    ts = room.next_ts(tx)
    body: Body = {"type": "message", "subtype": subtype, "user": user, "text": text, "ts": ts, "team": team.id}
    body |= {name: value for name, value in members.items() if value is not None}
    _store(tx, room, user, body)


def update(tx: Transaction, who: Identity, channel: str, ts: str, draft: Draft) -> Posted:
    """Replace the text (and, if given, blocks and attachments) of the caller's message; emits message_changed."""
    room = _seen_room(tx, channel, who)
    row, before = find_live(tx, channel, ts)
    if row["user_id"] != who.user or before.get("subtype") not in (
        None,
        "bot_message",
        "me_message",
        "thread_broadcast",
        "file_share",
    ):
        raise MethodError("cant_update_message")
    if before.get("streaming_state") == "in_progress":
        raise MethodError("streaming_state_conflict")
    body = dict(before)
    body["text"] = process(tx, who, draft.text, draft.parse) if draft.text else before["text"]
    for name, value in _structures(draft):
        if value is not None:
            body[name] = value
        if value in _EMPTY:
            del body[name]
    return _edit(tx, who, room, row, before, body)


def replace(tx: Transaction, who: Identity, room: Room, ts: str, draft: Draft) -> Posted:
    """Replace the whole content of a message of an app, which answers so to an interaction in it.

    Raises:
        MethodError: message_not_found.
    """
    row, before = find_live(tx, room.id, ts)
    body = {name: value for name, value in before.items() if name not in ("blocks", "attachments", "metadata")}
    body["text"] = process(tx, who, draft.text, draft.parse)
    body |= {name: value for name, value in _structures(draft) if value is not None}
    return _edit(tx, who, room, row, before, body)


def _structures(draft: Draft) -> list[tuple[str, Any]]:
    return [("blocks", draft.blocks), ("attachments", draft.attachments), ("metadata", draft.metadata)]


def _edit(tx: Transaction, who: Identity, room: Room, row: Row, before: Body, body: Body) -> Posted:
    # The event has a ts of its own, unique in the channel, though no message of that ts exists.
    hidden = room.next_hidden_ts(tx)
    body["edited"] = {"user": who.user, "ts": hidden}
    rewrite(tx, room, row, before, body, hidden)
    return Posted(room.id, Ts(row["ts"]), body)


def delete(tx: Transaction, who: Identity, channel: str, ts: str) -> None:
    """Delete the caller's message; a parent with replies becomes a tombstone.

    Source: wire/messages.md#threads; that the tombstone is deleted with the last reply is ours.
    """
    room = _seen_room(tx, channel, who)
    row, before = find_live(tx, channel, ts)
    if row["user_id"] != who.user:
        raise MethodError("cant_delete_message")
    erase(tx, room, row, before)


def erase(tx: Transaction, room: Room, row: Row, before: Body) -> None:
    """Delete a message with all that belongs to it; who may do so is checked before."""
    channel, ts = room.id, row["ts"]
    # Also for a tombstone: a deleted message shows no reactions, and is not pinned.
    remove_reactions(tx, channel, ts)
    remove_pin(tx, channel, ts)
    if "files" in before:
        withdraw(tx, channel, ts, row["user_id"])
    if has_replies(tx, channel, ts):
        tombstone = {
            "type": "message",
            "subtype": TOMBSTONE,
            "user": SLACKBOT_ID,
            "text": "This message was deleted.",
            "hidden": True,
            "ts": ts,
            "thread_ts": ts,
        }
        rewrite(tx, room, row, before, tombstone, room.next_hidden_ts(tx))
        return
    _remove(tx, room, ts, before)
    parent = find_message(tx, channel, row["thread_ts"]) if row["thread_ts"] else None
    if parent is not None and not has_replies(tx, channel, parent["ts"]):
        grave = load(parent)
        if grave.get("subtype") == TOMBSTONE:
            _remove(tx, room, parent["ts"], grave)


def post_ephemeral(tx: Transaction, team: Team, who: Identity, channel: str, user: str, draft: Draft) -> Ts:
    """Emit a message to one member; it is an event of that user and is not stored as a message."""
    room = writable_room(tx, channel, who)
    check_messages(tx, who, room.channel)
    if user not in room.members:
        raise MethodError("user_not_in_channel")
    return show(tx, team, who, room, user, draft).ts


def show(tx: Transaction, team: Team, who: Identity, room: Room, user: str, draft: Draft) -> Posted:
    """Emit a message to one user, in a room whose rules are checked."""
    body = _ephemeral(tx, team, who, room, draft)
    body["ts"] = body["event_ts"] = ts = room.next_hidden_ts(tx)
    tx.emit(Topic(user), msgspec.json.encode(body))
    return Posted(room.id, ts, body)


def show_instead(tx: Transaction, team: Team, who: Identity, room: Room, user: str, ts: str, draft: Draft) -> Posted:
    """Emit the replacement of a message that was emitted to one user."""
    body = _ephemeral(tx, team, who, room, draft) | {"ts": ts}
    hidden = room.next_hidden_ts(tx)
    change = event(
        "message", subtype="message_changed", hidden=True, is_ephemeral=True, channel=room.id,
        ts=hidden, event_ts=hidden, message=body,
    )  # fmt: skip
    tx.emit(Topic(user), change)
    return Posted(room.id, Ts(ts), body)


def hide(tx: Transaction, room: Room, user: str, ts: str) -> None:
    """Emit the deletion of a message that was emitted to one user."""
    hidden = room.next_hidden_ts(tx)
    change = event(
        "message", subtype="message_deleted", hidden=True, is_ephemeral=True, channel=room.id,
        ts=hidden, deleted_ts=ts, event_ts=hidden,
    )  # fmt: skip
    tx.emit(Topic(user), change)


def _ephemeral(tx: Transaction, team: Team, who: Identity, room: Room, draft: Draft) -> Body:
    draft.as_bot = who.is_bot
    return _body(tx, team, who, draft) | {"channel": room.id, "is_ephemeral": True}


def load(row: Row) -> Body:
    """Return the message object of a row."""
    body: Body = msgspec.json.decode(row["body"])
    return body


def _body(tx: Transaction, team: Team, who: Identity, draft: Draft) -> Body:
    body: Body = {"type": "message"}
    subtype = "bot_message" if draft.as_bot else draft.subtype
    if subtype is not None:
        body["subtype"] = subtype
    body["user"] = who.user
    body["text"] = process(tx, who, draft.text, draft.parse)
    body["ts"] = ""  # set later; here for the order of members, which is that of Slack's frames
    body["team"] = team.id
    if who.bot_id is not None and subtype != "me_message":  # a me_message has no bot_id: wire/messages.md#subtypes
        body["bot_id"] = who.bot_id
        body["app_id"] = who.app_id
        body["bot_profile"] = _bot_profile(tx, team, who)
    if draft.files is not None:
        body |= {"files": draft.files, "upload": True, "display_as_bot": False}
    for name in ("blocks", "attachments", "metadata", "username", "icons", "streaming_state"):
        value = getattr(draft, name)
        if value is not None:
            body[name] = value
    if not draft.mrkdwn:
        body["mrkdwn"] = False
    return body


def _bot_profile(tx: Transaction, team: Team, who: Identity) -> msgspec.Raw:
    profile: msgspec.Raw | None = tx.recall("bot_profile", who.user)
    if profile is None:
        user = find_user(tx, who.user)
        profile = msgspec.Raw(
            msgspec.json.encode(
                {
                    "id": who.bot_id,
                    "deleted": False,
                    "name": user.real_name or user.name if user else who.name,
                    "updated": user.updated if user else 0,
                    "app_id": who.app_id,
                    "icons": {},
                    "team_id": team.id,
                    "user_id": who.user,
                }
            )
        )
        tx.remember("bot_profile", who.user, profile)
    return profile


def _store(tx: Transaction, room: Room, user: str, body: Body, *, in_channel: bool = True, skip: int = 0) -> None:
    """Store a message object and emit its event; the log entry refers to the row."""
    ts, stored = body["ts"], msgspec.json.encode(body)
    position = tx.emit(room.topic, message_event(stored, room.id, ts), skip=skip, message=ts)
    tx.insert(MESSAGE, MessageRow(room.id, ts, user, body.get("thread_ts"), in_channel, stored, position))


def _keep_event(tx: Transaction, channel: str, ts: str) -> None:
    """Write the event of a message into its log entry, which refers to the row, before the row changes."""
    row = find_logged(tx, channel, ts)
    if row is not None:
        set_event(tx, row["position"], message_event(row["body"], channel, ts))
        clear_position(tx, channel, ts)


def _reply(tx: Transaction, room: Room, who: Identity, body: Body, parent: Row, *, broadcast: bool, skip: int) -> None:
    """Store a reply; emit the reply, then its parent with the new counters (the order of Slack in 2017)."""
    body["thread_ts"] = parent["ts"]
    root = load(parent)
    if broadcast:
        body["subtype"] = "thread_broadcast"
        body["root"] = root
    else:
        body["parent_user_id"] = parent["user_id"]
    _store(tx, room, who.user, body, in_channel=broadcast, skip=skip)
    hidden = room.next_hidden_ts(tx)
    tx.emit(
        room.topic,
        event(
            "message",
            subtype="message_replied",
            hidden=True,
            channel=room.id,
            ts=hidden,
            event_ts=hidden,
            message=root | _thread_facts(tx, room.id, parent["ts"]),
        ),
    )


def rewrite(tx: Transaction, room: Room, row: Row, before: Body, after: Body, hidden: Ts) -> None:
    """Replace the message object of a row, and emit message_changed with ``hidden`` as its ts."""
    _keep_event(tx, room.id, row["ts"])
    set_body(tx, room.id, row["ts"], msgspec.json.encode(after))
    replace_entry(tx, room.id, row["ts"], row["user_id"], after)
    facts = _thread_facts(tx, room.id, row["ts"])
    tx.emit(
        room.topic,
        event(
            "message",
            subtype="message_changed",
            hidden=True,
            channel=room.id,
            ts=hidden,
            event_ts=hidden,
            message=after | facts,
            previous_message=before | facts,
        ),
    )


def _remove(tx: Transaction, room: Room, ts: str, before: Body) -> None:
    _keep_event(tx, room.id, ts)
    delete_message(tx, room.id, ts)
    delete_entry(tx, room.id, ts)
    hidden = room.next_hidden_ts(tx)
    tx.emit(
        room.topic,
        event(
            "message",
            subtype="message_deleted",
            hidden=True,
            channel=room.id,
            ts=hidden,
            deleted_ts=ts,
            event_ts=hidden,
            previous_message=before,
        ),
    )


def _thread_facts(query: Query, channel: str, parent: str) -> Body:
    return thread_facts(query, channel, [parent]).get(parent, {})


def _parent(tx: Transaction, channel: str, thread_ts: str) -> Row | None:
    """Return the parent of a thread: of a reply its parent, of an unknown ts None.

    Source: wire/messages.md#threads.
    """
    row = find_message(tx, channel, thread_ts)
    if row is not None and row["thread_ts"] is not None:
        row = find_message(tx, channel, row["thread_ts"])
    return row


def find_live(query: Query, channel: str, ts: str) -> tuple[Row, Body]:
    """Return a message that is not a tombstone; raise ``MethodError`` (message_not_found)."""
    row = find_message(query, channel, ts)
    body = load(row) if row is not None else {}
    if row is None or body.get("subtype") == TOMBSTONE:
        raise MethodError("message_not_found")
    return row, body


def _seen_room(tx: Transaction, channel: str, who: Identity) -> Room:
    room = enter(tx, channel)
    if room is None or who.user not in room.members:
        raise MethodError("channel_not_found")
    return room
