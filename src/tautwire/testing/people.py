"""People and bots of a workspace: what a test has them do, for asyncio and blocking tests."""

from typing import Literal

from tautwire.protocol.ids import UserId
from tautwire.testing.channels import SomeChannel
from tautwire.testing.observer import Line
from tautwire.testing.stage import Stage
from tautwire.testing.thread import LoopThread

Presence = Literal["active", "away"]

Where = str | SomeChannel
"""A channel by its name, with or without ``#``, by its id, or as a test got it from the workspace."""


class Member:
    """A person or a bot, by name."""

    def __init__(self, thread: LoopThread, stage: Stage, name: str) -> None:
        self.name = name
        self._thread = thread
        self._stage = stage

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def id(self) -> UserId:
        """Their user id."""
        return self._stage.names.user_id(self.name)

    @property
    def token(self) -> str:
        """Their token, for clients that act as them."""
        return self._stage.names.token(self.name)


class Person(Member):
    """A person or a bot, for asyncio tests.

    Everything goes through the server's Web API and RTM with their own token, and is stored when a method returns. What
    the server refuses raises ``CallRefused``. Texts are as people type them: ``@name`` becomes a mention, and ``<``,
    ``>`` and ``&`` are escaped. For everything else give ``token`` and the workspace's ``api_url`` to a client.
    """

    async def say(self, channel: Where, text: str, *, thread_ts: str | None = None) -> Line:
        """Post a message."""
        return await self._thread.wait(self._stage.acts.say(self.name, place(channel), text, thread_ts))

    async def reply(self, line: Line, text: str, *, broadcast: bool = False) -> Line:
        """Reply in the thread of a message, on request shown in the channel as well."""
        return await self._thread.wait(self._stage.acts.reply(self.name, line, text, broadcast=broadcast))

    async def edit(self, line: Line, text: str) -> Line:
        """Change the text of their own message; return the message as it is now."""
        return await self._thread.wait(self._stage.acts.edit(self.name, line, text))

    async def delete(self, line: Line) -> None:
        """Delete their own message."""
        await self._thread.wait(self._stage.acts.delete(self.name, line))

    async def react(self, line: Line, name: str) -> None:
        """Add a reaction to a message; the emoji's name may have colons."""
        await self._thread.wait(self._stage.acts.react(self.name, line, name))

    async def unreact(self, line: Line, name: str) -> None:
        """Remove their reaction."""
        await self._thread.wait(self._stage.acts.unreact(self.name, line, name))

    async def upload(
        self, channel: Where, content: str | bytes, name: str = "file.txt", *, comment: str = "", title: str = ""
    ) -> Line:
        """Upload a file into a channel; return the message that shares it, whose ``event`` has ``files``."""
        return await self._thread.wait(
            self._stage.acts.upload(self.name, place(channel), content, name, comment, title)
        )

    async def dm(self, other: str | Member, text: str) -> Line:
        """Say something to one person or bot directly; the direct message is opened if it was not yet."""
        return await self._thread.wait(self._stage.acts.dm(self.name, named(other), text))

    async def join(self, channel: Where) -> None:
        """Join a public channel."""
        await self._thread.wait(self._stage.acts.join(self.name, place(channel)))

    async def leave(self, channel: Where) -> None:
        """Leave a channel."""
        await self._thread.wait(self._stage.acts.leave(self.name, place(channel)))

    async def type(self, channel: Where, *, thread_ts: str | None = None) -> None:
        """Show that they are typing. They are online for that moment, as typing goes over an RTM connection."""
        await self._thread.wait(self._stage.acts.type(self.name, place(channel), thread_ts))

    async def set_presence(self, presence: Presence) -> None:
        """Come online and stay so (``active``), or set themselves ``away``."""
        await self._thread.wait(self._stage.acts.set_presence(self.name, presence))


class BlockingPerson(Member):
    """A person or a bot, for blocking tests; see ``Person``."""

    def say(self, channel: Where, text: str, *, thread_ts: str | None = None) -> Line:
        """See ``Person.say``."""
        return self._thread.block(self._stage.acts.say(self.name, place(channel), text, thread_ts))

    def reply(self, line: Line, text: str, *, broadcast: bool = False) -> Line:
        """See ``Person.reply``."""
        return self._thread.block(self._stage.acts.reply(self.name, line, text, broadcast=broadcast))

    def edit(self, line: Line, text: str) -> Line:
        """See ``Person.edit``."""
        return self._thread.block(self._stage.acts.edit(self.name, line, text))

    def delete(self, line: Line) -> None:
        """See ``Person.delete``."""
        self._thread.block(self._stage.acts.delete(self.name, line))

    def react(self, line: Line, name: str) -> None:
        """See ``Person.react``."""
        self._thread.block(self._stage.acts.react(self.name, line, name))

    def unreact(self, line: Line, name: str) -> None:
        """See ``Person.unreact``."""
        self._thread.block(self._stage.acts.unreact(self.name, line, name))

    def upload(
        self, channel: Where, content: str | bytes, name: str = "file.txt", *, comment: str = "", title: str = ""
    ) -> Line:
        """See ``Person.upload``."""
        return self._thread.block(self._stage.acts.upload(self.name, place(channel), content, name, comment, title))

    def dm(self, other: str | Member, text: str) -> Line:
        """See ``Person.dm``."""
        return self._thread.block(self._stage.acts.dm(self.name, named(other), text))

    def join(self, channel: Where) -> None:
        """See ``Person.join``."""
        self._thread.block(self._stage.acts.join(self.name, place(channel)))

    def leave(self, channel: Where) -> None:
        """See ``Person.leave``."""
        self._thread.block(self._stage.acts.leave(self.name, place(channel)))

    def type(self, channel: Where, *, thread_ts: str | None = None) -> None:
        """See ``Person.type``."""
        self._thread.block(self._stage.acts.type(self.name, place(channel), thread_ts))

    def set_presence(self, presence: Presence) -> None:
        """See ``Person.set_presence``."""
        self._thread.block(self._stage.acts.set_presence(self.name, presence))


def place(channel: Where) -> str:
    """Return the name or id of a channel."""
    return channel.id if isinstance(channel, SomeChannel) else channel


def named(user: str | Member) -> str:
    """Return the name of a person or bot."""
    return user.name if isinstance(user, Member) else user
