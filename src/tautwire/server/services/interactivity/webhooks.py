"""Incoming webhooks: a URL that posts into one channel in the name of an app, without a token.

The functions that take a transaction are units. Only the hash of the secret is stored; the URL is seen once, when the
webhook is made. Source: wire/webhooks.md.
"""

import secrets
from typing import Final, NamedTuple

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import hash_token, new_id
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity.answers import Reply
from tautwire.server.services.interactivity.response_urls import PATH, SECRET_BYTES, author
from tautwire.server.services.messaging import messages
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.apps import find_app
from tautwire.server.store.queries.channels import find_channel
from tautwire.server.store.queries.webhooks import (
    WebhookRecord,
    add_webhook,
    find_webhook,
    find_webhook_called,
    find_webhooks,
    set_webhook_revoked,
)

FOLDER: Final = "services"
"""The folder of webhooks. Source: wire/webhooks.md (documented)."""
SCOPE: Final = "incoming-webhook"
"""Of an app that has webhooks. Source: wire/webhooks.md (documented)."""
MAX_WEBHOOKS: Final = 100
"""Webhooks of an app (ours)."""


class Webhook(NamedTuple):
    """A new webhook."""

    record: WebhookRecord
    path: str
    """The path of its URL, with the secret."""

    def __repr__(self) -> str:
        return f"Webhook(id={self.record.id!r}, …)"


def create(tx: Transaction, team: str, app: str, channel: str, user: str = "") -> Webhook:
    """Make a webhook of an app for a channel.

    Args:
        team: its id.
        user: the id of the person who has allowed it; empty for the operator.

    Raises:
        MethodError: app_not_found, channel_not_found, is_archived; too_many_webhooks (ours).
    """
    record = find_app(tx, app)
    if record is None or record.deleted is not None or record.bot_user is None:
        raise MethodError("app_not_found")
    found = find_channel(tx, channel)
    if found is None:
        raise MethodError("channel_not_found")
    if found.archived:
        raise MethodError("is_archived")
    if len(find_webhooks(tx, app)) >= MAX_WEBHOOKS:
        raise MethodError("too_many_webhooks")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    webhook = WebhookRecord(new_id("B"), hash_token(secret), app, channel, user, tx.now // 1_000_000)
    add_webhook(tx, webhook)
    return Webhook(webhook, f"{PATH}{FOLDER}/{team}/{webhook.id}/{secret}")


def revoke(tx: Transaction, webhook: str) -> None:
    """End a webhook; raise ``MethodError`` (no_service) if there is none with this id."""
    if find_webhook_called(tx, webhook) is None:
        raise MethodError("no_service")
    set_webhook_revoked(tx, webhook, tx.now // 1_000_000)


def post(tx: Transaction, team: Team, webhook: str, secret: str, reply: Reply) -> None:
    """Post a message that came at a webhook.

    Raises:
        MethodError: no_service if there is no such webhook; channel_not_found, is_archived, no_text.
    """
    found = find_webhook(tx, hash_token(secret))
    if found is None or found.id != webhook:
        raise MethodError("no_service")
    if reply.draft is None:
        raise MethodError("no_text")
    reply.draft.as_bot = True
    room = messages.open_room(tx, found.channel)
    messages.post_in(tx, team, author(tx, found.app_id), room, reply.draft)
