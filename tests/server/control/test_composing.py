"""The operations on single events: the types that there are, and one sent to one connection or app."""

import asyncio
from typing import Any

import pytest
from slack_sdk.signature import Clock as ReceiverClock
from slack_sdk.signature import SignatureVerifier

from appside import APP_SEED, AppSide, LinkSocket
from controlled import SECRET, operate, refusal
from scene import Frame, OpenScene, Scene, eventually
from sites import Site, failing, ok, seed, settled, tap
from tautwire.protocol.correspondence import ONLY_EVENTS_API, ONLY_RTM
from tautwire.protocol.events import CATALOGUE
from tautwire.server.socket_mode.connection import WARNING_TIME
from tautwire.server.taps import composed


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def test_the_types_are_those_of_both_apis_with_their_fields(scene: Scene) -> None:
    types = (await operate(scene, "event.types"))["types"]

    assert {(each["type"], each["subtype"]) for each in types} == set(CATALOGUE) | {(e, None) for e in ONLY_EVENTS_API}
    assert {each["type"] for each in types if each["only"] == "events_api"} == ONLY_EVENTS_API
    assert {each["type"] for each in types if each["only"] == "rtm"} == ONLY_RTM
    mention = next(each for each in types if each["type"] == "app_mention")
    assert mention["sent"]
    assert ("user", "string", True) in {tuple(field.values()) for field in mention["fields"]}
    assert not next(each for each in types if each["type"] == "link_shared")["sent"]
    added = next(each for each in types if each["type"] == "reaction_added")
    assert added["sent"]
    fields = {each["name"]: (each["kind"], each["required"]) for each in added["fields"]}
    assert fields["user"] == ("string", True)
    assert fields["item"] == ("object", True)
    assert fields["item_user"] == ("string", False)
    assert "type" not in fields


async def test_an_event_goes_to_one_connection_and_changes_nothing(scene: Scene) -> None:
    one, other = await scene.connect("alice"), await scene.connect("alice")
    before = scene.server.workspace.tail.position
    number = (await operate(scene, "connections"))["connections"][0]["number"]
    event = {"type": "team_rename", "name": "Ä", "event_ts": "1700000000.000100"}

    sent = await operate(scene, "event.send", connection=number, event=event)

    assert sent["connection"] == number
    assert await one.until("team_rename") == event
    assert scene.server.workspace.tail.position == before
    await scene.post("alice", scene.general, "after it")
    assert "team_rename" not in [frame["type"] for frame in await other.fence()]


async def test_no_event_is_sent_without_a_type_or_a_connection(scene: Scene) -> None:
    await scene.connect("alice")
    number = (await operate(scene, "connections"))["connections"][0]["number"]

    assert await refusal(scene, "event.send", connection=number, event={"text": "x"}) == "invalid_event"
    assert await refusal(scene, "event.send", connection=9999, event={"type": "x"}) == "connection_not_found"
    assert await refusal(scene, "event.send", event={"type": "x"}) == "one_destination"
    assert await refusal(scene, "event.send", connection=number, app="desk", event={"type": "x"}) == "one_destination"
    assert await refusal(scene, "disconnect.send", connection=number) == "connection_not_found"


# --- Socket Mode ---


@pytest.fixture
async def apps(open_scene: OpenScene) -> Scene:
    return await open_scene(seed=APP_SEED, control=True, control_secret=SECRET)


async def number_of(scene: Scene, door: str = "socket_mode") -> list[int]:
    """Return the numbers of the connections of a door, oldest first."""
    return [each["number"] for each in (await operate(scene, "connections"))["connections"] if each["door"] == door]


async def first_of(*sockets: LinkSocket) -> Frame:
    """Return the envelope that comes on any of the sockets."""
    tasks = [asyncio.ensure_future(socket.envelope()) for socket in sockets]
    done, late = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in late:
        task.cancel()
    found: Frame = done.pop().result()
    return found


REACTION = {"type": "reaction_added", "user": "U1", "reaction": "tada", "item": {"type": "message", "channel": "C1"}}


async def test_an_app_gets_the_envelope_that_it_would_get_of_the_log(apps: Scene) -> None:
    desk = AppSide(apps)
    socket = await desk.connect()
    before = apps.server.workspace.tail.position
    (number,) = await number_of(apps)
    said = {"type": "message", "channel": apps.general, "user": apps.users["alice"], "text": "hi", "ts": "1.000100"}

    sent = await operate(apps, "event.send", connection=number, event=said)
    made = await socket.envelope()
    await socket.ack(made)
    await apps.post("alice", apps.general, "hi")
    real = await socket.envelope()
    await socket.ack(real)

    assert (sent["connection"], sent["app"], sent["event_id"]) == (number, desk.id, made["payload"]["event_id"])
    assert set(made) == set(real)
    assert set(made["payload"]) == set(real["payload"])
    assert made["payload"]["authorizations"] == real["payload"]["authorizations"]
    assert made["payload"]["event"] == {
        **said,
        "channel_type": "channel",
        "event_ts": made["payload"]["event"]["event_ts"],
    }
    assert made["payload"]["event_time"] > 1_700_000_000
    assert apps.server.workspace.tail.position == before + 1
    await desk.settled()


