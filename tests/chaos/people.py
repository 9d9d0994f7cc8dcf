"""Seeded random people: they join, leave, post, edit, delete, react, drop their connections and resume.

They talk to the real server over real sockets and write down all they see as a ``History``. Nothing is judged here
except that an answer is one the method may give.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from history import Claim, Cover, Frame, History, Line, Name, Session
from process import Served, eventually
from tautwire.server.log.tail import read_entries
from tautwire.server.store.engines import open_engine
from tautwire.server.store.reader import Reader

EMOJI = ("tada", "eyes", "+1")

REFUSALS = frozenset(
    {"already_in_channel", "already_reacted", "cant_delete_message", "cant_invite_self", "cant_leave_general",
     "cant_update_message", "channel_not_found", "last_member", "message_not_found",
     "method_not_supported_for_channel_type", "no_reaction", "not_in_channel", "user_not_in_channel"}
)  # fmt: skip
"""What people are told who do what they may not: anything else is wrong."""


def seed_file(people: int, channels: int) -> str:
    """Describe a workspace: all are in #general, the others are in some of the channels, half of which are private."""
    names = [f"p{number}" for number in range(people)]
    lines = [f"users: [{', '.join(f'{{name: {name}}}' for name in names)}]", "bots: [{name: bot}]", "channels:"]
    lines.append(f"  - {{name: general, members: [bot, {', '.join(names)}]}}")
    for number in range(channels):
        members = [name for index, name in enumerate(names) if (index + number) % 3 == 0]
        private = str(number % 2 == 0).lower()
        lines.append(f"  - {{name: c{number}, private: {private}, members: [bot, {', '.join(members)}]}}")
    return "team: {name: Acme, domain: acme}\n" + "\n".join(lines) + "\n"


class Crowd:
    """The people, the server they talk to, and what they have seen."""

    def __init__(self, served: Served, http: aiohttp.ClientSession, seed: int) -> None:
        self.served = served
        self.http = http
        self.history = History()
        self.wrong: list[str] = []
        """Answers that must not be given."""
        self.messages: list[tuple[str, str, str]] = []
        """Author, channel and ts of what was posted."""
        self.serving = asyncio.Event()
        """Set while there is a server to talk to."""
        self.serving.set()
        self.kills = 0
        self._chance = random.Random(seed)
        self.people = [Person(self, name, random.Random(f"{seed} {name}")) for name in served.facts["users"]]
        self.channels = list(served.facts["channels"].values())

    async def live(self, steps: int, kill_every: float | None = None) -> None:
        """Let everybody do ``steps`` things, then have all that is left come in, and tell all that it is over.

        With ``kill_every`` the server is killed and started again about that often, in seconds, meanwhile.
        """
        over = asyncio.Event()
        killer = asyncio.create_task(self._kill(kill_every, over)) if kill_every is not None else None
        await asyncio.gather(*(person.live(steps) for person in self.people))
        over.set()
        if killer is not None:
            await killer
        await asyncio.gather(*(person.come_back() for person in self.people))
        first = self.people[0]
        answer = await first.call("chat.postMessage", channel=self.served.channel("general"), text="the end")
        assert answer is not None
        assert answer["ok"], answer
        self.history.end = ("message", "", answer["channel"], answer["ts"])
        for person in self.people:
            for socket in person.sockets:
                if socket.is_open:
                    await eventually(partial(socket.has, answer["ts"]), f"{person.name} did not hear of the end")
                    socket.session.sees_the_end = True
                    await socket.close()

    async def _kill(self, every: float, over: asyncio.Event) -> None:
        while True:
            try:
                await asyncio.wait_for(over.wait(), every * (0.5 + self._chance.random()))
            except TimeoutError:
                await self.restart()
                self.kills += 1
            else:
                return

    async def restart(self) -> None:
        """Kill the server and start another one on what it left."""
        self.serving.clear()
        await self.served.kill()
        await self.served.start()
        self.serving.set()

    async def unanswered(self, what: str) -> None:
        """Note that something was not answered though the server lives, or wait until it does."""
        if self.serving.is_set():
            self.wrong.append(f"{what}: no answer")
        await self.serving.wait()

    async def log(self) -> list[Line]:
        """Read the log of the stopped server."""
        return await read_log(self.served.data, self.served.database)


