"""Brings what connections say to the handlers, across the change from one connection to the next.

Here it is decided which events are copies or replays, and how long the client was away. An event takes this way, which
is put together once, when the client is made:

    connection ─► copies and replays are left out ─► view ─► back-fill ─► metrics ─► dispatcher ─► queues of handlers

The view comes first, so that a handler finds an event's change in it. Back-fill may hold events back, and deliver
older ones before them. Handlers are picked by ``client/handlers/dispatcher`` and run by ``client/handlers/binding``.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from tautwire.client.backfill.filler import Filler
from tautwire.client.backpressure import UNMEASURED
from tautwire.client.clock import elapsed
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.observer import Observer
from tautwire.client.delivery.duplicates import Duplicates, is_stamped
from tautwire.client.errors import ConnectError
from tautwire.client.guard import isolated
from tautwire.client.handlers.callbacks import Callbacks
from tautwire.client.handlers.dispatcher import Dispatcher
from tautwire.client.log import LOG
from tautwire.client.metrics import Metrics
from tautwire.client.notices import ClientState, Closed, Gap, Ready, Resume
from tautwire.client.sending.unanswered import UnansweredSends
from tautwire.client.view.loader import Loader
from tautwire.protocol.events import Event, MessageEvent
from tautwire.session.client import Arrival, Ended


class Delivery(Observer):
    """The receiving half of a client.

    Args:
        dispatcher: gives events to their handlers.
        callbacks: the handlers of everything else.
        unanswered: sends that a replayed message may settle.
        metrics: the hooks to call; they must not raise.
        dispatch: what gives an event to its handlers, metrics included; see ``measured``.
        hello: called with a ``Ready`` when events begin to come from a connection.
        filler: fills gaps from the history of channels.
        loader: keeps the local view.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        callbacks: Callbacks,
        unanswered: UnansweredSends,
        metrics: Metrics,
        dispatch: Callable[[Event], None],
        hello: Callable[[Ready], None],
        *,
        filler: Filler | None = None,
        loader: Loader | None = None,
    ) -> None:
        self.flow = dispatcher.flow
        self.raw = callbacks.raw
        self.refused = callbacks.refused
        self.duplicates = Duplicates()
        self.position: str | None = None
        """How far a server that knows positions has delivered."""
        self._dispatcher = dispatcher
        self._callbacks = callbacks
        self._unanswered = unanswered
        self._metrics = metrics
        self._filler = filler
        self._loader = loader
        self._hello = hello
        self._is_first = True
        self._gap: Gap | None = None  # of the connection that was opened last
        self._deliver = _pipeline(dispatch, filler, loader)
        self._last = b""
        self._awaits_replay = False
        self._away_since: tuple[float, str] | None = None
        """When the last connection was last heard, in the time of ``clock.elapsed``, and why it ended."""

    # -- frames ---------------------------------------------------------------------------------------------

    def frames_received(self, frames: Sequence[bytes]) -> None:
        """Give text messages to the raw handlers."""
        for frame in frames:
            self._callbacks.frame_received(frame)

    def events_received(self, arrivals: Iterable[Arrival], frames: Sequence[bytes]) -> None:
        """Give events to their handlers, but no copies."""
        # hot: locals instead of attributes, and all that is rare is asked for once for the whole read
        deliver, last, repeats, flow = self._deliver, self._last, self.duplicates, self.flow
        may_replay = self._awaits_replay or bool(self._unanswered.waiting)
        is_watching = may_replay or repeats.is_expecting
        remembers = repeats.is_remembering
        if is_watching:
            now, replays = elapsed(), list[bytes]()
        for event, flow.frame in arrivals:  # for the queues, which ask for its length
            raw = flow.frame
            if raw == last and is_stamped(raw):  # the server stutters: no two events have the same timestamp
                LOG.debug("left out an event that came twice in a row")
                continue
            last = raw
            if is_watching and may_replay and self._is_replay(event):
                replays.append(raw)
                continue
            if is_watching and repeats.is_expecting and repeats.is_copy(raw, now, self._dispatcher.me):
                continue
            try:
                deliver(event)
            except Exception:  # noqa: BLE001 (a defect of ours, since handlers are caught: never silent, and more comes)
                LOG.exception("a defect: %s was not delivered to all", type(event).__name__)
        self._last = last
        flow.frame = UNMEASURED  # or it would count for the next item that comes in no frame, and be kept alive
        if remembers:
            if is_watching and replays:  # which were not delivered, and are events for our other connections
                frames = [each for each in frames if each not in replays]
            repeats.remember(frames)

    def _is_replay(self, event: Event) -> bool:
        """Return whether an event is our own message sent back: its sender has the ack, or gets it now."""
        if not isinstance(event, MessageEvent):
            return False
        if event.reply_to is None:
            self._awaits_replay = False
            return False
        return self._unanswered.is_replay(event, self._dispatcher.me)

    def positioned(self, position: str) -> None:
        """Remember where to go on."""
        self.position = position
        self.duplicates.positioned()

    def stored(self, payload: bytes, ts: str) -> None:
        """Remember a message of ours that got its ack: should it come as an event, it is a copy."""
        self.duplicates.sent(payload, ts)

    def pinged(self, round_trip: float) -> None:
        """Report how many seconds a ping took."""
        self._metrics.pinged(round_trip)

    # -- connections ----------------------------------------------------------------------------------------

    def before_connect(self, old: Connection | None) -> None:
        """Called before ``rtm.connect``. From here on events of the old connection may come a second time."""
        self.duplicates.hold(overlaps=old is not None)

    def handover_failed(self, old: Connection) -> None:
        """See ``Observer``. What the old connection had still to say may be lost: that is a gap."""
        if old.end is not None:
            reason = old.end.reason
        elif old.is_paused:
            reason = "replaced while the queues of handlers were full"
        else:
            reason = "replaced before it had said all"
        self._away_since = old.heard_at, reason

    def connection_opened(self, new: Connection) -> None:
        """See ``Observer``. Deliver from the new connection, and report what happened in between."""
        # in this order: a gap names the channels that are filled, and the hello names the gap
        for step in (self._go_on, self._look_up, self._report_gap, self._report_hello):
            isolated(step, new)

    def _go_on(self, new: Connection) -> None:
        answer = new.answer
        self._awaits_replay = True
        self._dispatcher.me = answer.identity.user.id
        if answer.resume is not Resume.RESUMED:
            self.position = answer.position
        self.duplicates.take_over(elapsed(), positions=answer.resume is not None)

    def _look_up(self, new: Connection) -> None:
        """Begin to read the view, and note the server's clock for back-fill."""
        if self._loader is not None:
            self._loader.connected(new.answer.identity.user.id, is_resumed=new.answer.resume is Resume.RESUMED)
        if self._filler is not None:
            self._filler.connected(new.answer.clock_ahead)

    def _report_gap(self, new: Connection) -> None:
        self._gap = None
        if self._away_since is None:
            return
        heard_at, reason = self._away_since
        self._away_since = None
        ended = datetime.now(UTC)
        began = ended - timedelta(seconds=elapsed() - heard_at)  # also if the clock was set meanwhile
        resume, filler = new.answer.resume, self._filler
        if resume is Resume.RESUMED or filler is None:
            self._gap = Gap(began, ended, reason, resume)
            self._callbacks.gaps.publish(self._gap)
        else:
            self._gap = gap = Gap(began, ended, reason, resume, filling=filler.ids)
            self._callbacks.gaps.publish(gap)
            filler.fill(gap)

    def _report_hello(self, new: Connection) -> None:
        is_first, self._is_first = self._is_first, False
        self._hello(Ready(new.answer.identity, is_first, new.answer.resume, self._gap))

    def connection_closed(
        self, connection: Connection, ended: Ended, *, was_replaced: bool, will_reconnect: bool
    ) -> None:
        """See ``Observer``. Report the end, and remember since when the client is away."""
        if not was_replaced:
            self._away_since = connection.heard_at, ended.reason
            if self._loader is not None:
                isolated(self._loader.disconnected)
        code = connection.end.code if connection.end is not None else None
        closed = Closed(code, ended.reason, will_reconnect, ended.cause)
        self._metrics.disconnected(closed)
        self._callbacks.closes.publish(closed)

    def connect_failed(self, error: ConnectError) -> None:
        """See ``Observer``."""
        self._metrics.attempt_failed(error)
        self.duplicates.release()
        self._callbacks.connect_failed(error)

    def state_changed(self, state: ClientState) -> None:
        """See ``Observer``."""
        self._metrics.state_changed(state)

    async def stop_reading(self) -> None:
        """End what reads from the Web API: deliver what is held for the sake of order, and leave no task."""
        if self._loader is not None:
            await self._loader.stop()
        if self._filler is not None:
            await self._filler.stop()


def measured(dispatcher: Dispatcher, metrics: Metrics) -> Callable[[Event], None]:
    """Return a function that reports an event to ``metrics`` and gives it to its handlers."""
    received, dispatch = metrics.event_received, dispatcher.dispatch

    def measure(event: Event) -> None:
        received(event)
        dispatch(event)

    return measure


def _pipeline(
    dispatch: Callable[[Event], None], filler: Filler | None, loader: Loader | None
) -> Callable[[Event], None]:
    """Return the function that takes a new event: view, then back-fill, then the handlers."""
    deliver = dispatch if filler is None else filler.event_received
    if loader is None:
        return deliver
    apply = loader.view.apply

    def view_and_deliver(event: Event) -> None:
        apply(event)
        deliver(event)

    return view_and_deliver
