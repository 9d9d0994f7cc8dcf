"""Operations that do what a user does: by the same rules as the Web API, without a token and without rate limits."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from tautwire.server.control.operation import Nothing, Result, operation
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity, identity_of
from tautwire.server.services.administration.lookup import find_channel, find_user, find_users
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.channels import conversations
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging import messages, reactions
from tautwire.server.services.messaging.contents import set_content
from tautwire.server.services.messaging.messages import Draft, Posted
from tautwire.server.services.messaging.texts import MAX_POST, MAX_TEXT
from tautwire.server.services.people.presence import store_away
from tautwire.server.services.people.typing import whisper_typing
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query

Post = Annotated[str, msgspec.Meta(max_length=MAX_POST)]
Edited = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Objects = list[dict[str, Any]]


class Deed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a user does in a channel; both by id or name."""

    user: str
    channel: str


class Saying(Deed, kw_only=True, forbid_unknown_fields=True):
    """A message to post, as chat.postMessage takes it.

    ``text`` is in wire form, and may be empty beside blocks or attachments.
    """

    text: Post = ""
    blocks: Objects | None = None
    attachments: Objects | None = None
    metadata: dict[str, Any] | None = None


class Answering(Saying, kw_only=True, forbid_unknown_fields=True):
    """A reply to the message ``ts``; with ``broadcast`` the channel shows it too."""

    ts: str
    broadcast: bool = False


class Editing(Saying, kw_only=True, forbid_unknown_fields=True):
    """A new content for the user's message ``ts``."""

    ts: str
    text: Edited = ""


class Pointing(Deed, kw_only=True, forbid_unknown_fields=True):
    """A message of the channel."""

    ts: str


class Reacting(Pointing, kw_only=True, forbid_unknown_fields=True):
    """The name of an emoji, with or without colons, and the message ``ts``."""

    name: str


