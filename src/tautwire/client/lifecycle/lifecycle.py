"""When the functions of a client's life run, and what the log says about its connections.

on_start   before the first connection, one after the other; what one raises ends the start
on_ready   after each hello
every      from the first hello on
on_stop    when the client begins to close, all at once, while there is still a connection
"""

import asyncio
from typing import Final

from tautwire.client.connection.observer import Observer
from tautwire.client.errors import ClientClosed, ConnectError, ConnectRefused
from tautwire.client.guard import unless_hurried
from tautwire.client.handlers.callbacks import Callbacks
from tautwire.client.handlers.hooks import Hooks
from tautwire.client.log import LOG
from tautwire.client.notices import ClientState, Ready
from tautwire.client.settings import Settings, check_seconds

_SHOWN: Final = 80
"""Characters of a name that the log shows."""


class Lifecycle(Observer):
    """Runs the functions of one client's life in their time.

    Args:
        hooks: the functions.
        callbacks: has the state handlers.
        settings: the client's.
    """

    def __init__(self, hooks: Hooks, callbacks: Callbacks, settings: Settings) -> None:
        self.last: Ready | None = None
        """The value of the last hello."""
        self._hooks = hooks
        self._callbacks = callbacks
        self._settings = settings
        self._starting: asyncio.Task[None] | None = None
        self._has_begun = False
        """Whether a start was begun; then there is something to stop."""
        self._is_started = False
        self._is_over = False
        self._state = ClientState.IDLE
        self._waiters: set[asyncio.Future[Ready]] = set()

    # -- the start ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Run the on_start handlers, unless that was done; wait for them if another caller has begun to.

        Raises:
            Exception: what one of them raised. The next call runs all of them again.
            RuntimeError: the caller is one of them.
            ClientClosed: the client was closed meanwhile.
        """
        self.check_caller(asyncio.current_task())
        if self._is_over:
            raise ClientClosed
        self._has_begun = True
        if self._starting is None:
            if self._is_started or not self._hooks.starts:
                self._is_started = True
                return
            self._starting = asyncio.get_running_loop().create_task(self._start())
        starting = self._starting
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            if self._is_over and starting.cancelled():
                raise ClientClosed from None
            raise

    async def _start(self) -> None:
        try:
            for step in self._hooks.starts:
                await step.run()
            self._is_started = True
        finally:
            self._starting = None

    def check_caller(self, caller: object) -> None:
        """Check that a task or thread can wait for a connection.

        Raises:
            RuntimeError: it runs an on_start handler.
        """
        for step in self._hooks.starts:
            if step.is_run_by(caller):
                raise RuntimeError(
                    f"{step.name} is an on_start handler, which runs before the client connects, and would wait for "
                    "itself: use on_ready for what needs a connection"
                )

    def is_stopping_in(self, caller: object) -> bool:
        """Return whether a task or thread runs an on_stop handler."""
        return any(each.is_run_by(caller) for each in self._hooks.stops)

    # -- connections ----------------------------------------------------------------------------------------

    def hello(self, ready: Ready) -> None:
        """Called for each hello, when events begin to come from its connection."""
        self.last = ready
        self._log(ready)
        self._hooks.ready.publish(ready)
        for waiter in self._take_waiters():
            waiter.set_result(ready)
        if not self._is_over:
            self._hooks.begin_jobs()

    def _log(self, ready: Ready) -> None:
        user, team = ready.identity.user, ready.identity.team
        who = f"{_shown(user.name)} ({_shown(user.id)}) to {_shown(team.domain or team.name)} ({_shown(team.id)})"
        gap = ready.gap
        if ready.is_first:
            LOG.info("connected as %s at %s", who, self._settings.base_url)
        elif gap is None:
            LOG.info("reconnected as %s: the new connection took over without a gap", who)
        else:
            away = (gap.ended - gap.began).total_seconds()
            if gap.is_filled:
                what = "resumed, nothing is missing"
            elif gap.filling:
                what = "events may be missing; messages of the chosen channels are being filled in"
            else:
                what = "not resumed, events may be missing"
            LOG.info("reconnected as %s after %.1f s: %s", who, away, what)

    def state_changed(self, state: ClientState) -> None:
        """See ``Observer``."""
        self._state = state
        self._callbacks.states.publish(state)
        if state is ClientState.CLOSED:
            self._fail(ClientClosed())

    def connect_failed(self, error: ConnectError) -> None:
        """See ``Observer``."""
        if isinstance(error, ConnectRefused):  # no other attempt comes
            self._fail(error)

    async def wait_ready(self, timeout: float | None) -> Ready:  # noqa: ASYNC109 (as on the blocking client)
        """Return what the last hello brought, or wait for the next one.

        Raises:
            TimeoutError: it did not come in time.
            ConnectRefused: the server refused the client for good.
            ClientClosed: the client was closed.
            RuntimeError: the caller is an on_start handler.
        """
        if timeout is not None:
            check_seconds("timeout", timeout, zero=True)
        self.check_caller(asyncio.current_task())
        if self._state is ClientState.READY and self.last is not None:
            return self.last
        if self._state is ClientState.CLOSED:
            raise ClientClosed
        waiter: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                return await waiter
        except TimeoutError:
            raise TimeoutError(f"the client is not ready after {timeout:g} s") from None
        finally:
            self._waiters.discard(waiter)

    def _fail(self, error: Exception) -> None:
        for waiter in self._take_waiters():
            waiter.set_exception(error)

    def _take_waiters(self) -> list["asyncio.Future[Ready]"]:
        waiters = [each for each in self._waiters if not each.done()]
        self._waiters.clear()
        return waiters

    # -- the end --------------------------------------------------------------------------------------------

    async def stop(self, within: float, hurry: asyncio.Event) -> None:
        """Begin no job any more, and run the on_stop handlers if the on_start handlers have begun.

        Args:
            within: seconds for them. One that takes longer goes on until the client ends its handlers.
            hurry: ends the wait for them early when it is set.
        """
        self._is_over = True
        ending = self._hooks.retire_jobs()
        if self._starting is not None:
            self._starting.cancel()
            ending.append(self._starting)
        if ending:
            await asyncio.wait(ending)
        if not self._has_begun or not self._hooks.stops:
            return
        running = {asyncio.get_running_loop().create_task(step.run()): step for step in self._hooks.stops}
        try:
            await unless_hurried(asyncio.wait(running, timeout=within), hurry)
            for task, step in running.items():
                if not task.done():
                    LOG.warning("on_stop handler %s is not done when its time is over", step.name)
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)


def _shown(name: str) -> str:
    """Return a name the server gave, so that it cannot end the line of the log."""
    return "".join(each if each.isprintable() else "?" for each in name[:_SHOWN])
