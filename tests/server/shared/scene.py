"""A running server and the people in it: what the tests do, in their words.

Every answer and every frame that passes through here is checked: answers are HTTP 200 with JSON whose error is one of
the method's, events decode to their class and have the members of the table in ``tests/data``.
"""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
from aiohttp import WSMsgType

from catalogue import check_answer, check_frame
from tautwire.server.app import Server
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.directory import Directory

PATIENCE = 30.0
"""Seconds after which something that should have happened has not, also on a busy machine."""

SEED = """
team: {name: Acme, domain: acme}
users:
  - {name: alice, real_name: Alice Example, email: alice@example.test}
  - {name: bob}
  - {name: carol}
bots: [{name: relaybot, real_name: Relay Bot}]
channels:
  - {name: general, members: [alice, bob, relaybot]}
  - {name: ops, private: true, members: [alice, relaybot]}
"""

Frame = dict[str, Any]
OpenScene = Callable[..., Awaitable["Scene"]]
"""Starts a server on the data directory of the test; the arguments are settings."""


class TurnedClock(Clock):
    """The clock of this machine, turned by hand."""

    def __init__(self) -> None:
        self.offset = 0.0
        """Seconds that both clocks are ahead."""
        self.step = 0.0
        """Seconds that somebody moved the wall clock."""
        self.sweeps = 0
        """How often the server has looked at it to see what is due."""

    def micros(self) -> int:
        return super().micros() + int((self.offset + self.step) * 1_000_000)

    def seconds(self) -> int:
        return self.micros() // 1_000_000

    def monotonic(self) -> float:
        return super().monotonic() + self.offset


class Answer(NamedTuple):
    """What came back from the Web API."""

    status: int
    headers: Any
    body: dict[str, Any]


class ConnectionEnded(Exception):  # noqa: N818 - an outcome
    """The server closed the connection with ``code``."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class Socket:
    """One RTM connection as a client sees it."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, grant: dict[str, Any]) -> None:
        self.ws = ws
        self.grant = grant
        """What rtm.connect answered."""
        self._ids = itertools.count(1_000)
        self._kept: deque[Frame] = deque()

    async def frame(self) -> Frame:
        """Return the next frame; raise ``ConnectionEnded`` at the end."""
        return self._kept.popleft() if self._kept else await self._receive()

    async def until(self, wanted: Callable[[Frame], bool] | str) -> Frame:
        """Return the next frame of a type, or that fits; what came before it is dropped."""
        fits = wanted if callable(wanted) else lambda frame: frame.get("type") == wanted
        while True:
            frame = await self.frame()
            if fits(frame):
                return frame

    async def fence(self) -> list[Frame]:
        """Return all that the server has sent up to now.

        A pong overtakes what waits to be written in the same turn; one that was asked for later does not.
        """
        frames = list(self._kept)
        self._kept.clear()
        for number in (next(self._ids), next(self._ids)):
            await self.send(type="ping", id=number)
            while (frame := await self._receive()).get("reply_to") != number:
                frames.append(frame)
        return frames

    async def events(self) -> list[str]:
        """Return the types of all events up to now; of messages the subtype stands in place of the type."""
        return [frame.get("subtype", frame.get("type", "ack")) for frame in await self.fence()]

    async def texts(self) -> list[str]:
        """Return the texts of all plain messages up to now."""
        return [frame["text"] for frame in await self.fence() if is_plain(frame)]

    async def send(self, **frame: Any) -> None:
        """Send a frame."""
        await self.ws.send_str(json.dumps(frame))

    async def say(self, channel: str, text: str, **members: Any) -> Frame:
        """Send a message and return its ack or error; events that came before it wait for ``frame``."""
        number = next(self._ids)
        await self.send(type="message", id=number, channel=channel, text=text, **members)
        return await self.reply_to(number)

    async def reply_to(self, number: int) -> Frame:
        """Return the reply to a frame; events that came before it wait for ``frame``."""
        while (frame := await self._receive()).get("reply_to") != number:
            self._kept.append(frame)
        return frame

    async def ended(self) -> int | None:
        """Wait for the end of the connection; return its code."""
        try:
            while True:
                await self.frame()
        except ConnectionEnded as end:
            return end.code

    async def close(self) -> None:
        """Leave."""
        await self.ws.close()

    async def _receive(self) -> Frame:
        message = await self.ws.receive(PATIENCE)
        if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
            raise ConnectionEnded(self.ws.close_code)
        assert message.type is WSMsgType.TEXT
        return check_frame(message.data.encode())


def is_plain(frame: Frame) -> bool:
    return frame.get("type") == "message" and "subtype" not in frame


