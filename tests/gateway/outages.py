"""A gateway that is down for a while, in front of an upstream that forgets what it could not deliver, as Slack does."""

from scene import Frame, eventually, is_plain
from stage import OpenStage, Stage


def forgetful(open_stage: OpenStage) -> OpenStage:
    """Return what starts an upstream that does not say that it keeps events, and a gateway."""

    async def opened(**settings: object) -> Stage:
        stage = await open_stage(**settings)
        stage.line.forgets = True
        return stage

    return opened


class Outage:
    """A time in which the gateway is down and the upstream forgets its events.

    An event that was sent before its end, whatever it is, never comes; those of ``late`` texts come after all.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.late: set[str] = set()

    async def __aenter__(self) -> None:
        await self._stage.settled()
        await self._stage.gateway.stop()

    async def __aexit__(self, *exc: object) -> None:
        end = (await self._stage.upstream.ok("alice", "chat.postEphemeral", channel=self._stage.general,
               user=self._stage.upstream.users["alice"], text="the end"))["message_ts"]  # fmt: skip

        def hides(text: str) -> bool:
            head, _, event = text.partition('"event":')
            ts = event.partition('"event_ts":"')[2].partition('"')[0]
            is_late = any(f'"text":"{each}"' in event for each in self.late)
            return bool(head) and bool(ts) and ts <= end and not is_late

        self._stage.line.hides = hides
        await self._stage.start()


async def position(stage: Stage) -> str:
    socket = await stage.connect(resume="")
    found = str((await socket.until("position"))["position"])
    await socket.close()
    return found


async def caught_up(stage: Stage) -> None:
    run = stage.gateway.relay.catch_up
    await eventually(lambda: not run.is_running and stage.gateway.relay.intake.waiting == 0)


async def all_since(stage: Stage, start: str) -> list[Frame]:
    """Return the frames since a position, as a bot gets them that resumes there."""
    await stage.post("alice", stage.general, "up to here")
    socket = await stage.connect(resume=start)
    return (await stage.received(socket, "up to here"))[:-1]


async def frames_since(stage: Stage, start: str) -> list[Frame]:
    return [frame for frame in await all_since(stage, start) if frame.get("type") == "message"]


def texts(frames: list[Frame]) -> list[str]:
    return [frame["text"] for frame in frames if is_plain(frame)]


def timeless(frame: Frame) -> Frame:
    """Return a parent with new counters as it can be compared: its own time is not in the history."""
    is_parent = frame.get("subtype") == "message_replied"
    return {name: value for name, value in frame.items() if not is_parent or name not in ("ts", "event_ts")}
