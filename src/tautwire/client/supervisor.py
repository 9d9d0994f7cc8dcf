"""Keeps one connection up: makes it, makes its successor in time, waits between attempts, and knows when to give up.

    state       connect     opened  lost        refused  stop  close
    IDLE        CONNECTING  -       -           -        IDLE  CLOSED
    CONNECTING  -           READY   WAITING     FAILED   IDLE  CLOSED
    READY       -           READY   WAITING     -        IDLE  CLOSED
    WAITING     CONNECTING  -       -           FAILED   IDLE  CLOSED
    FAILED      CONNECTING  -       -           -        IDLE  CLOSED
    CLOSED      -           -       -           -        -     CLOSED

No state lasts by accident: CONNECTING is bounded by the timeouts of rtm.connect, dial and hello, READY by the silence
limit, WAITING by the governor. A successor is made before the old connection is given up, if there is time: then the
state stays READY. ``tautwire.client.rtm`` owns the supervisor and decides what connections carry.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from typing import Final, Protocol

from tautwire.client.allowances import allowance_for
from tautwire.client.connection import Connection
from tautwire.client.errors import ClientClosed, ConnectError, ConnectRefused, NotConnected, RateLimited
from tautwire.client.log import LOG
from tautwire.client.settings import Settings
from tautwire.session.client import Cause, Ended
from tautwire.session.governor import Governor


class ClientState(Enum):
    """Where a client is in its life."""

    IDLE = "idle"
    """Not connected and not trying: before connect() and after disconnect()."""
    CONNECTING = "connecting"
    READY = "ready"
    """A connection delivers events and takes frames."""
    WAITING = "waiting"
    """Between two attempts."""
    FAILED = "failed"
    """rtm.connect was refused for good; connect() tries once more."""
    CLOSED = "closed"
    """close() was called; this is final."""


class Step(Enum):
    """What may happen to a client."""

    CONNECT = "connect"
    OPENED = "opened"
    LOST = "lost"
    REFUSED = "refused"
    STOP = "stop"
    CLOSE = "close"


_S, _T = ClientState, Step

TRANSITIONS: Final[dict[tuple[ClientState, Step], ClientState]] = {
    (_S.IDLE, _T.CONNECT): _S.CONNECTING,
    (_S.CONNECTING, _T.OPENED): _S.READY,
    (_S.CONNECTING, _T.LOST): _S.WAITING,
    (_S.CONNECTING, _T.REFUSED): _S.FAILED,
    (_S.READY, _T.OPENED): _S.READY,
    (_S.READY, _T.LOST): _S.WAITING,
    (_S.WAITING, _T.CONNECT): _S.CONNECTING,
    (_S.WAITING, _T.REFUSED): _S.FAILED,
    (_S.FAILED, _T.CONNECT): _S.CONNECTING,
    **{(state, _T.STOP): _S.IDLE for state in _S if state is not _S.CLOSED},
    **{(state, _T.CLOSE): _S.CLOSED for state in _S},
}
"""All steps that change a state; any other leaves it as it is."""


_BY_US: Final = "closed by us"
_REPLACED: Final = "replaced by a new connection"


class Owner(Protocol):
    """Who a supervisor reports to. All are called on the loop; none may raise."""

    def taken_over(self, new: Connection) -> None:
        """Learn that events come from this connection only from now on."""

    def ended(self, connection: Connection, ended: Ended, *, was_replaced: bool, will_reconnect: bool) -> None:
        """Learn that a connection is over, expected or not."""

    def trouble(self, error: ConnectError) -> None:
        """Learn that an attempt came to nothing."""

    def stepped(self, state: ClientState) -> None:
        """Learn that the state changed."""


class Supervisor:
    """Makes and keeps a connection.

    Args:
        make: opens a connection, which reports to this supervisor.
    """

    def __init__(self, make: Callable[["Supervisor"], Awaitable[Connection]], owner: Owner, settings: Settings) -> None:
        self.state = ClientState.IDLE
        self.connection: Connection | None = None
        """The connection that delivers and sends; None while there is none."""
        self.failure: ConnectRefused | None = None
        """Why the client gave up, in state FAILED."""
        self._make = make
        self._owner = owner
        self._settings = settings
        self._governor: Governor | None = None
        self._task: asyncio.Task[None] | None = None
        self._keeps_trying = False
        self._at_once = True
        self._is_attempting = False
        self._handover: tuple[Connection, asyncio.Future[None]] | None = None
        self._waiters: set[asyncio.Future[Connection]] = set()
        self._open: set[Connection] = set()

    @property
    def is_between_connections(self) -> bool:
        """Whether there is no connection, but one is being made."""
        return self.connection is None and self._task is not None

    # -- what users want ------------------------------------------------------------------------------------

    async def connect(self) -> Connection:
        """Return the live connection, after one attempt to make one if nobody is at it already.

        Raises:
            ConnectError: the attempt came to nothing.
            ClientClosed: it is too late.
        """
        if self.connection is not None:
            return self.connection
        is_first = self._task is None
        self._begin()
        try:
            return await self._next()
        except asyncio.CancelledError:
            if is_first and not self._waiters and not self._keeps_trying:  # nobody else wants it
                await self.stop(Step.STOP)
            raise

    async def run(self) -> None:
        """Keep a connection up until stopped; the first attempt is repeated like any other.

        Raises:
            ConnectRefused: there is no use in trying.
            ClientClosed: it is too late.
        """
        task = self._begin()
        self._keeps_trying = self._keeps_trying or self._settings.auto_reconnect
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
        if self.failure is not None:
            raise self.failure

    async def reconnect(self) -> Connection:
        """Replace the connection, or make one; return the new one."""
        if self.connection is None:
            return await self.connect()
        self._at_once = True
        self.connection.successor_wanted.set()
        return await self._next()

    async def ready(self) -> Connection:
        """Return the live connection, as soon as there is one.

        Raises:
            NotConnected: there is none and none is being made.
            ConnectRefused: that is why.
            ClientClosed: it is too late.
        """
        if self.connection is not None:
            return self.connection
        if self.state is ClientState.CLOSED:
            raise ClientClosed
        if self._task is None:
            raise self.failure or NotConnected()
        return await self._next()

    async def stop(self, step: Step) -> None:
        """End everything, within about a second. Safe in every state."""
        self._finish_handover()
        task, self._task = self._task, None
        self.connection = None
        self._keeps_trying = False
        self._step(step)
        self._release(ClientClosed() if self.state is ClientState.CLOSED else NotConnected("disconnected"))
        for each in self._open:
            each.leave(_BY_US, Cause.STOPPED)
        ending: list[Awaitable[object]] = [each.close(_BY_US, Cause.STOPPED) for each in self._open]
        if task is not None:
            task.cancel()
            ending.append(asyncio.wait([task]))
        await asyncio.gather(*ending)
        if self.state is ClientState.CLOSED:
            self._governor = None  # and with the last one of a token, its allowance

    # -- what connections say -------------------------------------------------------------------------------

    def connection_opened(self, connection: Connection) -> None:
        """Make the connection the one that counts."""
        if self._governor is not None:
            self._governor.opened(self._now())
        self._open.add(connection)
        old, self.connection = self.connection, connection
        self._step(Step.OPENED)
        if old is None:
            self._owner.taken_over(connection)
        else:
            self._handover = old, asyncio.get_running_loop().create_future()
            connection.hold()
            old.retire(partial(self._hand_over, connection))
        for waiter in self._take_waiters():
            waiter.set_result(connection)

    def connection_ended(self, connection: Connection, ended: Ended) -> None:
        """Note the end of the connection that counts, or of one that was replaced."""
        if connection is self.connection:
            self._finish_handover()
            LOG.info("connection lost: %s", ended.reason)
            self.connection = None
            if self._governor is not None:
                self._governor.ended(self._now())
            self._step(Step.LOST)
            if self._is_attempting:  # a successor is on its way already
                self._step(Step.CONNECT)
        will_reconnect = self._keeps_trying or self.connection is not None
        self._owner.ended(connection, ended, was_replaced=connection.is_replaced, will_reconnect=will_reconnect)

    def connection_closed(self, connection: Connection) -> None:
        """Forget a connection of which nothing is left."""
        self._open.discard(connection)

    def _hand_over(self, connection: Connection) -> None:
        """Let a successor speak, now that the one before it has brought all that was on its way."""
        if self._handover is not None:
            self._handover[1].set_result(None)
            self._handover = None
        self._owner.taken_over(connection)
        connection.release()

    def _finish_handover(self) -> None:
        """Wait no longer for the connection before."""
        if self._handover is not None:
            self._handover[0].leave(_REPLACED, Cause.REPLACED)

    # -- the work -------------------------------------------------------------------------------------------

    def _begin(self) -> asyncio.Task[None]:
        if self.state is ClientState.CLOSED:
            raise ClientClosed
        if self._task is None:
            self.failure = None
            self._at_once = True
            if self._governor is None:
                allowance = allowance_for(self._settings, asyncio.get_running_loop())
                self._governor = Governor(self._settings.backoff, self._now(), allowance)
            self._task = asyncio.get_running_loop().create_task(self._keep(self._governor))
            self._task.add_done_callback(self._kept)
        return self._task

    async def _keep(self, governor: Governor) -> None:
        while True:
            if self._handover is not None:  # first things first: the next one begins where this one ends
                await asyncio.wait([self._handover[1]])
            await self._pause(governor)
            self._step(Step.CONNECT)
            try:
                connection = await self._attempt(governor)
            except ConnectError as error:
                self._owner.trouble(error)
                if isinstance(error, ConnectRefused):
                    if await self._outlives(error):
                        continue
                    return self._fail(error)
                governor.failed(self._now(), error.retry_after if isinstance(error, RateLimited) else 0.0)
                if self.connection is None:
                    if not self._keeps_trying:
                        self._step(Step.STOP)
                        return self._release(error)
                    self._step(Step.LOST)
                continue
            self._keeps_trying = self._settings.auto_reconnect
            if not await self._wants_successor(connection):
                self._step(Step.STOP)
                return self._release(NotConnected("the connection ended"))

    async def _attempt(self, governor: Governor) -> Connection:
        self._is_attempting = True
        try:
            return await self._make(self)
        finally:
            self._is_attempting = False
            governor.ended_attempt()

    async def _pause(self, governor: Governor) -> None:
        """Wait for the time of the next attempt, and take it from the budget."""
        delay = governor.delay(self._now(), 0.0 if self._at_once else random.random())  # noqa: S311 (jitter)
        if delay > 0:
            LOG.info("next rtm.connect in %.1f s", delay)
            await asyncio.sleep(delay)
        while not governor.attempted(self._now()):  # another client of the token was quicker, or was told to wait
            delay = governor.delay(self._now(), 0.0)
            if delay > 1:
                LOG.info("next rtm.connect in %.1f s, after another client's", delay)
            await asyncio.sleep(delay)
        self._at_once = False

    async def _wants_successor(self, connection: Connection) -> bool:
        """Wait until the connection is to be replaced; return False if it ended, and that was that."""
        while True:
            await connection.successor_wanted.wait()
            if self._keeps_trying or self._at_once:
                return True
            if connection.is_over.is_set():
                return False
            connection.successor_wanted.clear()

    async def _outlives(self, error: ConnectRefused) -> bool:
        """Stay with what there is after a refusal; return True if the user wants another attempt all the same."""
        self._keeps_trying = False
        self._release(error)
        return self.connection is not None and await self._wants_successor(self.connection)

    def _fail(self, error: ConnectRefused) -> None:
        self.failure = error
        self._step(Step.REFUSED)
        self._release(error)

    def _kept(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:  # a defect of ours: never silent
            LOG.error("the client stopped because of a defect", exc_info=error)
            self._step(Step.STOP)
            self._release(error)

    async def _next(self) -> Connection:
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            return await waiter
        finally:
            self._waiters.discard(waiter)

    def _release(self, error: BaseException) -> None:
        for waiter in self._take_waiters():
            waiter.set_exception(error)

    def _take_waiters(self) -> list["asyncio.Future[Connection]"]:
        waiters = [each for each in self._waiters if not each.done()]
        self._waiters.clear()
        return waiters

    def _step(self, step: Step) -> None:
        was, self.state = self.state, TRANSITIONS.get((self.state, step), self.state)
        if self.state is not was:
            self._owner.stepped(self.state)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
