"""Faults through the control API, and what the clients of others make of them."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from appside import APP_SEED, AppSide
from controlled import SECRET, operate, refusal
from scene import OpenScene, Scene, eventually
from watching import journal


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET, seed=APP_SEED)


async def fault(scene: Scene, name: str, **arguments: Any) -> dict[str, Any]:
    (rule,) = (await operate(scene, "faults.set", fault=name, **arguments))["faults"]
    return dict(rule)


# -- connections -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("drop", 1006), ("reset", 1006), ("goodbye", 1001)])
async def test_an_open_connection_ends(scene: Scene, name: str, code: int) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")

    rule = await fault(scene, name, user="alice")

    if name == "goodbye":
        await alice.until("goodbye")
    assert await alice.ended() == code
    assert (await bob.say(scene.general, "still here"))["ok"]
    assert rule["happened"] == 1
    assert (await operate(scene, "faults.list"))["faults"] == []


async def test_a_connection_that_opens_later_ends_behind_its_hello(scene: Scene) -> None:
    await fault(scene, "drop", user="alice", times=2)

    for _ in range(2):
        alice = await scene.connect("alice")
        assert await alice.ended() == 1006
    assert (await (await scene.connect("alice")).say(scene.general, "in"))["ok"]


async def test_a_half_open_connection_gets_no_answer_and_stays(scene: Scene) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")

    await fault(scene, "half_open", user="alice")
    await alice.send(type="ping", id=1)
    await scene.post("bob", scene.general, "one")
    await bob.until("message")

    with pytest.raises(TimeoutError):
        await alice.ws.receive(0.2)
    scene.clock.offset += 10_000
    await scene.server_swept()
    assert await alice.ended() == 1006


async def test_slow_frames_keep_their_order(scene: Scene) -> None:
    alice = await scene.connect("alice")
    rule = await fault(scene, "slow", user="alice", seconds=0.02, times=None)
    for number in range(5):
        await scene.post("bob", scene.general, str(number))

    texts = [(await alice.until("message"))["text"] for _ in range(5)]
    cleared = await operate(scene, "faults.clear", ids=[rule["id"]])

    assert texts == ["0", "1", "2", "3", "4"]
    assert cleared["faults"][0]["happened"] >= 5
    assert (await alice.say(scene.general, "fast"))["ok"]


async def test_a_lost_and_a_late_ack(scene: Scene) -> None:
    alice = await scene.connect("alice")
    await fault(scene, "lost_ack", user="alice")
    await fault(scene, "late_ack", user="alice", seconds=0.05)

    await alice.send(type="message", id=1, channel=scene.general, text="lost")
    await alice.send(type="message", id=2, channel=scene.general, text="late")
    await alice.send(type="message", id=3, channel=scene.general, text="usual")

    replies = [(await alice.until(lambda frame: "reply_to" in frame))["reply_to"] for _ in range(2)]
    assert replies == [3, 2]
    assert [each["text"] for each in await scene.history("alice", scene.general)] == ["usual", "late", "lost"]


async def test_an_event_comes_twice(scene: Scene) -> None:
    alice = await scene.connect("alice")
    await fault(scene, "repeated_event", user="alice")

    for text in ("one", "two"):
        await scene.post("bob", scene.general, text)

    assert await alice.texts() == ["one", "one", "two"]


async def test_a_fault_of_an_app_is_one_of_its_bots_connection(scene: Scene) -> None:
    desk = await scene.connect("desk")
    alice = await scene.connect("alice")

    await fault(scene, "drop", app="desk")

    assert await desk.ended() == 1006
    assert (await alice.say(scene.general, "x"))["ok"]


# -- Socket Mode -----------------------------------------------------------------------------------------------


async def test_an_envelope_that_is_lost_is_sent_again(scene: Scene) -> None:
    desk = AppSide(scene)
    link = await desk.connect()
    await fault(scene, "lost_envelope", app="desk")

    await scene.post("alice", scene.general, "hello")
    await eventually(lambda: not len(_faults(scene)))
    await operate(scene, "time.turn", seconds=4)
    envelope = await link.envelope()

    assert envelope["retry_attempt"] == 1
    assert envelope["payload"]["event"]["text"] == "hello"


@pytest.mark.parametrize("name", ["lost_ack", "late_ack"])
async def test_an_ack_of_an_app_is_lost_or_late(scene: Scene, name: str) -> None:
    desk = AppSide(scene)
    link = await desk.connect()
    await fault(scene, name, app="desk", seconds=0.05)

    await scene.post("alice", scene.general, "hello")
    first = await link.envelope()
    await link.ack(first)
    if name == "lost_ack":
        await eventually(lambda: not len(_faults(scene)))
        await operate(scene, "time.turn", seconds=4)
        again = await link.envelope()
        assert (again["envelope_id"], again["retry_attempt"]) == (first["envelope_id"], 1)
        await link.ack(again)

    await desk.settled()


async def test_an_envelope_comes_twice(scene: Scene) -> None:
    link = await AppSide(scene).connect()
    await fault(scene, "repeated_envelope", app="desk")

    await scene.post("alice", scene.general, "hello")
    first, second = await link.envelope(), await link.envelope()

    assert first == second


async def test_a_delivery_is_refused_before_it_is_made(open_scene: OpenScene) -> None:
    from aiohttp import web

    came: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        payload = await request.json()
        if payload["type"] == "event_callback":
            came.append({"retry": request.headers.get("X-Slack-Retry-Num"), **payload})
        return web.json_response({"challenge": payload.get("challenge")})

    app = web.Application()
    app.router.add_post("/events", take)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/events?key=hidden"
    try:
        text = APP_SEED.replace("name: desk, socket_mode: true", f"name: desk, request_url: '{url}'")
        scene = await open_scene(control=True, control_secret=SECRET, seed=text)
        await eventually(lambda: bool(AppSide(scene).tap.is_running))
        await fault(scene, "refused_delivery", app="desk")

        await scene.post("alice", scene.general, "hello")
        await eventually(lambda: len(came) == 1)
        await AppSide(scene).settled()
        lines = await journal(scene, "kind=delivery&app=desk")
    finally:
        await runner.cleanup()

    assert came[0]["retry"] == "1"
    assert [(each["attempt"], each.get("failure"), each.get("status")) for each in lines] == [
        (0, "connection_failed", None),
        (1, None, 200),
    ]
    assert lines[1]["request"] == f"POST {url.partition('?')[0]}"
    assert lines[1]["payload"]["event"]["text"] == "hello"


# -- methods ---------------------------------------------------------------------------------------------------


async def test_methods_fail_as_they_are_told(scene: Scene) -> None:
    client = AsyncWebClient(scene.tokens["alice"], base_url=scene.server.api_url)
    await fault(scene, "method_error", method="auth.test", code="account_inactive")
    await fault(scene, "rate_limit", method="auth.test", retry_after=7)
    await fault(scene, "server_error", method="auth.test", status=503)
    await fault(scene, "garbage", method="auth.test")

    failures = []
    for _ in range(4):
        with pytest.raises((SlackApiError, aiohttp.ClientError)) as failure:
            await client.auth_test()
        failures.append(failure.value.response if isinstance(failure.value, SlackApiError) else None)

    first, second = failures[:2]
    assert first is not None
    assert first["error"] == "account_inactive"
    assert second is not None
    assert second.headers["Retry-After"] == "7"
    assert (await client.auth_test())["ok"]
    calls = await journal(scene, "method=auth.test")
    assert [each["status"] for each in calls] == [200, 429, 503, 200, 200]


async def test_a_call_of_another_user_is_not_broken(scene: Scene) -> None:
    await fault(scene, "method_error", user="bob", code="fatal_error")

    await scene.ok("alice", "auth.test")
    assert (await scene.request("POST", "auth.test", headers=scene.bearer("bob"))).body["error"] == "fatal_error"


async def test_a_call_hangs_and_is_answered_then(scene: Scene) -> None:
    await fault(scene, "hang", method="rtm.connect", seconds=0.05)  # the call that the front begins and gives up

    alice = await scene.connect("alice")

    assert (await alice.say(scene.general, "in"))["ok"]
    (line,) = await journal(scene, "method=rtm.connect")
    assert line["milliseconds"] > 25  # timers of the loop may be early by their resolution
    assert (await operate(scene, "faults.list"))["faults"] == []


# -- rules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"fault": "explode"}, "invalid_arguments"),
        ({"fault": "drop", "times": 0}, "invalid_arguments"),
        ({"fault": "slow", "seconds": 1_000}, "invalid_arguments"),
        ({"fault": "slow", "probability": 0}, "invalid_arguments"),
        ({"fault": "slow", "id": "f1"}, "invalid_arguments"),
        ({"fault": "slow", "method": "auth.test"}, "invalid_fault"),
        ({"fault": "dropped_call"}, "invalid_fault"),
        ({"fault": "drop", "user": "nemo"}, "unknown_user"),
        ({"fault": "drop", "app": "nothing"}, "unknown_app"),
    ],
)
async def test_a_fault_that_cannot_be_is_refused(scene: Scene, arguments: dict[str, Any], code: str) -> None:
    assert await refusal(scene, "faults.set", **arguments) == code


async def test_faults_are_bounded_listed_and_cleared(scene: Scene) -> None:
    for _ in range(100):
        await fault(scene, "hang", method="api.test")

    assert await refusal(scene, "faults.set", fault="slow") == "too_many_faults"
    assert await refusal(scene, "faults.clear", ids=["f9999"]) == "fault_not_found"
    assert len((await operate(scene, "faults.clear"))["faults"]) == 100
    assert (await operate(scene, "faults.list"))["faults"] == []


async def test_an_operator_without_the_control_api_has_none_of_it(open_scene: OpenScene) -> None:
    from tautwire.cli.control import RefusedError, call

    scene = await open_scene(control=False)
    data = scene.server.settings.data
    for operation, arguments in (
        ("faults.list", {}), ("faults.set", {"fault": "drop"}), ("time.turn", {"seconds": 1}), ("time.read", {}),
        ("wait", {"kind": "call"}),
    ):  # fmt: skip
        with pytest.raises(RefusedError) as refused:
            await asyncio.to_thread(call, data, operation, **arguments)
        assert refused.value.code == "control_is_off"


# -- clients of others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["drop", "reset", "goodbye", "half_open"])
async def test_slack_sdks_rtm_client_comes_back(scene: Scene, name: str) -> None:
    script = Path(__file__).parents[1] / "shared" / "sdk_victim.py"
    victim = await asyncio.create_subprocess_exec(
        sys.executable, str(script), scene.tokens["relaybot"], scene.server.api_url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert victim.stdout is not None
    waited = {"kind": "connection", "user": "relaybot", "state": "connected", "timeout": 30}
    begin = (await operate(scene, "position"))["journal"].partition(".")[0] + ".0"
    try:
        first = await operate(scene, "wait", **waited, after_entry=begin)
        await scene.post("alice", scene.general, "before")
        assert await asyncio.wait_for(victim.stdout.readline(), 30) == b"before\n"

        await fault(scene, name, user="relaybot")

        second = await operate(scene, "wait", **waited, after_entry=first["entry"]["id"])
        await scene.post("alice", scene.general, "after")
        assert await asyncio.wait_for(victim.stdout.readline(), 30) == b"after\n"
        assert second["entry"]["connection"] > first["entry"]["connection"]
    finally:
        victim.kill()
        await victim.wait()


@pytest.mark.parametrize("name", ["slow", "repeated_event"])
async def test_slack_sdks_rtm_client_gets_what_is_slow_and_what_comes_twice(scene: Scene, name: str) -> None:
    script = Path(__file__).parents[1] / "shared" / "sdk_victim.py"
    victim = await asyncio.create_subprocess_exec(
        sys.executable, str(script), scene.tokens["relaybot"], scene.server.api_url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert victim.stdout is not None
    begin = (await operate(scene, "position"))["journal"].partition(".")[0] + ".0"
    try:
        await operate(scene, "wait", kind="connection", user="relaybot", after_entry=begin, timeout=30)
        await fault(scene, name, user="relaybot", seconds=0.05, times=2)
        for text in ("one", "two"):
            await scene.post("alice", scene.general, text)

        heard = [
            await asyncio.wait_for(victim.stdout.readline(), 30) for _ in range(4 if name == "repeated_event" else 2)
        ]
    finally:
        victim.kill()
        await victim.wait()

    twice = 2 if name == "repeated_event" else 1
    assert sorted(heard) == [b"one\n"] * twice + [b"two\n"] * twice


@pytest.mark.parametrize(
    "name",
    ["drop", "reset", "goodbye", "half_open", "slow", "repeated_envelope", "lost_envelope", "lost_ack", "late_ack"],
)
async def test_slack_sdks_socket_mode_client_loses_nothing(scene: Scene, name: str) -> None:
    heard: list[str] = []
    client = SocketModeClient(
        app_token=AppSide(scene).scene.tokens["desk app"],
        web_client=AsyncWebClient(base_url=scene.server.api_url),
        ping_interval=1,
    )

    async def take(_: Any, request: SocketModeRequest) -> None:
        heard.append(request.payload["event"]["text"])
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    client.socket_mode_request_listeners.append(take)  # type: ignore[arg-type]
    await client.connect()
    try:
        await eventually(lambda: bool(AppSide(scene).tap.is_running))
        await fault(scene, name, app="desk", seconds=0.05)
        await scene.post("alice", scene.general, "hello")
        if name in ("lost_envelope", "lost_ack"):
            await eventually(lambda: not len(_faults(scene)))
            await operate(scene, "time.turn", seconds=4)
        await eventually(lambda: "hello" in heard)
        await AppSide(scene).settled()
    finally:
        await client.close()
    assert heard == ["hello"] * (2 if name in ("repeated_envelope", "lost_ack") else 1)


def _faults(scene: Scene) -> Any:
    controls = scene.server.workspace.controls
    assert controls is not None
    return controls.faults
