"""RTM and taps never disagree: random people act, and a bot's connection and its app's tap hear the same.

What RTM says is compared with what the app got through ``protocol.correspondence``, in the order of both. Both lose
their connections meanwhile, and one of them may be away for long.
"""

import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from appside import AppSide, LinkSocket
from scene import Frame, OpenScene, Scene, Socket, eventually
from tautwire.protocol.correspondence import SAME, SAME_FOR_USERS, to_rtm
from tautwire.server.services.access.subscriptions import BOT_EVENTS
from tautwire.server.taps import window

PEOPLE = ("alice", "bob", "carol")
SEED = f"""
team: {{name: Acme, domain: acme}}
users: [{{name: alice}}, {{name: bob}}, {{name: carol}}]
channels:
  - {{name: general, members: [alice, bob, carol, desk]}}
  - {{name: lounge, members: [alice, bob]}}
  - {{name: ops, private: true, members: [alice, carol, desk]}}
  - {{name: board, private: true, members: [bob, carol]}}
apps:
  - {{name: desk, socket_mode: true, bot_events: [{", ".join(sorted(BOT_EVENTS))}]}}
"""
STEPS = 120
MENTIONING = (None, "bot_message", "me_message", "thread_broadcast")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent again only because the machine is busy."""
    monkeypatch.setattr(window, "ACK_TIME", 100_000.0)


class Ears:
    """What the bot hears by RTM and its app by Socket Mode, over all their connections."""

    def __init__(self, desk: AppSide, chance: random.Random) -> None:
        self.frames: list[Frame] = []
        self.events: dict[str, Frame] = {}
        self._desk = desk
        self._chance = chance
        self._position = ""
        self._rtm: Socket | None = None
        self._app: LinkSocket | None = None

    async def rtm_comes(self) -> None:
        if self._rtm is None:
            self._rtm = await self._desk.scene.connect("desk", resume=self._position)
            assert self._rtm.grant["resume"] == ("resumed" if self._position else "new")
            self._position = self._position or str(self._rtm.grant["position"])

    async def rtm_goes(self) -> None:
        """Leave; what came behind the last position will come again."""
        if self._rtm is not None:
            found = await self._rtm.fence()
            self._note(found, up_to_position=True)
            await self._rtm.close()
            self._rtm = None

    async def app_comes(self) -> None:
        if self._app is None:
            self._app = await self._desk.connect()

    async def app_goes(self) -> None:
        """Leave with some events that came and are not acknowledged."""
        if self._app is not None:
            for _ in range(self._chance.randrange(4)):
                if self._desk.tap.open_events:
                    envelope = await self._app.envelope()
                    self._keep(envelope)
                    if self._chance.random() < 0.5:
                        await self._app.ack(envelope)
            await self._desk.leave(self._app)
            self._app = None

    async def hear(self, end: str) -> None:
        """Hear everything up to a text."""
        await self.rtm_comes()
        await self.app_comes()
        assert self._rtm is not None
        assert self._app is not None
        frames = []
        while not frames or frames[-1].get("text") != end:
            frames.append(await self._rtm.frame())
        self._note(frames, up_to_position=False)
        while True:
            envelope = await self._app.envelope()
            self._keep(envelope)
            await self._app.ack(envelope)
            if envelope["payload"]["event"].get("text") == end:
                return

    def _note(self, frames: list[Frame], *, up_to_position: bool) -> None:
        places = [place for place, frame in enumerate(frames) if frame["type"] == "position"]
        if places:
            self._position = str(frames[places[-1]]["position"])
        if up_to_position:
            frames = frames[: places[-1]] if places else []
        self.frames += [frame for frame in frames if frame["type"] != "position"]

    def _keep(self, envelope: Frame) -> None:
        payload = envelope["payload"]
        known = self.events.setdefault(payload["event_id"], payload["event"])
        assert known == payload["event"], "what comes again is the same"


class People:
    """Does things at random; that one is refused is fine."""

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self._scene = scene
        self._chance = chance
        self._channels = [*scene.directory.channels.values()]
        self._messages: list[tuple[str, str, str]] = []
        self._count = 0
        self.does: list[tuple[int, Callable[[], Awaitable[Any]]]] = [
            (20, self._post), (8, self._reply), (8, self._edit), (5, self._delete), (8, self._react), (4, self._pin),
            (6, self._join), (6, self._leave), (6, self._invite), (4, self._kick), (3, self._rename),
            (3, self._archive), (3, self._describe), (5, self._direct), (3, self._profile), (3, self._whisper),
            (3, self._create), (2, self._close), (2, self._me), (2, self._mark),
        ]  # fmt: skip

    async def _call(self, who: str, method: str, **arguments: Any) -> Frame:
        return await self._scene.call(who, method, **arguments)

    def _who(self) -> str:
        return self._chance.choice((*PEOPLE, "desk"))

    def _channel(self) -> str:
        return self._chance.choice(self._channels)

    def _text(self) -> str:
        self._count += 1
        mention = f"<@{self._scene.users['desk']}> " if self._chance.random() < 0.3 else ""
        return f"{mention}words {self._count}"

    async def _post(self, **arguments: Any) -> None:
        who, channel = self._who(), self._channel()
        answer = await self._call(who, "chat.postMessage", channel=channel, text=self._text(), **arguments)
        if answer["ok"]:
            self._messages.append((who, channel, answer["ts"]))

    async def _reply(self) -> None:
        if self._messages:
            _, channel, ts = self._chance.choice(self._messages)
            broadcast = self._chance.random() < 0.3
            who = self._who()
            answer = await self._call(
                who, "chat.postMessage", channel=channel, text=self._text(), thread_ts=ts, reply_broadcast=broadcast
            )
            if answer["ok"]:
                self._messages.append((who, channel, answer["ts"]))

    async def _edit(self) -> None:
        if self._messages:
            who, channel, ts = self._chance.choice(self._messages)
            await self._call(who, "chat.update", channel=channel, ts=ts, text=self._text())

    async def _delete(self) -> None:
        if self._messages:
            who, channel, ts = self._messages.pop(self._chance.randrange(len(self._messages)))
            await self._call(who, "chat.delete", channel=channel, ts=ts)

    async def _react(self) -> None:
        if self._messages:
            _, channel, ts = self._chance.choice(self._messages)
            method = self._chance.choice(("reactions.add", "reactions.add", "reactions.remove"))
            await self._call(self._who(), method, channel=channel, timestamp=ts, name=self._chance.choice("abc"))

    async def _pin(self) -> None:
        if self._messages:
            _, channel, ts = self._chance.choice(self._messages)
            method = self._chance.choice(("pins.add", "pins.remove"))
            await self._call(self._who(), method, channel=channel, timestamp=ts)

    async def _join(self) -> None:
        await self._call(self._who(), "conversations.join", channel=self._channel())

    async def _leave(self) -> None:
        await self._call(self._who(), "conversations.leave", channel=self._channel())

    async def _invite(self) -> None:
        user = self._scene.users[self._chance.choice((self._who(), "desk"))]
        await self._call(self._who(), "conversations.invite", channel=self._channel(), users=user)

    async def _kick(self) -> None:
        user = self._scene.users[self._chance.choice((self._who(), "desk"))]
        await self._call(self._who(), "conversations.kick", channel=self._channel(), user=user)

    async def _rename(self) -> None:
        self._count += 1
        await self._call(self._who(), "conversations.rename", channel=self._channel(), name=f"room-{self._count}")

    async def _archive(self) -> None:
        who, channel = self._who(), self._channel()
        await self._call(who, "conversations.archive", channel=channel)
        if self._chance.random() < 0.8:
            await self._call(who, "conversations.unarchive", channel=channel)

    async def _describe(self) -> None:
        channel, text = self._channel(), self._text()
        if self._chance.random() < 0.5:
            await self._call(self._who(), "conversations.setTopic", channel=channel, topic=text)
        else:
            await self._call(self._who(), "conversations.setPurpose", channel=channel, purpose=text)

    async def _direct(self) -> None:
        who = self._chance.choice(PEOPLE)
        others = {self._scene.users["desk"], *self._chance.choices([*self._scene.users.values()], k=2)}
        users = self._chance.choice([self._scene.users["desk"], ",".join(sorted(others))])
        answer = await self._call(who, "conversations.open", users=users)
        if answer["ok"]:
            channel = answer["channel"]["id"]
            if channel not in self._channels:
                self._channels.append(channel)
            await self._call(self._chance.choice((who, "desk")), "chat.postMessage", channel=channel, text=self._text())

    async def _close(self) -> None:
        await self._call(self._who(), "conversations.close", channel=self._channel())

    async def _profile(self) -> None:
        profile = self._chance.choice(({"title": self._text()}, {"status_text": self._text()}))
        await self._call(self._chance.choice(PEOPLE), "users.profile.set", profile=profile)

    async def _whisper(self) -> None:
        user = self._scene.users["desk"]
        await self._call(self._who(), "chat.postEphemeral", channel=self._channel(), user=user, text=self._text())

    async def _create(self) -> None:
        self._count += 1
        private = self._chance.random() < 0.5
        name = f"new-{self._count}"
        answer = await self._call(self._who(), "conversations.create", name=name, is_private=private)
        self._channels.append(answer["channel"]["id"])

    async def _me(self) -> None:
        await self._call(self._chance.choice(PEOPLE), "chat.meMessage", channel=self._channel(), text=self._text())

    async def _mark(self) -> None:
        if self._messages:
            _, channel, ts = self._chance.choice(self._messages)
            await self._call("desk", "conversations.mark", channel=channel, ts=ts)


def is_shared(frame: Frame) -> bool:
    """Whether an event of RTM is one of the Events API to which bots subscribe."""
    return frame["type"] in SAME or (frame["type"] == "message" and not frame.get("is_ephemeral"))


@pytest.mark.parametrize("number", range(6))
async def test_an_app_hears_what_the_connection_of_its_bot_hears(
    open_scene: OpenScene, number: int, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(number)
    record_property("seed", number)
    print(f"seed {number}")
    scene = await open_scene(seed=SEED)
    desk = AppSide(scene)
    ears, people = Ears(desk, chance), People(scene, chance)
    weights = [weight for weight, _ in people.does]
    await ears.rtm_comes()
    await ears.app_comes()
    for _ in range(STEPS):
        if chance.random() < 0.08:
            await chance.choice((ears.rtm_goes, ears.app_goes, ears.rtm_comes, ears.app_comes))()
        ((_, do),) = chance.choices(people.does, weights)
        await do()
    # Those who left #general may write there still, and the bot cannot leave it.
    await scene.post("alice", scene.general, "the end")
    await ears.hear("the end")

    heard = [frame for frame in ears.frames if is_shared(frame)]
    told = [json.loads(body) for event in ears.events.values() if (body := to_rtm(json.dumps(event).encode()))]
    assert told == heard
    assert not [event for event in told if event["type"] in SAME_FOR_USERS]
    assert len(heard) > STEPS / 4
    mentions = [
        event["ts"] for event in ears.events.values() if event["type"] == "app_mention" and "edited" not in event
    ]
    bot = scene.users["desk"]
    assert mentions == [
        frame["ts"]
        for frame in heard
        if frame["type"] == "message" and frame.get("subtype") in MENTIONING and f"<@{bot}>" in frame["text"]
        and frame["user"] != bot and not frame["channel"].startswith("D")
    ]  # fmt: skip
    await eventually(lambda: desk.tap.open_events == 0)
