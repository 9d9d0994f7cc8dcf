"""A workspace for a test: the real server, people who act, channels that can be watched.

The work is done by coroutines on the server's loop (``Stage`` and its parts); ``Workspace`` awaits them from asyncio
tests, ``BlockingWorkspace`` blocks on them.
"""

from collections.abc import Sequence
from typing import Any, Self

from tautwire.testing.calls import Call
from tautwire.testing.channels import SILENCE, WITHIN, BlockingChannel, Channel, Named, name_of
from tautwire.testing.clock import TurnedClock
from tautwire.testing.faults import Faults
from tautwire.testing.people import BlockingPerson, Member, Person, named
from tautwire.testing.stage import Stage, make_seed
from tautwire.testing.thread import LoopThread


class SomeWorkspace:
    """What both kinds of workspaces share.

    Args:
        people, bots: names, besides alice, bob and bot; each gets a token and is in every channel.
        channels: names, besides general.
        only: whether there is only what is named here.
        rate_limits: whether the server refuses clients that go too fast. People wait as long as it says.
    """

    def __init__(
        self,
        people: Sequence[str] = (),
        bots: Sequence[str] = (),
        channels: Sequence[str] = (),
        *,
        only: bool = False,
        rate_limits: bool = False,
    ) -> None:
        self._stage = Stage(make_seed(people, bots, channels, only=only), rate_limits=rate_limits)
        self._thread: LoopThread | None = None

    @property
    def api_url(self) -> str:
        """The base URL of the Web API; clients that are given it meet the faults."""
        return self._stage.api_url

    @property
    def faults(self) -> Faults:
        """What can be made to go wrong."""
        return self._stage.faults

    @property
    def clock(self) -> TurnedClock:
        """The server's clock."""
        return self._stage.clock

    @property
    def calls(self) -> list[Call]:
        """The Web API calls that bots made, in the order in which they were answered."""
        return list(self._stage.observer.calls)

    @property
    def transcript(self) -> str:
        """What happened so far, for people to read."""
        return self._stage.transcript()

    @property
    def transcript_json(self) -> list[dict[str, Any]]:
        """What happened so far as plain dicts, with names for ids and without times, for snapshot tests.

        All have ``kind``, ``channel`` and ``user``. A ``message`` has ``text``; if they apply, also ``subtype``,
        ``username`` (posted under another name), ``reply_to``, ``only_for`` (ephemeral) and ``blocks`` (a summary of
        each). An ``edit`` has ``of`` and ``text``, a ``deletion`` ``of``, a ``reaction`` or ``reaction removed`` ``to``
        and ``name``. ``reply_to``, ``of`` and ``to`` are indexes into this list; None if the message is not in it.
        """
        return self._stage.records()

    @property
    def _running(self) -> LoopThread:
        if self._thread is None:
            raise RuntimeError("the workspace is not open: use it as a context manager, or the pytest fixture")
        return self._thread

    def open(self) -> None:
        """Start the server."""
        self._thread = LoopThread()
        try:
            self._thread.block(self._stage.open())
        except BaseException:
            self._thread.close()
            raise

    def close(self) -> None:
        """Stop the server and remove its data."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                thread.block(self._stage.close())
            finally:
                thread.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Workspace(SomeWorkspace):
    """A running workspace for asyncio tests; its methods may be awaited on any loop."""

    def person(self, name: str) -> Person:
        """Return a person or bot by name; raise ``UnknownName`` if there is none."""
        self._stage.names.user_id(name)
        return Person(self._running, self._stage, name.removeprefix("@"))

    def channel(self, name: str) -> Channel:
        """Return a channel by name, with or without ``#``, or by id; raise ``UnknownName`` if there is none."""
        return Channel(self._running, self._stage, self._stage.names.channel_id(name))

    async def dm(self, one: str | Member, other: str | Member) -> Channel:
        """Return the direct message of two, opened by the first if it was not yet."""
        channel = await self._running.wait(self._stage.acts.open_dm(named(one), named(other)))
        return Channel(self._running, self._stage, channel)

    async def wait_for_call(self, method: str, /, *, within: float = WITHIN, **arguments: Any) -> Call:
        """Return the oldest Web API call of a bot that fits and that was not returned before; wait if need be.

        Args:
            method: the method's name, such as ``reactions.add``.
            within: seconds.
            arguments: what the call has to have among its arguments: a value, a pattern found in it, or a function of
                it. ``#name`` and ``@name`` stand for their ids as well.

        Raises:
            AssertionError: none came in time; the text lists the calls, and has the transcript.
        """
        return await self._running.wait(self._stage.waits.call(method, arguments, within))

    async def wait_for_connection(self, name: str | Member, *, within: float = WITHIN) -> None:
        """Wait until a bot has an RTM connection; raise ``AssertionError`` if it has none in time."""
        await self._running.wait(self._stage.waits.connection(named(name), within))

    async def expect_silence(self, seconds: float = SILENCE, *, user: str | Named | None = None) -> None:
        """Fail if a bot says something anywhere; see ``Channel.expect_silence``."""
        await self._running.wait(self._stage.waits.silence(None, name_of(user), seconds))

    async def reset(self) -> None:
        """Go back to how the workspace was opened: nothing was said, no faults, the machine's time.

        Address, ids and tokens stay. Connections of bots end; a client that reconnects by itself comes back, see
        ``wait_for_connection``.
        """
        await self._running.wait(self._stage.reset())


class BlockingWorkspace(SomeWorkspace):
    """A running workspace for blocking tests; see ``Workspace``."""

    def person(self, name: str) -> BlockingPerson:
        """See ``Workspace.person``."""
        self._stage.names.user_id(name)
        return BlockingPerson(self._running, self._stage, name.removeprefix("@"))

    def channel(self, name: str) -> BlockingChannel:
        """See ``Workspace.channel``."""
        return BlockingChannel(self._running, self._stage, self._stage.names.channel_id(name))

    def dm(self, one: str | Member, other: str | Member) -> BlockingChannel:
        """See ``Workspace.dm``."""
        channel = self._running.block(self._stage.acts.open_dm(named(one), named(other)))
        return BlockingChannel(self._running, self._stage, channel)

    def wait_for_call(self, method: str, /, *, within: float = WITHIN, **arguments: Any) -> Call:
        """See ``Workspace.wait_for_call``."""
        return self._running.block(self._stage.waits.call(method, arguments, within))

    def wait_for_connection(self, name: str | Member, *, within: float = WITHIN) -> None:
        """See ``Workspace.wait_for_connection``."""
        self._running.block(self._stage.waits.connection(named(name), within))

    def expect_silence(self, seconds: float = SILENCE, *, user: str | Named | None = None) -> None:
        """See ``Workspace.expect_silence``."""
        self._running.block(self._stage.waits.silence(None, name_of(user), seconds))

    def reset(self) -> None:
        """See ``Workspace.reset``."""
        self._running.block(self._stage.reset())
