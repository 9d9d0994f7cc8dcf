"""Apps: what owns a bot and tokens. All functions that take a transaction are units.

Creating an app with a bot and deleting one changes the bot's user too, so everybody gets the events of a new and of a
changed user (``services.people.accounts``). ``app_uninstalled`` is an event for the app alone, which only its tap
reads (wire/events-api.md#event-by-event).
"""

import secrets
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tautwire.protocol.ids import UserId
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import Holder, hash_token, new_id
from tautwire.server.services.access.subscriptions import announce as announce_subscription
from tautwire.server.services.access.tokens import emit_revoked, end_quietly, holder_of
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.people.accounts import announce, deactivate
from tautwire.server.services.people.presence import NEW_BOT
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.apps import (
    AppRecord,
    add_app,
    find_app,
    find_app_by_name,
    set_app_deleted,
    set_app_secrets,
)
from tautwire.server.store.queries.consents import delete_consents_of
from tautwire.server.store.queries.response_urls import delete_urls_of
from tautwire.server.store.queries.tokens import TokenRecord, find_tokens_of_app
from tautwire.server.store.queries.users import add_user, find_user, find_user_by_name
from tautwire.server.store.queries.views import delete_views_of_app
from tautwire.server.store.queries.webhooks import revoke_webhooks_of
from tautwire.server.store.records import UserRecord


class App(NamedTuple):
    """A new app."""

    record: AppRecord
    bot: UserRecord


class Secrets(msgspec.Struct, frozen=True):
    """The secrets of an app. The client secret cannot be read again. Forms: wire/ids-and-timestamps.md#ids."""

    client_id: str
    client_secret: str
    signing_secret: str

    def __repr__(self) -> str:
        return f"Secrets(client_id={self.client_id!r}, …)"


def create_app(tx: Transaction, team: Team, name: str, *, bot_name: str, real_name: str = "") -> App:
    """Create an app with its bot user.

    Raises:
        MethodError: name_taken, by an app or, for the bot, by a user. Deactivated users keep their names.
    """
    app = add(tx, name, bot_name=bot_name, real_name=real_name)
    announce(tx, team, app.bot, is_new=True)
    return app


def add(tx: Transaction, name: str, *, bot_name: str, real_name: str = "", email: str | None = None) -> App:
    """Do what ``create_app`` does, without events: for a workspace that is being filled."""
    if find_app_by_name(tx, name) is not None or find_user_by_name(tx, bot_name) is not None:
        raise MethodError("name_taken")
    now = tx.now // 1_000_000
    bot = UserRecord(
        UserId(new_id("U")), bot_name, real_name, email, deleted=False, away=False, created=now, updated=now,
        bot_id=new_id("B"), app_id=new_id("A"),
    )  # fmt: skip
    add_user(tx, bot)
    app = AppRecord(str(bot.app_id), name, bot.id, None, now)
    add_app(tx, app)
    tx.note("room", Topic(bot.id), NEW_BOT)
    return App(app, bot)


def renew_secrets(tx: Transaction, app: str) -> Secrets:
    """Give an app new secrets; the old ones are no longer accepted. Raise app_not_found if there is no such app."""
    _find(tx, app)
    number = f"{secrets.randbelow(10**12):012}"
    made = Secrets(f"{number}.{secrets.randbelow(10**12):012}", secrets.token_hex(16), secrets.token_hex(16))
    set_app_secrets(
        tx, app, client_id=made.client_id, client_secret_hash=hash_token(made.client_secret),
        signing_secret=made.signing_secret,
    )  # fmt: skip
    return made


def delete_app(tx: Transaction, team: Team, app: str) -> None:
    """Delete an app: its tokens are revoked, and its bot is deactivated. The rows stay: messages refer to them.

    Raises:
        MethodError: app_not_found.
    """
    record = _find(tx, app)
    set_app_deleted(tx, app, deleted=tx.now // 1_000_000)
    announce_subscription(tx, app)
    delete_views_of_app(tx, app)
    _revoke(tx, record, [token for token in find_tokens_of_app(tx, app) if token.revoked is None])
    delete_consents_of(tx, app)
    if record.bot_user is not None:
        deactivate(tx, team, record.bot_user)


def uninstall_app(tx: Transaction, app: str) -> None:
    """Revoke the tokens that an app has of its bot and of people, its webhooks and response URLs, and emit that to it.

    It can be installed again. Its app-level tokens stay, so that it gets these events, over the doors that it had.

    Raises:
        MethodError: app_not_found.
    """
    record = _find(tx, app)
    lost = [token for token in find_tokens_of_app(tx, app) if token.revoked is None and token.user_id is not None]
    _revoke(tx, record, lost)
    revoke_webhooks_of(tx, app, tx.now // 1_000_000)
    delete_urls_of(tx, app)
    delete_consents_of(tx, app)
    emit_revoked(tx, lost)
    tx.emit_to_app(app, event("app_uninstalled", event_ts=next_event_ts(tx)))


def _revoke(tx: Transaction, record: AppRecord, tokens: Iterable[TokenRecord]) -> None:
    for token in tokens:
        user = find_user(tx, token.user_id) if token.user_id is not None else None
        end_quietly(tx, holder_of(user) if user is not None else Holder(record.id, record.name), token)


def _find(tx: Transaction, app: str) -> AppRecord:
    record = find_app(tx, app)
    if record is None or record.deleted is not None:
        raise MethodError("app_not_found")
    return record
