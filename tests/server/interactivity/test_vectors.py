"""The payloads have the members of those that SDKs were given: docs/reference/wire/interactivity-vectors.md."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from asked import BUTTON, SocketApp, click, command, open_controlled
from controlled import operate
from scene import OpenScene, Scene

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "wire" / "interactivity-vectors.md"
BLOCK = re.compile(r"^## V(\d+): (?:(?!^#).)*?^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
VECTORS: dict[str, dict[str, Any]] = {number: json.loads(text) for number, text in BLOCK.findall(PAGE.read_text())}
SOME = frozenset({"message", "original_message", "view"})
"""Members whose content is the test's."""


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_controlled(open_scene)


@pytest.fixture
async def app(scene: Scene) -> AsyncIterator[SocketApp]:
    app = await SocketApp.connected(scene)
    yield app
    await app.close()


def check(made: Any, vector: Any, place: str = "") -> None:
    """See that all members of a vector are there, with values of the same types."""
    assert type(made) is type(vector), (place, made, vector)
    if isinstance(vector, dict):
        for name, value in vector.items():
            assert name in made, (place, name)
            if name not in SOME and name != "values":
                check(made[name], value, f"{place}/{name}")
    elif isinstance(vector, list):
        assert len(made) == len(vector), (place, made)
        for index, value in enumerate(vector):
            check(made[index], value, f"{place}/{index}")


async def test_v1(scene: Scene, app: SocketApp) -> None:
    await command(scene, "/deploy now")
    check(app.payload, VECTORS["1"])


async def test_v2(scene: Scene, app: SocketApp) -> None:
    placeholder = {"type": "plain_text", "text": "Priority"}
    button, menu = BUTTON["elements"]
    block = {**BUTTON, "elements": [button, {**menu, "placeholder": placeholder}]}
    ts = await scene.post("desk", scene.general, "Ticket 7", blocks=[block])
    await operate(scene, "choose", user="alice", channel="general", ts=ts, action_id="prio", value="p1")
    check(app.payload, VECTORS["2"])
    assert app.payload["state"] == VECTORS["2"]["state"]


async def test_v5_of_a_message(scene: Scene, app: SocketApp) -> None:
    menu = {"type": "actions", "elements": [{"type": "external_select", "action_id": "owner"}]}
    ts = await scene.post("desk", scene.general, "Whose?", blocks=[menu])
    await operate(scene, "options", user="alice", channel="general", ts=ts, action_id="owner", text="bor")
    vector = {name: value for name, value in VECTORS["5"].items() if name not in ("view", "container")}
    check(app.payload, vector)


async def test_v6(scene: Scene, app: SocketApp) -> None:
    await operate(scene, "shortcut", user="alice", callback_id="new")
    check(app.payload, VECTORS["6"])


async def test_v7(scene: Scene, app: SocketApp) -> None:
    ts = await scene.post("bob", scene.general, "the printer smokes")
    await operate(scene, "shortcut", user="alice", callback_id="keep", channel="general", ts=ts)
    check(app.payload, VECTORS["7"])


async def test_v8(scene: Scene, app: SocketApp) -> None:
    action = {"name": "answer", "text": "Yes", "type": "button", "value": "yes"}
    poll = {"fallback": "Lunch?", "callback_id": "old_poll", "actions": [action]}
    ts = await scene.post("desk", scene.general, "Lunch?", attachments=[poll])
    await click(scene, ts, "answer")
    check(app.payload, VECTORS["8"])