class Writing(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A direct message of ``user`` to one to eight others."""

    user: str
    to: Annotated[list[str], msgspec.Meta(min_length=1, max_length=conversations.MAX_OTHERS)]
    text: Post = ""
    blocks: Objects | None = None
    attachments: Objects | None = None
    metadata: dict[str, Any] | None = None


class Typed(Deed, kw_only=True, forbid_unknown_fields=True):
    """Where the user types; in the thread of ``ts`` if that is given."""

    ts: str | None = None


class Availability(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Whether the user is away by hand."""

    user: str
    presence: Literal["away", "auto"]


class Done(msgspec.Struct, kw_only=True):
    """The place in the log and in the journal before the act: a ``wait`` from there misses nothing that the act causes.

    ``journal`` is null if the control API is off, as for the operator's socket of other servers.
    """

    position: str
    journal: str | None
    channel: str


class Said(Done, kw_only=True):
    """A stored message: its channel, its ``ts``, and the message object of the wire."""

    ts: str
    message: dict[str, Any]


class Position(msgspec.Struct, kw_only=True):
    """A place in the log, and the newest entry of the journal."""

    position: str
    journal: str | None


@operation("position", Nothing, Position, reads=True)
async def position(workspace: Workspace, args: Nothing) -> Result:
    """Return the present end of the log and of the journal, from which ``wait`` can go on."""
    return mark(workspace)


@operation("say", Saying, Said)
async def say(workspace: Workspace, args: Saying) -> Result:
    """Post a message."""
    who, channel = await find_deed(workspace, args)
    return await _post(workspace, who, lambda tx: channel, _draft(args))


@operation("reply", Answering, Said)
async def reply(workspace: Workspace, args: Answering) -> Result:
    """Post a reply in the thread of a message."""
    who, channel = await find_deed(workspace, args)
    draft = _draft(args)
    draft.thread_ts, draft.reply_broadcast = args.ts, args.broadcast

    def place(tx: Transaction) -> str:
        messages.writable_room(tx, channel, who, visitors=True)
        messages.find_live(tx, channel, args.ts)
        return channel

    answer = await _post(workspace, who, place, draft)
    workspace.statuses.posted(channel, args.ts, who.user)
    return answer


@operation("dm", Writing, Said)
async def dm(workspace: Workspace, args: Writing) -> Result:
    """Post a direct message; the conversation is opened first."""
    user, others = await workspace.reader.read(
        lambda query: (actor(query, args.user), [each.id for each in find_users(query, args.to)])
    )
    draft = _draft(args)
    return await _post(workspace, user, lambda tx: conversations.open_direct(tx, user, others)[0].id, draft)


@operation("edit", Editing, Said)
async def edit(workspace: Workspace, args: Editing) -> Result:
    """Replace the text of a message of the user."""
    who, channel = await find_deed(workspace, args)
    before = mark(workspace)
    unit = partial(messages.update, who=who, channel=channel, ts=args.ts, draft=_draft(args))
    return _said(before, await workspace.writer.write(unit))


@operation("delete", Pointing, Done)
async def delete(workspace: Workspace, args: Pointing) -> Result:
    """Delete a message of the user."""
    return await _act(workspace, args, lambda tx, who, channel: messages.delete(tx, who, channel, args.ts))


@operation("react", Reacting, Done)
async def react(workspace: Workspace, args: Reacting) -> Result:
    """Add a reaction to a message."""
    return await _act(workspace, args, lambda tx, who, channel: reactions.add(tx, who, channel, args.ts, args.name))


@operation("unreact", Reacting, Done)
async def unreact(workspace: Workspace, args: Reacting) -> Result:
    """Remove a reaction of the user."""
    return await _act(workspace, args, lambda tx, who, channel: reactions.remove(tx, who, channel, args.ts, args.name))


@operation("join", Deed, Done)
async def join(workspace: Workspace, args: Deed) -> Result:
    """Join a public channel; a member stays one."""
    return await _act(workspace, args, lambda tx, who, channel: conversations.join(tx, workspace.team, who, channel))


@operation("leave", Deed, Done)
async def leave(workspace: Workspace, args: Deed) -> Result:
    """Leave a channel; no effect on one who is not a member."""
    return await _act(workspace, args, lambda tx, who, channel: conversations.leave(tx, workspace.team, who, channel))


@operation("type", Typed, Done)
async def type_(workspace: Workspace, args: Typed) -> Result:
    """Show the other members that the user is typing; as every such event it may be lost."""
    who, channel = await find_deed(workspace, args)
    if not whisper_typing(workspace.hub, who.user, channel, args.ts):
        raise MethodError("not_in_channel")
    return {**mark(workspace), "channel": channel}


@operation("presence", Availability, Position)
async def presence(workspace: Workspace, args: Availability) -> Result:
    """Set a user away by hand, or end that with ``auto``."""
    who = await workspace.reader.read(partial(actor, text=args.user))
    before, away = mark(workspace), args.presence == "away"
    await workspace.writer.write(partial(store_away, user=who.user, away=away))
    workspace.presence.set_away(who.user, away=away)
    return before


def actor(query: Query, text: str) -> Identity:
    """Return the user who acts; raise ``Refused`` for one who is deactivated."""
    user = find_user(query, text)
    if user.deleted:
        raise Refused("account_inactive", f"{user.name} is deactivated: reactivate the user first")
    return identity_of(user)


async def find_deed(workspace: Workspace, args: Deed) -> tuple[Identity, str]:
    """Return the user who acts, and the id of the channel."""
    return await workspace.reader.read(
        lambda query: (actor(query, args.user), str(find_channel(query, args.channel).id))
    )


async def _act(workspace: Workspace, args: Deed, act: Callable[[Transaction, Identity, str], object]) -> Result:
    who, channel = await find_deed(workspace, args)
    before = mark(workspace)
    await workspace.writer.write(lambda tx: act(tx, who, channel))
    return {**before, "channel": channel}


async def _post(workspace: Workspace, who: Identity, place: Callable[[Transaction], str], draft: Draft) -> Result:
    before = mark(workspace)
    posted = await workspace.writer.write(
        lambda tx: messages.post(tx, workspace.team, who, place(tx), draft, visitors=True)
    )
    return _said(before, posted)


def _said(before: Result, posted: Posted) -> Result:
    return {**before, "channel": posted.channel, "ts": posted.ts, "message": posted.body}


def mark(workspace: Workspace) -> Result:
    """Return the present end of the log and of the journal, as members of an answer."""
    controls = workspace.controls
    position = workspace.epochs.mark(workspace.tail.position)
    return {"position": position, "journal": controls.journal.mark if controls is not None else None}


def _draft(args: Saying | Writing) -> Draft:
    """Return the message that the arguments describe; raise ``MethodError`` if they do not fit together."""
    draft = Draft()
    set_content(
        draft, text=args.text, blocks=args.blocks, attachments=args.attachments, metadata=args.metadata
    )  # fmt: skip
    return draft
