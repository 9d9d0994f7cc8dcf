"""The stack of views: whatever people and apps do, in any order, it is what a model of four rules says."""

import asyncio
import random
from typing import Any

import msgspec
import pytest

from appside import APP_SEED
from desk import Desk, home, modal
from scene import OpenScene, Scene
from tautwire.server.services.access.identity import Identity, identity_of
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.interactivity.requests import Request, Requests
from tautwire.server.services.views import submissions
from tautwire.server.services.views.shown import views_of
from tautwire.server.services.views.views import MAX_DEPTH, MAX_STACKS
from tautwire.server.store.queries.users import find_user

STEPS = 120
PEOPLE = ("alice", "bob")
APPS = ("desk", "quiet")
Stack = list[str]


class Doors:
    """Both doors: every app answers at once with what is put here."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self.ack: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        requests.send_by(self, self)  # type: ignore[arg-type]

    def ask(self, app: str, envelope_id: str, request: Request) -> bool:
        self.asked.append(msgspec.json.decode(request.payload))
        asyncio.get_running_loop().call_soon(self._requests.answered, app, envelope_id, msgspec.json.encode(self.ack))
        return True


class World:
    """The server, and beside it the model: the stacks of each person and app, the newest last."""

    def __init__(self, scene: Scene, people: dict[str, Identity], doors: Doors) -> None:
        self.scene = scene
        self.workspace = scene.server.workspace
        self.people = people
        self.doors = doors
        self.apps = {name: Desk(scene, name) for name in APPS}
        self.stacks: dict[tuple[str, str], list[Stack]] = {(who, app): [] for who in PEOPLE for app in APPS}

    async def step(self, chance: random.Random) -> None:
        who, app = chance.choice(PEOPLE), chance.choice(APPS)
        stacks = self.stacks[who, app]
        desk = self.apps[app]
        if not stacks or chance.random() < 0.25:
            stacks.append([(await desk.open(modal(notify_on_close=True), who=who))["id"]])
            del stacks[:-MAX_STACKS]
            return
        stack = chance.choice(stacks)
        act = chance.choice([self.push, self.update, self.submit, self.close, self.strange])
        await act(chance, desk, who, stack)
        self.stacks[who, app] = [each for each in stacks if each]

    async def push(self, chance: random.Random, desk: Desk, who: str, stack: Stack) -> None:
        trigger = desk.trigger(chance.choice(stack), who)
        answer = await self.scene.call(desk.name, "views.push", trigger_id=trigger, view=modal(notify_on_close=True))
        assert answer["ok"] is (len(stack) < MAX_DEPTH)
        if answer["ok"]:
            assert answer["view"]["previous_view_id"] == stack[-1]
            stack.append(answer["view"]["id"])

    async def update(self, chance: random.Random, desk: Desk, who: str, stack: Stack) -> None:
        view = chance.choice(stack)
        changed = await self.scene.ok(desk.name, "views.update", view_id=view, view=modal(notify_on_close=True))
        assert changed["view"]["id"] == view

    async def submit(self, chance: random.Random, desk: Desk, who: str, stack: Stack) -> None:
        bad = {"response_action": "errors", "errors": {"title": "no"}}
        more = {"response_action": chance.choice(["push", "update"]), "view": modal(notify_on_close=True)}
        self.doors.ack = chance.choice([{}, {"response_action": "clear"}, bad, more, {"response_action": "?"}])
        action = self.doors.ack.get("response_action")
        is_too_much = action == "push" and len(stack) == MAX_DEPTH
        values = {"title": {"a_title": "x"}}
        done = await submissions.submit(self.workspace, self.people[who], stack[-1], values)
        assert (done.what == "failed") is (action == "?" or is_too_much)
        if action is None:
            stack.pop()
        elif action == "clear":
            stack.clear()
        elif done.what == "pushed":
            assert done.seen is not None
            stack.append(done.seen.view.record.id)
        seen = done.seen.view.record.id if done.seen is not None else None
        assert seen == (stack[-1] if stack else None)

    async def close(self, chance: random.Random, desk: Desk, who: str, stack: Stack) -> None:
        is_all = chance.random() < 0.3
        self.doors.asked.clear()
        root, top = stack[0], stack[-1]
        closed = await submissions.close(self.workspace, self.people[who], top, whole_stack=is_all)
        del stack[0 if is_all else -1 :]
        assert [(asked["view"]["id"], asked["is_cleared"]) for asked in self.doors.asked] == [
            (root if is_all else top, is_all)
        ]
        assert (closed.seen is None) is (not stack)

    async def strange(self, chance: random.Random, desk: Desk, who: str, stack: Stack) -> None:
        """Do what must have no effect."""
        other = self.apps[chance.choice([name for name in APPS if name != desk.name])]
        stranger = self.people[chance.choice([name for name in PEOPLE if name != who])]
        error = await self.scene.error(other.name, "views.update", view_id=stack[0], view=modal())
        assert error == "not_found"
        for act in (
            submissions.close(self.workspace, stranger, stack[-1], whole_stack=True),
            submissions.submit(self.workspace, stranger, stack[-1], {}),
            *([submissions.submit(self.workspace, self.people[who], stack[0], {})] if len(stack) > 1 else []),
        ):
            with pytest.raises(Refused):
                await act

    async def check(self) -> None:
        """See that what is stored is what the model says."""
        for who in PEOPLE:
            shown = await self.workspace.reader.read(lambda query, who=who: views_of(query, self.people[who].user))
            found: dict[tuple[str, str], list[Stack]] = {(who, app): [] for app in APPS}
            names = {desk.id: name for name, desk in self.apps.items()}
            stacks: dict[str, Stack] = {}
            for view, _ in shown:
                if view.record.kind == "home":
                    continue
                if view.record.depth == 1:
                    stacks[view.record.id] = []
                    found[who, names[view.record.app_id]].append(stacks[view.record.id])
            for view, _ in sorted(shown, key=lambda each: each.view.record.depth):
                if view.record.kind == "modal":
                    stack = stacks[view.record.root_id]
                    assert view.record.previous_id == (stack[-1] if stack else None)
                    stack.append(view.record.id)
            for place, wanted in found.items():
                assert sorted(wanted) == sorted(self.stacks[place])


@pytest.mark.parametrize("seed", range(5))
async def test_the_stacks_are_what_the_model_says(open_scene: OpenScene, seed: int) -> None:
    scene = await open_scene(seed=APP_SEED)
    records = await scene.server.workspace.reader.read(
        lambda query: {who: find_user(query, scene.users[who]) for who in PEOPLE}
    )
    people = {who: identity_of(record) for who, record in records.items() if record is not None}
    world = World(scene, people, Doors(scene.server.workspace.requests))
    for desk in world.apps.values():
        await desk.take_part()
        await desk.publish(home())
    chance = random.Random(seed)

    for _ in range(STEPS):
        await world.step(chance)
        await world.check()
