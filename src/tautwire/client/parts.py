"""The parts of a client and how they are put together: once, when the client is made.

    Supervisor ─► Connection ─► Delivery ─► Dispatcher and Callbacks ─► handlers
        ▲                          │
        └───────── Sending ◄───────┴─ a replayed message may settle a send

``client/rtm_client`` is what a program calls; each of its verbs is one of a part here.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from tautwire.client.backfill.filler import Filler
from tautwire.client.backfill.options import Backfill
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.rtm_connect import ask
from tautwire.client.connection.supervisor import Supervisor
from tautwire.client.delivery.delivery import Delivery, measured
from tautwire.client.handlers.callbacks import Callbacks
from tautwire.client.handlers.client_handlers import ClientHandlers
from tautwire.client.handlers.dispatcher import Dispatcher
from tautwire.client.handlers.workers import Callers
from tautwire.client.lifecycle.closing import Closing
from tautwire.client.lifecycle.lifecycle import Lifecycle
from tautwire.client.metrics import Metrics, guarded
from tautwire.client.net.web_client import connect_client, reading_client
from tautwire.client.notices import Identity
from tautwire.client.sending.sending import Sending
from tautwire.client.sending.unanswered import UnansweredSends, first_id
from tautwire.client.settings import Settings
from tautwire.client.view.loader import Loader
from tautwire.client.view.options import ViewOptions
from tautwire.client.view.view import View
from tautwire.protocol.events import Event

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from tautwire.client.traces import Tracing


def open_tracing(provider: "TracerProvider | None") -> "Tracing | None":
    """Return what makes the parts that have traces; None without a provider. Nothing of it is imported before."""
    if provider is None:
        return None
    from tautwire.client.traces import Tracing

    return Tracing(provider)


class Parts:
    """The parts of one client.

    Args:
        client: what handlers are given as the client, and what ends them.
        dispatcher: the handlers of events, perhaps filled already.
        settings: where to connect, and the rates and time limits.
        metrics: the hooks to call; None for none.
        backfill: which channels to fill after a gap; None for none.
        view_options: what to keep in the local view; None for no view.
        tracing: makes the parts that have traces; None for none.
    """

    def __init__(
        self,
        client: ClientHandlers,
        dispatcher: Dispatcher,
        settings: Settings,
        *,
        metrics: Metrics | None,
        backfill: Backfill | None,
        view_options: ViewOptions | None,
        tracing: "Tracing | None" = None,
    ) -> None:
        hooks = None if metrics is None else guarded(metrics)
        self.identity: Identity | None = None
        """Who is connected; None before the first answer of ``rtm.connect``."""
        self.loader: Loader | None = None
        """Keeps the local view, if there is one."""
        self.callbacks = callbacks = Callbacks(dispatcher.flow, hooks)
        self.lifecycle = Lifecycle(dispatcher.hooks, callbacks, settings)
        self.supervisor = Supervisor(self._open if tracing is None else tracing.opening(self._open), settings)
        self._dispatcher = dispatcher
        self._settings = settings
        self._metrics = hooks or Metrics()
        self._rtm_connect = connect_client(settings)
        if tracing is not None:
            tracing.trace_calls(self._rtm_connect)
        self._last: Connection | None = None

        dispatcher.attach(callbacks.handler_failed, callbacks.unreadable, client)
        dispatch: Callable[[Event], None] = dispatcher.dispatch
        if hooks is not None:
            dispatcher.measure(hooks)
            dispatch = measured(dispatcher, hooks)

        filler = None
        if backfill is not None:
            filler = Filler(backfill, reading_client(settings), dispatch, callbacks.refused, callbacks.fillings.publish)
        view = None if view_options is None else View(view_options)
        if view is not None and view_options is not None:
            self.loader = Loader(view, view_options, reading_client(settings), callbacks.refused)

        unanswered = UnansweredSends()
        self.delivery = Delivery(
            dispatcher,
            callbacks,
            unanswered,
            self._metrics,
            dispatch,
            self.lifecycle.hello,
            filler=filler,
            loader=self.loader,
        )
        self.sending = (Sending if tracing is None else tracing.sending)(
            self.supervisor, unanswered, callbacks, settings, metrics=hooks, filler=filler, view=view
        )
        self.supervisor.observers = (self.delivery, self.sending, self.lifecycle)
        self.closing = Closing(self.lifecycle, self._finish_events, self._close_connections, client.close_handlers)

    async def _open(self, supervisor: Supervisor) -> Connection:
        """Make one attempt to connect, for the supervisor."""
        old = supervisor.connection
        began = monotonic()
        self.callbacks.use_running_loop()
        self.delivery.before_connect(old)
        answer = await ask(self._rtm_connect, self.delivery.position, self._settings.connect_timeout)
        self.identity = answer.identity
        next_id = first_id() if self._last is None else self._last.next_id
        self._last = await Connection.open(answer, self.delivery, supervisor, self._settings, next_id)
        self._metrics.connected(monotonic() - began)
        return self._last

    async def _finish_events(self, grace: float, callers: Callers) -> None:
        """Keep new events back, and let the handlers finish those they have while the connection is up."""
        connection = self.supervisor.connection
        if connection is not None:
            connection.hold()
            await asyncio.gather(*(each.close(grace, callers) for each in self._dispatcher.bindings))

    async def _close_connections(self) -> None:
        try:
            await self.supervisor.close()
        finally:
            self.sending.unanswered.give_up()
            await self.delivery.stop_reading()
