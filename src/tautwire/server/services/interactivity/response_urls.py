"""Response URLs: where an app answers to what a person did, five times within half an hour, without a token.

The functions that take a transaction are units. Only the hash of the secret is stored. A URL survives a restart, and is
deleted some time after it has expired; until then its use has an error of its own.

Rules (wire/interactivity.md#response_url). An answer is ephemeral unless it says ``in_channel``. It replaces the
message in which the person acted if it says so. If it says nothing, it does when it is as visible as that message, and
always in a message with legacy buttons. The visibility of a message never changes. A command has no message to replace.
"""

import secrets
from typing import Final, Literal, cast

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Identity, hash_token, identity_of
from tautwire.server.services.channels.room import Room
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity.answers import Reply
from tautwire.server.services.messaging import messages
from tautwire.server.services.messaging.messages import Draft, Posted
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.apps import find_app
from tautwire.server.store.queries.response_urls import (
    ResponseUrl,
    add_response_url,
    count_use,
    delete_expired,
    find_response_url,
)
from tautwire.server.store.queries.users import find_user

PATH: Final = "/hooks/"
"""The path of response URLs and webhooks."""
MAX_USES: Final = 5
LIFETIME: Final = 1_800
"""Seconds. Source of both: wire/interactivity.md#response_url (documented)."""
KEPT: Final = 86_400
"""Seconds for which an expired URL is remembered."""
SECRET_BYTES: Final = 18
"""Random bytes of a secret: 24 characters."""

SourceKind = Literal["command", "action", "shortcut", "legacy", "view"]
FOLDERS: Final = {
    "command": "commands", "action": "actions", "legacy": "actions", "shortcut": "app-actions", "view": "app",
}  # fmt: skip
"""The folder in the URL. Source: wire/interactivity.md#response_url (documented)."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a person acted."""

    kind: SourceKind
    channel: str
    ts: str = ""
    """Of the message; empty if the person did not act in one."""
    is_ephemeral: bool = False
    """Whether only the person sees the message."""

    @property
    def is_replaceable(self) -> bool:
        """Whether the message is one of the app."""
        return bool(self.ts) and self.kind in ("action", "legacy")


def issue(tx: Transaction, team: Team, app: str, user: str, source: Source) -> str:
    """Return the path of a new URL.

    Args:
        user: the id of the person who acted.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    now = tx.now // 1_000_000
    delete_expired(tx, now - KEPT)
    url = ResponseUrl(
        hash_token(secret), app, user, source.channel, source.kind, source.ts, source.is_ephemeral, 0, now + LIFETIME
    )
    add_response_url(tx, url)
    return f"{PATH}{FOLDERS[source.kind]}/{team.id}/{tx.now}/{secret}"


def use(tx: Transaction, team: Team, secret: str, reply: Reply) -> None:
    """Carry out an answer that came at a URL. One that is refused does not count as a use.

    Raises:
        MethodError: expired_url, also for a secret that is not known; used_url; channel_not_found, is_archived,
            message_not_found.
    """
    found = find_response_url(tx, hash_token(secret))
    if found is None or found.expires <= tx.now // 1_000_000:
        raise MethodError("expired_url")
    if found.uses >= MAX_USES:
        raise MethodError("used_url")
    count_use(tx, found.hash)
    source = Source(
        kind=cast("SourceKind", found.source), channel=found.channel, ts=found.ts, is_ephemeral=found.ephemeral
    )
    respond(tx, team, found.app_id, found.user_id, source, reply)


def respond(
    tx: Transaction, team: Team, app: str, user: str, source: Source, reply: Reply, *, said: str = ""
) -> list[Posted]:
    """Post, replace and delete what an answer of an app says; return what was posted or replaced.

    Args:
        user: the id of the person who acted.
        said: what the person typed: an answer that all see shows it before itself.

    Raises:
        MethodError: channel_not_found, is_archived, message_not_found; expired_url as ``author`` does.
    """
    who = author(tx, app)
    room = messages.open_room(tx, source.channel)
    draft = reply.draft
    if reply.deletes and source.is_replaceable:
        if source.is_ephemeral:
            messages.hide(tx, room, user, source.ts)
        else:
            row, before = messages.find_live(tx, room.id, source.ts)
            messages.erase(tx, room, row, before)
    elif draft is not None and _replaces(source, reply):
        if source.is_ephemeral:
            return [messages.show_instead(tx, team, who, room, user, source.ts, draft)]
        return [messages.replace(tx, who, room, source.ts, draft)]
    invocation = [_say(tx, team, room, user, said)] if said and reply.is_public else []
    if draft is None:
        return invocation
    if not reply.is_public:
        return [messages.show(tx, team, who, room, user, draft)]
    return [*invocation, messages.post_in(tx, team, who, room, draft)]


def author(tx: Transaction, app: str) -> Identity:
    """Return the bot in whose name an app answers.

    Raises:
        MethodError: expired_url, if the app is deleted or its bot is deactivated.
    """
    record = find_app(tx, app)
    bot = find_user(tx, record.bot_user) if record is not None and record.bot_user is not None else None
    if record is None or record.deleted is not None or bot is None or bot.deleted:
        raise MethodError("expired_url")
    return identity_of(bot)


def _replaces(source: Source, reply: Reply) -> bool:
    if not source.is_replaceable:
        return False
    if reply.replaces is not None:
        return reply.replaces
    return source.kind == "legacy" or source.is_ephemeral != reply.is_public


def _say(tx: Transaction, team: Team, room: Room, user: str, text: str) -> Posted:
    """Post the command that a person typed."""
    person = find_user(tx, user)
    if person is None:
        raise MethodError("user_not_found")
    return messages.post_in(tx, team, identity_of(person), room, Draft(text=text))
