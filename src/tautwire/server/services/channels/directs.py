"""Direct messages that are open or closed: each member has them in a list, and takes them from it. The functions are
parts of units.

A closed one still gets messages, and a message opens it again for all its members
(wire/delivery.md#what-a-call-produces). Who has closed it is in the memory of the room, so a message that opens nothing
costs no query.
"""

from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.channels.room import Room, forget
from tautwire.server.services.events import event, next_event_ts
from tautwire.server.store.queries.membership import set_open
from tautwire.server.store.records import ChannelKind


def change(tx: Transaction, room: Room, user: str, *, is_open: bool) -> None:
    """Put a direct message into the list of a member or take it from there; emits the event to the member."""
    set_open(tx, room.id, user, is_open=is_open)
    forget(tx, room.id)
    tx.note("room", room.topic)  # the event is on the topic of the user, and other writers remember the room
    emit(tx, room, user, "open" if is_open else "close")


def reopen(tx: Transaction, room: Room) -> None:
    """Open a direct message again for the members who have closed it."""
    for user in sorted(room.closed):
        change(tx, room, user, is_open=True)


def emit(tx: Transaction, room: Room, user: str, what: str) -> None:
    """Emit to a member that a direct message was opened or closed (``what``: open or close)."""
    for family in ("im",) if room.channel.kind is ChannelKind.IM else ("mpim", "group"):
        tx.emit(Topic(user), event(f"{family}_{what}", user=user, channel=room.id, event_ts=next_event_ts(tx)))
