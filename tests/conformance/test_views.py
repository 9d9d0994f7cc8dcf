"""Views with Bolt for Python, unmodified, in Socket Mode: it reads every payload, and its answers work.

The vectors and rows are those of wire/interactivity-vectors.md.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from conformance.inbox import Transcript
from conformance.programs import BOLT, Program
from conformance.server import ServerProcess

SEED = """\
team: {name: Acme, domain: acme}
users: [{name: alice}]
apps:
  - name: desk
    socket_mode: true
    bot_events: [app_home_opened]
    interactivity: true
    shortcuts: [{name: Open a ticket, type: global, callback_id: ticket_from_anywhere}]
channels: [{name: general, members: [alice, desk]}]
"""

pytestmark = [pytest.mark.timeout(900), pytest.mark.only_on("sqlite")]


class World(NamedTuple):
    """The server, the app, and the control API."""

    server: ServerProcess
    app: Program
    http: aiohttp.ClientSession

    async def act(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Carry out an operation of the control API as alice."""
        return await self.control(operation, user="alice", **arguments)

    async def control(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Carry out an operation of the control API."""
        control = self.server.control
        headers = {"Authorization": f"Bearer {control['secret']}"}
        async with self.http.post(control["url"] + operation, json=arguments, headers=headers) as (response):
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer

    async def step(self, step: str) -> dict[str, Any]:
        """Wait for a report of the app."""
        return await self.app.inbox.take(step=step, within=30)

    async def open(self) -> dict[str, Any]:
        """Have the app open a modal; return it."""
        assert (await self.act("shortcut", callback_id="ticket_from_anywhere"))["error"] is None
        opened = await self.step("opened")
        view: dict[str, Any] = (await self.act("views.get", view_id=opened["id"]))["view"]
        return view


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    BOLT.prepare()
    transcript = Transcript()
    options = ("--rate-limits", "off", "--control", "on")
    try:
        async with ServerProcess(tmp_path, transcript, options, seed=SEED) as server, aiohttp.ClientSession() as http:
            program = await Program.start(
                replace(BOLT, command=("bin/python", "views.py")), api_url=server.api_url, token=server.token("desk"),
                transcript=transcript, SLACK_APP_TOKEN=server.app_token("desk"),
            )  # fmt: skip
            try:
                await program.inbox.take(step="connect", ok=True, within=60)
                yield World(server, program, http)
            finally:
                await program.stop()
    finally:
        print(transcript)


async def submit(world: World, view: dict[str, Any], title: str, **more: Any) -> dict[str, Any]:
    return await world.act("submit", view_id=view["id"], values={"b_title": {"a_title": title}, **more})


async def test_bolt_opens_fills_and_closes_modals(world: World) -> None:
    """V3, V4, V5, V11; rows 3, 4, 13."""
    view = await world.open()
    assert (await world.step("refused"))["error"] == "exchanged_trigger_id"

    offer = await world.act("options", view_id=view["id"], action_id="owner", text="bo")
    assert [option["value"] for option in offer["options"]] == ["U0BORIS01"]
    asked = (await world.step("options"))["body"]
    assert (asked["type"], asked["value"]) == ("block_suggestion", "bo")
    assert asked["container"] == {"type": "view", "view_id": view["id"]}

    refused = await submit(world, view, "no")
    assert (refused["outcome"], refused["errors"]) == ("errors", {"b_title": "Too short"})
    again = await submit(world, view, "again")
    assert (again["outcome"], again["view"]["title"]["text"]) == ("updated", "Once more")
    pushed = await submit(world, view, "more")
    assert (pushed["outcome"], pushed["view"]["previous_view_id"]) == ("pushed", view["id"])

    top = pushed["view"]
    assert (await world.act("click", view_id=top["id"], action_id="add_row"))["error"] is None
    assert (await world.step("action"))["body"]["view"]["id"] == top["id"]
    third = await world.step("pushed")
    await world.act("click", view_id=third["id"], action_id="add_row")
    assert (await world.step("refused"))["error"] == "push_limit_reached"

    left = await world.act("close", view_id=third["id"])
    assert (left["acknowledged"], left["view"]["id"]) == (True, top["id"])
    assert (await world.step("closed"))["body"]["is_cleared"] is False
    left = await world.act("close", view_id=top["id"], whole_stack=True)
    assert (left["acknowledged"], left["view"]) == (True, None)
    closed = (await world.step("closed"))["body"]
    assert (closed["is_cleared"], closed["view"]["id"]) == (True, view["id"])
    assert (await world.act("views.list"))["views"] == []


async def test_bolt_answers_in_the_conversation_that_was_chosen(world: World) -> None:
    """V3."""
    view = await world.open()
    await world.act("options", view_id=view["id"], action_id="owner", text="bo")

    done = await submit(world, view, "Printer on fire", b_room={"a_room": "general"}, b_owner={"owner": "U0BORIS01"})

    assert (done["outcome"], done["view"]) == ("closed", None)
    body = (await world.step("submitted"))["body"]
    values = body["view"]["state"]["values"]
    assert values["b_owner"]["owner"]["selected_option"]["value"] == "U0BORIS01"
    assert body["response_urls"][0]["channel_id"] == world.server.channel("general")
    said = await world.control("wait", channel="general", contains="filed: Printer on fire", after=done["position"])
    assert said["message"]["user"] == world.server.user("desk")


async def test_bolt_publishes_a_home_and_is_asked_from_it(world: World) -> None:
    """V10, V11."""
    opened = await world.act("home", app="desk")
    assert opened["view"] is None
    event = (await world.step("home"))["event"]
    assert (event["tab"], event["channel"]) == ("home", opened["channel"])
    await world.step("published")

    shown = (await world.act("home", app="desk"))["view"]

    assert shown["callback_id"] == "front"
    assert (await world.step("home"))["event"]["view"]["id"] == shown["id"]
    assert (await world.act("click", view_id=shown["id"], action_id="add_row"))["error"] is None
    assert (await world.step("action"))["body"]["container"] == {"type": "view", "view_id": shown["id"]}


async def test_modals_and_the_home_outlive_the_server(world: World) -> None:
    view = await world.open()
    await world.act("choose", view_id=view["id"], action_id="a_title", value="half done")
    await world.act("home", app="desk")
    await world.step("published")
    before = await world.act("views.list")

    await world.server.stop()
    await world.server.start()

    assert await world.act("views.list") == before
    assert len(before["views"]) == 2


async def test_the_guide_is_true(tmp_path: Path) -> None:
    """Its app runs on Bolt, and its test passes."""
    BOLT.prepare()
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "apps" / "fill-in-a-modal.md").read_text()
    (seed,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    app, test = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    (tmp_path / "app.py").write_text(app)
    (tmp_path / "test_guide.py").write_text(test)
    transcript = Transcript()
    try:
        async with ServerProcess(tmp_path, transcript, ("--control", "on"), seed=seed) as server:
            program = await Program.start(
                replace(BOLT, command=("bin/python", str(tmp_path / "app.py"))), api_url=server.api_url,
                token=server.token("desk"), transcript=transcript, SLACK_APP_TOKEN=server.app_token("desk"),
            )  # fmt: skip
            try:
                await _connected(server)
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_guide.py")),
                    cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                    env=os.environ | {"CONTROL_URL": server.control["url"], "CONTROL_SECRET": server.control["secret"]},
                )  # fmt: skip
                out, _ = await asyncio.wait_for(process.communicate(), 60)
                assert process.returncode == 0, out.decode()
                assert b"2 passed" in out
            finally:
                await program.stop()
    finally:
        print(transcript)


async def _connected(server: ServerProcess) -> None:
    """Wait until the app can be asked: it does not report that."""
    headers = {"Authorization": f"Bearer {server.control['secret']}"}
    body = {"user": "alice", "callback_id": "new_ticket"}
    async with aiohttp.ClientSession(headers=headers) as http, asyncio.timeout(60):
        while True:
            async with http.post(server.control["url"] + "shortcut", json=body) as response:
                if (await response.json())["error"] is None:
                    break
            await asyncio.sleep(0.1)  # nothing tells when an app of somebody else has connected
        async with http.post(server.control["url"] + "views.get", json={"user": "alice"}) as response:
            view = (await response.json())["view"]
        place = {"user": "alice", "view_id": view["id"]}
        async with http.post(server.control["url"] + "close", json=place) as response:
            assert response.status == 200
