"""Brings what connections say to the user's handlers, across the change from one connection to the next.

Here it is decided which connection counts, which events are copies, how long the client was away, and who hears of a
failure. Handlers are run by ``tautwire.client.handlers``, picked by the dispatcher.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tautwire.client.backfill import Backfilled
from tautwire.client.clock import elapsed
from tautwire.client.connection import Connection
from tautwire.client.dispatcher import Dispatcher
from tautwire.client.errors import (
    BackfillIncomplete,
    ConnectError,
    EventsDropped,
    SendRefused,
    UnreadableFrame,
    ViewIncomplete,
)
from tautwire.client.filler import Filler
from tautwire.client.flow import UNMEASURED
from tautwire.client.grant import Resume
from tautwire.client.guard import isolated
from tautwire.client.handlers import Binding, HandlerList
from tautwire.client.loader import Loader
from tautwire.client.log import LOG
from tautwire.client.metrics import Metrics, guarded
from tautwire.client.repeats import Repeats, is_stamped
from tautwire.client.sends import REPLAY_WAIT, Orphans
from tautwire.protocol.events import Event, MalformedEvent, MessageEvent
from tautwire.protocol.frames import PresenceSub
from tautwire.protocol.ids import ChannelId, UserId
from tautwire.session.client import Arrival, Cause, Ended
from tautwire.session.members import FrameError

if TYPE_CHECKING:
    from tautwire.client.supervisor import ClientState


_MAX_KINDS: Final = 50
"""Kinds of unreadable frames that get a line in the log."""


class Closed(NamedTuple):
    """A connection ended; given to close handlers."""

    code: int | None
    """The server's WebSocket close code; None if it sent none, or one that the WebSocket protocol does not allow."""
    reason: str
    will_reconnect: bool
    """Whether another connection is there or being made."""
    cause: Cause
    """Why it ended, as one of a few."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The client was away and is back; given to gap handlers."""

    began: datetime
    """When the old connection was last heard, in UTC, as the clock counts when the gap is told."""
    ended: datetime
    """When the new one got its hello, in UTC."""
    reason: str
    """Why the old connection ended."""
    resume: Resume | None
    """What the server said about the events in between; None from a server that says nothing."""
    filling: tuple[ChannelId, ...] = ()
    """The channels whose messages are looked for in their history now; a ``Backfilled`` tells when that is over."""

    @property
    def is_filled(self) -> bool:
        """Whether all events of the gap are delivered all the same, right after this."""
        return self.resume is Resume.RESUMED