class Scene:
    """A server, the tokens of its people, and a client."""

    def __init__(self, server: Server, directory: Directory, http: aiohttp.ClientSession, clock: TurnedClock) -> None:
        self.server = server
        self.clock = clock
        self.http = http
        self.directory = directory
        self._sockets: list[Socket] = []
        self.users = {name: user["id"] or "" for name, user in directory.users.items()}
        self.tokens = {name: user["token"] or "" for name, user in directory.users.items()}
        self.general = directory.channels.get("general", "")
        self.ops = directory.channels.get("ops", "")

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, data: Path, clock: TurnedClock, *, seed: str | None = SEED, **settings: Any
    ) -> AsyncIterator[Self]:
        """Serve ``data`` and have it end at the end."""
        if seed is not None:
            settings["seed"] = data.with_suffix(".yaml")
            settings["seed"].write_text(seed)
        provider = settings.pop("tracer_provider", None)
        given = {"rate_limits": False, "drain": 0.01, **settings}
        async with (
            Server(Settings(data=data, port=0, **given), clock=clock, tracer_provider=provider) as server,
            # A connection for each request: a turned clock makes an idle one too old at once, and the server closes it.
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
        ):
            scene = cls(server, await server.directory(), http, clock)
            try:
                yield scene
            finally:
                await asyncio.gather(*(socket.close() for socket in scene._sockets))

    async def request(self, verb: str, method: str, **options: Any) -> Answer:
        """Make a plain HTTP request to a method."""
        async with self.http.request(verb, self.server.api_url + method, **options) as response:
            assert response.content_type == "application/json"
            return Answer(response.status, response.headers, json.loads(await response.read()))

    async def call(self, who: str, method: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a method the way most clients do; return the answer, whatever it says."""
        answer = await self.request("POST", method, data=form(arguments), headers=self.bearer(who))
        check_answer(method, answer.status, answer.body)
        return answer.body

    async def ok(self, who: str, method: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a method that has to succeed."""
        answer = await self.call(who, method, **arguments)
        assert answer["ok"], answer
        return answer

    async def error(self, who: str, method: str, /, **arguments: Any) -> str:
        """Call a method that has to fail; return the error."""
        answer = await self.call(who, method, **arguments)
        assert not answer["ok"], answer
        return str(answer["error"])

    async def post(self, who: str, channel: str, text: str, **arguments: Any) -> str:
        """Post a message with the Web API; return its ts."""
        return str((await self.ok(who, "chat.postMessage", channel=channel, text=text, **arguments))["ts"])

    async def history(self, who: str, channel: str, **arguments: Any) -> list[dict[str, Any]]:
        """Return the messages of a channel, newest first."""
        return list((await self.ok(who, "conversations.history", channel=channel, **arguments))["messages"])

    async def grant(self, who: str, **arguments: Any) -> dict[str, Any]:
        """Reserve a connection."""
        return await self.ok(who, "rtm.connect", **arguments)

    async def dial(self, grant: dict[str, Any]) -> Socket:
        """Open the socket of a grant; nothing is read."""
        socket = Socket(await self.http.ws_connect(grant["url"], compress=0, max_msg_size=0), grant)
        self._sockets.append(socket)
        return socket

    async def connect(self, who: str, **arguments: Any) -> Socket:
        """Connect somebody, up to and including the hello."""
        socket = await self.dial(await self.grant(who, **arguments))
        assert (await socket.frame())["type"] == "hello"
        return socket

    async def server_swept(self) -> None:
        """Wait until the server has looked after its connections and presence, with the clock as it is now."""
        wanted = self.clock.sweeps + 2
        await eventually(lambda: self.clock.sweeps >= wanted)

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}


def form(arguments: dict[str, Any]) -> dict[str, str]:
    """Return arguments as the text of a form: structures as JSON, booleans as 1 and 0."""
    return {
        name: str(int(value)) if isinstance(value, bool) else value if isinstance(value, str) else json.dumps(value)
        for name, value in arguments.items()
        if value is not None
    }


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that happens on its own and tells nobody."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(0.002)


async def end_with_a_stuck_door(
    doors: AsyncExitStack, end: Callable[[], Coroutine[Any, Any, None]], *, is_cancelled: bool
) -> None:
    """End something of which a door fails to close or, with ``is_cancelled``, whose end is cancelled in that moment."""
    reached = asyncio.Event()

    async def fail() -> None:
        reached.set()
        if is_cancelled:
            await asyncio.Event().wait()
        raise OSError("a door is stuck")

    doors.push_async_callback(fail)
    ending = asyncio.create_task(end())
    await reached.wait()
    if is_cancelled:
        ending.cancel()
    (outcome,) = await asyncio.gather(ending, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError if is_cancelled else OSError)
