"""Users who are deactivated and come back. Both functions are units.

A deactivated user stays in the channels, and what the user wrote stays. Every token of the user answers
account_inactive, and every connection is closed. After a reactivation the tokens that were not revoked are accepted
again.
"""

import msgspec

from tautwire.server.log.entry import WORKSPACE
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import note_holder
from tautwire.server.services.access.tokens import holder_of
from tautwire.server.services.errors import MethodError
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.services.wire_objects import bot_object, user_object
from tautwire.server.services.workspace import Team
from tautwire.server.store.queries.apps import find_app
from tautwire.server.store.queries.users import find_user, set_deleted
from tautwire.server.store.records import SLACKBOT_ID, UserRecord


def deactivate(tx: Transaction, team: Team, user: str) -> UserRecord:
    """Deactivate a person or bot; no effect if that is done. Return the user as it is then.

    Raises:
        MethodError: user_not_found; for Slackbot too.
    """
    return _set(tx, team, user, deleted=True)


def reactivate(tx: Transaction, team: Team, user: str) -> UserRecord:
    """Reactivate a person or bot; no effect if that is done. Return the user as it is then.

    Raises:
        MethodError: user_not_found; app_not_found for the bot of a deleted app.
    """
    return _set(tx, team, user, deleted=False)


def announce(tx: Transaction, team: Team, user: UserRecord, *, is_new: bool = False) -> None:
    """Emit that a user is new or has changed, to all. The address is not in it: not all of them may read it.

    Source: wire/event-sources.md (team_join, user_change, bot_added, bot_changed; that both come for a bot is ours).
    """
    if user.bot_id is not None:
        name = "bot_added" if is_new else "bot_changed"
        tx.emit(WORKSPACE, event(name, bot=bot_object(user), event_ts=next_event_ts(tx)))
    seen = user_object(user, team, shows_email=False)
    tx.emit(WORKSPACE, event("team_join" if is_new else "user_change", user=seen, event_ts=next_event_ts(tx)))


def _set(tx: Transaction, team: Team, user: str, *, deleted: bool) -> UserRecord:
    record = find_user(tx, user)
    if record is None or record.id == SLACKBOT_ID:
        raise MethodError("user_not_found")
    if record.deleted is deleted:
        return record
    if not deleted and record.app_id is not None:
        app = find_app(tx, record.app_id)
        if app is not None and app.deleted is not None:
            raise MethodError("app_not_found")
    now = tx.now // 1_000_000
    set_deleted(tx, user, deleted=deleted, updated=now)
    # The bot's profile in messages says whether the bot is deleted.
    tx.forget("bot_profile", user)
    record = msgspec.structs.replace(record, deleted=deleted, updated=now)
    note_holder(tx, holder_of(record))
    announce(tx, team, record)
    return record
