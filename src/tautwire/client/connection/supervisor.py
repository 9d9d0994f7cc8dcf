"""Keeps one connection up: makes it, makes its successor in time, waits between attempts, and knows when to give up.

One task does the work. The state that users see follows from what there is:

    state       connection  the task
    READY       one         waits until a successor is wanted, or makes one
    CONNECTING  none        makes one
    WAITING     none        waits for the time of the next attempt
    IDLE        none        there is none
    FAILED      none        there is none, since rtm.connect was refused for good: ``failure``
    CLOSED      none        there is none, and will never be one

How things end, here and in all of the client:

    close       orderly and awaited: a Close frame, a moment for its answer, nothing is left when it returns
    abort       now and not awaited: a connection begins to close, a queue forgets what waits
    retire      let it finish, not awaited: an old connection delivers what is on its way, then aborts by itself
    closed      the callback, when the end came, from whichever side

``disconnect`` closes what there is, and connect() makes another; after ``close`` there will be none.

No state lasts by accident: CONNECTING is bounded by the timeouts of rtm.connect, dial and hello, READY by the silence
limit, WAITING by the governor. A successor is made before the old connection is given up, if there is time: then the
state stays READY. ``client/rtm_client`` owns the supervisor and decides what connections carry; calls that wait stand
in ``client/connection/waiting_calls``, and when an attempt is made in ``client/connection/attempts``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from tautwire.client.connection.attempts import Attempts
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.handover import REPLACED, Handover
from tautwire.client.connection.observer import Observer
from tautwire.client.connection.waiting_calls import WaitingCalls
from tautwire.client.errors import ClientClosed, ConnectError, ConnectRefused, NotConnected, RateLimited
from tautwire.client.guard import check_loop, finished, isolated
from tautwire.client.log import LOG
from tautwire.client.notices import ClientState
from tautwire.client.settings import Settings
from tautwire.session.client import Cause, Ended

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
        self._attempts = Attempts(settings, self._update_state)
        self._task: asyncio.Task[None] | None = None
        """The task that keeps the connection up, or None."""
        self._tasks: set[asyncio.Task[None]] = set()
        """That task, and those that are about to end."""
        self._is_closed = False
        self._keeps_trying = False
        """Whether the task goes on by itself after a connection was lost or an attempt failed."""
        self._last_failure = ""
        """Why the last attempt failed, for a reconnect() that gives up. A text: the error itself would keep the
        connection alive that its traceback leads to."""
        self._handover: Handover | None = None
        self._calls: WaitingCalls[Connection] = WaitingCalls()
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
            return await self._calls.connection()
        except asyncio.CancelledError:
            if self.is_between_connections and not (self._calls or self._keeps_trying):
                await self.disconnect()  # no other call wants it
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
        await self._calls.end()

    async def reconnect(self, within: float) -> Connection:
        """Replace the connection, or make one; return the new one.

        Raises:
            ConnectError: there was none within so many seconds. The attempts go on, as they would without this call.
        """
        self._last_failure = ""
        try:
            async with asyncio.timeout(within):
                if self.connection is None:
                    return await self.connect()
                self._attempts.is_asked_for = True
                self.connection.successor_wanted.set()
                return await self._calls.connection()
        except TimeoutError:
            stays = "the old connection stays" if self.connection is not None else "there is no connection"
            reason = f"; the last attempt: {self._last_failure}" if self._last_failure else ""
            raise ConnectError(f"no new connection within {within:g} s ({stays}){reason}") from None

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
        return await self._calls.connection()

    async def disconnect(self) -> None:
        """Close all connections, within about a second, and forget a failure. Safe in every state.

        Only what there is by now: a connect() that comes meanwhile begins anew and is not waited for.
        """
        tasks = set(self._tasks)
        task, self._task = self._task, None
        if not self._is_closed:
            self.failure = None
        self._abort_handover()
        self._abort_all()
        connections = tuple(self._open)
        self._end_calls(ClientClosed() if self._is_closed else NotConnected("disconnected"))
        if task is not None:
            task.cancel()
        # in a task of its own: who cancels this call again and again must not leave a socket behind
        await finished(asyncio.get_running_loop().create_task(_wind_up(connections, tasks)))

    async def close(self) -> None:
        """Close all connections for good. A client that failed shows why for ever."""
        self._is_closed = True
        await self.disconnect()
        self._attempts.close()

    # -- what connections say -------------------------------------------------------------------------------

    def connection_opened(self, connection: Connection) -> None:
        """Make the connection the one that counts."""
        if self._task is None:  # disconnect() was called while the hello was on its way
            connection.hold()  # its events go nowhere
            connection.abort(_BY_US, Cause.STOPPED)
            return
        self._attempts.opened()
        self._keeps_trying = self._settings.auto_reconnect
        self._open.add(connection)  # until its socket is closed: disconnect() has to wait for it, replaced or not
        old, self.connection = self.connection, connection
        self._update_state()
        if old is None or old.is_over.is_set():
            self._opened(connection)
        else:
            self._handover = Handover(old, connection, self._handover_failed, self._opened)
            if not isolated(self._handover.begin):
                self._abort_handover()
        self._calls.connected(connection)  # last: by now events have their way to the handlers

    def connection_closed(self, connection: Connection, ended: Ended) -> None:
        """Note the end of the connection that counts, or of one that was replaced."""
        if connection not in self._open:  # it never counted
            return
        was_replaced = connection is not self.connection
        if not was_replaced:
            self._abort_handover()
            self.connection = None
            if ended.cause is not Cause.STOPPED:
                LOG.info("connection lost: %s", ended.reason)
                self._attempts.lost()
            self._update_state()
        # cancelling: disconnect() has not run yet, but asyncio.run() or the like ends all tasks
        goes_on = self._task is not None and not self._task.cancelling() and self._keeps_trying
        will_reconnect = self.connection is not None or goes_on
        for each in self.observers:
            closed = partial(each.connection_closed, was_replaced=was_replaced, will_reconnect=will_reconnect)
            isolated(closed, connection, ended)

    def socket_closed(self, connection: Connection) -> None:
        """Forget a connection of which nothing is left."""
        self._open.discard(connection)
        if self._handover is not None and self._handover.over.is_set():
            self._handover = None

    def _abort_handover(self) -> None:
        """Wait no longer for the connection before."""
        if self._handover is not None:
            isolated(self._handover.abort)

    # -- reports --------------------------------------------------------------------------------------------

    def _opened(self, connection: Connection) -> None:
        for each in self.observers:
            isolated(each.connection_opened, connection)

    def _handover_failed(self, old: Connection) -> None:
        for each in self.observers:
            isolated(each.handover_failed, old)

    def _connect_failed(self, error: ConnectError, next_: str) -> None:
        self._last_failure = str(error)
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
            self._attempts.begin()
            self._task = asyncio.get_running_loop().create_task(self._keep_up())
            self._tasks.add(self._task)
            self._task.add_done_callback(self._task_ended)

    async def _keep_up(self) -> None:
        """Do the work until there is no more, and end the calls that wait."""
        try:
            error = await self._work_despite_defects()
        except asyncio.CancelledError:
            self._note_cancelled(asyncio.current_task())
            winding_up = asyncio.get_running_loop().create_task(_wind_up(tuple(self._open), ()))
            await finished(winding_up)  # here, for who cancels all tasks waits for them
            raise
        self._task = None
        self.failure = error if isinstance(error, ConnectRefused) else None
        self._end_calls(error or NotConnected("the connection ended"), error)

    async def _work_despite_defects(self) -> ConnectError | None:
        """Do the work; a defect in it costs a moment."""
        while True:
            try:
                return await self._work()
            except Exception as defect:  # noqa: BLE001 (never silent, and no call is left waiting)
                LOG.error("a defect in what keeps the connection", exc_info=defect)
                if self.connection is None and not self._keeps_trying:
                    return ConnectError(f"a defect of the client: {type(defect).__name__}")
                await asyncio.sleep(_AFTER_DEFECT)

    def _task_ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._note_cancelled(task)  # if that was before its first step

    def _note_cancelled(self, task: "asyncio.Task[None] | None") -> None:
        """End the work, if its task was cancelled by other code than ours: ``disconnect`` takes the task out first."""
        if task is self._task is not None:
            LOG.warning(
                "%s. The client is disconnected. Use `async with client:`, or `await client.close()` at the end",
                _CANCELLED,
            )
            error = NotConnected(_CANCELLED)
            self._task = None
            self._abort_all()
            self._end_calls(error, error)

    async def _work(self) -> ConnectError | None:
        """Make one connection after the other; return why there is no next one, None if none is wanted."""
        if self.connection is not None and not await self._wants_successor(self.connection):  # after a defect
            return None
        while True:
            if self._handover is not None:  # first things first: the next one begins where this one ends
                await self._handover.over.wait()
            await self._attempts.wait()
            try:
                connection = await self._attempt()
            except ConnectRefused as error:
                self._connect_failed(error, "no other attempt is made")
                if not await self._outlives(error):
                    return error
            except ConnectError as error:
                self._attempts.failed(error.retry_after if isinstance(error, RateLimited) else 0.0)
                if self.connection is None and not self._keeps_trying:
                    self._connect_failed(error, "no other attempt is made")
                    return error
                self._connect_failed(error, f"next attempt in {self._attempts.schedule():.1f} s")
            else:
                if not await self._wants_successor(connection):
                    return None

    async def _attempt(self) -> Connection:
        """Make a connection. Whatever goes wrong is a ``ConnectError``: not even a defect ends a client for good."""
        self._update_state()
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
            self._attempts.ended()

    async def _wants_successor(self, connection: Connection) -> bool:
        """Wait until the connection is to be replaced; return False if it ended, and that was that."""
        while True:
            await connection.successor_wanted.wait()
            if self._keeps_trying or self._attempts.is_asked_for:
                return True
            if connection.is_over.is_set():
                return False
            connection.successor_wanted.clear()  # a goodbye, without auto_reconnect: stay until it ends

    async def _outlives(self, error: ConnectRefused) -> bool:
        """Stay with what there is after a refusal; return True if the user wants another attempt all the same."""
        self._keeps_trying = False
        self._calls.failed(error)
        return self.connection is not None and await self._wants_successor(self.connection)

    # -- the end --------------------------------------------------------------------------------------------

    def _end_calls(self, error: Exception, outcome: Exception | None = None) -> None:
        """End all calls that wait, since the task has ended; see ``WaitingCalls.ended``."""
        self._update_state()  # before: what a call does next may ask for it
        self._calls.ended(error, outcome)

    def _abort_all(self) -> None:
        """Abort all connections, those first that were replaced: the one that counts is the last to be reported."""
        current = self.connection
        for each in sorted(self._open, key=lambda each: each is current):
            if each is current:
                isolated(each.abort, _BY_US, Cause.STOPPED)
            else:
                isolated(each.abort, REPLACED, Cause.REPLACED)

    def _update_state(self) -> None:
        """Work out the state, and report it if it is another one."""
        was, self.state = self.state, self._state()
        if self.state is not was:
            for each in self.observers:
                isolated(each.state_changed, self.state)

    def _state(self) -> ClientState:
        if self.connection is not None:
            return ClientState.READY
        if self._task is not None:
            return ClientState.CONNECTING if self._attempts.is_under_way else ClientState.WAITING
        if self.failure is not None:
            return ClientState.FAILED
        return ClientState.CLOSED if self._is_closed else ClientState.IDLE


async def _wind_up(connections: Iterable[Connection], tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Wait until nothing is left of connections and of tasks that end."""
    await asyncio.gather(*(each.close(_BY_US, Cause.STOPPED) for each in connections))
    if tasks:
        await asyncio.wait(tasks)
