"""The members of a comparison's answer."""

from typing import Any

import msgspec


class Changed(msgspec.Struct, kw_only=True):
    """A fact with its values before and after; ``before`` is null if the log does not have it."""

    before: Any
    after: Any


class Place(msgspec.Struct, kw_only=True):
    """A conversation; the name of a direct message is that of its members, in their order, with commas between."""

    channel: str
    channel_name: str


class MessageChange(Place, kw_only=True):
    """A message: the whole object of the wire and, if it was edited, the object before."""

    ts: str
    thread_ts: str | None
    user: str | None
    user_name: str | None
    subtype: str | None
    text: str
    message: dict[str, Any]
    previous: dict[str, Any] | None = None


class MessageChanges(msgspec.Struct, kw_only=True):
    """Messages and replies, in the order of their ts."""

    posted: list[MessageChange]
    edited: list[MessageChange]
    deleted: list[MessageChange]


class ReactionChange(Place, kw_only=True):
    """A reaction of a user to the message ``ts``."""

    ts: str
    name: str
    user: str
    user_name: str


class ReactionChanges(msgspec.Struct, kw_only=True):
    """Reactions."""

    added: list[ReactionChange]
    removed: list[ReactionChange]


class PinChange(Place, kw_only=True):
    """A message that is pinned to its channel, and who pinned it."""

    ts: str
    user: str
    user_name: str


class PinChanges(msgspec.Struct, kw_only=True):
    """Pins."""

    added: list[PinChange]
    removed: list[PinChange]


class MemberChange(Place, kw_only=True):
    """A member of a public or private channel."""

    user: str
    user_name: str


class MemberChanges(msgspec.Struct, kw_only=True):
    """Members who came and went; those of direct messages never do."""

    joined: list[MemberChange]
    left: list[MemberChange]


class ChannelChange(Place, kw_only=True):
    """A conversation: its kind, and its facts that changed, by name; of a new one all that are not empty."""

    kind: str
    changes: dict[str, Changed]


class ChannelChanges(msgspec.Struct, kw_only=True):
    """Conversations of all kinds. A changed one is renamed, archived, or has another topic or purpose."""

    created: list[ChannelChange]
    changed: list[ChannelChange]


class PersonChange(msgspec.Struct, kw_only=True):
    """A person or a bot, and what changed of the account and of the profile (``profile.title``)."""

    user: str
    user_name: str
    is_bot: bool
    changes: dict[str, Changed]


class PersonChanges(msgspec.Struct, kw_only=True):
    """People and bots."""

    added: list[PersonChange]
    changed: list[PersonChange]


class ScheduledChange(Place, kw_only=True):
    """A message to be posted at the time ``post_at``, in seconds."""

    id: str
    user: str
    user_name: str
    post_at: int
    text: str


class ScheduledChanges(msgspec.Struct, kw_only=True):
    """Messages to be posted later. One that was posted or cancelled is removed."""

    added: list[ScheduledChange]
    removed: list[ScheduledChange]


class FileChange(msgspec.Struct, kw_only=True):
    """A file that users see, and who uploaded it. The messages that share it are changes of their own."""

    id: str
    name: str
    title: str
    mimetype: str
    user: str
    user_name: str


class FileChanges(msgspec.Struct, kw_only=True):
    """Files."""

    uploaded: list[FileChange]
    deleted: list[FileChange]


class Difference(msgspec.Struct, kw_only=True):
    """All changes, and how many there are; ``team`` has the changed facts of the workspace itself."""

    count: int
    messages: MessageChanges
    reactions: ReactionChanges
    pins: PinChanges
    members: MemberChanges
    channels: ChannelChanges
    people: PersonChanges
    scheduled: ScheduledChanges
    files: FileChanges
    team: dict[str, Changed]
