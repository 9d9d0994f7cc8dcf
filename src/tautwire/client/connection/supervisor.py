"""Keeps one connection up: makes it, makes its successor in time, waits between attempts, and knows when to give up.

One task does the work. The state that users see follows from what there is:

    state       connection  the task
    READY       one         waits until a successor is wanted, or makes one
    CONNECTING  none        makes one
    WAITING     none        waits for the time of the next attempt
    IDLE        none        there is none
    FAILED      none        there is none, since rtm.connect was refused for good: ``failure``
    CLOSED      none        there is none, and will never be one

How things end:

    stop       the client has no connection any more; connect() makes another    awaited, takes about a second
    close      the same, for good                                                awaited
    leave      one connection begins to end, with a Close frame                  not awaited
    retire     an old connection delivers what is on its way, then leaves        not awaited
    ended      reported by a connection when it is over
    closed     reported by a connection when its socket is gone as well

No state lasts by accident: CONNECTING is bounded by the timeouts of rtm.connect, dial and hello, READY by the silence
limit, WAITING by the governor. A successor is made before the old connection is given up, if there is time: then the
state stays READY. ``client/rtm_client`` owns the supervisor and decides what connections carry.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from tautwire.client.connection.budget import allowance_for
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.handover import REPLACED, Handover
from tautwire.client.connection.observer import Observer
from tautwire.client.errors import ClientClosed, ConnectError, ConnectRefused, NotConnected, RateLimited
from tautwire.client.guard import check_loop, finished, isolated
from tautwire.client.log import LOG
from tautwire.client.notices import ClientState
from tautwire.client.settings import Settings
from tautwire.session.client import Cause, Ended
from tautwire.session.governor import Governor

_BY_US: Final = "closed by us"

_AFTER_DEFECT: Final = 1.0
"""Seconds before the work goes on after a defect in it."""

_CANCELLED: Final = (
    "the client's own task was cancelled from outside, as asyncio.run() does with what is left when a program ends"
)


class Supervisor:
    """Makes and keeps a connection.

    Args:
        make: opens a connection, which reports to this supervisor.
    """

    def __init__(self, make: Callable[["Supervisor"], Awaitable[Connection]], settings: Settings) -> None:
        self.state = ClientState.IDLE
        self.connection: Connection | None = None
        """The connection that delivers and sends; None while there is none."""
        self.failure: ConnectRefused | None = None
        """Why the client gave up, in state FAILED; None in every other."""
        self._make = make
        self.observers: tuple[Observer, ...] = ()
        """Get every report, in this order."""
        self._settings = settings
        self._governor: Governor | None = None
        self._task: asyncio.Task[None] | None = None
        """The task that keeps the connection up, or None."""
        self._tasks: set[asyncio.Task[None]] = set()
        """That task, and those that are about to end."""
        self._is_closed = False
        self._is_attempting = False
        self._keeps_trying = False
        """Whether the task goes on by itself after a connection was lost or an attempt failed."""
        self._at_once = True
        """Whether the user asked for the next attempt: then it is made without jitter, and in any case."""
        self._due: float | None = None
        """When the next attempt is made, if that is known already."""
        self._handover: Handover | None = None
        self._waiters: dict[asyncio.Future[Connection], None] = {}
        """Who waits for a connection, in the order they asked."""
        self._runs: dict[asyncio.Future[Exception | None], None] = {}
        """Who waits for the end."""
        self._open: set[Connection] = set()

    @property
    def is_between_connections(self) -> bool:
        """Whether there is no connection, but one is being made."""
        return self.connection is None and self._task is not None

    def check_loop(self) -> None:
        """Check that the caller runs on the loop of the connection; raises as ``guard.check_loop``."""
        if self._task is not None:
            check_loop(self._task.get_loop())

    # -- what users want ------------------------------------------------------------------------------------

    async def connect(self) -> Connection:
        """Return the live connection, after one attempt to make one if none is under way.

        Raises:
            ConnectError: the attempt failed.
            ClientClosed: the client was closed.
        """
        if self.connection is not None:
            return self.connection
        self._begin()
        try:
            return await self._next()
        except asyncio.CancelledError:
            if self.is_between_connections and not (self._waiters or self._runs or self._keeps_trying):
                await self.stop()  # no other call wants it
            raise

    async def run(self) -> None:
        """Keep a connection up until stopped; the first attempt is repeated like any other.

        Raises:
            ConnectRefused: there is no use in trying.
            ConnectError: there was no first connection, and nothing is to be repeated.
            NotConnected: the task that keeps the connection was cancelled from outside.
            ClientClosed: the client was closed.
        """
        self._begin()
        self._keeps_trying = self._keeps_trying or self._settings.auto_reconnect
        end: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._runs[end] = None
        try:
            error = await end
        finally:
            self._runs.pop(end, None)
        if error is not None:
            raise error

    async def reconnect(self) -> Connection:
        """Replace the connection, or make one; return the new one."""
        if self.connection is None:
            return await self.connect()
        self._at_once = True
        self.connection.successor_wanted.set()
        return await self._next()

    async def ready(self) -> Connection:
        """Return the live connection, as soon as there is one. Those who wait get it in the order they asked.

        Raises:
            NotConnected: there is none and none is being made.
            ConnectRefused: that is why.
            ClientClosed: the client was closed.
        """
        if self.connection is not None:
            return self.connection
        if self._is_closed:
            raise ClientClosed
        if self._task is None:
            raise self.failure or NotConnected()
        return await self._next()

    async def stop(self) -> None:
        """End everything, within about a second, and forget a failure. Safe in every state.

        Only what there is by now: a connect() that comes meanwhile begins anew and is not waited for.
        """
        tasks = set(self._tasks)
        task, self._task = self._task, None
        if not self._is_closed:
            self.failure = None
        self._finish_handover()
        self._leave()
        connections = tuple(self._open)
        self._rest(ClientClosed() if self._is_closed else NotConnected("disconnected"))
        if task is not None:
            task.cancel()
        await finished(asyncio.get_running_loop().create_task(_wind_up(connections, tasks)))

    async def close(self) -> None:
        """End everything for good. A client that failed shows why for ever."""
        self._is_closed = True
        await self.stop()
        self._governor = None  # and with the last one of a token, its allowance

    # -- what connections say -------------------------------------------------------------------------------

    def connection_opened(self, connection: Connection) -> None:
        """Make the connection the one that counts."""
        if self._task is None:  # stop() was called while the hello was on its way
            connection.hold()  # its events go nowhere
            connection.leave(_BY_US, Cause.STOPPED)
            return
        if self._governor is not None:
            isolated(self._governor.opened, self._now())
        self._keeps_trying = self._settings.auto_reconnect
        self._at_once = False
        self._open.add(connection)
        old, self.connection = self.connection, connection
        self._show()
        if old is None or old.is_over.is_set():
            self._opened(connection)
        else:
            self._handover = Handover(old, connection, self._handover_failed, self._opened)
            if not isolated(self._handover.begin):
                self._finish_handover()
        for waiter in self._take_waiters():
            waiter.set_result(connection)

    def connection_ended(self, connection: Connection, ended: Ended) -> None:
        """Note the end of the connection that counts, or of one that was replaced."""
        if connection not in self._open:  # it never counted
            return
        was_replaced = connection is not self.connection
        if not was_replaced:
            self._finish_handover()
            self.connection = None
            if ended.cause is not Cause.STOPPED:
                LOG.info("connection lost: %s", ended.reason)
                if self._governor is not None:
                    isolated(self._governor.ended, self._now())
            self._show()
        goes_on = self._task is not None and not self._task.cancelling() and self._keeps_trying
        will_reconnect = self.connection is not None or goes_on
        for each in self.observers:
            closed = partial(each.connection_closed, was_replaced=was_replaced, will_reconnect=will_reconnect)
            isolated(closed, connection, ended)

    def connection_closed(self, connection: Connection) -> None:
        """Forget a connection of which nothing is left."""
        self._open.discard(connection)
        if self._handover is not None and self._handover.over.is_set():
            self._handover = None

    def _finish_handover(self) -> None:
        """Wait no longer for the connection before."""
        if self._handover is not None:
            isolated(self._handover.finish)

    # -- reports --------------------------------------------------------------------------------------------

    def _opened(self, connection: Connection) -> None:
        for each in self.observers:
            isolated(each.connection_opened, connection)

    def _handover_failed(self, old: Connection) -> None:
        for each in self.observers:
            isolated(each.handover_failed, old)

    def _connect_failed(self, error: ConnectError, next_: str) -> None:
        LOG.warning("%s", "; ".join((str(error), *getattr(error, "__notes__", ()), next_)))
        for each in self.observers:
            isolated(each.connect_failed, error)

    # -- the work -------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Start the task if there is none."""
        if self._is_closed:
            raise ClientClosed
        if self._task is None:
            self.failure = None
            self._keeps_trying = False
            self._at_once = True
            self._due = None
            if self._governor is None:
                allowance = allowance_for(self._settings, asyncio.get_running_loop())
                self._governor = Governor(self._settings.backoff, self._now(), allowance)
            self._task = asyncio.get_running_loop().create_task(self._keep(self._governor))
            self._tasks.add(self._task)
            self._task.add_done_callback(self._kept)

    async def _keep(self, governor: Governor) -> None:
        """Do the work, until there is no more. A defect in it costs a moment."""
        try:
            error = await self._work_on(governor)
        except asyncio.CancelledError:
            self._note_cancelled(asyncio.current_task())
            winding_up = asyncio.get_running_loop().create_task(_wind_up(tuple(self._open), ()))
            await finished(winding_up)  # here, for who cancels all tasks waits for them
            raise
        self._task = None
        self.failure = error if isinstance(error, ConnectRefused) else None
        self._rest(error or NotConnected("the connection ended"), error)

    async def _work_on(self, governor: Governor) -> ConnectError | None:
        while True:
            try:
                return await self._work(governor)
            except Exception as defect:  # noqa: BLE001 (never silent, and no call is left waiting)
                LOG.error("a defect in what keeps the connection", exc_info=defect)
                if self.connection is None and not self._keeps_trying:
                    return ConnectError(f"a defect of the client: {type(defect).__name__}")
                await asyncio.sleep(_AFTER_DEFECT)

    def _kept(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._note_cancelled(task)  # if that was before its first step

    def _note_cancelled(self, task: "asyncio.Task[None] | None") -> None:
        """End the work unless that is what cancelled its task."""
        if task is self._task is not None:
            LOG.warning(
                "%s. The client is disconnected. Use `async with client:`, or `await client.close()` at the end",
                _CANCELLED,
            )
            error = NotConnected(_CANCELLED)
            self._task = None
            self._leave()
            self._rest(error, error)

    async def _work(self, governor: Governor) -> ConnectError | None:
        """Make one connection after the other; return why there is no next one, None if none is wanted."""
        if self.connection is not None and not await self._wants_successor(self.connection):  # after a defect
            return None
        while True:
            if self._handover is not None:  # first things first: the next one begins where this one ends
                await self._handover.over.wait()
            await self._pause(governor)
            try:
                connection = await self._attempt(governor)
            except ConnectRefused as error:
                self._connect_failed(error, "no other attempt is made")
                if not await self._outlives(error):
                    return error
            except ConnectError as error:
                governor.failed(self._now(), error.retry_after if isinstance(error, RateLimited) else 0.0)
                if self.connection is None and not self._keeps_trying:
                    self._connect_failed(error, "no other attempt is made")
                    return error
                delay = self._delay(governor)
                self._due = self._now() + delay
                self._connect_failed(error, f"next attempt in {delay:.1f} s")
            else:
                if not await self._wants_successor(connection):
                    return None

    async def _attempt(self, governor: Governor) -> Connection:
        """Make a connection. Whatever goes wrong is a ``ConnectError``: not even a defect ends a client for good."""
        self._is_attempting = True
        self._show()
        try:
            return await self._make(self)
        except ConnectError as error:
            if self._settings.address_note and not isinstance(error, RateLimited):
                error.add_note(self._settings.address_note)
            raise
        except Exception as defect:  # noqa: BLE001 (never silent)
            LOG.error("an attempt to connect failed because of a defect", exc_info=defect)
            raise ConnectError(f"a defect of the client: {type(defect).__name__}") from None
        finally:
            self._is_attempting = False
            governor.ended_attempt()

    async def _pause(self, governor: Governor) -> None:
        """Wait for the time of the next attempt, and take it from the budget."""
        if self._due is None:
            delay = self._delay(governor)
            if delay > 0:
                LOG.info("next attempt to connect in %.1f s", delay)
        else:  # it is in the log with the failure
            delay, self._due = self._due - self._now(), None
        if delay > 0:
            self._show()
            await asyncio.sleep(delay)
        while not governor.attempted(self._now()):  # another client of the token was quicker, or has to wait
            delay = governor.delay(self._now(), 0.0)
            if delay > 1:
                LOG.info("next attempt to connect in %.1f s, after another client's", delay)
            self._show()
            await asyncio.sleep(delay)
        self._at_once = False

    def _delay(self, governor: Governor) -> float:
        return governor.delay(self._now(), 0.0 if self._at_once else random.random())  # noqa: S311 (jitter)

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
        for waiter in self._take_waiters():
            waiter.set_exception(error)
        return self.connection is not None and await self._wants_successor(self.connection)

    # -- the end --------------------------------------------------------------------------------------------

    def _rest(self, error: Exception, outcome: Exception | None = None) -> None:
        """End all calls that wait, since the task has ended. What they do next, such as connect(), begins anew.

        Args:
            error: what those get who wait for a connection.
            outcome: what run() raises.
        """
        self._show()
        for waiter in self._take_waiters():
            waiter.set_exception(error)
        for end in self._runs:
            if not end.done():
                end.set_result(outcome)

    def _leave(self) -> None:
        """Begin to end all connections, those first that were replaced."""
        current = self.connection
        for each in sorted(self._open, key=lambda each: each is current):
            if each is current:
                isolated(each.leave, _BY_US, Cause.STOPPED)
            else:
                isolated(each.leave, REPLACED, Cause.REPLACED)

    async def _next(self) -> Connection:
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        try:
            return await waiter
        finally:
            self._waiters.pop(waiter, None)

    def _take_waiters(self) -> list["asyncio.Future[Connection]"]:
        waiters = [each for each in self._waiters if not each.done()]
        self._waiters.clear()
        return waiters

    def _show(self) -> None:
        """Work out the state, and tell if it is another one."""
        was, self.state = self.state, self._state()
        if self.state is not was:
            for each in self.observers:
                isolated(each.state_changed, self.state)

    def _state(self) -> ClientState:
        if self.connection is not None:
            return ClientState.READY
        if self._task is not None:
            return ClientState.CONNECTING if self._is_attempting else ClientState.WAITING
        if self.failure is not None:
            return ClientState.FAILED
        return ClientState.CLOSED if self._is_closed else ClientState.IDLE

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _wind_up(connections: Iterable[Connection], tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Wait until nothing is left of connections and of tasks that end."""
    await asyncio.gather(*(each.close(_BY_US, Cause.STOPPED) for each in connections))
    if tasks:
        await asyncio.wait(tasks)
