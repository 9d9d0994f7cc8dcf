"""Who is connected, as the control API tells it: connections of RTM and Socket Mode, and how far apps are behind."""

import pytest

from appside import APP_SEED, AppSide
from controlled import SECRET, operate
from scene import Frame, OpenScene, Scene, eventually


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    seed = APP_SEED.replace("{name: offline, ", "{name: offline, request_url: 'http://127.0.0.1:9/events', ")
    return await open_scene(seed=seed, control=True, control_secret=SECRET)


async def app_of(scene: Scene, app: AppSide) -> Frame:
    """Return what is said of an app."""
    (found,) = [each for each in (await operate(scene, "connections"))["apps"] if each["app"] == app.id]
    return dict(found)


async def test_connections_say_whose_they_are_and_since_when(scene: Scene) -> None:
    person = await scene.connect("alice")
    desk = AppSide(scene)
    socket = await desk.connect()

    found = await operate(scene, "connections")

    alice, link = found["connections"]
    assert (alice["door"], alice["user"], alice["app"]) == ("rtm", scene.users["alice"], None)
    assert (link["door"], link["app"], link["unacknowledged"]) == ("socket_mode", desk.id, 0)
    assert link["number"] != alice["number"]
    assert 0 < alice["since"] <= link["since"] <= found["now"]
    assert alice["address"].startswith("127.0.0.1:")
    assert (alice["queued"], alice["slow"], alice["round_trip"]) == (0, False, None)
    await socket.close()
    await person.close()


async def test_what_an_app_has_not_acknowledged_is_told_until_it_does(scene: Scene) -> None:
    desk = AppSide(scene)
    socket = await desk.connect()
    await scene.post("alice", scene.general, "hello")
    envelope = await socket.envelope()

    app = await app_of(scene, desk)
    (connection,) = (await operate(scene, "connections"))["connections"]
    assert (app["way"], app["state"], app["open"], app["behind"], app["given_up"]) == ("socket_mode", "served", 1, 0, 0)
    (event,) = app["events"]
    assert (event["envelope"], event["attempt"]) == (envelope["envelope_id"], 0)
    assert (event["connection"], connection["unacknowledged"]) == (connection["number"], 1)
    assert event["due"] > 0

    await socket.ack(envelope)
    await desk.settled()
    assert (await app_of(scene, desk))["events"] == []


async def test_the_round_trip_is_that_of_the_last_ping(scene: Scene) -> None:
    desk = AppSide(scene)
    socket = await desk.connect()
    await desk.sweep(16)
    await scene.post("alice", scene.general, "hello")
    await socket.envelope()  # aiohttp answers the PING that came before it

    (served,) = scene.server.host
    (connection,) = served.link_door.connections
    await eventually(lambda: connection.round_trip is not None)
    (told,) = (await operate(scene, "connections"))["connections"]
    assert 0 <= told["round_trip"] < 16


async def test_apps_that_are_away_say_so_and_how_far_they_are_behind(scene: Scene) -> None:
    desk, offline = AppSide(scene), AppSide(scene, "offline")
    before = (await app_of(scene, desk))["behind"]
    await scene.post("alice", scene.general, "hello")

    app = await app_of(scene, desk)
    assert (app["way"], app["state"]) == ("socket_mode", "away")
    assert app["behind"] > before
    other = await app_of(scene, offline)
    assert (other["way"], other["state"]) == ("http", "unverified")
