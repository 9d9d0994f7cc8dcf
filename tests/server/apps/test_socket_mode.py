"""Socket Mode, frame by frame: opening, hello, envelopes, acknowledgements, renewal and refusal.

The vectors are those of wire/socket-mode.md#test-vectors.
"""

import asyncio
import json

import pytest

from appside import APP_SEED, AppSide, gather_acks
from elsewhere import Change
from rawsocket import CLOSE, RawSocket
from scene import OpenScene, Scene, eventually
from tautwire.server.services.access import apps, subscriptions, tokens
from tautwire.server.services.access.identity import hash_token
from tautwire.server.socket_mode.connection import DEBUG_TIME, SESSION_TIME
from tautwire.server.socket_mode.pool import MAX_CONNECTIONS
from tautwire.server.taps import window


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent again only because the machine is busy."""
    monkeypatch.setattr(window, "ACK_TIME", 100_000.0)


@pytest.fixture
def three_seconds(monkeypatch: pytest.MonkeyPatch, patience: None) -> None:
    """The real time for acknowledgements."""
    monkeypatch.setattr(window, "ACK_TIME", 3.0)


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(seed=APP_SEED)


@pytest.fixture
def desk(scene: Scene) -> AppSide:
    return AppSide(scene)


# Opening


@pytest.mark.parametrize("who", ["alice", "relaybot", "desk"])
async def test_only_app_level_tokens_open(scene: Scene, who: str) -> None:
    """Vector 1."""
    assert await scene.error(who, "apps.connections.open") == "not_allowed_token_type"


async def test_opening_needs_a_post(scene: Scene, desk: AppSide) -> None:
    """Vector 1."""
    answer = await scene.request("GET", "apps.connections.open", headers=scene.bearer("desk app"))
    assert answer.body == {"ok": False, "error": "insecure_request"}


@pytest.mark.parametrize("body", [{}, {"data": b""}, {"json": {}}, {"data": {"a": "b"}}])
async def test_all_bodies_of_sdks_open(scene: Scene, desk: AppSide, body: dict[str, object]) -> None:
    answer = await scene.request("POST", "apps.connections.open", headers=scene.bearer("desk app"), **body)
    assert answer.body["ok"]


async def test_without_socket_mode_the_error_is_one_that_sdks_take_as_final(scene: Scene) -> None:
    offline = AppSide(scene, "offline")
    answer = await scene.call("offline app", "apps.connections.open")
    assert (answer["error"], "Socket Mode" in answer["detail"]) == ("invalid_auth", True)
    assert offline.tap is not None


async def test_the_limit_of_calls_is_one_for_each_app(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=APP_SEED, rate_limits=True)
    desk, quiet = AppSide(scene), AppSide(scene, "quiet")
    answers = [await scene.call("desk app", "apps.connections.open") for _ in range(101)]
    assert answers[-1]["error"] == "ratelimited"
    assert (await quiet.url()) != (await quiet.url())
    assert desk.id != quiet.id


async def test_hello_counts_the_connections(desk: AppSide) -> None:
    """Vector 2."""
    for count in (1, 2):
        socket = await desk.dial(await desk.url())
        hello = await socket.frame()
        assert (hello["type"], hello["num_connections"]) == ("hello", count)
        assert hello["connection_info"] == {"app_id": desk.id}
        assert hello["debug_info"]["approximate_connection_time"] == SESSION_TIME
        assert {"host", "started", "build_number"} <= hello["debug_info"].keys()


async def test_a_url_works_once(desk: AppSide) -> None:
    url = await desk.url()
    await desk.dial(url)
    frames, code = await (await desk.dial(url)).ended()
    assert ([frame["reason"] for frame in frames], code) == (["link_disabled"], 1000)


async def test_a_stranger_cannot_keep_a_connection(scene: Scene, desk: AppSide) -> None:
    """Answers of apps are long, so a connection may have the server hold half a megabyte."""
    url = f"{(await desk.url()).rpartition('/')[0]}/no-ticket"
    served = scene.server.host.get(scene.server.workspace.team.id)
    assert served is not None
    async with RawSocket.dialled(url, hello=False) as stranger:
        assert b"link_disabled" in (await stranger.read())[1]
        assert (await stranger.read())[0] == CLOSE
        # The stranger answers no Close, and no time passes.
        await eventually(lambda: not served.link_door.connections)


async def test_tickets_of_rtm_do_not_fit(scene: Scene, desk: AppSide) -> None:
    rtm = (await scene.grant("alice"))["url"]
    frames, _ = await (await desk.dial(rtm.replace("/rtm/", "/link/"))).ended()
    assert [frame["type"] for frame in frames] == ["disconnect"]
    link = await desk.url()
    frames, _ = await (await desk.dial(link.replace("/link/", "/rtm/"))).ended()
    assert [frame["type"] for frame in frames] == ["error"]


async def test_an_eleventh_connection_is_refused(scene: Scene, desk: AppSide) -> None:
    sockets = [await desk.connect() for _ in range(MAX_CONNECTIONS)]
    frames, _ = await (await desk.dial(await desk.url())).ended()
    assert [(frame["reason"], frame["num_connections"]) for frame in frames] == [("too_many_websockets", 10)]
    await sockets[0].close()
    (served,) = scene.server.host
    await eventually(lambda: len(served.link_door.connections) == MAX_CONNECTIONS - 1)
    await desk.connect()


# Envelopes


async def test_each_event_goes_to_one_connection(scene: Scene, desk: AppSide) -> None:
    """Vector 3."""
    sockets = [await desk.connect() for _ in range(3)]
    for number in range(30):
        await scene.post("alice", scene.general, str(number))
    envelopes = await gather_acks(sockets, 30)
    await desk.settled()
    assert sorted(int(e["payload"]["event"]["text"]) for e in envelopes) == list(range(30))
    for socket in sockets:
        await socket.close()


async def test_events_are_spread(scene: Scene, desk: AppSide) -> None:
    sockets = [await desk.connect() for _ in range(3)]
    for number in range(6):
        await scene.post("alice", scene.general, str(number))
    for socket in sockets:
        assert len([await socket.take(), await socket.take()]) == 2


async def test_an_envelope(scene: Scene, desk: AppSide) -> None:
    socket = await desk.connect()
    ts = await scene.post("alice", scene.general, "hello")
    envelope = await socket.envelope()
    payload = envelope.pop("payload")
    envelope_id = envelope.pop("envelope_id")
    assert envelope == {
        "type": "events_api", "accepts_response_payload": False, "retry_attempt": 0, "retry_reason": "",
    }  # fmt: skip
    assert len(envelope_id) == 36
    assert (payload["api_app_id"], payload["team_id"]) == (desk.id, scene.directory.team["id"])
    assert payload["authorizations"][0]["user_id"] == desk.bot
    event = payload["event"]
    assert (event["type"], event["channel_type"], event["ts"], event["channel"], event["user"]) == (
        "message", "channel", ts, scene.general, scene.users["alice"],
    )  # fmt: skip


@pytest.mark.usefixtures("three_seconds")
async def test_the_same_payload_again_after_three_seconds(scene: Scene, desk: AppSide) -> None:
    """Vector 4; the ids are the same, which is ours."""
    socket = await desk.connect()
    await scene.post("alice", scene.general, "hello")
    first = await socket.envelope()
    for attempt in (1, 2, 3):
        await desk.sweep(3.1)
        again = await socket.envelope()
        assert again == first | {"retry_attempt": attempt, "retry_reason": "timeout"}
    await socket.ack(again)
    await desk.settled()


@pytest.mark.usefixtures("three_seconds")
async def test_an_event_without_a_listener_holds_up_no_others(scene: Scene, desk: AppSide) -> None:
    socket = await desk.connect()
    await scene.post("alice", scene.general, "never acknowledged")
    seen = {(await socket.envelope())["envelope_id"]}
    for number in range(4):
        await scene.post("alice", scene.general, str(number))
        envelope = await socket.envelope()
        while envelope["envelope_id"] in seen:
            envelope = await socket.envelope()
        seen.add(envelope["envelope_id"])
        assert envelope["payload"]["event"]["text"] == str(number)
        await socket.ack(envelope)
        await desk.sweep(3.1)
    await eventually(lambda: scene.server.workspace.counts.deliveries.given_up == 1)
    await desk.settled()


@pytest.mark.parametrize("payload", [{}, {"text": "x"}, None, "x" * 60_000])
async def test_an_acknowledgement_may_have_a_payload(scene: Scene, desk: AppSide, payload: object) -> None:
    socket = await desk.connect()
    await scene.post("alice", scene.general, "hello")
    await socket.ack(await socket.envelope(), payload=payload)
    await desk.settled()


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"envelope_id":7}', '{"envelope_id":"x"}', "\x00", "[" * 9_000, '{"a":' * 9_000]
)
async def test_what_is_no_acknowledgement_is_ignored(scene: Scene, desk: AppSide, text: str) -> None:
    socket = await desk.connect()
    await socket.ws.send_str(text)
    await scene.post("alice", scene.general, "hello")
    assert (await socket.take())["text"] == "hello"
    await desk.settled()


async def test_a_lost_connection_leaves_its_events_to_another(scene: Scene, desk: AppSide) -> None:
    one, other = await desk.connect(), await desk.connect()
    for number in range(4):
        await scene.post("alice", scene.general, str(number))
    held = [await one.envelope(), await one.envelope()]
    for _ in range(2):
        await other.take()
    await one.close()
    again = [await other.envelope(), await other.envelope()]
    assert [e["payload"] for e in again] == sorted((e["payload"] for e in held), key=lambda p: p["event"]["ts"])
    assert {(e["retry_attempt"], e["retry_reason"]) for e in again} == {(1, "connection_failed")}
    for envelope in again:
        await other.ack(envelope)
    await desk.settled()


# The end of a connection


async def test_pings_come_however_busy_a_client_is(scene: Scene, desk: AppSide) -> None:
    url = await desk.url()
    ws = await scene.http.ws_connect(url, autoping=False, compress=0)
    await ws.receive()
    for _ in range(3):
        await ws.send_str("{}")
        await desk.sweep(15.1)
        message = await ws.receive(10)
        assert message.type.name == "PING"
        await ws.pong(message.data)
    await ws.close()


async def test_the_server_warns_before_it_renews_a_connection(scene: Scene, desk: AppSide) -> None:
    """Vector 5."""
    old = await desk.dial(f"{await desk.url()}&debug_reconnects=true")
    await old.frame()
    for _ in range(DEBUG_TIME // 100):
        await scene.post("alice", scene.general, "a moment later")
        await old.take()  # and PINGs, which are answered while it is read
        await desk.sweep(100)
    await scene.post("alice", scene.general, "held")
    held = await old.envelope()
    await desk.sweep(DEBUG_TIME % 100 - 9)
    frame = await old.frame()
    assert (frame["reason"], frame["debug_info"]["host"]) == ("warning", "tautwire")
    await old.ack(held)
    new = await desk.connect()
    await scene.post("alice", scene.general, "to the new one")
    assert (await new.take())["text"] == "to the new one"
    await desk.sweep(10)
    frames, code = await old.ended()
    assert (frames, code) == ([], 1001)
    await scene.post("alice", scene.general, "after")
    assert (await new.take())["text"] == "after"


@pytest.mark.parametrize("how", ["query", "appended"])
async def test_a_client_can_ask_for_a_short_session(desk: AppSide, how: str) -> None:
    url = await desk.url()
    url = f"{url}&debug_reconnects=true" if how == "query" else f"{url.partition('?')[0]}&debug_reconnects=true"
    hello = await (await desk.dial(url)).frame()
    assert hello["debug_info"]["approximate_connection_time"] == DEBUG_TIME


async def test_a_stopping_server_asks_its_clients_to_dial_anew(open_scene: OpenScene) -> None:
    scene = await open_scene(seed=APP_SEED)
    desk = AppSide(scene)
    socket = await desk.connect()
    ending = asyncio.create_task(socket.ended())
    await scene.server.stop()
    frames, code = await ending
    assert ([frame["reason"] for frame in frames], code) == (["refresh_requested"], 1001)


@pytest.fixture(params=["here", "elsewhere"])
def change(scene: Scene, request: pytest.FixtureRequest) -> Change:
    return Change(scene, is_elsewhere=request.param == "elsewhere")


async def test_socket_mode_that_is_switched_off_ends_connections(scene: Scene, desk: AppSide, change: Change) -> None:
    socket = await desk.connect()
    url = await desk.url()
    await change(lambda tx: subscriptions.switch_socket_mode(tx, desk.id, is_on=False))
    frames, _ = await socket.ended()
    assert [frame["reason"] for frame in frames] == ["link_disabled"]
    assert await scene.error("desk app", "apps.connections.open") == "invalid_auth"
    frames, _ = await (await desk.dial(url)).ended()
    assert [frame["reason"] for frame in frames] == ["link_disabled"]
    await change(lambda tx: subscriptions.switch_socket_mode(tx, desk.id, is_on=True))
    await desk.connect()


async def test_a_deleted_app_is_disconnected(scene: Scene, desk: AppSide, change: Change) -> None:
    socket = await desk.connect()
    team = scene.server.workspace.team
    await change(lambda tx: apps.delete_app(tx, team, desk.id))
    frames, _ = await socket.ended()
    assert "link_disabled" in [frame["reason"] for frame in frames]
    assert desk.tap is None
    assert await scene.error("desk app", "apps.connections.open") == "invalid_auth"


async def test_a_revoked_app_level_token_ends_its_connections(scene: Scene, desk: AppSide, change: Change) -> None:
    socket = await desk.connect()
    digest = hash_token(scene.tokens["desk app"]).hex()[:16]
    await change(lambda tx: tokens.revoke(tx, digest))
    frames, code = await socket.ended()
    assert ([frame["reason"] for frame in frames], code) == (["link_disabled"], 1008)


async def test_no_secret_is_in_a_frame(scene: Scene, desk: AppSide) -> None:
    socket = await desk.connect()
    await scene.post("alice", scene.general, "hello")
    text = json.dumps(await socket.envelope())
    assert not [token for token in scene.tokens.values() if token and token in text]
