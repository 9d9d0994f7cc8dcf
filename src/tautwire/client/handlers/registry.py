"""The part both clients share: adding and removing handlers, at any time and from any thread."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tautwire.client.backfill.options import Backfilled
from tautwire.client.delivery.delivery import Closed, Delivery, Gap
from tautwire.client.handlers.binding import HandlerList
from tautwire.client.handlers.dispatcher import Dispatcher, Registration
from tautwire.protocol.events import Event


class Queue(NamedTuple):
    """What one handler has before it."""

    handler: str
    """Its qualified name."""
    waiting: int
    """Items that wait for it."""
    dropped: int
    """Items it never got because its queue was full."""
    size: int
    """Bytes of the frames that the waiting items came in."""


class HandlerRegistry:
    """Where handlers are added and removed.

    Event handlers go through ``on``, ``hears``, ``register`` and ``deregister``, which are those of the
    ``dispatcher``. The other kinds get every item, in order; coroutine functions run on the client's loop, plain ones
    in a thread.
    """

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        """The receiving half; not for users."""
        self.dispatcher: Dispatcher = delivery.dispatcher
        self.on = delivery.dispatcher.on
        self.register = delivery.dispatcher.register
        self.hears = delivery.dispatcher.hears
        self.deregister = delivery.dispatcher.deregister

    def queues(self) -> list[Queue]:
        """Return how many items wait for each handler of any kind, now; inline handlers have no queue."""
        lanes = [(each.name, each.lanes) for each in self.delivery.bindings]
        return [Queue(name, each.waiting, each.dropped, each.size) for name, each in lanes if each is not None]

    def add_message_handler(self, handler: Callable[[str], object]) -> Registration:
        """Call ``handler`` with the text of every frame the server sends, replies among them, before it is decoded."""
        return _add(self.delivery.raw, handler)

    def remove_message_handler(self, handler: Callable[[str], object]) -> bool:
        """Take a raw-text handler out; return False if it was not there."""
        return self.delivery.raw.remove(handler)

    def add_error_handler(self, handler: Callable[[BaseException, Event | None], object]) -> Registration:
        """Call ``handler`` with every failure and the event it came with.

        That is: what handlers raise, ``EventsDropped``, frames that cannot be read (``UnreadableFrame``, with the
        ``MalformedEvent``), failed attempts to connect (``ConnectError``), refusals of frames that wait for no reply
        (``SendRefused``), and channels that were not filled (``BackfillIncomplete``); the last three come without an
        event.
        """
        return _add(self.delivery.errors, handler)

    def remove_error_handler(self, handler: Callable[[BaseException, Event | None], object]) -> bool:
        """Take an error handler out; return False if it was not there."""
        return self.delivery.errors.remove(handler)

    def add_close_handler(self, handler: Callable[[Closed], object]) -> Registration:
        """Call ``handler`` with a ``Closed`` each time a connection ends, whoever ended it."""
        return _add(self.delivery.closes, handler)

    def remove_close_handler(self, handler: Callable[[Closed], object]) -> bool:
        """Take a close handler out; return False if it was not there."""
        return self.delivery.closes.remove(handler)

    def add_gap_handler(self, handler: Callable[[Gap], object]) -> Registration:
        """Call ``handler`` with a ``Gap`` each time the client is back after it was away."""
        return _add(self.delivery.gaps, handler)

    def remove_gap_handler(self, handler: Callable[[Gap], object]) -> bool:
        """Take a gap handler out; return False if it was not there."""
        return self.delivery.gaps.remove(handler)

    def add_backfill_handler(self, handler: Callable[[Backfilled], object]) -> Registration:
        """Call ``handler`` with a ``Backfilled`` each time a filling is over; its events are in the queues by then."""
        return _add(self.delivery.fillings, handler)

    def remove_backfill_handler(self, handler: Callable[[Backfilled], object]) -> bool:
        """Take a back-fill handler out; return False if it was not there."""
        return self.delivery.fillings.remove(handler)


def _add(handlers: HandlerList[Any], handler: Callable[..., object]) -> Registration:
    return Registration(handlers.add(handler), handlers.remove)
