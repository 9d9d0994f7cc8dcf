"""Channels of a workspace: what a test waits for in them, for asyncio and blocking tests.

Every wait returns the oldest thing that fits and that no wait returned before. What does not fit stays for later waits,
so it does not matter who was first. ``user`` takes a name or a person; ``within`` is in seconds. A wait that ends in
vain raises ``AssertionError`` with the transcript.
"""

from typing import Final, Protocol

from tautwire.protocol.ids import ChannelId
from tautwire.testing.observer import Line, Reaction, Text
from tautwire.testing.stage import Stage
from tautwire.testing.thread import LoopThread

WITHIN: Final = 2.0
"""Seconds that something may take unless the test says otherwise."""

SILENCE: Final = 0.3
"""Seconds of silence unless the test says otherwise."""


class Named(Protocol):
    """Anything with a name: a person or a bot."""

    name: str


class SomeChannel:
    """A channel or direct message."""

    def __init__(self, thread: LoopThread, stage: Stage, channel: ChannelId) -> None:
        self.id = channel
        """The channel's id."""
        self._thread = thread
        self._stage = stage

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def name(self) -> str:
        """The channel's name without ``#``; of a direct message who is in it."""
        return self._stage.names.label(self.id).removeprefix("#")

    @property
    def lines(self) -> list[Line]:
        """All messages so far, oldest first."""
        return [line for line in self._stage.observer.lines if line.channel == self.id]


class Channel(SomeChannel):
    """A channel, for asyncio tests."""

    async def wait_for(
        self, text: Text | None = None, *, user: str | Named | None = None, within: float = WITHIN
    ) -> Line:
        """Return the next message: in the channel or a thread, or ephemeral.

        A message that no wait asked for stays: say more of the text where an older message would fit too.

        Args:
            text: all of the text, a pattern found in it, or a function of it; None for any.
            user: who said it, by name or as a ``person``; None for anybody.
            within: seconds.

        Raises:
            AssertionError: none came in time; the text has the transcript.
            UnknownName: there is no such person or bot.
        """
        return await self._thread.wait(self._stage.waits.message(self.id, text, name_of(user), within))

    async def wait_for_edit(
        self,
        text: Text | None = None,
        *,
        of: Line | None = None,
        user: str | Named | None = None,
        within: float = WITHIN,
    ) -> Line:
        """Return the next edited message as it is after the edit.

        Args:
            text: the text after the edit, as for ``wait_for``.
            of: the message; None for any.
            user: who edited it; None for anybody.
            within: seconds.
        """
        return await self._thread.wait(self._stage.waits.edit(self.id, text, of, name_of(user), within))

    async def wait_for_delete(
        self, of: Line | None = None, *, user: str | Named | None = None, within: float = WITHIN
    ) -> Line:
        """Return the next deleted message, as it was."""
        return await self._thread.wait(self._stage.waits.deletion(self.id, of, name_of(user), within))

    async def wait_for_reaction(
        self,
        name: str | None = None,
        *,
        to: Line | None = None,
        user: str | Named | None = None,
        within: float = WITHIN,
    ) -> Reaction:
        """Return the next reaction that was added.

        Args:
            name: the emoji's name; None for any.
            to: the message; None for any.
            user: who reacted; None for anybody.
            within: seconds.
        """
        return await self._thread.wait(self._stage.waits.reaction(self.id, name, to, name_of(user), within))

    async def wait_for_typing(self, *, user: str | Named | None = None, within: float = WITHIN) -> None:
        """Wait until a bot shows that it is typing."""
        await self._thread.wait(self._stage.waits.typing(self.id, name_of(user), within))

    async def expect_silence(self, seconds: float = SILENCE, *, user: str | Named | None = None) -> None:
        """Fail if a bot says something here that no wait returned: before now, or in so many seconds from now.

        Args:
            seconds: how long to listen.
            user: whose messages count; None for those of all bots.
        """
        await self._thread.wait(self._stage.waits.silence(self.id, name_of(user), seconds))


class BlockingChannel(SomeChannel):
    """A channel, for blocking tests; see ``Channel``."""

    def wait_for(self, text: Text | None = None, *, user: str | Named | None = None, within: float = WITHIN) -> Line:
        """See ``Channel.wait_for``."""
        return self._thread.block(self._stage.waits.message(self.id, text, name_of(user), within))

    def wait_for_edit(
        self,
        text: Text | None = None,
        *,
        of: Line | None = None,
        user: str | Named | None = None,
        within: float = WITHIN,
    ) -> Line:
        """See ``Channel.wait_for_edit``."""
        return self._thread.block(self._stage.waits.edit(self.id, text, of, name_of(user), within))

    def wait_for_delete(
        self, of: Line | None = None, *, user: str | Named | None = None, within: float = WITHIN
    ) -> Line:
        """See ``Channel.wait_for_delete``."""
        return self._thread.block(self._stage.waits.deletion(self.id, of, name_of(user), within))

    def wait_for_reaction(
        self,
        name: str | None = None,
        *,
        to: Line | None = None,
        user: str | Named | None = None,
        within: float = WITHIN,
    ) -> Reaction:
        """See ``Channel.wait_for_reaction``."""
        return self._thread.block(self._stage.waits.reaction(self.id, name, to, name_of(user), within))

    def wait_for_typing(self, *, user: str | Named | None = None, within: float = WITHIN) -> None:
        """See ``Channel.wait_for_typing``."""
        self._thread.block(self._stage.waits.typing(self.id, name_of(user), within))

    def expect_silence(self, seconds: float = SILENCE, *, user: str | Named | None = None) -> None:
        """See ``Channel.expect_silence``."""
        self._thread.block(self._stage.waits.silence(self.id, name_of(user), seconds))


def name_of(user: str | Named | None) -> str | None:
    """Return the name of a person or bot, None for anybody."""
    return user if user is None or isinstance(user, str) else user.name