async def test_a_composed_event_goes_to_its_connection_and_comes_again_until_it_is_acknowledged(apps: Scene) -> None:
    desk = AppSide(apps)
    sockets = [await desk.connect(), await desk.connect(), await desk.connect()]
    for number, socket in zip(await number_of(apps), sockets, strict=True):
        for _ in range(2):  # in turn it would be another one
            await operate(apps, "event.send", connection=number, event=REACTION)
            await socket.take()

    await operate(apps, "event.send", connection=(await number_of(apps))[1], event=REACTION)
    first = await sockets[1].envelope()
    await desk.sweep(4)
    again = await sockets[1].envelope()
    assert (again["envelope_id"], again["payload"]) == (first["envelope_id"], first["payload"])
    assert (again["retry_attempt"], again["retry_reason"]) == (1, "timeout")
    await sockets[1].close()
    kept = await first_of(sockets[0], sockets[2])
    assert kept["payload"] == first["payload"]
    await sockets[0].ack(kept)
    await desk.settled()


async def test_an_event_of_rtm_alone_reaches_an_app_too_and_two_of_the_same_have_two_ids(apps: Scene) -> None:
    desk = AppSide(apps)
    socket = await desk.connect()
    event = {"type": "pref_change", "name": "a", "value": 1, "event_ts": "1700000000.000100"}

    for _ in range(2):
        await operate(apps, "event.send", app="desk", event=event)
    both = [await socket.envelope(), await socket.envelope()]

    assert [each["payload"]["event"] for each in both] == [event, event]
    assert len({each["payload"]["event_id"] for each in both}) == 2
    assert len({each["envelope_id"] for each in both}) == 2


@pytest.mark.parametrize(
    "event",
    [
        {"type": 'a"b'}, {"type": "x y"}, {"type": "message", "subtype": 7}, {"type": "x", "event_ts": 5},
        {"type": "x", "event_ts": "now"}, {"type": "message", "is_ephemeral": "no"},
    ],
)  # fmt: skip
async def test_what_no_app_can_read_is_refused(apps: Scene, event: dict[str, Any]) -> None:
    socket = await AppSide(apps).connect()
    assert await refusal(apps, "event.send", app="desk", event=event) == "invalid_event"
    await socket.close()


async def test_an_app_that_is_not_connected_gets_nothing(apps: Scene) -> None:
    assert await refusal(apps, "event.send", app="desk", event=REACTION) == "app_not_connected"
    assert await refusal(apps, "event.send", app="nobody", event=REACTION) == "unknown_app"


async def test_what_waits_for_an_app_is_bounded_in_bytes(apps: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed, "MAX_BYTES", 1_000)
    desk = AppSide(apps)
    socket = await desk.connect()
    large = {"type": "pref_change", "value": "x" * 600}
    await operate(apps, "event.send", app="desk", event=large)
    assert await refusal(apps, "event.send", app="desk", event=large) == "app_is_slow"
    await socket.take()
    await desk.settled()
    await operate(apps, "event.send", app="desk", event=large)


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_client_that_dials_anew_loses_nothing(apps: Scene, reason: str) -> None:
    desk = AppSide(apps)
    old = await desk.connect()
    (number,) = await number_of(apps)

    await operate(apps, "disconnect.send", connection=number, reason=reason)
    frame = await old.frame()
    assert (frame["type"], frame["reason"], set(frame["debug_info"])) == ("disconnect", reason, {"host"})
    assert await refusal(apps, "disconnect.send", connection=number) == "already_disconnecting"
    new = await desk.connect()
    await apps.post("alice", apps.general, "after it")
    assert (await new.take())["text"] == "after it"
    await desk.sweep(WARNING_TIME + 1)
    assert (await old.ended())[1] == 1001


@pytest.mark.parametrize("reason", ["link_disabled", "too_many_websockets"])
async def test_a_link_that_is_refused_is_closed_at_once(apps: Scene, reason: str) -> None:
    desk = AppSide(apps)
    socket = await desk.connect()
    (number,) = await number_of(apps)

    await operate(apps, "disconnect.send", connection=number, reason=reason)

    (frame,), code = await socket.ended()
    assert (frame["reason"], code) == (reason, 1001)
    assert frame.get("num_connections") == (1 if reason == "too_many_websockets" else None)
    assert await refusal(apps, "disconnect.send", connection=9_999) == "connection_not_found"


# --- HTTP ---


@pytest.fixture
async def posted(open_scene: OpenScene, site: Site) -> Scene:
    scene = await open_scene(seed=seed(desk=site.url), control=True, control_secret=SECRET)
    await eventually(lambda: tap(scene).is_running)
    return scene


