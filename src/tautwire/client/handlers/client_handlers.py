"""The part both clients share: where handlers of all kinds are added and removed, at any time and from any thread."""

import asyncio
from collections.abc import Callable
from typing import Any

from tautwire.client.handlers.binding import Binding
from tautwire.client.handlers.callbacks import Callbacks, HandlerList
from tautwire.client.handlers.context import AnyClient
from tautwire.client.handlers.dispatcher import Dispatcher
from tautwire.client.handlers.hooks import HookDecorators
from tautwire.client.handlers.registration import Registration, check_takes
from tautwire.client.handlers.workers import Callers
from tautwire.client.log import LOG
from tautwire.client.notices import Backfilled, ClientState, Closed, Gap, Queue
from tautwire.protocol.events import Event


class ClientHandlers(AnyClient, HookDecorators):
    """Where handlers are added and removed.

    Event handlers go through ``on``, ``hears``, ``register`` and ``deregister``, which are those of the
    ``dispatcher``. The other kinds get every item, in order; coroutine functions run on the client's loop, plain ones
    in a thread.
    """

    def __init__(self, dispatcher: Dispatcher, callbacks: Callbacks) -> None:
        self.dispatcher = dispatcher
        self.hooks = dispatcher.hooks
        self.callbacks = callbacks
        """The handlers of everything but events; not for users."""
        self.on = dispatcher.on
        self.register = dispatcher.register
        self.hears = dispatcher.hears
        self.deregister = dispatcher.deregister

    @property
    def _bindings(self) -> list[Binding[Any]]:
        return [*self.dispatcher.bindings, *self.callbacks.bindings, *self.hooks.bindings]

    async def close_handlers(self, grace: float, callers: Callers) -> None:
        """Let handlers finish for ``grace`` seconds, then end them; not for users."""
        bindings = self._bindings  # kept: a handler that is taken out meanwhile is waited for all the same
        ended = await asyncio.gather(*(binding.close(grace, callers) for binding in bindings))
        for binding, is_ended in zip(bindings, ended, strict=True):
            if not is_ended:
                LOG.warning("handler %s does not end; it is left behind", binding.name)

    def queues(self) -> list[Queue]:
        """Return how many items wait for each handler of any kind, now; inline handlers have no queue."""
        queues = [(each.name, each.queue) for each in self._bindings]
        return [Queue(name, each.waiting, each.dropped, each.size) for name, each in queues if each is not None]

    def add_message_handler(self, handler: Callable[[str], object]) -> Registration:
        """Call ``handler`` with the text of every frame the server sends, replies among them, before it is decoded."""
        check_takes(handler, "message", 1, "one argument, the text of a frame")
        return _add(self.callbacks.raw, handler)

    def remove_message_handler(self, handler: Callable[[str], object]) -> bool:
        """Take a raw-text handler out; return False if it was not there."""
        return self.callbacks.raw.remove(handler)

    def add_error_handler(self, handler: Callable[[BaseException, Event | None], object]) -> Registration:
        """Call ``handler`` with every failure and the event it came with.

        That is: what handlers raise, ``EventsDropped``, frames that cannot be read (``UnreadableFrame``, with the
        ``MalformedEvent``), failed attempts to connect (``ConnectError``), refusals of frames that wait for no reply
        (``SendRefused``), and channels that were not filled (``BackfillIncomplete``); the last three come without an
        event.
        """
        check_takes(handler, "error", 2, "two arguments, an exception and an event or None")
        return _add(self.callbacks.errors, handler)

    def remove_error_handler(self, handler: Callable[[BaseException, Event | None], object]) -> bool:
        """Take an error handler out; return False if it was not there."""
        return self.callbacks.errors.remove(handler)

    def add_state_handler(self, handler: Callable[[ClientState], object]) -> Registration:
        """Call ``handler`` with every new ``ClientState``. By then the client may be in a later one."""
        check_takes(handler, "state", 1, "one argument, a ClientState")
        return _add(self.callbacks.states, handler)

    def remove_state_handler(self, handler: Callable[[ClientState], object]) -> bool:
        """Take a state handler out; return False if it was not there."""
        return self.callbacks.states.remove(handler)

    def add_close_handler(self, handler: Callable[[Closed], object]) -> Registration:
        """Call ``handler`` with a ``Closed`` each time a connection ends, from either side."""
        check_takes(handler, "close", 1, "one argument, a Closed")
        return _add(self.callbacks.closes, handler)

    def remove_close_handler(self, handler: Callable[[Closed], object]) -> bool:
        """Take a close handler out; return False if it was not there."""
        return self.callbacks.closes.remove(handler)

    def add_gap_handler(self, handler: Callable[[Gap], object]) -> Registration:
        """Call ``handler`` with a ``Gap`` each time the client is back after it was away."""
        check_takes(handler, "gap", 1, "one argument, a Gap")
        return _add(self.callbacks.gaps, handler)

    def remove_gap_handler(self, handler: Callable[[Gap], object]) -> bool:
        """Take a gap handler out; return False if it was not there."""
        return self.callbacks.gaps.remove(handler)

    def add_backfill_handler(self, handler: Callable[[Backfilled], object]) -> Registration:
        """Call ``handler`` with a ``Backfilled`` each time a filling is over; its events are in the queues by then."""
        check_takes(handler, "backfill", 1, "one argument, a Backfilled")
        return _add(self.callbacks.fillings, handler)

    def remove_backfill_handler(self, handler: Callable[[Backfilled], object]) -> bool:
        """Take a back-fill handler out; return False if it was not there."""
        return self.callbacks.fillings.remove(handler)


def _add(handlers: HandlerList[Any], handler: Callable[..., object]) -> Registration:
    return Registration(handlers.add(handler), handlers.remove)
