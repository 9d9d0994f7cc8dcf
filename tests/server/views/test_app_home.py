"""The Home of an app: opening it, what the app is told of it, and that RTM is told nothing."""

from pathlib import Path
from typing import Any

import pytest
from stores import Store

from appside import APP_SEED, EVENTS
from controlled import SECRET, operate, refusal
from desk import Desk, home, modal
from elsewhere import Change
from scene import OpenScene, Scene, TurnedClock
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.identity import identity_of
from tautwire.server.services.access.subscriptions import subscribe
from tautwire.server.services.views.home import open_home
from tautwire.server.store.queries.apps import find_app
from tautwire.server.store.queries.users import find_user
from tautwire.server.taps import window

SEED = APP_SEED.replace(EVENTS, EVENTS[:-1] + ", app_home_opened]")
SETTINGS = {"seed": SEED, "control": True, "control_secret": SECRET}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent again only because the machine is busy."""
    monkeypatch.setattr(window, "ACK_TIME", 100_000.0)


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(**SETTINGS)


@pytest.fixture
def desk(scene: Scene) -> Desk:
    return Desk(scene)


async def opened(scene: Scene, user: str = "alice", **arguments: Any) -> dict[str, Any]:
    return await operate(scene, "home", user=user, app="desk", **arguments)


async def test_the_app_is_told_that_its_home_is_opened(scene: Scene, desk: Desk) -> None:
    """V10: nothing is published, so the event has no view."""
    socket = await desk.connect()

    answer = await opened(scene)

    envelope = await socket.envelope()
    event = envelope["payload"]["event"]
    assert event == {
        "type": "app_home_opened", "user": scene.users["alice"], "channel": answer["channel"], "tab": "home",
        "event_ts": event["event_ts"],
    }  # fmt: skip
    assert answer["channel"].startswith("D")
    assert answer["view"] is None
    (authorization,) = envelope["payload"]["authorizations"]
    assert (authorization["user_id"], authorization["is_bot"]) == (desk.bot, True)


async def test_every_opening_is_told_and_shows_what_is_published(scene: Scene, desk: Desk) -> None:
    view = await desk.publish(home(callback_id="front"))
    socket = await desk.connect()

    answers = [await opened(scene), await opened(scene, tab="messages"), await opened(scene)]

    events = [await socket.take() for _ in answers]
    assert [(event["tab"], event.get("view")) for event in events] == [
        ("home", view),
        ("messages", None),
        ("home", view),
    ]
    assert "view" not in events[1]
    assert len({event["event_ts"] for event in events}) == 3
    assert [answer["view"] for answer in answers] == [view, None, view]
    assert len({answer["channel"] for answer in answers}) == 1


async def test_a_person_sees_the_home_that_is_published_for_that_person(scene: Scene, desk: Desk) -> None:
    await desk.publish(home(callback_id="of bob"), who="bob")

    assert (await opened(scene))["view"] is None
    assert (await opened(scene, "bob"))["view"]["callback_id"] == "of bob"


async def test_rtm_is_told_of_the_new_conversation_only(scene: Scene, desk: Desk) -> None:
    bot, alice = await scene.connect("desk"), await scene.connect("alice")

    await opened(scene)
    await opened(scene)

    assert await bot.events() == ["im_created"]
    assert "app_home_opened" not in await alice.events()


async def test_other_apps_are_not_told(scene: Scene, desk: Desk) -> None:
    await scene.server.workspace.writer.write(
        lambda tx: subscribe(tx, Desk(scene, "quiet").id, ["app_mention", "app_home_opened"])
    )
    theirs = await Desk(scene, "quiet").connect()

    await opened(scene)
    await scene.post("alice", scene.general, f"<@{scene.users['quiet']}>")

    assert (await theirs.take())["type"] == "app_mention"


async def test_the_event_waits_for_an_app_that_is_away(tmp_path: Path, clock: TurnedClock, store: Store) -> None:
    """It is as durable as others: the app gets it after a restart, once, in its order."""
    data = tmp_path / "data"
    settings = {**SETTINGS, "database": store.url(data)}
    async with Scene.opened(data, clock, **settings) as scene:
        desk = Desk(scene)
        await desk.leave(await desk.connect())
        await scene.post("alice", scene.general, "before")
        answer = await opened(scene)
        await scene.post("alice", scene.general, "after")
    async with Scene.opened(data, clock, **settings) as scene:
        desk = Desk(scene)
        socket = await desk.connect()

        events = [await socket.take() for _ in range(3)]

        assert [event.get("text", event["type"]) for event in events] == ["before", "app_home_opened", "after"]
        assert events[1]["channel"] == answer["channel"]
        await desk.settled()


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_an_opening_is_told_whichever_node_stores_it(scene: Scene, desk: Desk, is_elsewhere: bool) -> None:
    socket = await desk.connect()
    change = Change(scene, is_elsewhere=is_elsewhere)

    def unit(tx: Transaction) -> None:
        app, alice = find_app(tx, desk.id), find_user(tx, scene.users["alice"])
        assert app is not None
        assert alice is not None
        open_home(tx, scene.server.workspace.team, identity_of(alice), app, "home")

    await change(unit)

    assert (await socket.take())["type"] == "app_home_opened"


async def test_the_home_cannot_be_opened_of_what_is_no_app(scene: Scene, desk: Desk) -> None:
    assert await refusal(scene, "home", user="alice", app="nothing") == "unknown_app"
    assert await refusal(scene, "home", user="nobody", app="desk") == "unknown_user"
    assert await refusal(scene, "home", user="alice", app="desk", tab="about") == "invalid_arguments"


async def test_the_open_views_survive_a_restart(tmp_path: Path, clock: TurnedClock, store: Store) -> None:
    data = tmp_path / "data"
    settings = {**SETTINGS, "database": store.url(data)}
    async with Scene.opened(data, clock, **settings) as scene:
        desk = Desk(scene)
        root = await desk.open(modal(external_id="mine"))
        second = (await desk.push(root["id"], modal(private_metadata="draft")))["view"]
        shown = await desk.publish()
        listed = await operate(scene, "views.list", user="alice")
    async with Scene.opened(data, clock, **settings) as scene:
        desk = Desk(scene)

        assert await operate(scene, "views.list", user="alice") == listed
        assert [view["id"] for view in listed["views"]] == [root["id"], second["id"], shown["id"]]
        third = (await desk.push(second["id"]))["view"]
        assert third["previous_view_id"] == second["id"]
        again = (await scene.ok("desk", "views.update", external_id="mine", hash=root["hash"], view=modal()))["view"]
        assert again["id"] == root["id"]
        assert (await desk.publish())["id"] == shown["id"]