class Delivery:
    """The receiving half of a client."""

    def __init__(self, dispatcher: Dispatcher, *, reply_patience: float, metrics: Metrics | None = None) -> None:
        if dispatcher.report is not None:
            raise ValueError("this dispatcher belongs to another client")
        dispatcher.report = self.report
        dispatcher.unreadable = self.unreadable
        self.dispatcher = dispatcher
        self.flow = flow = dispatcher.flow
        self.raw: HandlerList[str] = HandlerList(self.report, flow, pauses=True)
        self.errors: HandlerList[tuple[BaseException, Event | None]] = HandlerList(self.report, flow, spread=True)
        self.closes: HandlerList[Closed] = HandlerList(self.report, flow)
        self.gaps: HandlerList[Gap] = HandlerList(self.report, flow)
        self.fillings: HandlerList[Backfilled] = HandlerList(self.report, flow)
        self.filler: Filler | None = None
        """Fills gaps from the history of channels, if the client is to do that."""
        self.loader: Loader | None = None
        """Keeps the local view, if the client has one."""
        self.repeats = Repeats()
        self.orphans = Orphans()
        self.position: str | None = None
        """How far a server that knows positions has delivered."""
        self.presence: list[UserId] | None = None
        """The users whose presence every new connection subscribes to."""
        self._last = b""
        self._unreadable: set[str] = set()  # kinds of faults that are in the log
        self._awaits_replay = False
        self._away_since: tuple[float, str] | None = None
        """When the last connection was last heard, in the time of ``clock.elapsed``, and why it ended."""
        self.step_taken: Callable[[ClientState], None] = lambda _: None
        """Called with every new state of the client."""
        self._reply_patience = reply_patience
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self.metrics = Metrics()
        """Hears what happens; without an object of the user's, a deaf one."""
        self.dispatch: Callable[[Event], None] = dispatcher.dispatch
        """Gives an event to its handlers."""
        self.is_measured = metrics is not None
        """Whether there is somebody to hear what happens."""
        if metrics is not None:
            self._measure(guarded(metrics))
        self._deliver = self.dispatch

    def _measure(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.dispatcher.measure(metrics)
        for each in self._lists:
            each.measure(metrics)

        def dispatch(event: Event) -> None:
            metrics.event_received(event)
            self.dispatcher.dispatch(event)

        self.dispatch = dispatch

    def fill_with(self, filler: Filler) -> None:
        """Let a filler have every event before the handlers."""
        self.filler = filler
        self._deliver = filler.event_received

    def view_with(self, loader: Loader) -> None:
        """Let a view have every event before everybody else."""
        self.loader = loader
        apply, deliver = loader.view.apply, self._deliver

        def viewed(event: Event) -> None:
            apply(event)
            deliver(event)

        self._deliver = viewed

    @property
    def _lists(self) -> tuple[HandlerList[Any], ...]:
        return self.raw, self.closes, self.gaps, self.fillings, self.errors

    @property
    def bindings(self) -> list[Binding[Any]]:
        """All handlers of every kind."""
        return [*self.dispatcher.bindings, *(binding for each in self._lists for binding in each.bindings)]

    # -- frames ---------------------------------------------------------------------------------------------

    def frames_received(self, frames: Sequence[bytes]) -> None:
        """Give text messages to the raw handlers."""
        if self.raw.bindings:
            flow = self.flow
            for flow.frame in frames:
                self.raw.publish(flow.frame.decode(errors="replace"))
            flow.frame = UNMEASURED

    def events_received(self, arrivals: Iterable[Arrival], frames: Sequence[bytes]) -> None:
        """Give events to their handlers, but no copies."""
        deliver, last, repeats, flow = self._deliver, self._last, self.repeats, self.flow
        may_replay = self._awaits_replay or bool(self.orphans.waiting)
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
            if is_watching and repeats.is_expecting and repeats.is_copy(raw, now, self.dispatcher.me):
                continue
            try:
                deliver(event)
            except Exception:  # noqa: BLE001 (a defect of ours, since handlers are caught: never silent, and more comes)
                LOG.exception("a defect: %s was not delivered to all", type(event).__name__)
        self._last = last
        flow.frame = UNMEASURED
        if remembers:
            if is_watching and replays:  # which were not delivered, and are events for our other connections
                frames = [each for each in frames if each not in replays]
            repeats.remember(frames)

    def _is_replay(self, event: Event) -> bool:
        """Tell whether an event is our own message sent back, which is no news: who sent it knows, or is told now."""
        if not isinstance(event, MessageEvent):
            return False
        if event.reply_to is None:
            self._awaits_replay = False
            return False
        return self.orphans.is_replay(event, self.dispatcher.me)

    def positioned(self, position: str) -> None:
        """Remember where to go on."""
        self.position = position
        self.repeats.positioned()

    def stored(self, payload: bytes, ts: str) -> None:
        """Remember a message of ours: should it come as an event, it is no news."""
        self.repeats.sent(payload, ts)

    def pinged(self, round_trip: float) -> None:
        """Tell how long a ping took."""
        self.metrics.pinged(round_trip)

    def unreadable(self, event: MalformedEvent) -> None:
        """Report a frame that could not be read: to the error handlers each one, to the log one of each kind."""
        error = UnreadableFrame(event.reason)
        kind = event.reason.partition(" (")[0]  # what follows is the place in the frame
        if kind not in self._unreadable and len(self._unreadable) < _MAX_KINDS:
            self._unreadable.add(kind)
            LOG.warning("%s; %d bytes; more of this kind are not logged", error, len(event.raw))
        self.errors.publish((error, event))

    def refused(self, error: SendRefused | FrameError | BackfillIncomplete | ViewIncomplete) -> None:
        """Tell of the refusal of a frame nobody waits for, or of something that could not be read."""
        LOG.warning("%s", error)
        self.errors.publish((error, None))

    # -- connections ----------------------------------------------------------------------------------------

    def asking(self, old: Connection | None) -> None:
        """Prepare for a successor: what the old connection delivers from now on may come again."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self.repeats.hold(overlaps=old is not None)

    def cut_short(self, old: Connection) -> None:
        """Note that what a replaced connection had still to say may be lost."""
        if old.end is not None:
            reason = old.end.reason
        elif old.is_paused:
            reason = "replaced while the queues of handlers were full"
        else:
            reason = "replaced before it had said all"
        self._away_since = old.heard_at, reason

    def taken_over(self, new: Connection) -> None:
        """Deliver from the new connection on, and make up for what happened in between."""
        for step in (self._go_on, self._look_up, self._report_gap, self._await_replays, self._subscribe):
            isolated(step, new)

    def _go_on(self, new: Connection) -> None:
        grant = new.grant
        self._awaits_replay = True
        self.dispatcher.me = grant.identity.user.id
        if grant.resume is not Resume.RESUMED:
            self.position = grant.position
        self.repeats.take_over(elapsed(), positions=grant.resume is not None)
        LOG.info("connected as %s to %s", grant.identity.user.id, grant.identity.team.domain)

    def _look_up(self, new: Connection) -> None:
        """Let what reads from the Web API know."""
        if self.loader is not None:
            self.loader.connected(new.grant.identity.user.id, is_resumed=new.grant.resume is Resume.RESUMED)
        if self.filler is not None:
            self.filler.connected(new.grant.clock_ahead)

    def _report_gap(self, new: Connection) -> None:
        if self._away_since is None:
            return
        heard_at, reason = self._away_since
        self._away_since = None
        ended = datetime.now(UTC)
        began = ended - timedelta(seconds=elapsed() - heard_at)  # also if the clock was set meanwhile
        resume, filler = new.grant.resume, self.filler
        if resume is Resume.RESUMED or filler is None:
            self.gaps.publish(Gap(began, ended, reason, resume))
        else:
            gap = Gap(began, ended, reason, resume, filling=filler.ids)
            self.gaps.publish(gap)
            filler.fill(gap)

    def _await_replays(self, _new: Connection) -> None:
        if self.orphans.waiting:
            self.orphans.give_up_after(REPLAY_WAIT)

    def _subscribe(self, new: Connection) -> None:
        if self.presence is not None and new.is_live:  # a successor may end before it is let speak
            try:
                new.send(PresenceSub(self.presence))
            except FrameError as error:  # its number has become longer, or somebody took it
                self.refused(error)

    def ended(self, connection: Connection, ended: Ended, *, was_replaced: bool, will_reconnect: bool) -> None:
        """Tell of the end of a connection, and remember since when the client is away."""
        isolated(self.orphans.adopt, connection, self._reply_patience)
        if not will_reconnect:
            isolated(self.orphans.give_up)
        if not was_replaced:
            self._away_since = connection.heard_at, ended.reason
            if self.loader is not None:
                isolated(self.loader.disconnected)
        code = connection.end.code if connection.end is not None else None
        closed = Closed(code, ended.reason, will_reconnect, ended.cause)
        isolated(self.metrics.disconnected, closed)
        self.closes.publish(closed)

    def trouble(self, error: ConnectError) -> None:
        """Tell of an attempt that came to nothing."""
        LOG.warning("%s", error)
        self.metrics.attempt_failed(error)
        self.repeats.release()
        self.errors.publish((error, None))

    def stepped(self, state: "ClientState") -> None:
        """Tell of the client's new state."""
        self.step_taken(state)
        self.metrics.state_changed(state)

    async def stop_reading(self) -> None:
        """End what reads from the Web API: deliver what is held for the sake of order, and leave no task."""
        if self.loader is not None:
            await self.loader.stop()
        if self.filler is not None:
            await self.filler.stop()

    # -- failures -------------------------------------------------------------------------------------------

    def report(self, error: BaseException, item: Any, binding: Binding[Any]) -> None:
        """Tell of a handler's failure: always the log, and the error handlers unless it is one of them.

        Called on the loop or in a handler's thread.
        """
        if isinstance(error, EventsDropped):
            LOG.error("%s", error)
        else:
            LOG.error("handler %s failed", binding.name, exc_info=error)
        if binding in self.errors.bindings or not self.errors:
            return
        report = (error, item if isinstance(item, Event) else None)
        if threading.get_ident() == self._thread:
            self.errors.publish(report)
        elif self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.errors.publish, report)

    async def close(self, grace: float, caller: object) -> None:
        """Let handlers finish for ``grace`` seconds, then end them."""
        self.orphans.give_up()
        await self.stop_reading()
        bindings = self.bindings
        ended = await asyncio.gather(*(binding.close(grace, caller) for binding in bindings))
        for binding, is_ended in zip(bindings, ended, strict=True):
            if not is_ended:
                LOG.warning("handler %s does not end; it is left behind", binding.name)
