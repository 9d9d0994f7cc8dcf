"""The same acts on the native RTM of our server and through the gateway: the same frames, in the same order by channel.

The bot has two connections at once: one at the upstream itself, one at the gateway in front of it. So both see the very
same acts, and ids and times are equal without any normalization.
"""

import asyncio
import random
from collections import defaultdict
from typing import Any

import pytest

import catalogue
from acts import UNSENT, play
from scene import Frame, Socket
from stage import BOT, Stage

NATIVE_ONLY = {
    "user_typing", "presence_change", "manual_presence_change", "im_open", "im_close", "mpim_open", "mpim_close",
    "group_open", "group_close", "channel_marked", "group_marked", "im_marked", "mpim_marked", "message.ephemeral",
    "dnd_updated", "subteam_self_added", "subteam_self_removed",
}  # fmt: skip
"""Frames that only the native RTM has. docs/explanation/gateway.md lists them, and a test compares."""
OTHERWISE = {"channel_joined", "group_joined", "mpim_joined", "im_created"}
"""Frames that the gateway makes from ``conversations.info``: the same conversation, with other members of the object
and another time. ``im_created`` and ``mpim_joined`` come with the first message of the conversation."""

APART = {"file_created": " for the bot", **dict.fromkeys(("file_change", "file_public"), " of files")}
"""Events about a file that our server sends to the bot alone, or to a channel without naming it. Over HTTP, these have
an order of their own: it makes requests for them beside those of the channel."""


def kind_of(frame: Frame) -> str:
    if frame.get("is_ephemeral"):
        return "message.ephemeral"
    return str(frame["type"])


def channel_of(frame: Frame) -> str:
    for place in (frame.get("channel"), frame.get("item"), frame.get("channel_id")):
        if isinstance(place, str):
            return place
        if isinstance(place, dict):
            return str(place.get("id") or place.get("channel") or "")
    return ""


def normal(frame: Frame) -> Any:
    """Return what has to be equal."""
    if frame["type"] in OTHERWISE:
        return (
            frame["type"],
            frame["channel"]["id"],
            frame["channel"].get("name") if frame["type"] != "im_created" else "",
        )
    return frame


def by_channel(frames: list[Frame], events: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for frame in frames:
        if "type" in frame and kind_of(frame) not in NATIVE_ONLY and frame["type"] not in ("hello", "pong"):
            line = APART.get(frame["type"], "") if events == "http" else ""
            found[channel_of(frame) + line].append(normal(frame))
    return dict(found)


async def say(socket: Socket, channel: str, text: str, number: int) -> Frame:
    """Send a message and return the reply; the events before it stay to be read."""
    await socket.send(type="message", id=number, channel=channel, text=text)
    return await socket.reply_to(number)


class Weather:
    """What the line to the upstream does while the acts are played.

    Args:
        seed: of a bad day, on which acks are lost, events come twice, and the line is cut; None for a good one.
    """

    def __init__(self, stage: Stage, seed: int | None) -> None:
        self._stage = stage
        self._dice = None if seed is None else random.Random(seed)
        self._turn_bad()

    async def after(self, act: str) -> None:
        """Called after an act."""
        if self._dice is not None and self._dice.random() < 0.2:
            await self._stage.line.cut()
        if "the bot" in act:  # conversations.info tells nothing of a private channel that the bot has left meanwhile
            await self.end()
            self._turn_bad()

    async def end(self) -> None:
        """Wait until everything has arrived."""
        line = self._stage.line
        if self._dice is not None:
            line.drops_ack = lambda envelope: False
            await line.cut()  # what has no ack is sent again at once
        await self._stage.settled()

    def _turn_bad(self) -> None:
        dice, line = self._dice, self._stage.line
        if dice is not None:
            line.drops_ack = lambda envelope: dice.random() < 0.3
            line.repeats = lambda envelope: dice.random() < 0.3


async def compare(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, events: str, seed: int | None, order: random.Random | None = None
) -> None:
    """Play the acts, and compare what the two connections of the bot get.

    Args:
        seed: of a bad day; None for a good one.
        order: mixes the stories.
    """
    monkeypatch.setattr(catalogue, "SENT", catalogue.SENT | UNSENT)
    place, day = stage.upstream, Weather(stage, seed)
    native, gateway = await place.connect(BOT), await stage.connect()
    acts = []
    async for act in play(place, BOT, order):
        acts.append(act)
        await day.after(act)
    assert len(acts) >= 70
    acks: list[tuple[Frame, Frame]] = []
    own: dict[str, set[str]] = {"native": set(), "gateway": set()}
    for number, channel in enumerate((stage.general, stage.ops, stage.general, "C0000000000"), 1):
        pair = (
            await say(native, channel, f"native {number}", number),
            await say(gateway, channel, f"gate {number}", number),
        )
        acks.append(pair)
        for name, ack in zip(own, pair, strict=True):
            own[name].add(ack.get("ts", ""))
    for native_ack, gateway_ack in acks:
        assert native_ack.keys() == gateway_ack.keys()
        assert native_ack["ok"] == gateway_ack["ok"]
        assert native_ack.get("error") == gateway_ack.get("error")
    await stage.post("alice", stage.ops, "the end")
    await stage.post("alice", stage.general, "the end")
    await day.end()
    if seed is not None:
        assert stage.gateway.relay.intake.figures.repeated > 20
        assert events == "http" or stage.line.opened > 5
    seen = {"native": [], "gateway": []}
    for name, socket in (("native", native), ("gateway", gateway)):
        while not [
            frame for frame in seen[name] if frame.get("text") == "the end" and channel_of(frame) == stage.general
        ]:
            seen[name] += await socket.fence()
            await asyncio.sleep(0.01)
    for mine, other in (("native", "gateway"), ("gateway", "native")):
        texts = {frame.get("ts") for frame in seen[mine] if frame.get("type") == "message"}
        assert not texts & own[mine], "no echo of what the connection has sent itself"
        assert own[other] - {""} <= texts, "the other connection gets it as an event"
    sent = own["native"] | own["gateway"]
    frames = {
        name: by_channel([each for each in found if each.get("ts") not in sent], events) for name, found in seen.items()
    }
    assert sum(map(len, frames["native"].values())) > 60
    for channel in frames["native"].keys() | frames["gateway"].keys():
        expected, got = frames["native"].get(channel, []), frames["gateway"].get(channel, [])
        assert got == expected, channel
