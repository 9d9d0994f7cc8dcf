"""Many workspaces in one process, all at once: isolated, bounded, and nothing left of those that are deleted."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

from sandboxed import Farm, Sandbox, opened
from scene import eventually
from tautwire.server.http.descriptors import OF_WORKSPACE
from tautwire.server.sandboxes.sandboxes import READERS

MANY = 30


async def in_parallel(step: Callable[[int], Awaitable[object]]) -> None:
    await asyncio.gather(*(step(number) for number in range(MANY)))


def open_files() -> set[str]:
    """Return the files of sandboxes that this process has open; one that is deleted has a mark after its name."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = str(each.readlink())
        except FileNotFoundError:
            continue
        if "/sandboxes/T" in target:
            found.add(f"{each.name} {target}")
    return found


def threads_of_sandboxes(before: set[int]) -> list[str]:
    return [each.name for each in threading.enumerate() if each.ident not in before and "tautwire" in each.name]


async def live_through(farm: Farm, number: int) -> Sandbox:
    """Create a workspace, and use all its doors."""
    box = await farm.create(name=f"box {number}", ephemeral=number % 2 == 0)
    socket, link = await box.connect("ann"), await box.link("helper")
    ts = await box.say("ben", f"for {number} only")
    event = await socket.receive_json()
    envelope = await link.receive_json()
    assert (event["text"], envelope["payload"]["event"]["text"]) == (f"for {number} only",) * 2
    assert envelope["payload"]["team_id"] == box.id
    await link.send_json({"envelope_id": envelope["envelope_id"]})
    history = await box.call("helper", "conversations.history", channel=box.general)
    assert [each["ts"] for each in history["messages"]] == [ts]
    found = await box.changes(from_snapshot="seed")
    assert [each["text"] for each in found["messages"]["posted"]] == [f"for {number} only"]
    await box.do("workspaces.snapshot", name="used")
    await socket.close()
    await link.close()
    return box


async def test_many_live_and_end_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as farm:
        await farm.do("workspaces.delete", workspace=(await live_through(farm, 0)).id)
        before = {each.ident or 0 for each in threading.enumerate()}
        tasks = len(asyncio.all_tasks())
        boxes: dict[int, Sandbox] = {}

        async def live(number: int) -> None:
            boxes[number] = await live_through(farm, number)

        await in_parallel(live)

        assert len(farm.server.host) == MANY + 1
        served = [weakref.ref(each) for each in farm.server.host]
        assert len(threads_of_sandboxes(before)) <= MANY + READERS
        assert len(open_files()) <= MANY * OF_WORKSPACE

        async def isolated(number: int) -> None:
            other = boxes[(number + 1) % MANY]
            answer = await boxes[number].call_with(other.token("ann"), "auth.test")
            assert answer["team_id"] == other.id
            mine = await boxes[number].call("ann", "conversations.history", channel=other.general)
            assert mine["error"] == "channel_not_found"

        await in_parallel(isolated)

        async def end(number: int) -> None:
            await farm.do("workspaces.delete", workspace=boxes[number].id)
            assert (await boxes[number].call("ann", "auth.test"))["error"] == "invalid_auth"

        await in_parallel(end)

        assert len(farm.server.host) == 1
        assert not open_files()
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        left = [name for name in threads_of_sandboxes(before) if "reader" not in name]
        assert not left
        gc.collect()
        assert sum(ref() is not None for ref in served) == 1, "nothing holds one that is deleted"
        assert not [path for path in (tmp_path / "data" / "sandboxes").iterdir() if path.is_dir()]


async def test_a_token_is_found_at_once_however_many_there_are(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as farm:
        boxes = [await farm.create(ephemeral=True) for _ in range(5)]
        index = farm.server.host._tokens
        counted = len(index)
        issued = (await boxes[-1].do("token.issue", user="ben"))["token"]
        assert len(index) == counted + 1
        assert (await boxes[0].call_with(issued, "auth.test"))["team_id"] == boxes[-1].id
        await boxes[-1].do("workspaces.reset")
        assert len(index) == counted
        for box in boxes:
            await farm.do("workspaces.delete", workspace=box.id)
        assert len(index) == 3, "the people and the bot of the sample"
