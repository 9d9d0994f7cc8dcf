"""The ``conversations`` family: methods that change a channel itself."""

from functools import partial
from typing import Final

from tautwire.server.services.channels import changes as channel_changes
from tautwire.server.web_api.access import access
from tautwire.server.web_api.method import Answer, Arguments, Call, Place, Tier, method
from tautwire.server.web_api.methods.conversations import WRITES, seen_now

DESCRIBES: Final = access(
    user=[
        "channels:write.topic", "groups:write.topic", "mpim:write.topic", "im:write.topic", "channels:write",
        "groups:write", "im:write", "mpim:write",
    ],
    bot=[
        "channels:write.topic", "groups:write.topic", "mpim:write.topic", "im:write.topic", "channels:manage",
        "groups:write", "im:write", "mpim:write",
    ],
)  # fmt: skip
"""Who may set a topic or purpose. Source: wire/web-api-methods.md#conversationssettopic (documented)."""


class ConversationsArchive(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.archive."""

    REQUIRED = ("channel",)

    channel: Place = ""


class ConversationsUnarchive(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.unarchive."""

    REQUIRED = ("channel",)

    channel: Place = ""


class ConversationsRename(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.rename."""

    REQUIRED = ("channel", "name")

    channel: Place = ""
    name: str = ""


class ConversationsSetTopic(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.setTopic. Without a topic, it is cleared."""

    REQUIRED = ("channel",)

    channel: Place = ""
    topic: str = ""


class ConversationsSetPurpose(Arguments, frozen=True, kw_only=True):
    """Arguments of conversations.setPurpose. Without a purpose, it is cleared."""

    REQUIRED = ("channel",)

    channel: Place = ""
    purpose: str = ""


@method(
    "conversations.archive", ConversationsArchive, Tier.TWO, WRITES,
    errors=[
        "already_archived", "cant_archive_general", "channel_not_found", "method_not_supported_for_channel_type",
        "not_in_channel",
    ],
)  # fmt: skip
async def archive(call: Call, args: ConversationsArchive) -> Answer:
    """Archive a channel of the caller: its members stay, posts are refused."""
    await call.write(partial(channel_changes.archive, team=call.team, who=call.who, channel=args.channel))
    return {}


@method(
    "conversations.unarchive", ConversationsUnarchive, Tier.TWO, WRITES,
    errors=["channel_not_found", "method_not_supported_for_channel_type", "not_archived"],
)  # fmt: skip
async def unarchive(call: Call, args: ConversationsUnarchive) -> Answer:
    """Open an archived channel again."""
    await call.write(partial(channel_changes.unarchive, team=call.team, who=call.who, channel=args.channel))
    return {}


@method(
    "conversations.rename", ConversationsRename, Tier.TWO, WRITES,
    errors=[
        "channel_not_found", "invalid_name_maxlength", "invalid_name_punctuation", "invalid_name_required",
        "invalid_name_specials", "is_archived", "method_not_supported_for_channel_type", "name_taken",
        "not_authorized", "not_in_channel",
    ],
)  # fmt: skip
async def rename(call: Call, args: ConversationsRename) -> Answer:
    """Rename a channel that the caller has created."""
    name = args.name.strip()
    room = await call.write(
        partial(channel_changes.rename, team=call.team, who=call.who, channel=args.channel, name=name)
    )
    return {"channel": await seen_now(call, room)}


@method(
    "conversations.setTopic", ConversationsSetTopic, Tier.TWO, DESCRIBES,
    errors=[
        "channel_not_found", "is_archived", "method_not_supported_for_channel_type", "not_in_channel", "too_long",
    ],
)  # fmt: skip
async def set_topic(call: Call, args: ConversationsSetTopic) -> Answer:
    """Set the topic of a channel of the caller."""
    room = await call.write(
        partial(channel_changes.change_topic, team=call.team, who=call.who, channel=args.channel, topic=args.topic)
    )
    return {"channel": await seen_now(call, room), "topic": args.topic}


@method(
    "conversations.setPurpose", ConversationsSetPurpose, Tier.TWO, DESCRIBES,
    errors=[
        "channel_not_found", "is_archived", "method_not_supported_for_channel_type", "not_in_channel", "too_long",
    ],
)  # fmt: skip
async def set_purpose(call: Call, args: ConversationsSetPurpose) -> Answer:
    """Set the purpose of a channel of the caller."""
    room = await call.write(
        partial(
            channel_changes.change_purpose, team=call.team, who=call.who, channel=args.channel, purpose=args.purpose
        )
    )
    return {"channel": await seen_now(call, room), "purpose": args.purpose}
