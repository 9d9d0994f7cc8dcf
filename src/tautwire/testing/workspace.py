"""A workspace for a test: the real server, people who speak, channels that can be watched.

The work is done once, by coroutines on the server's loop (``_Stage``); ``Workspace`` awaits them from asyncio tests,
``BlockingWorkspace`` blocks on them.
"""

import contextlib
import re
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from tautwire.protocol.ids import ChannelId, UserId
from tautwire.protocol.text import escape
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.directory import Directory
from tautwire.server.log.entry import Topic
from tautwire.server.services import messages
from tautwire.server.services.identity import Identity
from tautwire.server.services.seed import Seed, SeedChannel, SeedTeam, SeedUser
from tautwire.server.store.records import find_user
from tautwire.testing.clock import TurnedClock
from tautwire.testing.faults import Faults
from tautwire.testing.observer import Line, Observer, Text
from tautwire.testing.thread import LoopThread

WITHIN = 2.0
"""Seconds that something may take unless the test says otherwise."""

_MENTION = re.compile(r"(?<![\w@])@([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)")
"""``@name``, the full stop or colon after it left aside, and no e-mail address."""


class _Stage:
    """The server and what tests do with it; all coroutines run on the server's loop."""

    def __init__(
        self,
        people: Sequence[str],
        bots: Sequence[str],
        channels: Sequence[str],
        *,
        rate_limits: bool,
    ) -> None:
        self._seed = Seed(
            team=SeedTeam(name="Test", domain="test"),
            users=[SeedUser(name=name) for name in people],
            bots=[SeedUser(name=name) for name in bots],
            channels=[SeedChannel(name=name) for name in channels],
        )
        self._rate_limits = rate_limits
        self._exit = contextlib.AsyncExitStack()
        self.clock = TurnedClock()
        self.faults = Faults()
        self.directory: Directory
        self.api_url: str

    async def open(self) -> None:
        """Start everything, or leave nothing behind."""
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise

    async def _open(self) -> None:
        data = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="tautwire-test-")))
        settings = Settings(
            data=data, port=0, rate_limits=self._rate_limits, durability="normal", drain=0.0, presence_grace=0.0
        )
        self.observer = Observer()
        self.server = Server(settings, clock=self.clock, sample=self._seed)
        self.server.observe(self.observer)
        await self.server.start()
        self._exit.push_async_callback(self.server.stop)
        self._exit.push_async_callback(self.faults.stop)
        await self.faults.start(self.server.port)
        self.directory = await self.server.directory()
        self.api_url = f"http://127.0.0.1:{self.faults.port}/api/"
        self.names = {str(facts["id"]): name for name, facts in self.directory.users.items()}

    async def close(self) -> None:
        await self._exit.aclose()

    async def say(self, name: str, channel: str, text: str, thread_ts: str | None) -> Line:
        """Post as somebody; the message is stored and on its way to everybody when this returns."""
        workspace = self.server.workspace
        user = await workspace.reader.read(partial(find_user, user=self.user_id(name)))
        if user is None:
            raise KeyError(name)
        who = Identity(user.id, user.name, user.bot_id, user.app_id)
        draft = messages.Draft(text=self.typed(text), thread_ts=thread_ts)
        where = self.channel_id(channel)
        posted = await workspace.writer.write(
            partial(messages.post, team=workspace.team, who=who, channel=where, draft=draft)
        )
        return Line(
            where, user.id, posted.body["text"], posted.ts, msgspec.json.decode(msgspec.json.encode(posted.body))
        )

    def typed(self, text: str) -> str:
        """Return what an app makes of what somebody typed: characters escaped, ``@name`` a mention."""

        def mention(found: re.Match[str]) -> str:
            return f"<@{self.user_id(found[1])}>" if found[1] in self.directory.users else found[0]

        return _MENTION.sub(mention, escape(text))

    async def typing(self, name: str, channel: str) -> None:
        """Show somebody typing."""
        where, user = self.channel_id(channel), self.user_id(name)
        payload = msgspec.json.encode({"type": "user_typing", "channel": where, "user": user})
        self.server.workspace.hub.whisper(Topic(where), payload, but=user)

    async def wait_for(self, channel: str, text: Text | None, user: str | None, within: float) -> Line:
        """Wait for a message; raise AssertionError with the transcript if it does not come."""
        user_id = None if user is None else self.user_id(user)
        line = await self.observer.wait_for(self.channel_id(channel), text, user_id, within)
        if line is None:
            by = f" by {user}" if user is not None else ""
            wanted = "a message" if text is None else repr(getattr(text, "pattern", text))
            heard = self.transcript(mark_found=True)
            raise AssertionError(f"{wanted}{by} did not come to #{channel} within {within:g} s. It heard:\n{heard}")
        return line

    def user_id(self, name: str) -> UserId:
        """Return the id of somebody."""
        return UserId(str(self.directory.users[name]["id"]))

    def token(self, name: str) -> str:
        """Return the token of somebody."""
        return str(self.directory.users[name]["token"])

    def channel_id(self, name: str) -> ChannelId:
        """Return the id of a channel by its name, with or without ``#``."""
        return ChannelId(self.directory.channels[name.removeprefix("#")])

    def transcript(self, *, mark_found: bool = False) -> str:
        """Return all messages so far as text, on request with those marked that ``wait_for`` returned."""
        channels = {channel: name for name, channel in self.directory.channels.items()}
        lines = [
            f"  #{channels.get(line.channel, line.channel)} {self.names.get(line.user, line.user)}: {line.text}"
            + ("  (found before)" if mark_found and self.observer.is_found(line) else "")
            for line in self.observer.lines
        ]
        return "\n".join(lines) or "  (nothing)"