class Person:
    """Somebody with up to two connections who does things at random."""

    def __init__(self, crowd: Crowd, name: str, chance: random.Random) -> None:
        self.name = name
        self.sockets: list[Socket] = []
        self._crowd = crowd
        self._chance = chance
        self._number = 0
        self._cover: Cover | None = None  # where the next connection resumes
        self._position: str | None = None
        self._does: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (22, self._say), (14, self._post), (8, self._edit), (5, self._delete), (8, self._react), (6, self._join),
            (5, self._leave), (4, self._invite), (3, self._whisper), (5, self._reply), (3, self._write_to),
            (10, self.connect), (6, self._drop), (3, self._go), (3, self._type),
        ]  # fmt: skip

    async def live(self, steps: int) -> None:
        weights = [weight for weight, _ in self._does]
        for _ in range(steps):
            await self._crowd.serving.wait()
            ((_, do),) = self._chance.choices(self._does, weights)
            await do()
            await asyncio.sleep(self._chance.random() * 0.01)  # so that they do not all move in step

    async def come_back(self) -> None:
        """Have at least one connection that lives."""
        while not [socket for socket in self.sockets if socket.is_open]:
            await self.connect()

    async def call(self, method: str, **arguments: Any) -> dict[str, Any] | None:
        """Call a method; return its answer, None if the server went away before it came."""
        try:
            answer = await self._crowd.served.call(self._crowd.http, self.name, method, **arguments)
        except (aiohttp.ClientError, ConnectionError):
            await self._crowd.unanswered(method)
            return None
        if not answer["ok"] and answer["error"] not in REFUSALS:
            self._crowd.wrong.append(f"{method} {arguments}: {answer}")
        return answer

    async def connect(self) -> None:
        """Open a connection; the first one after a loss goes on where the lost one was."""
        self.sockets = [socket for socket in self.sockets if socket.is_open]
        if len(self.sockets) == 2:
            return
        arguments: dict[str, str] = {}
        cover = None
        if self._position is not None and self._cover is not None:
            arguments["resume"], cover = self._position, self._cover
            self._position = self._cover = None
        elif self._chance.random() < 0.8:
            arguments["resume"] = ""
        began = time.monotonic()
        grant = await self.call("rtm.connect", **arguments)
        if grant is None:
            if cover is not None:
                self._position, self._cover = arguments["resume"], cover
            return
        outcome = grant.get("resume")
        session = Session(
            grant["self"]["id"], began, time.monotonic(), outcome, cover if outcome == "resumed" else None
        )
        position = str(grant["position"]) if outcome is not None else None
        self._crowd.history.sessions.append(session)
        try:
            ws = await self._crowd.http.ws_connect(grant["url"], compress=0, max_msg_size=0)
        except (aiohttp.ClientError, ConnectionError):
            if position is not None:  # the next one goes on from what this one was promised
                self._position, self._cover = position, Cover(session, 0)
            await self._crowd.unanswered("the dial")
        else:
            self.sockets.append(Socket(self, ws, session, position))

    def lost(self, socket: "Socket") -> None:
        """Go on from where a connection was that has ended."""
        if socket.position is not None:
            self._position, self._cover = socket.position, Cover(socket.session, socket.covered)

    def stored(self, name: Name, began: float) -> None:
        self._crowd.history.claims.append(Claim(name, began, time.monotonic()))

    def posted(self, channel: str, ts: str, began: float) -> None:
        """Note a message that is stored."""
        self.stored(("message", "", channel, ts), began)
        self._crowd.messages.append((self.name, channel, ts))

    def _text(self) -> str:
        self._number += 1
        return f"{self.name} {self._number}"

    def _channel(self) -> str:
        return self._chance.choice(self._crowd.channels)

    def _message(self, *, mine: bool) -> tuple[str, str] | None:
        """Choose one of the newest messages: channel and ts."""
        found = [each for each in self._crowd.messages[-200:] if not mine or each[0] == self.name]
        return self._chance.choice(found)[1:] if found else None

    async def _say(self) -> None:
        sockets = [socket for socket in self.sockets if socket.is_open]
        if sockets:
            await self._chance.choice(sockets).say(self._channel(), self._text())

    async def _post(self, **arguments: str) -> None:
        began = time.monotonic()
        given = {"channel": self._channel(), "text": self._text(), **arguments}
        answer = await self.call("chat.postMessage", **given)
        if answer is not None and answer["ok"]:
            self.posted(answer["channel"], answer["ts"], began)

    async def _reply(self) -> None:
        target = self._message(mine=False)
        if target is not None:
            await self._post(channel=target[0], thread_ts=target[1])

    async def _write_to(self) -> None:
        await self._post(channel=self._crowd.served.user(self._chance.choice(self._crowd.people).name))

    async def _edit(self) -> None:
        target = self._message(mine=True)
        if target is not None:
            began = time.monotonic()
            answer = await self.call("chat.update", channel=target[0], ts=target[1], text=f"{self._text()} edited")
            if answer is not None and answer["ok"]:
                self.stored(("message", "message_changed", target[0], answer["message"]["edited"]["ts"]), began)

    async def _delete(self) -> None:
        target = self._message(mine=True)
        if target is not None:
            began = time.monotonic()
            answer = await self.call("chat.delete", channel=target[0], ts=target[1])
            if answer is not None and answer["ok"]:
                self.stored(("deleted", *target), began)

    async def _react(self) -> None:
        target = self._message(mine=False)
        if target is not None:
            emoji, began = self._chance.choice(EMOJI), time.monotonic()
            answer = await self.call("reactions.add", channel=target[0], timestamp=target[1], name=emoji)
            if answer is not None and answer["ok"]:
                self.stored(("reaction", self._crowd.served.user(self.name), emoji, *target), began)

    async def _join(self) -> None:
        channel = self._channel()
        answer = await self.call("conversations.join", channel=channel)
        if answer is not None and answer["ok"]:
            self._crowd.history.joins.append((channel, self._crowd.served.user(self.name)))

    async def _leave(self) -> None:
        await self.call("conversations.leave", channel=self._channel())

    async def _invite(self) -> None:
        guest = self._crowd.served.user(self._chance.choice(self._crowd.people).name)
        channel = self._channel()
        answer = await self.call("conversations.invite", channel=channel, users=guest)
        if answer is not None and answer["ok"]:
            self._crowd.history.joins.append((channel, guest))

    async def _whisper(self) -> None:
        guest = self._crowd.served.user(self._chance.choice(self._crowd.people).name)
        await self.call("chat.postEphemeral", channel=self._channel(), user=guest, text=self._text())

    async def _type(self) -> None:
        for socket in self.sockets:
            await socket.send({"type": "typing", "channel": self._channel()})

    async def _drop(self) -> None:
        if self.sockets:
            await self._chance.choice(self.sockets).drop()

    async def _go(self) -> None:
        if self.sockets:
            await self._chance.choice(self.sockets).close()


