"""Where files are shared, below ``messaging``: what becomes of files when a message goes (in a unit)."""

from tautwire.server.log.entry import WORKSPACE, Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.store.queries.files import (
    Share,
    State,
    delete_share,
    delete_shares,
    find_file,
    find_shared,
    find_shares,
    set_public,
    set_state,
)


def withdraw(tx: Transaction, channel: str, ts: str, user: str) -> None:
    """Take the files of a deleted message out of its channel; a file that is then shared nowhere is deleted.

    Source: wire/files.md#events-of-an-upload (that it is deleted is ours).
    """
    for file in find_shared(tx, channel, ts):
        if len(find_shares(tx, [file])) == 1:
            end(tx, file)
        else:
            delete_share(tx, Share(file, channel, ts))
            emit(tx, "file_unshared", Topic(channel), file, user, channel_id=channel)


def end(tx: Transaction, file: str) -> None:
    """Delete a file: it is seen no more from here on, and its bytes are cleared away later. Emits file_deleted."""
    channels = sorted({share.channel for share in find_shares(tx, [file])})
    record = find_file(tx, file)
    delete_shares(tx, file)
    set_public(tx, file, None)
    set_state(tx, file, State.DELETED, tx.now // 1_000_000)
    # A file that was shared nowhere is known to its uploader only.
    topic = WORKSPACE if channels or record is None else Topic(record.user_id)
    tx.emit(topic, event("file_deleted", file_id=file, event_ts=next_event_ts(tx)))


def emit(tx: Transaction, kind: str, topic: Topic, file: str, user: str, **members: str) -> None:
    """Emit an event of a file. Source: wire/event-sources.md#files (documented)."""
    tx.emit(topic, event(kind, file_id=file, user_id=user, file={"id": file}, event_ts=next_event_ts(tx), **members))
