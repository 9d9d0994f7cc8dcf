"""One live connection: a socket, its session, and the timer between them.

It carries out what the session asks for and passes on what the server says, until it is silenced. It knows nothing of
other connections; ``tautwire.client.supervisor`` makes, replaces and ends them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol

from tautwire.client.errors import ConnectError, RateLimited, SendRefused, SendUnknown
from tautwire.client.flow import Flow
from tautwire.client.grant import Grant
from tautwire.client.log import LOG
from tautwire.client.settings import Settings
from tautwire.client.transport import End, Transport, dial
from tautwire.protocol.errors import ConfigError, RtmErrorCode
from tautwire.protocol.frames import Ack, AckError, ClientFrame, Pong
from tautwire.protocol.ids import Ts
from tautwire.session.client import (
    Arrival,
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

_LATE: Final = 1.0
"""Seconds a timer may be late; later means that the program was busy, and what waits in the socket is read first."""

_DRAIN: Final = 2.0
"""Seconds a replaced connection stays for the replies that are still to come."""

MAX_HELD: Final = 4 * 1024 * 1024
"""Bytes of frames that come while events are kept back, before nothing is read but replies; as many again for those."""

_REPLACED: Final = "replaced by a new connection"

Reply = Ack | Pong


class Awaited(asyncio.Future[Reply]):
    """The reply to a frame that was sent."""

    def __init__(self, payload: bytes, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.payload = payload
        """The frame as it was sent."""


class Stored(NamedTuple):
    """A message that got its ack."""

    payload: bytes
    """The frame as it was sent."""
    ts: Ts | None


class Inbox(Protocol):
    """Where a connection puts what the server says. All are called on the loop; none may raise."""

    flow: Flow
    """Says when not to read."""

    def frames_received(self, frames: Sequence[bytes]) -> None:
        """Take text messages as they came, before what they say."""

    def events_received(self, arrivals: Iterable[Arrival]) -> None:
        """Take the next events."""

    def positioned(self, position: int) -> None:
        """Learn how far the server's log was delivered."""

    def pinged(self, round_trip: float) -> None:
        """Learn how many seconds a ping took."""

    def refused(self, error: SendRefused) -> None:
        """Learn that a frame nobody waits for was refused."""

    def left_unread(self, connection: "Connection") -> None:
        """Called before a replaced connection is given up with events in it that were not read."""


class Keeper(Protocol):
    """Who makes and replaces connections. All are called on the loop; none may raise."""

    def connection_opened(self, connection: "Connection") -> None:
        """Learn that the hello came; events follow as soon as this returns."""

    def connection_ended(self, connection: "Connection", ended: Ended) -> None:
        """Learn, once, that a connection that had its hello is over."""

    def connection_closed(self, connection: "Connection") -> None:
        """Learn, after that, that nothing is left of it."""


