"""How many calls, files and moves between files lie on the ways that a reader follows.

    python -m tools.walks          the table
    python -m tools.walks --calls  every call, in order

A real server and two clients run in one process while every call of the package is recorded. A move is a call in
another file than the call before. What is counted is one message of a warm connection.
"""

import asyncio
import sys
import tempfile
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

import tautwire
from tautwire import MessageEvent, RTMClient
from tautwire.testing import BlockingWorkspace

PACKAGE: Final = str(Path(tautwire.__file__).parent)


class Call(NamedTuple):
    """One call of a function of the package."""

    thread: str
    file: str
    function: str


class Walk(NamedTuple):
    """A way through the package: from the first call whose name begins so to the last whose name ends so."""

    name: str
    threads: str
    begins: str
    ends: tuple[str, ...]


CLIENT: Final = "MainThread"
WALKS: Final = (
    Walk("a  frame to disk, ack and sockets", "server", "SocketConnection.on_ws_frame", ("SocketConnection.flush",)),
    Walk("b  event bytes to the queue", CLIENT, "_Listener.on_ws_frame", ("KeyedQueue.put", "Mailbox.put")),
    Walk("c1 say to socket", CLIENT, "RTMClient.say", ("Transport.send",)),
    Walk("c2 ack bytes to say", CLIENT, "_Listener.on_ws_frame", ("Connection._settle",)),
)


class Recorder:
    """Notes the calls of the package, of all threads."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.is_on = False

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Called by the interpreter."""
        if self.is_on and event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            name = frame.f_code.co_qualname
            if not name.startswith("<") and "<locals>.<" not in name:
                file = frame.f_code.co_filename.removeprefix(f"{PACKAGE}/")
                self.calls.append(Call(threading.current_thread().name, file, name))


def found(walk: Walk, calls: Sequence[Call]) -> list[Call]:
    """Return the calls of a walk."""
    own = [each for each in calls if (each.thread == CLIENT) == (walk.threads == CLIENT)]
    begins = [at for at, each in enumerate(own) if each.function.endswith(walk.begins)]
    last = next(at for at, each in enumerate(own) if at > begins[0] and each.function.endswith(walk.ends))
    first = max(at for at in begins if at < last)  # an earlier one is of the other client
    return own[first : last + 1]


def moves(calls: Sequence[Call]) -> int:
    """Return how often the next call is in another file."""
    return sum(one.file != other.file for one, other in pairwise(calls))


async def record(recorder: Recorder) -> dict[str, list[Call]]:
    """Send a message as one client and receive it as another; return the calls of each."""
    with tempfile.TemporaryDirectory(), BlockingWorkspace() as place:
        channel = place.channel("general").id
        sender = RTMClient(place.person("alice").token, place.api_url, message_rate=None)
        receiver = RTMClient(place.person("bot").token, place.api_url)
        got: asyncio.Queue[MessageEvent] = asyncio.Queue()

        async def take(event: MessageEvent) -> None:
            await got.put(event)

        receiver.register(take, MessageEvent)
        recorded: dict[str, list[Call]] = {}
        async with sender, receiver:
            for _ in range(3):
                await sender.say(channel, "warm")
                await got.get()
            await asyncio.sleep(0.1)  # answers to presence and the like are through
            recorder.is_on = True
            await sender.say(channel, "sent")
            await got.get()
            await asyncio.sleep(0.1)
            recorder.is_on = False
            recorded["send"] = list(recorder.calls)
            recorder.calls.clear()
            recorder.is_on = True
            place.person("alice").say("#general", "received")
            await got.get()
            recorder.is_on = False
            recorded["receive"] = list(recorder.calls)
        return recorded


def main() -> None:
    """Print the table."""
    recorder = Recorder()
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    recorded = asyncio.run(record(recorder))
    sys.setprofile(None)
    threading.setprofile(None)
    print(f"{'walk':<36} {'calls':>5} {'files':>5} {'moves':>5}")
    for walk in WALKS:
        calls = found(walk, recorded["receive" if walk.name.startswith("b") else "send"])
        files = {each.file for each in calls}
        print(f"{walk.name:<36} {len(calls):>5} {len(files):>5} {moves(calls):>5}")
        if "--calls" in sys.argv:
            print("\n".join(f"      {each.file:<40} {each.function}" for each in calls))


if __name__ == "__main__":
    main()
