"""One live connection: a socket, its session, and the timer between them.

It carries out what the session asks for and passes on what the server sends, until it is retired. It knows nothing of
other connections; ``client/connection/supervisor`` makes, replaces and ends them.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from tautwire.client.clock import elapsed, suspended
from tautwire.client.connection.intake import Inbox, Intake
from tautwire.client.connection.replies import Reply, Stored, give_up, settle
from tautwire.client.connection.rtm_connect import ConnectAnswer
from tautwire.client.connection.transport import End, Transport, dial
from tautwire.client.errors import ConnectError, RateLimited, SendRefused, SendUnknown
from tautwire.client.guard import finished, isolated
from tautwire.client.log import LOG
from tautwire.client.settings import Settings
from tautwire.protocol.errors import ConfigError, RtmErrorCode
from tautwire.protocol.frames import Ack, AckError, Pong
from tautwire.session.client import (
    Cause,
    ClientSession,
    Deliver,
    Effect,
    Ended,
    Expired,
    Leaving,
    Opened,
    Pinged,
    Positioned,
    Settled,
    Stray,
    Transmit,
)
from tautwire.session.outgoing import Prepared, Sent

_LATE: Final = 1.0
"""Seconds a timer may be late; later means that the program was busy, and what waits in the socket is read first."""

_LOOK: Final = 5.0
"""Seconds after which a timer looks at the clock, however far its time is: it stands still while the system is
suspended, and a loss has to be noticed soon after that."""

_DRAIN: Final = 2.0
"""Seconds a replaced connection stays for the replies that are still to come."""

_REPLACED: Final = "replaced by a new connection"


class Keeper(Protocol):
    """What a connection reports to. All methods are called on the loop and must not raise."""

    def connection_opened(self, connection: "Connection") -> None:
        """Called when the hello came; events follow as soon as this returns."""

    def connection_closed(self, connection: "Connection", ended: Ended) -> None:
        """Called once for a connection that had its hello, when it is over, whichever side ended it."""

    def socket_closed(self, connection: "Connection") -> None:
        """Called after that, when its socket is closed and nothing is left of it."""


class Connection:
    """One RTM connection, made by ``open``."""

    def __init__(self, answer: ConnectAnswer, inbox: Inbox, keeper: Keeper, settings: Settings, first_id: int) -> None:
        self.answer = answer
        self.end: End | None = None
        """How the socket ended, None while it is open."""
        self.stored: Stored | None = None
        """The last message that got its ack."""
        self.is_over = asyncio.Event()
        """Set by the end."""
        self.successor_wanted = asyncio.Event()
        """Set by a goodbye, by the end, or by the supervisor to replace the connection."""
        self._inbox = inbox
        self._keeper = keeper
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._session = ClientSession(elapsed(), timeouts=settings.timeouts, first_id=first_id)
        self._transport: Transport | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._was_late = False
        self._closing: asyncio.Task[None] | None = None
        self._drained: Callable[[], None] | None = None
        self._last_ping: int | None = None
        self._is_retired = False
        self._retirement: asyncio.TimerHandle | None = None
        self._linger = 0.0
        self._lingering: asyncio.TimerHandle | None = None
        self._has_last_pong = False
        self._intake = Intake(inbox)
        self._suspended = suspended()
        self._woke_at = 0.0

    @classmethod
    async def open(
        cls, answer: ConnectAnswer, inbox: Inbox, keeper: Keeper, settings: Settings, first_id: int
    ) -> "Connection":
        """Open the socket and wait for the hello. The first events may be delivered before this returns.

        Raises:
            ConnectError: no socket, no hello, or an error event instead.
        """
        self = cls(answer, inbox, keeper, settings, first_id)
        try:
            await dial(
                answer.url,
                self,
                ssl=settings.ssl,
                proxy=_proxy(answer, settings),
                within=settings.connect_timeout,
            )
            await self._opened
        except BaseException:
            if not self._opened.cancel() and not self._opened.cancelled():
                self._opened.exception()  # looked at, or asyncio would report it as forgotten
            await self.close("no connection came about", Cause.STOPPED)
            raise
        return self

    @property
    def is_live(self) -> bool:
        """Whether frames may be sent."""
        return self._session.is_live

    @property
    def next_id(self) -> int:
        """The first id no frame of this connection had."""
        return self._session.next_id

    @property
    def heard_at(self) -> float:
        """When the server was last heard, in the time of ``clock.elapsed``.

        Bytes that were not read, or events that are kept back, do not count: they may never be delivered.
        """
        return self._intake.heard_at(self._session.heard_at)

    @property
    def is_drained(self) -> bool:
        """Whether, after ``retire``, the server showed by a pong that all it had sent before is here.

        Where more may come behind the pong, that has to be read as well.
        """
        return self._has_last_pong and (self._intake.reads or not self._linger)

    @property
    def is_paused(self) -> bool:
        """Whether the socket is not read, or was not when it ended, since there was no room for more."""
        return not self._intake.reads

    @property
    def round_trip(self) -> float | None:
        """Seconds the last ping took, None before the first answer."""
        return self._session.round_trip

    def send(self, frame: Prepared) -> asyncio.Future[Reply] | None:
        """Send a frame now; return what will hold its reply, None if it gets none.

        The future fails with ``SendRefused`` or ``SendUnknown``.

        Raises:
            FrameError: its id is in use, or makes it too long.
            LocalProtocolError: the connection is not live.
        """
        sent = self._session.send(frame, elapsed())
        future: asyncio.Future[Reply] | None = None
        if sent.awaits_reply:  # before the bytes go out: the reply may come within the call of a transport in memory
            future = sent.waiter = self._loop.create_future()
            self._arm()
        self._transmit(sent.payload)
        if future is not None and not self._intake.reads:
            self._steer()
        return future

    def take_unanswered(self) -> list[Sent]:
        """Hand over the frames that wait for their reply, once the connection is over."""
        return self._session.take_unanswered()

    def retire(self, drained: Callable[[], None], linger: float) -> None:
        """Pass on the events that are on their way and call ``drained``, then end as soon as no reply is awaited.

        What the server sent before it saw a ping comes before the pong, if it sends events and replies one after the
        other; if not, most of it comes within ``linger`` seconds after the pong. All of it takes two seconds at the
        latest.
        """
        self._drained = drained
        self._linger = linger
        self._retirement = self._loop.call_later(_DRAIN, self.abort, _REPLACED, Cause.REPLACED)
        # the one ordered question there is: a server that answers frame by frame sends its pong behind its events
        self._last_ping = self._session.ping(elapsed())
        self._carry_out()
        self._steer()

    def hold(self) -> None:
        """Keep events back until ``release``."""
        self._intake.is_on_hold = True

    def release(self) -> None:
        """Pass on what was held back, and from now on everything at once."""
        self._intake.is_on_hold = False
        self._carry_out(self._intake.take())
        self._steer()

    async def close(self, reason: str, cause: Cause) -> None:
        """End the connection with a Close frame and wait until nothing is left of it, about a second at most.

        Safe to call in every state.
        """
        self.abort(reason, cause)
        if self._closing is not None:
            await finished(self._closing)  # a cancellation is no reason to leave a socket behind

    def abort(self, reason: str, cause: Cause) -> None:
        """End the connection now: begin the closing handshake, and do not wait for it, as ``close`` does."""
        self._session.end(reason, cause)
        self._carry_out()

    # -- what the transport says ----------------------------------------------------------------------------

    def connected(self, transport: Transport) -> None:
        """Called when the WebSocket is open: wait for the hello."""
        self._transport = transport
        # made anew, for the time of the hello begins now, not when the socket was asked for
        self._session = ClientSession(elapsed(), timeouts=self._settings.timeouts, first_id=self._session.next_id)
        self._inbox.flow.listen(self._steer)
        self._arm()

    def receive(self, frames: Sequence[bytes]) -> None:
        """Called with text messages that came in together."""
        intake = self._intake
        intake.note_heard(self._session.heard_at)  # before receive(): should these be kept back, a gap begins there
        if self._inbox.raw.bindings and not self._is_retired:
            isolated(self._inbox.frames_received, frames)
        self._session.receive(frames, elapsed())
        self._carry_out()
        intake.takes_one_read = False
        if intake.is_on_hold:
            intake.size += sum(map(len, frames))
        if intake.is_full:
            self._steer()

    def closed(self, end: End) -> None:
        """Called when the socket is gone."""
        self.end = end
        self.abort(end.reason, end.cause)

    # -- what the session wants -----------------------------------------------------------------------------

    def _carry_out(self, effects: Iterable[Effect] | None = None) -> None:
        """Do what the session asks for now, or asked for before."""
        if effects is None:  # taken out first: an effect may call user code, which sends, which makes more of them
            effects, self._session.effects = self._session.effects, []
        for effect in effects:
            try:
                self._do(effect)
            except Exception:  # noqa: BLE001 (a defect of ours: never silent, and the connection goes on)
                LOG.exception("a defect: %s was not carried out", type(effect).__name__)
                if isinstance(
                    effect, Settled | Expired
                ):  # the session has dropped it, and its sender still awaits the result
                    give_up(effect.sent)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Deliver() | Positioned():
                if not self._is_retired:
                    self._intake.put(effect)
            case Settled(sent, AckError(code=code, msg=msg)):
                self._settle(sent, SendRefused(code, msg))
            case Settled(sent, Ack() | Pong() as reply):
                self._settle(sent, reply)
            case Pinged(id, round_trip):
                self._inbox.pinged(round_trip)
                if id == self._last_ping:
                    self._pong_came()
            case Expired(sent):
                limit = self._settings.timeouts.reply
                self._settle(sent, SendUnknown(f"no reply within {limit:g} s; it may or may not have been stored"))
            case Transmit(payload):
                self._transmit(payload)
            case Stray(reply):
                self._inbox.refused(SendRefused(reply.code, reply.msg))
            case Opened():
                if not self._opened.done():
                    self._opened.set_result(None)
                    self._arm()
                    if not isolated(self._keeper.connection_opened, self):
                        self.abort("a defect of the client", Cause.REPLACED)  # the keeper does not know of it
            case Leaving():
                self.successor_wanted.set()
            case Ended():
                self._finish(effect)

    def _pong_came(self) -> None:
        self._has_last_pong = True
        if self._linger > 0:
            self._lingering = self._loop.call_later(self._linger, self._end_delivery)
        else:
            self._end_delivery()

    def _end_delivery(self) -> None:
        """All that was on its way to a replaced connection has come, or will not come any more."""
        if self._drained is not None:
            drained, self._drained = self._drained, None
            for effect in self._intake.take():  # although there is no room: it would never have its turn
                isolated(self._intake.pass_on, effect)
            self._is_retired = True
            isolated(drained)
            if not self._session.is_owed:
                self._loop.call_soon(self.abort, _REPLACED, Cause.REPLACED)

    def _settle(self, sent: Sent, outcome: Reply | Exception) -> None:
        if isinstance(outcome, Ack):
            self.stored = Stored(sent.payload, outcome.ts)
            if outcome.ts is not None:
                isolated(self._inbox.stored, sent.payload, outcome.ts)
        if self._is_retired and not self._session.is_owed:
            self._loop.call_soon(self.abort, _REPLACED, Cause.REPLACED)
        settle(sent, outcome)

    def _finish(self, ended: Ended) -> None:
        for timer in (self._timer, self._retirement, self._lingering):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._closing = self._loop.create_task(self._close(self._transport))
        self._inbox.flow.forget(self._steer)
        isolated(self._end_delivery)  # a successor may wait for this one to have said all
        self.is_over.set()
        self.successor_wanted.set()
        if not self._opened.done():
            self._opened.set_exception(_failure(ended))
        elif not self._opened.cancelled() and self._opened.exception() is None:
            isolated(self._keeper.connection_closed, self, ended)
        for sent in self.take_unanswered():  # the keeper did not take them over
            give_up(sent)

    async def _close(self, transport: Transport) -> None:
        try:
            await transport.close()
        except Exception:  # noqa: BLE001 (a defect of ours: never silent, and the connection counts as closed)
            LOG.exception("a defect: a socket was not closed")
        finally:
            isolated(self._keeper.socket_closed, self)

    def _transmit(self, payload: bytes) -> None:
        if self._transport is not None:
            LOG.debug("sending %d bytes", len(payload))
            self._transport.send(payload)

    # -- when to read ---------------------------------------------------------------------------------------

    def _steer(self) -> None:
        """Pass on what there is room for now, and read, or stop reading, as it has to be."""
        if self._transport is None or self.is_over.is_set():  # what has no room yet a server with positions tells again
            return
        intake = self._intake
        if intake.may_pass_on:
            self._carry_out(intake.take())
        puts_nothing = self._is_retired or not self._opened.done()
        reads = puts_nothing or intake.wants(is_owed=self._session.is_owed or self._drained is not None)
        if reads is not intake.reads:
            intake.turn(reads, self._session.heard_at)
            self._transport.read(reads)

    def _take_one_read(self) -> None:
        """Read a little in spite of full queues, for the sake of PINGs and of a Close frame, and as a sign of life."""
        if not self._intake.reads:
            self._intake.takes_one_read = True
            self._steer()

    # -- time -----------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Set the timer, unless one is set that comes early enough. Traffic only ever moves the deadline back.

        So a read sets no timer: that would cost more than all else it does. A timer that comes too early sets the next.
        """
        deadline = self._session.deadline
        if deadline is None or (self._timer is not None and self._due <= deadline):
            return
        self._set_timer(deadline)

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = elapsed()
        self._due = min(due, now + _LOOK)  # not the loop's time: uvloop's stands still while callbacks run
        self._timer = self._loop.call_later(max(0.0, self._due - now), self._tick)

    def _tick(self) -> None:
        now = elapsed()
        is_late, was_late = now > self._due + _LATE, self._was_late
        self._was_late = is_late and not was_late
        if self._was_late:  # once in a row: by the next time the socket was read, however busy the program is
            isolated(self._take_one_read)
            self._set_timer(now + _LATE / 10)
            return
        self._timer = None
        isolated(self._listen, now)
        is_done = isolated(self._session.handle_time, now)
        self._carry_out()
        isolated(self._steer)
        if is_done:
            self._arm()
        elif self._session.deadline is not None:
            self._set_timer(now + _LATE)  # not at once: what failed may fail again

    def _listen(self, now: float) -> None:
        """Let the session know of bytes that are no message yet, and see that a pause is not taken for silence.

        What the system says of bytes leaves out a suspend: it counts from then on only.
        """
        before, self._suspended = self._suspended, suspended()
        if self._suspended - before > _LATE:
            self._woke_at = now
        if self._transport is None:
            return
        if self._intake.reads:
            quiet_for = self._transport.quiet_for()
        else:
            self._inbox.flow.report()
            deadline = self._session.deadline
            if not self._intake.is_stuffed:
                quiet_for = None
                if deadline is not None and deadline <= now:
                    self._take_one_read()
            else:  # what comes in waits unread; but if our pings arrive, the server's system is there
                quiet_for = self._transport.acked_for() or 0.0
        if quiet_for is not None and now - quiet_for > self._woke_at:
            self._session.heard(now - quiet_for)


def _proxy(answer: ConnectAnswer, settings: Settings) -> str | None:
    try:
        return settings.proxy_for(answer.url)
    except ConfigError as error:  # from the environment, for this kind of address only: another may follow
        raise ConnectError(str(error)) from None


def _failure(ended: Ended) -> ConnectError:
    if ended.code == RtmErrorCode.RATELIMITED.number:
        return RateLimited(ended.retry_after)
    return ConnectError(ended.reason if ended.cause is Cause.NO_HELLO else f"no hello: {ended.reason}")
