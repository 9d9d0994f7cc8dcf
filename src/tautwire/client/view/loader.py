"""Reads what a view shows from the Web API, after each connection that does not go on where the last one ended.

``client/view/view`` keeps the objects and applies events to them. Failures are reported as ``ViewIncomplete``; existing
data is kept. A view is current while two things hold: it is whole, that is,
everything was read and no event was missed after the question; and a connection is there.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeVar

import msgspec
from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.errors import NotConnected, ViewIncomplete
from tautwire.client.log import LOG
from tautwire.client.net.calls import CallError, listed
from tautwire.client.view.options import ViewOptions
from tautwire.client.view.view import View
from tautwire.protocol.ids import ChannelId, UserId
from tautwire.protocol.lenient import encoded, read
from tautwire.protocol.objects import Channel, User

T = TypeVar("T", User, Channel)

AT_ONCE: Final = 4
"""Maximum number of conversations whose members are read concurrently."""


class Loader:
    """Keeps a view filled. All methods are for the loop.

    Args:
        view: what is filled.
        options: with what.
        web: a client of the Web API that repeats no call by itself.
        tell: hears of what could not be read.
    """

    def __init__(
        self, view: View, options: ViewOptions, web: AsyncWebClient, tell: Callable[[ViewIncomplete], None]
    ) -> None:
        self.view = view
        view.missing = self._read_missing
        self._options = options
        self._web = web
        self._tell = tell
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._load: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_whole = False
        self._failures = 0  # of readings of one conversation's members
        self._is_connected = False

    def connected(self, me: UserId, *, is_resumed: bool) -> None:
        """Note a hello; read everything unless all events since the last whole reading were or will be delivered."""
        self.view.me = me
        self._is_connected = True
        if not is_resumed:
            self._is_whole = False
            self._give_up()
        self._assess()
        if not self._is_whole and self._load is None:
            self._begin()

    def disconnected(self) -> None:
        """Note that events are being missed, perhaps for good."""
        self._is_connected = False
        self._assess()

    async def load(self) -> None:
        """Read everything, or wait until that is done if it is under way.

        Raises:
            ViewIncomplete: something could not be read.
            NotConnected: the client was stopped meanwhile.
        """
        while True:
            task = self._load or self._begin()
            await asyncio.wait([task])
            if not task.cancelled():
                return task.result()
            if self._load in (None, task):  # and not begun again after a gap
                raise NotConnected("stopped before the view was read")

    async def stop(self) -> None:
        """End all reading."""
        self._give_up()
        self.disconnected()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # -- the work -------------------------------------------------------------------------------------------

    def _begin(self) -> "asyncio.Task[None]":
        self._load = self._start(self._read_all())
        return self._load

    def _give_up(self) -> None:
        """End what is being read: what was asked before a gap is of no use after it. The view lacks it now."""
        for task in self._tasks:
            task.cancel()
            self._is_whole = False
        self._load = None

    def _assess(self) -> None:
        self.view.is_current = self._is_whole and self._is_connected

    def _start(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work, name="tautwire-view")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if self._load is task:
            self._load = None
        elif error is not None:  # the view had nothing before of what this was to read
            self._failures += 1
            self._is_whole = False
            self._assess()
        if isinstance(error, ViewIncomplete):
            self._tell(error)
        elif error is not None:  # a defect of ours: never silent
            LOG.error("the view was not read because of a defect", exc_info=error)

    def _read_missing(self, channel: ChannelId) -> None:
        """Read the members of a conversation that we just came into."""
        self._start(self._read_members_alone(channel))

    async def _read_all(self) -> None:
        mark, failures = self.view.begin(), self._failures
        try:
            async with asyncio.timeout(self._options.timeout):
                errors = list(await asyncio.gather(self._read_users(mark), self._read_channels(mark)))
                if self._options.members:
                    own = self.view.own_channels()
                    errors += await asyncio.gather(*(self._read_members(channel, mark) for channel in own))
        except TimeoutError:
            raise ViewIncomplete("all", f"it took more than {self._options.timeout:g} s") from None
        finally:
            self.view.end()
        found = [each for each in errors if each is not None]
        for error in found[1:]:
            self._tell(error)
        if found:
            raise found[0]
        self.view.is_loaded = True
        if failures == self._failures:  # else we came into a conversation meanwhile that could not be read
            self._is_whole = True
            self._assess()
        LOG.info("the view is loaded: %d users, %d channels", len(self.view.users()), len(self.view.channels()))

    async def _read_users(self, mark: int) -> ViewIncomplete | None:
        if not self._options.users:
            return None
        try:
            found = await self._list("users.list", "members", {})
        except CallError as error:
            return ViewIncomplete("users", str(error))
        self.view.put_users(_objects(found, User), mark)
        return None

    async def _read_channels(self, mark: int) -> ViewIncomplete | None:
        if not self._options.kinds:
            return None
        try:
            found = await self._list("conversations.list", "channels", {"types": ",".join(self._options.kinds)})
        except CallError as error:
            return ViewIncomplete("channels", str(error))
        self.view.put_channels(_objects(found, Channel), mark)
        return None

    async def _read_members(self, channel: ChannelId, mark: int) -> ViewIncomplete | None:
        try:
            async with self._gate:
                found = await self._list("conversations.members", "members", {"channel": channel})
        except CallError as error:
            if self.view.is_own(channel):  # we may have left meanwhile
                return ViewIncomplete(f"members of {channel}", str(error))
        else:
            self.view.put_members(channel, (UserId(each) for each in found if isinstance(each, str)), mark)
        return None

    async def _read_members_alone(self, channel: ChannelId) -> None:
        mark = self.view.begin()
        try:
            async with asyncio.timeout(self._options.timeout):
                error = await self._read_members(channel, mark)
        except TimeoutError:
            error = ViewIncomplete(f"members of {channel}", f"it took more than {self._options.timeout:g} s")
        finally:
            self.view.end()
        if error is not None:
            raise error

    async def _list(self, method: str, member: str, arguments: Mapping[str, Any]) -> list[Any]:
        until = asyncio.get_running_loop().time() + self._options.timeout
        found: list[Any] = []
        async with aclosing(listed(self._web, method, member, arguments, until)) as pages:
            async for page in pages:
                found += page
        return found


def _objects(found: list[Any], kind: type[T]) -> list[T]:
    """Read users or conversations; one with members of an odd type keeps the others."""
    objects = []
    decode = msgspec.json.Decoder(kind).decode
    for each in found:
        if not isinstance(each, Mapping) or not isinstance(each.get("id"), str):
            LOG.warning("the list of %ss holds something without an id: a %s", kind.__name__, type(each).__name__)
            continue
        data = encoded(each)
        try:
            objects.append(decode(data))
        except msgspec.ValidationError as error:
            LOG.warning("%s %s is of an odd shape: %s", kind.__name__, each["id"], error)
            objects.append(read(kind, data))
    return objects
