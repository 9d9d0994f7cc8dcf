"""Writers that post, edit, react and delete by RTM and Web API, and remember what was promised to them.

Each writer changes its own messages only, so what must be there can be said exactly: what was answered with ok is
certain; of a change that was asked for and not answered either state is right; what was refused must not be.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from history import Claim, History, Name
from process import Served

UNAVAILABLE = "service_unavailable"
PEOPLE = ("alice", "bob", "carol")
SEED = """
team: {name: Acme, domain: acme}
users: [{name: alice}, {name: bob}, {name: carol}]
channels: [{name: general, members: [alice, bob, carol]}]
"""


@dataclass
class Promise:
    """A message that was acked, and what may be found of it."""

    texts: set[str]
    """The text, or the two that are possible."""
    may_be_gone: bool = False
    is_gone: bool = False
    reactions: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Name and user of each reaction, and whether it is certain."""


class Promises:
    """What all writers were promised in one channel."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.messages: dict[str, Promise] = {}
        """By ts."""
        self.refused: set[str] = set()
        """Texts of messages that must not be there."""
        self.unanswered: set[str] = set()
        """Texts of messages that may be there: nothing was said of them."""
        self.history = History()
        """The same as claims on the log."""
        self.refusals = 0

    def stored(self, name: Name, began: float) -> None:
        self.history.claims.append(Claim(name, began, time.monotonic()))

    def wrong(self, found: Sequence[dict[str, Any]]) -> list[str]:
        """Compare with the history of the channel, newest first; return every difference."""
        wrong = []
        stamps = [message["ts"] for message in found]
        if stamps != sorted(set(stamps), reverse=True):
            wrong.append("the history is not in order")
        there = {message["ts"]: message for message in found if not message.get("subtype")}
        for ts, promise in self.messages.items():
            message = there.get(ts)
            if message is None:
                if not (promise.is_gone or promise.may_be_gone):
                    wrong.append(f"acked and lost: {ts} {promise.texts}")
                continue
            if promise.is_gone:
                wrong.append(f"deleted and there again: {ts}")
            if message["text"] not in promise.texts:
                wrong.append(f"{ts} says {message['text']!r}, not {promise.texts}")
            reactions = {(each["name"], user) for each in message.get("reactions", ()) for user in each["users"]}
            certain = {reaction for reaction, is_certain in promise.reactions.items() if is_certain}
            if not certain <= reactions:
                wrong.append(f"{ts}: reactions acked and lost: {certain - reactions}")
            if not reactions <= promise.reactions.keys():
                wrong.append(f"{ts}: reactions that were not asked for: {reactions - promise.reactions.keys()}")
        wrong += [
            f"stored though it was refused or never sent: {message}"
            for message in there.values()
            if message["ts"] not in self.messages and message["text"] not in self.unanswered
        ]
        return wrong


class Writer:
    """One sender; ``by_rtm`` says how its messages are posted."""

    def __init__(
        self, served: Served, http: aiohttp.ClientSession, promises: Promises, number: int, *, by_rtm: bool, seed: str
    ) -> None:
        self.served = served
        self.http = http
        self.promises = promises
        self.who = PEOPLE[number % len(PEOPLE)]
        self.name = f"{'rtm' if by_rtm else 'web'}{number}"
        self._by_rtm = by_rtm
        self._chance = random.Random(f"{seed} {self.name}")
        self._mine: list[str] = []
        self._count = 0

    async def run(self) -> None:
        """Write until the server is gone."""
        with suppress(aiohttp.ClientError, ConnectionError):
            if self._by_rtm:
                grant = await self.served.call(self.http, self.who, "rtm.connect")
                async with self.http.ws_connect(grant["url"], compress=0) as socket:
                    while await self._turn(socket):
                        continue
            else:
                while await self._turn(None):
                    continue

    async def _turn(self, socket: aiohttp.ClientWebSocketResponse | None) -> bool:
        """Do one thing; return False if the socket has ended."""
        act = self._chance.choices(
            [self._edit, self._react, self._delete, None], [3, 3, 1, 7] if self._mine else [0, 0, 0, 1]
        )[0]
        if act is not None:
            await act(self._chance.choice(self._mine[-20:]))
            return True
        self._count += 1
        text = f"{self.promises.channel} {self.name} {self._count} {'x' * self._chance.randrange(200)}"
        return await (self._post(text) if socket is None else self._say(socket, text))

    async def _post(self, text: str) -> bool:
        began = time.monotonic()
        self.promises.unanswered.add(text)
        answer = await self._call("chat.postMessage", text=text)
        self.promises.unanswered.remove(text)
        self._answered(text, answer["ts"] if answer else None, began)
        return True

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, text: str) -> bool:
        began = time.monotonic()
        self.promises.unanswered.add(text)
        frame = {"id": self._count, "type": "message", "channel": self.promises.channel, "text": text}
        await socket.send_json(frame)
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return False
            reply = json.loads(message.data)
            if reply.get("reply_to") == self._count:
                break
        self.promises.unanswered.remove(text)
        self._answered(text, reply["ts"] if reply["ok"] else None, began)
        return True

    def _answered(self, text: str, ts: str | None, began: float) -> None:
        if ts is None:
            self.promises.refused.add(text)
            self.promises.refusals += 1
        else:
            self.promises.messages[ts] = Promise({text})
            self.promises.stored(("message", "", self.promises.channel, ts), began)
            self._mine.append(ts)

    async def _edit(self, ts: str) -> None:
        began = time.monotonic()
        self._count += 1
        promise = self.promises.messages[ts]
        before, after = promise.texts, f"{self.promises.channel} {self.name} {self._count} edited"
        promise.texts = before | {after}
        answer = await self._call("chat.update", ts=ts, text=after)
        promise.texts = {after} if answer else before
        if answer:
            self.promises.stored(
                ("message", "message_changed", self.promises.channel, answer["message"]["edited"]["ts"]), began
            )

    async def _react(self, ts: str) -> None:
        began = time.monotonic()
        promise = self.promises.messages[ts]
        name, user = f"r{len(promise.reactions)}", self.served.user(self.who)
        promise.reactions[name, user] = False
        answer = await self._call("reactions.add", timestamp=ts, name=name)
        if answer:
            promise.reactions[name, user] = True
            self.promises.stored(("reaction", user, name, self.promises.channel, ts), began)
        else:
            del promise.reactions[name, user]

    async def _delete(self, ts: str) -> None:
        began = time.monotonic()
        self._mine.remove(ts)
        promise = self.promises.messages[ts]
        promise.may_be_gone = True
        answer = await self._call("chat.delete", ts=ts)
        promise.may_be_gone, promise.is_gone = False, answer is not None
        if answer:
            self.promises.stored(("deleted", self.promises.channel, ts), began)

    async def _call(self, method: str, **arguments: str) -> dict[str, Any] | None:
        """Return the answer, None if the change was refused since it cannot be stored now."""
        answer = await self.served.call(self.http, self.who, method, channel=self.promises.channel, **arguments)
        if not answer["ok"]:
            assert answer["error"] == UNAVAILABLE, (method, arguments, answer)
            self.promises.refusals += 1
            return None
        return answer


def writers(
    served: Served, http: aiohttp.ClientSession, promises: Promises, seed: str, count: int = 4
) -> list[asyncio.Task[None]]:
    """Start as many writers by RTM as by Web API."""
    return [
        asyncio.create_task(Writer(served, http, promises, number, by_rtm=by_rtm, seed=seed).run())
        for number in range(count)
        for by_rtm in (True, False)
    ]


async def read_history(served: Served, http: aiohttp.ClientSession, channel: str) -> list[dict[str, Any]]:
    """Return all messages of a channel, newest first."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await served.call(http, "alice", "conversations.history", channel=channel, limit="1000", cursor=cursor)
        assert page["ok"], page
        found += page["messages"]
        cursor = page.get("response_metadata", {}).get("next_cursor", "")
        if not cursor:
            return found


async def open_channel(served: Served, http: aiohttp.ClientSession, name: str) -> str:
    """Make a channel with all people in it; return its id."""
    made = await served.call(http, "alice", "conversations.create", name=name)
    assert made["ok"], made
    channel = str(made["channel"]["id"])
    for who in PEOPLE[1:]:
        assert (await served.call(http, who, "conversations.join", channel=channel))["ok"]
    return channel
