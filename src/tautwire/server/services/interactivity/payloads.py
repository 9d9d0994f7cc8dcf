"""The payloads of requests to apps. Pure: the members that interactions share, and those of each kind.

Source: wire/interactivity.md#shared-members and the sections of the kinds; the samples are in
wire/interactivity-vectors.md. The builders of views use the same functions.
"""

from typing import Any, Final

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.workspace import Team
from tautwire.server.store.records import ChannelKind, ChannelRecord

VERIFICATION_TOKEN: Final = "retired"  # noqa: S105 - a public constant
"""``token`` of every payload. It is deprecated: receivers check signatures, and in Socket Mode nothing."""

Payload = dict[str, Any]

_CHANNEL_NAMES: Final = {ChannelKind.IM: "directmessage", ChannelKind.PRIVATE: "privategroup"}
"""``channel.name`` where it is not the name. Source: wire/interactivity.md#shared-members (uncertain)."""


def interaction(kind: str, team: Team, app: str, who: Identity) -> Payload:
    """Return the members that every interaction has.

    Args:
        kind: its ``type``.
        who: the person who acts.
    """
    return {
        "type": kind,
        "token": VERIFICATION_TOKEN,
        "api_app_id": app,
        "team": {"id": team.id, "domain": team.domain},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {"id": who.user, "username": who.name, "name": who.name, "team_id": team.id},
    }


def channel_name(channel: ChannelRecord) -> str:
    """Return the name of a conversation in a payload."""
    return _CHANNEL_NAMES.get(channel.kind) or channel.name or ""


def in_channel(channel: ChannelRecord) -> Payload:
    """Return ``channel`` of an interaction."""
    return {"channel": {"id": channel.id, "name": channel_name(channel)}}


def message_container(
    channel: str, ts: str, *, is_ephemeral: bool, thread_ts: str | None = None, attachment: int | None = None
) -> Payload:
    """Return ``container`` of an interaction in a message, or in an attachment of one."""
    thread = {"thread_ts": thread_ts} if thread_ts else {}
    place = {"message_ts": ts, "channel_id": channel, "is_ephemeral": is_ephemeral, **thread}
    if attachment is None:
        return {"type": "message", **place}
    return {"type": "message_attachment", "attachment_id": attachment, "is_app_unfurl": False, **place}


def view_container(view: str) -> Payload:
    """Return ``container`` of an interaction in a view."""
    return {"type": "view", "view_id": view}


def slash_command(
    team: Team, app: str, who: Identity, channel: ChannelRecord, *, command: str, text: str, trigger_id: str,
    response_url: str,
) -> dict[str, str]:  # fmt: skip
    """Return the fields of a slash command: texts only, the same over both doors.

    Args:
        who: the person who uses it.
    """
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": who.user,
        "user_name": who.name,
        "command": command,
        "text": text,
        "api_app_id": app,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def block_actions(base: Payload, container: Payload, action: Payload, *, trigger_id: str) -> Payload:
    """Return a ``block_actions``. The caller adds those of a message or of a view."""
    return base | {"container": container, "trigger_id": trigger_id, "actions": [action]}


def block_suggestion(base: Payload, container: Payload, *, block_id: str, action_id: str, value: str) -> Payload:
    """Return a ``block_suggestion``; the caller adds ``channel`` and ``message``, or ``view``."""
    return base | {"container": container, "block_id": block_id, "action_id": action_id, "value": value}