class Connection:
    """One RTM connection, made by ``open``."""

    def __init__(self, grant: Grant, inbox: Inbox, keeper: Keeper, settings: Settings, first_id: int) -> None:
        self.grant = grant
        self.end: End | None = None
        """How the socket ended, None while it is open."""
        self.replies: dict[int, Awaited] = {}
        """Who waits for the reply to which id; after the end: whose outcome is unknown."""
        self.stored: Stored | None = None
        """The last message that got its ack."""
        self.is_over = asyncio.Event()
        """Set by the end."""
        self.successor_wanted = asyncio.Event()
        """Set by a goodbye, by the end, or by who wants to replace the connection."""
        self._inbox = inbox
        self._keeper = keeper
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._session = ClientSession(monotonic(), patience=settings.patience, first_id=first_id)
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
        self._held: list[Deliver | Positioned] = []
        """What is kept back: on hold, or since a queue has no room for it."""
        self._held_size = 0
        self._is_on_hold = False
        self._reads = True
        """Whether the socket is read now."""
        self._read_until = 0.0
        """When the server was last heard before reading stopped."""
        self._takes_one_read = False

    @classmethod
    async def open(cls, grant: Grant, inbox: Inbox, keeper: Keeper, settings: Settings, first_id: int) -> "Connection":
        """Open the socket and wait for the hello. The first events may be delivered before this returns.

        Raises:
            ConnectError: no socket, no hello, or an error event instead.
        """
        self = cls(grant, inbox, keeper, settings, first_id)
        try:
            await dial(
                grant.url,
                self,
                ssl=settings.ssl,
                proxy=_proxy(grant, settings),
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
        """When the server was last heard, in the time of ``monotonic``. What was not read was not heard."""
        return self._session.heard_at if self._reads else self._read_until

    @property
    def round_trip(self) -> float | None:
        """Seconds the last ping took, None before the first answer."""
        return self._session.round_trip

    def send(self, frame: ClientFrame | Mapping[str, Any]) -> asyncio.Future[Reply] | None:
        """Send a frame now; return what will hold its reply, None if it gets none.

        The future fails with ``SendRefused`` or ``SendUnknown``.

        Raises:
            FrameError: the frame must not be sent.
            LocalProtocolError: the connection is not live.
        """
        sent = self._session.send(frame, monotonic())
        self._transmit(sent.payload)
        if not sent.awaits_reply:
            return None
        future = self.replies[sent.id] = Awaited(sent.payload, self._loop)
        self._arm()
        if not self._reads:
            self._steer()
        return future

    def retire(self, drained: Callable[[], None]) -> None:
        """Pass on the events that are on their way and call ``drained``, then end as soon as nobody waits for a reply.

        What the server sent before it saw a ping comes before the pong. All of it takes two seconds at the latest.
        """
        self._drained = drained
        self._retirement = self._loop.call_later(_DRAIN, self.leave, _REPLACED, Cause.REPLACED)
        self._last_ping = self._session.ping(monotonic())
        self._carry_out()
        self._steer()

    def hold(self) -> None:
        """Keep events back until ``release``."""
        self._is_on_hold = True

    def release(self) -> None:
        """Pass on what was held back, and from now on everything at once."""
        self._is_on_hold = False
        self._pass_on()
        self._steer()

    def _pass_on(self) -> None:
        """Pass on what was held back, as far as the queues have room for it."""
        held, self._held, self._held_size = self._held, [], 0
        self._carry_out(held)

    def _deliver_held(self) -> None:
        """Pass on what was held back although there is no room: it would never have its turn."""
        held, self._held = self._held, []
        for effect in held:
            if isinstance(effect, Deliver):
                self._inbox.events_received(effect.arrivals)
            else:
                self._inbox.positioned(effect.position)

    async def close(self, reason: str, cause: Cause) -> None:
        """End the connection with a Close frame, within about a second. Safe to call in every state."""
        self.leave(reason, cause)
        if self._closing is not None:
            try:
                await asyncio.wait([self._closing])
            except asyncio.CancelledError:  # no reason to leave a socket behind
                await asyncio.wait([self._closing])
                raise

    def leave(self, reason: str, cause: Cause) -> None:
        """Begin to end the connection; ``close`` waits for the rest."""
        self._session.end(reason, cause)
        self._carry_out()

    # -- what the transport says ----------------------------------------------------------------------------

    def connected(self, transport: Transport) -> None:
        """Start to wait for the hello."""
        self._transport = transport
        self._session = ClientSession(monotonic(), patience=self._settings.patience, first_id=self._session.next_id)
        self._inbox.flow.listen(self._steer)
        self._arm()

    def receive(self, frames: Sequence[bytes]) -> None:
        """Take text messages."""
        if not self._is_retired:
            self._inbox.frames_received(frames)
        self._session.receive(frames, monotonic())
        self._carry_out()
        self._takes_one_read = False
        if self._is_on_hold:
            self._held_size += sum(map(len, frames))
        if self._is_on_hold or self._inbox.flow.is_full:
            self._steer()

    def ended(self, end: End) -> None:
        """Learn that the socket is gone."""
        self.end = end
        self.leave(end.reason, end.cause)

    # -- what the session wants -----------------------------------------------------------------------------

    def _carry_out(self, effects: Iterable[Effect] | None = None) -> None:
        """Do what the session asks for now, or asked for before."""
        if effects is None:
            effects, self._session.effects = self._session.effects, []
        for effect in effects:
            try:
                self._do(effect)
            except Exception:  # noqa: BLE001 (a defect of ours: never silent, and the connection goes on)
                LOG.exception("a defect: %s was not carried out", type(effect).__name__)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Deliver() | Positioned() if self._is_on_hold or self._held or self._inbox.flow.is_stuffed:
                self._held.append(effect)
            case Deliver(arrivals):
                if not self._is_retired:
                    self._inbox.events_received(arrivals)
            case Settled(id, AckError(code=code, msg=msg)):
                self._settle(id, SendRefused(code, msg))
            case Settled(id, Ack() | Pong() as reply):
                self._settle(id, reply)
            case Pinged(id, round_trip):
                self._inbox.pinged(round_trip)
                if id == self._last_ping:
                    self._deliver_held()
                    self._end_delivery()
            case Expired(id):
                limit = self._settings.patience.reply
                self._settle(id, SendUnknown(f"no reply within {limit:g} s; it may have happened or not"))
            case Positioned(position):
                if not self._is_retired:
                    self._inbox.positioned(position)
            case Transmit(payload):
                self._transmit(payload)
            case Stray(reply):
                self._inbox.refused(SendRefused(reply.code, reply.msg))
            case Opened():
                if not self._opened.done():
                    self._opened.set_result(None)
                    self._arm()
                    self._keeper.connection_opened(self)
            case Leaving():
                self.successor_wanted.set()
            case Ended():
                self._finish(effect)

    def _end_delivery(self) -> None:
        """All that was on its way to a replaced connection has come, or will not come any more."""
        if self._drained is not None:
            drained, self._drained = self._drained, None
            self._is_retired = True
            drained()
            if not self.replies:
                self._loop.call_soon(self.leave, _REPLACED, Cause.REPLACED)

    def _settle(self, frame_id: int, outcome: Reply | Exception) -> None:
        future = self.replies.pop(frame_id)
        if isinstance(outcome, Ack):
            self.stored = Stored(future.payload, outcome.ts)
        if self._is_retired and not self.replies:
            self._loop.call_soon(self.leave, _REPLACED, Cause.REPLACED)
        if future.done():  # the one who waited gave up
            return
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _finish(self, ended: Ended) -> None:
        for timer in (self._timer, self._retirement):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._closing = self._loop.create_task(self._transport.close())
        self._inbox.flow.forget(self._steer)
        if self._drained is not None and not self._reads:
            self._inbox.left_unread(self)
        self._end_delivery()
        self.is_over.set()
        self.successor_wanted.set()
        if not self._opened.done():
            self._opened.set_exception(_failure(ended))
        elif not self._opened.cancelled() and self._opened.exception() is None:
            self._keeper.connection_ended(self, ended)
            if self._closing is not None:
                self._closing.add_done_callback(lambda _: self._keeper.connection_closed(self))

    def _transmit(self, payload: bytes) -> None:
        if self._transport is not None:
            LOG.debug("sending %d bytes", len(payload))
            self._transport.send(payload)

    # -- when to read ---------------------------------------------------------------------------------------

    def _steer(self) -> None:
        """Read, or stop reading, as it has to be now.

        A full queue stops it, but for a hello and for replies: whoever awaits a reply may be what the queue waits for.
        A stuffed queue stops it for replies, too, which are given up in their time. So does what is kept back.
        """
        if self._transport is None or self.is_over.is_set():  # what has no room yet a server with positions tells again
            return
        flow = self._inbox.flow
        if self._held and not self._is_on_hold and not flow.is_stuffed:
            self._pass_on()
        puts_nothing = self._is_retired or not self._opened.done()
        is_owed = bool(self.replies) or self._drained is not None or self._takes_one_read
        is_full = flow.is_full or self._held_size >= MAX_HELD
        is_stuffed = flow.is_stuffed or self._held_size >= 2 * MAX_HELD
        reads = not is_full or puts_nothing or (is_owed and not is_stuffed)
        if reads is self._reads:
            return
        if not reads:
            self._read_until = self._session.heard_at
        self._reads = reads
        self._transport.read(reads)

    def _listen(self, transport: Transport, now: float) -> None:
        """Let the session know of bytes that are no message yet, and see that a pause is not taken for silence."""
        if self._reads:
            quiet_for = transport.quiet_for()
            if quiet_for is not None:
                self._session.heard(now - quiet_for)
            return
        flow = self._inbox.flow
        flow.report()
        if flow.is_stuffed:  # what comes in waits unread; but if our pings arrive, the server's system is there
            self._session.heard(now - (transport.acked_for() or 0.0))
        else:  # a little is read, for the sake of PINGs and of a Close frame, and as a sign of life
            self._takes_one_read = True
            self._steer()

    # -- time -----------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Set the timer, unless one is set that comes early enough. Traffic only ever moves the deadline back."""
        deadline = self._session.deadline
        if deadline is None or (self._timer is not None and self._due <= deadline):
            return
        self._set_timer(deadline)

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due  # not the loop's time: uvloop's stands still while callbacks run
        self._timer = self._loop.call_later(max(0.0, due - monotonic()), self._tick)

    def _tick(self) -> None:
        now = monotonic()
        is_late, was_late = now > self._due + _LATE, self._was_late
        self._was_late = is_late and not was_late
        if self._was_late:  # once in a row: by the next time the socket was read, however busy the program is
            self._set_timer(now + _LATE / 10)
            return
        self._timer = None
        if self._transport is not None:
            self._listen(self._transport, now)
        self._session.handle_time(now)
        self._carry_out()
        self._steer()
        self._arm()


def _proxy(grant: Grant, settings: Settings) -> str | None:
    try:
        return settings.proxy_for(grant.url)
    except ConfigError as error:  # from the environment, for this kind of address only: another may follow
        raise ConnectError(str(error)) from None


def _failure(ended: Ended) -> ConnectError:
    if ended.code == RtmErrorCode.RATELIMITED.number:
        return RateLimited(ended.retry_after)
    return ConnectError(f"no hello: {ended.reason}")