class _Actor:
    """Somebody or something in the workspace, by name."""

    def __init__(self, thread: LoopThread, stage: _Stage, name: str) -> None:
        self.name = name
        self._thread = thread
        self._stage = stage

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class _Somebody(_Actor):
    @property
    def id(self) -> UserId:
        """Their user id."""
        return self._stage.user_id(self.name)

    @property
    def token(self) -> str:
        """Their token, for clients that act as them."""
        return self._stage.token(self.name)


class _Somewhere(_Actor):
    @property
    def id(self) -> ChannelId:
        """The channel's id."""
        return self._stage.channel_id(self.name)

    @property
    def lines(self) -> list[Line]:
        """All messages so far, oldest first."""
        return [line for line in self._stage.observer.lines if line.channel == self.id]


class Person(_Somebody):
    """A person or a bot, for asyncio tests."""

    async def say(self, channel: str, text: str, *, thread_ts: str | None = None) -> Line:
        """Post a text as one types it, ``@name`` for a mention; it is stored when this returns."""
        return await self._thread.wait(self._stage.say(self.name, channel, text, thread_ts))

    async def type(self, channel: str) -> None:
        """Show that they are typing."""
        await self._thread.wait(self._stage.typing(self.name, channel))


class Channel(_Somewhere):
    """A channel, for asyncio tests."""

    async def wait_for(
        self, text: Text | None = None, *, user: str | _Somebody | None = None, within: float = WITHIN
    ) -> Line:
        """Return the oldest message that fits and that no call for this channel returned before; wait if need be.

        Messages that do not fit are left for later calls, so who spoke first does not matter. One that no call asked
        for stays as well: say more of the text where an older message would fit too.

        Args:
            text: all of the text, a pattern found in it, or a function of it; None for any.
            user: who said it, by name or as a ``person``; None for anybody.
            within: seconds.

        Raises:
            AssertionError: none came in time; its text is the transcript.
            KeyError: nobody has that name.
        """
        return await self._thread.wait(self._stage.wait_for(self.name, text, _name(user), within))


class BlockingPerson(_Somebody):
    """A person or a bot, for blocking tests."""

    def say(self, channel: str, text: str, *, thread_ts: str | None = None) -> Line:
        """See ``Person.say``."""
        return self._thread.block(self._stage.say(self.name, channel, text, thread_ts))

    def type(self, channel: str) -> None:
        """See ``Person.type``."""
        self._thread.block(self._stage.typing(self.name, channel))


class BlockingChannel(_Somewhere):
    """A channel, for blocking tests."""

    def wait_for(
        self, text: Text | None = None, *, user: str | _Somebody | None = None, within: float = WITHIN
    ) -> Line:
        """See ``Channel.wait_for``."""
        return self._thread.block(self._stage.wait_for(self.name, text, _name(user), within))


class _Place:
    """What both kinds of workspaces share.

    Args:
        people, bots: names; each gets a token and is in every channel.
        channels: names.
        rate_limits: whether the server minds clients that go too fast.
    """

    def __init__(
        self,
        people: Sequence[str] = ("alice", "bob"),
        bots: Sequence[str] = ("bot",),
        channels: Sequence[str] = ("general",),
        *,
        rate_limits: bool = False,
    ) -> None:
        self._stage = _Stage(people, bots, channels, rate_limits=rate_limits)
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
    def transcript(self) -> str:
        """All messages so far, for people to read."""
        return self._stage.transcript()

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
        """Stop the server and take its data away."""
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


class Workspace(_Place):
    """A running workspace for asyncio tests; its methods may be awaited on any loop."""

    def person(self, name: str) -> Person:
        """Return somebody by name, person or bot."""
        self._stage.user_id(name)
        return Person(self._running, self._stage, name)

    def channel(self, name: str) -> Channel:
        """Return a channel by name, with or without ``#``."""
        self._stage.channel_id(name)
        return Channel(self._running, self._stage, name.removeprefix("#"))


class BlockingWorkspace(_Place):
    """A running workspace for blocking tests."""

    def person(self, name: str) -> BlockingPerson:
        """Return somebody by name, person or bot."""
        self._stage.user_id(name)
        return BlockingPerson(self._running, self._stage, name)

    def channel(self, name: str) -> BlockingChannel:
        """Return a channel by name, with or without ``#``."""
        self._stage.channel_id(name)
        return BlockingChannel(self._running, self._stage, name.removeprefix("#"))


def _name(user: str | _Somebody | None) -> str | None:
    return user.name if isinstance(user, _Somebody) else user