class Socket:
    """One live connection and its recording."""

    def __init__(
        self, person: Person, ws: aiohttp.ClientWebSocketResponse, session: Session, position: str | None
    ) -> None:
        self.session = session
        self.position = position
        """The newest position that the server gave."""
        self.covered = 0
        """How many frames it covers."""
        self.is_open = True
        self._person = person
        self._ws = ws
        self._pending: dict[int, tuple[str, float]] = {}
        self._last_id = 0
        self._task = asyncio.create_task(self._read())

    def has(self, ts: str) -> bool:
        return any(frame.get("ts") == ts for frame in self.session.frames)

    async def say(self, channel: str, text: str) -> None:
        self._last_id += 1
        self._pending[self._last_id] = (channel, time.monotonic())
        self.session.sent.add(text)
        await self.send({"type": "message", "id": self._last_id, "channel": channel, "text": text})

    async def send(self, frame: Frame) -> None:
        with suppress(ConnectionError):  # the reader sees the end as well
            await self._ws.send_str(json.dumps(frame))

    async def drop(self) -> None:
        """Go without a word."""
        if self._ws._conn is not None and self._ws._conn.transport is not None:
            self._ws._conn.transport.abort()
        await self._task

    async def close(self) -> None:
        """Go as one should."""
        self.is_open = False
        await self._ws.close()
        await self._task

    async def _read(self) -> None:
        while (message := await self._receive()).type is aiohttp.WSMsgType.TEXT:
            frame: Frame = json.loads(message.data)
            self.session.frames.append(frame)
            if frame.get("type") == "position":
                self.position, self.covered = str(frame["position"]), len(self.session.frames)
            elif frame.get("ok") and frame.get("reply_to") in self._pending:
                channel, began = self._pending.pop(frame["reply_to"])
                self._person.posted(channel, frame["ts"], began)
        self.is_open = False
        self._person.lost(self)

    async def _receive(self) -> aiohttp.WSMessage:
        try:
            return await self._ws.receive()
        except ConnectionError as error:
            return aiohttp.WSMessage(aiohttp.WSMsgType.ERROR, error, None)


async def read_log(data: Path, url: str | None = None) -> list[Line]:
    """Return the whole log of a workspace that is not being served."""
    with closing(open_engine(data, url)) as database:
        reader = Reader(database, threads=1)
        try:
            entries = await reader.read(lambda query: read_entries(query, after=0, before=2**62))
        finally:
            reader.close()
    return [Line(entry.kind, entry.topic, bytes(entry.payload)) for entry in entries]