async def test_an_app_over_http_gets_a_signed_post_and_the_tries_of_every_event(posted: Scene, site: Site) -> None:
    site.answer = failing
    sent = await operate(posted, "event.send", app="desk", event=REACTION)
    tries = [await site.take(), await site.take()]
    await eventually(lambda: bool(tap(posted)._window._waiting))
    posted.clock.offset += 60
    tries.append(await site.take())

    assert {each.payload["event_id"] for each in tries} == {sent["event_id"]}
    assert {key: each for key, each in tries[0].payload["event"].items() if key != "event_ts"} == REACTION
    assert [each.retry for each in tries] == [(None, None), ("1", "http_error"), ("2", "http_error")]
    verifier = SignatureVerifier(posted.directory.apps["desk"]["signing_secret"] or "", ReceiverClock())
    assert all(verifier.is_valid_request(each.body, dict(each.headers)) for each in tries)


async def test_a_composed_event_keeps_the_order_of_its_channel(posted: Scene, site: Site) -> None:
    gate = asyncio.Event()

    async def wait(_: Frame) -> Any:
        await gate.wait()
        return await ok(_)

    site.answer = wait
    said = {"type": "message", "channel": posted.general, "user": "U1", "text": "made", "ts": "1.000100"}
    await posted.post("alice", posted.general, "before")
    first = await site.take()  # it is on its way, so what is composed now comes behind it
    await operate(posted, "event.send", app="desk", event=said)
    await posted.post("alice", posted.general, "after")
    gate.set()
    assert [first.text, *[(await site.take()).text for _ in range(2)]] == ["before", "made", "after"]
    await settled(posted)


async def test_a_restart_forgets_what_was_composed(posted: Scene, site: Site) -> None:
    site.answer = failing
    await operate(posted, "event.send", app="desk", event=REACTION)
    await eventually(lambda: bool(tap(posted)._window._waiting))
    await posted.server.stop()
    await posted.server.start()
    await eventually(lambda: tap(posted).is_running)
    posted.clock.offset += 60
    await settled(posted)
    assert len(site.taken) == 2


# --- a delivery, tried at once ---


async def test_a_delivery_that_waits_is_tried_at_once_with_its_id_and_no_more_than_once(
    posted: Scene, site: Site
) -> None:
    site.answer = failing
    await posted.post("alice", posted.general, "hello")
    tries = [await site.take(), await site.take()]
    await eventually(lambda: bool(tap(posted)._window._waiting))
    event = tries[0].payload["event_id"]
    ((waiting,),) = [each["events"] for each in (await operate(posted, "connections"))["apps"]]
    assert waiting["event"] == event
    gate = asyncio.Event()

    async def wait(_: Frame) -> Any:
        await gate.wait()
        return await failing(_)

    site.answer = wait
    pressed = await asyncio.gather(*(operate(posted, "delivery.retry", app="desk", event=event) for _ in range(5)))
    tries.append(await site.take())
    gate.set()

    assert sorted(each["tried"] for each in pressed) == [0, 0, 0, 0, 1]
    assert tries[2].body == tries[0].body
    assert tries[2].retry == ("2", "http_error")
    await eventually(lambda: bool(tap(posted)._window.next_due))
    posted.clock.offset += 60  # when it would have been due
    await posted.server_swept()
    assert len(site.taken) == 3
    assert await refusal(posted, "delivery.retry", app="desk", event="Ev0") == "event_not_found"


async def test_a_delivery_that_was_given_up_is_tried_once_more(posted: Scene, site: Site) -> None:
    site.answer = failing
    await posted.post("alice", posted.general, "lost")
    tries = [await site.take(), await site.take()]
    for pause in (60, 300):
        await eventually(lambda: bool(tap(posted)._window._waiting))
        posted.clock.offset += pause
        tries.append(await site.take())
    await settled(posted)
    event = tries[0].payload["event_id"]

    assert (await operate(posted, "delivery.retry", app="desk", event=event))["tried"] == 1
    await eventually(lambda: len(site.taken) == 5)
    await settled(posted)
    site.answer = ok
    assert (await operate(posted, "delivery.retry", app="desk", event=event))["tried"] == 1
    await eventually(lambda: len(site.taken) == 6)
    await settled(posted)
    assert site.taken[-1].retry == ("3", "http_error")
    assert site.taken[-1].payload["event_id"] == event
    assert await refusal(posted, "delivery.retry", app="desk", event=event) == "event_not_found"


async def test_an_app_that_is_away_is_asked_at_once(posted: Scene, site: Site) -> None:
    await site.close()
    await posted.post("alice", posted.general, "while it was away")
    await eventually(lambda: not tap(posted).is_running)
    await site.open()
    await operate(posted, "delivery.retry", app="desk")
    assert (await site.take()).text == "while it was away"


async def test_what_no_app_gets_over_http_is_not_tried(apps: Scene) -> None:
    assert await refusal(apps, "delivery.retry", app="desk") == "no_request_url"
