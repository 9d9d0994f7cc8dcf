"""Events over HTTP, from a running server to a web server of the test."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from slack_sdk.signature import Clock as ReceiverClock
from slack_sdk.signature import SignatureVerifier

from scene import PATIENCE, Frame, OpenScene, Scene, TurnedClock, eventually
from sites import Site, failing, ok, seed, settled, tap
from tautwire.server.events_api import delivery, failures, receiver
from tautwire.server.services.access import subscriptions
from tautwire.server.services.access.apps import delete_app
from tautwire.server.taps.window import MAX_FLYING


@pytest.fixture
async def scene(open_scene: OpenScene, site: Site) -> Scene:
    scene = await open_scene(seed=seed(desk=site.url))
    await eventually(lambda: tap(scene).is_running)
    return scene


async def test_an_event_is_a_signed_post_of_the_envelope(scene: Scene, site: Site) -> None:
    ts = await scene.post("alice", scene.general, "hello")
    taken = await site.take()
    payload = taken.payload
    assert (payload["type"], payload["event"]["text"], payload["event"]["ts"]) == ("event_callback", "hello", ts)
    assert payload["api_app_id"] == scene.directory.apps["desk"]["id"]
    assert taken.headers["Content-Type"] == "application/json"
    assert taken.retry == (None, None)
    verifier = SignatureVerifier(scene.directory.apps["desk"]["signing_secret"] or "", ReceiverClock())
    assert verifier.is_valid_request(taken.body, dict(taken.headers))
    await settled(scene)
    assert site.challenges == 1


async def test_a_mention_and_its_message_are_two_events(scene: Scene, site: Site) -> None:
    await scene.post("alice", scene.general, f"<@{scene.users['desk']}> hi")
    both = [await site.take(), await site.take()]
    assert {each.payload["event"]["type"] for each in both} == {"message", "app_mention"}
    assert len({each.payload["event_id"] for each in both}) == 2


async def test_nothing_is_sent_before_the_challenge_is_answered(open_scene: OpenScene, site: Site) -> None:
    site.is_verifying = False
    scene = await open_scene(seed=seed(desk=site.url))
    await eventually(lambda: site.challenges == 1)
    await scene.post("alice", scene.general, "early")
    await scene.server_swept()
    assert (site.taken, site.challenges) == ([], 1)
    site.is_verifying = True
    scene.clock.offset += delivery.FIRST_PAUSE
    assert (await site.take()).text == "early"
    assert site.challenges == 2


async def test_an_event_is_tried_again_at_once_after_a_minute_and_after_five(scene: Scene, site: Site) -> None:
    site.answer = failing
    await scene.post("alice", scene.general, "hello")
    tries = [await site.take(), await site.take()]
    for pause in (60, 300):
        # The pause begins when the server has the answer; a clock that is turned before would lengthen it.
        await eventually(lambda: bool(tap(scene)._window._waiting))
        scene.clock.offset += pause - 10
        await scene.server_swept()
        assert len(site.taken) == len(tries)
        scene.clock.offset += 10
        tries.append(await site.take())
    assert [each.retry for each in tries] == [(None, None), *((str(each), "http_error") for each in (1, 2, 3))]
    assert len({each.body for each in tries}) == 1
    assert len({each.headers["X-Slack-Signature"] for each in tries}) >= 3
    await settled(scene)
    scene.clock.offset += 1_000
    await scene.server_swept()
    assert len(site.taken) == 4
    assert scene.server.workspace.counts.deliveries.given_up == 1


async def test_the_tries_of_an_event_are_counted_over_restarts(
    open_scene: OpenScene, site: Site, clock: TurnedClock
) -> None:
    site.answer = failing
    scene = await open_scene(seed=seed(desk=site.url))
    await eventually(lambda: tap(scene).is_running)
    await scene.post("alice", scene.general, "hello")
    tries = [await site.take(), await site.take()]
    for pause in (60, 300):
        await eventually(lambda: bool(tap(scene)._window._waiting))
        await scene.server.stop()
        await scene.server.start()
        await eventually(lambda: tap(scene).is_running)
        clock.offset += pause + 1
        tries.append(await site.take())
    await settled(scene)
    await scene.server.stop()
    await scene.server.start()
    await settled(scene)
    assert [each.retry for each in tries] == [(None, None), *((str(each), "http_error") for each in (1, 2, 3))]
    assert len(site.taken) == 4


async def town(scene: Scene) -> str:
    """Return another channel of alice and the app."""
    channel = str((await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"])
    await scene.ok("alice", "conversations.invite", channel=channel, users=scene.users["desk"])
    return channel


async def test_an_event_that_fails_once_is_not_overtaken_in_its_channel(scene: Scene, site: Site) -> None:
    async def first_fails(payload: Frame) -> web.StreamResponse:
        return web.Response(status=500 if [each.text for each in site.taken].count("0") == 1 else 200)

    site.answer = first_fails
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    await settled(scene)
    assert [each.text for each in site.taken] == ["0", *map(str, range(20))]


async def test_an_event_that_fails_twice_holds_up_its_channel_no_longer(scene: Scene, site: Site) -> None:
    async def one_fails(payload: Frame) -> web.StreamResponse:
        return web.Response(status=500 if payload["event"]["text"] == "1" else 200)

    site.answer = one_fails
    for number in range(5):
        await scene.post("alice", scene.general, str(number))
    await eventually(lambda: len(site.taken) == 6)
    assert [each.text for each in site.taken] == ["0", "1", "1", "2", "3", "4"]
    site.answer = ok
    scene.clock.offset += 60
    await settled(scene)
    assert (site.taken[-1].text, len(site.taken)) == ("1", 7)


async def test_a_channel_that_waits_delays_no_other_channel(scene: Scene, site: Site) -> None:
    blocked = asyncio.Event()

    async def slow_in_general(payload: Frame) -> web.StreamResponse:
        if payload["event"]["channel"] == scene.general:
            await blocked.wait()
        return web.Response()

    other = await town(scene)
    await settled(scene)
    before = len(site.taken)
    site.answer = slow_in_general
    for number in range(5):
        await scene.post("alice", scene.general, f"general {number}")
        await scene.post("alice", other, f"town {number}")
    await eventually(lambda: len(site.taken) - before == 6)
    assert [each.text for each in site.taken[before:] if "town" in each.text] == [f"town {each}" for each in range(5)]
    blocked.set()
    await settled(scene)
    seen = [each.text for each in site.taken[before:] if "general" in each.text]
    assert seen == [f"general {each}" for each in range(5)]


async def test_a_thousand_posts_while_an_app_is_away_come_in_their_order(scene: Scene, site: Site) -> None:
    await site.close()

    async def write(number: int) -> None:
        for count in range(100):
            await scene.post("alice", scene.general, f"{number} {count}")

    await asyncio.gather(*(write(number) for number in range(10)))
    await eventually(lambda: not tap(scene).is_running)
    for _ in range(20):  # twenty minutes: more than an event is tried
        scene.clock.offset += delivery.MAX_PAUSE
        await scene.server_swept()
    assert tap(scene).open_events <= MAX_FLYING
    await site.open()
    scene.clock.offset += delivery.MAX_PAUSE
    await settled(scene)
    stored: list[str] = []
    cursor = ""
    while True:
        page = await scene.ok("alice", "conversations.history", channel=scene.general, limit=999, cursor=cursor)
        stored += [message["text"] for message in page["messages"]]
        cursor = page.get("response_metadata", {}).get("next_cursor", "")
        if not cursor:
            break
    assert [each.text for each in site.taken] == stored[::-1][-1_000:]
    assert scene.server.workspace.counts.deliveries.given_up == 0


async def test_an_app_that_returns_gets_what_keep_allows(open_scene: OpenScene, site: Site) -> None:
    scene = await open_scene(seed=seed(desk=site.url), app_keep=0.0)
    await eventually(lambda: tap(scene).is_running)
    await site.close()
    await scene.post("alice", scene.general, "missed")
    await eventually(lambda: not tap(scene).is_running)
    await site.open()
    scene.clock.offset += delivery.MAX_PAUSE
    await eventually(lambda: tap(scene).is_running)
    await settled(scene)
    await scene.post("alice", scene.general, "heard")
    assert (await site.take()).text == "heard"


async def test_an_event_that_ends_its_connection_each_time_is_given_up_and_delays_no_other(
    scene: Scene, site: Site
) -> None:
    async def ending(payload: Frame) -> web.StreamResponse:
        if payload["event"]["text"] == "poison":
            site.request.transport.abort()
        return web.Response()

    site.answer = ending
    other = await town(scene)
    await scene.post("alice", scene.general, "poison")
    async with asyncio.timeout(PATIENCE):
        while scene.server.workspace.counts.deliveries.given_up == 0:
            scene.clock.offset += delivery.MAX_PAUSE
            await scene.server_swept()
    await scene.post("alice", other, "after")
    await eventually(lambda: site.taken[-1].text == "after")
    await settled(scene)


async def test_more_events_than_an_hour_allows_are_dropped_and_the_app_is_told_once_a_minute(
    open_scene: OpenScene, site: Site, clock: TurnedClock
) -> None:
    scene = await open_scene(seed=seed(desk=site.url), app_event_limit=3)
    await eventually(lambda: tap(scene).is_running)
    # From the begin of a minute on, or the posts may fall into two.
    clock.offset += 60 - clock.monotonic() % 60
    await scene.server_swept()
    for number in range(6):
        await scene.post("alice", scene.general, str(number))
    await settled(scene)
    await eventually(lambda: len(site.notices) == 1)
    assert [each.text for each in site.taken] == ["0", "1", "2"]
    (notice,) = site.notices
    minute = notice.payload.pop("minute_rate_limited")
    assert notice.payload == {
        "token": "retired", "type": "app_rate_limited", "team_id": scene.server.workspace.team.id,
        "api_app_id": tap(scene).app,
    }  # fmt: skip
    assert minute % 60 == 0
    assert 0 <= clock.seconds() - minute < 120
    verifier = SignatureVerifier(scene.directory.apps["desk"]["signing_secret"] or "", clock=site_clock(clock))
    assert verifier.is_valid_request(notice.body, dict(notice.headers))
    clock.offset += 60
    await scene.server_swept()
    await scene.post("alice", scene.general, "6")
    await eventually(lambda: len(site.notices) == 2)
    assert scene.server.workspace.counts.deliveries.dropped == 4
    clock.offset += 3_600
    await scene.server_swept()
    await scene.post("alice", scene.general, "7")
    await settled(scene)
    assert site.taken[-1].text == "7"
    assert len(site.notices) == 2


def site_clock(clock: TurnedClock) -> ReceiverClock:
    """Return the clock of an app that goes as that of the server."""

    class Turned(ReceiverClock):
        def now(self) -> float:
            return float(clock.seconds())

    return Turned()


async def test_delayed_events_are_tried_each_hour_of_a_day(
    open_scene: OpenScene, site: Site, clock: TurnedClock
) -> None:
    scene = await open_scene(seed=seed(desk=site.url), app_delayed_events=True)
    await eventually(lambda: tap(scene).is_running)
    site.answer = failing
    await scene.post("alice", scene.general, "hello")
    for pause in (60, 300, *[3_600] * 24):
        await eventually(lambda: bool(tap(scene)._window._waiting))
        wanted = len(site.taken) + 1
        clock.offset += pause
        await eventually(lambda wanted=wanted: len(site.taken) == wanted)
    await settled(scene)
    assert len(site.taken) == 4 + 24
    assert {each.retry[0] for each in site.taken[3:]} == {"3"}


async def test_an_app_can_decline_further_attempts(scene: Scene, site: Site) -> None:
    async def declining(_: Frame) -> web.StreamResponse:
        return web.Response(status=500, headers={"X-Slack-No-Retry": "1"})

    site.answer = declining
    await scene.post("alice", scene.general, "hello")
    await settled(scene)
    assert len(site.taken) == 1


async def test_an_event_without_a_listener_holds_up_none_behind_it(scene: Scene, site: Site) -> None:
    async def only_messages(payload: Frame) -> web.StreamResponse:
        return web.Response(status=404 if payload["event"]["type"] == "app_mention" else 200)

    site.answer = only_messages
    await scene.post("alice", scene.general, f"<@{scene.users['desk']}> hi")
    for number in range(50):
        await scene.post("alice", scene.general, str(number))
    await eventually(lambda: any(each.text == "49" for each in site.taken))
    await eventually(lambda: tap(scene).open_events == 1)


async def test_an_app_that_does_not_answer_delays_no_other(
    open_scene: OpenScene, open_site: Callable[[], Awaitable[Site]]
) -> None:
    desk, dead = await open_site(), await open_site()
    blocked = asyncio.Event()

    async def never(_: Frame) -> web.StreamResponse:
        await blocked.wait()
        return web.Response()

    dead.answer = never
    scene = await open_scene(seed=seed(desk=desk.url, dead=dead.url))
    await eventually(lambda: tap(scene).is_running and tap(scene, "dead").is_running)
    for number in range(60):
        await scene.post("alice", scene.general, str(number))
    await settled(scene)
    assert Counter(each.text for each in desk.taken) == Counter(map(str, range(60)))
    assert len(dead.taken) <= receiver.CONCURRENCY
    blocked.set()
    await settled(scene, "dead")
    assert {each.text for each in dead.taken} == set(map(str, range(60)))


async def test_what_was_not_acknowledged_is_sent_after_a_restart_with_its_ids(
    open_scene: OpenScene, site: Site, clock: TurnedClock
) -> None:
    site.answer = failing
    scene = await open_scene(seed=seed(desk=site.url))
    await eventually(lambda: tap(scene).is_running)
    await scene.post("alice", scene.general, "hello")
    first = await site.take()
    await eventually(lambda: len(site.taken) == 2)
    await scene.server.stop()
    site.answer = ok
    await scene.server.start()
    await eventually(lambda: tap(scene).is_running)
    await scene.server_swept()
    assert len(site.taken) == 2, "a restart ends no pause"
    clock.offset += 60
    await eventually(lambda: len(site.taken) == 3)
    assert site.taken[2].body == first.body
    assert site.taken[2].retry == ("2", "http_error"), "and gives no new tries"
    await settled(scene)
    await scene.post("alice", scene.general, "again")
    await eventually(lambda: site.taken[-1].text == "again")
    assert (len(site.taken), site.challenges) == (4, 1)


async def test_what_happens_while_the_server_is_down_to_an_app_is_delivered(open_scene: OpenScene, site: Site) -> None:
    site.is_verifying = False
    scene = await open_scene(seed=seed(desk=site.url))
    for number in range(40):
        await scene.post("alice", scene.general, str(number))
    await scene.server.stop()
    site.is_verifying = True
    await scene.server.start()
    await settled(scene)
    assert Counter(each.text for each in site.taken) == Counter(map(str, range(40)))


async def test_a_url_outside_the_allowed_addresses_gets_nothing(open_scene: OpenScene, site: Site) -> None:
    scene = await open_scene(seed=seed(desk=site.url), request_addresses="10.0.0.0/8")
    await scene.post("alice", scene.general, "hello")
    for _ in range(3):
        scene.clock.offset += delivery.MAX_PAUSE
        await scene.server_swept()
    assert (site.challenges, site.taken, tap(scene).is_running) == (0, [], False)


async def test_a_new_url_is_verified_and_gets_what_comes_then(
    scene: Scene, site: Site, open_site: Callable[[], Awaitable[Site]]
) -> None:
    other = await open_site()
    app = tap(scene).app
    await scene.server.workspace.writer.write(lambda tx: subscriptions.direct(tx, app, other.url))
    await eventually(lambda: tap(scene).is_running)
    await scene.post("alice", scene.general, "hello")
    assert (await other.take()).text == "hello"
    assert (other.challenges, site.taken) == (1, [])


@pytest.mark.parametrize("end", ["no url", "socket mode", "deleted"])
async def test_nothing_is_sent_to_an_app_that_is_not_served_any_more(scene: Scene, site: Site, end: str) -> None:
    workspace, it = scene.server.workspace, tap(scene)
    if end == "no url":
        await workspace.writer.write(lambda tx: subscriptions.direct(tx, it.app, None))
    elif end == "socket mode":
        await workspace.writer.write(lambda tx: subscriptions.switch_socket_mode(tx, it.app, is_on=True))
    else:
        await workspace.writer.write(lambda tx: delete_app(tx, workspace.team, it.app))
    await eventually(lambda: not it.is_running)
    await scene.post("alice", scene.general, "hello")
    await scene.server_swept()
    assert site.taken == []


async def test_an_app_that_nearly_always_fails_is_switched_off_until_its_url_is_set_again(
    scene: Scene, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "MIN_EVENTS", 20)
    site.answer = failing
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    await eventually(lambda: tap(scene).subscription.request_state == subscriptions.DISABLED)
    assert not tap(scene).is_running
    await scene.server_swept()
    came = len(site.taken)
    await scene.post("alice", scene.general, "while it is off")
    await scene.server_swept()
    assert len(site.taken) == came
    site.answer = ok
    await scene.server.workspace.writer.write(lambda tx: subscriptions.direct(tx, tap(scene).app, site.url))
    await eventually(lambda: "while it is off" in {each.text for each in site.taken[came:]})


async def test_secrets_are_not_logged(open_scene: OpenScene, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    site.answer, site.is_verifying = failing, False
    scene = await open_scene(seed=seed(desk=f"{site.url}?key=hush-hush"))
    secret = scene.directory.apps["desk"]["signing_secret"] or ""
    await eventually(lambda: site.challenges == 1)
    site.is_verifying = True
    scene.clock.offset += delivery.FIRST_PAUSE
    await scene.post("alice", scene.general, "hello")
    await eventually(lambda: len(site.taken) == 2)
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("tautwire"))
    assert "did not answer the challenge" in said
    assert len(secret) == 32
    assert secret not in said
    assert "hush-hush" not in said


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://localhost/",
            "http://",
            "/events",
            "http://a@b/",
            "http://host:0/",
            "http://host:70000/",
            "http://[::1",
        ),
        *(
            "http://host/#part",
            "http://h\\@b/",
            "http://h%41/",
            "http://höst/",
            "http://host/ x",
            "http://h/" + "x" * 2_000,
        ),
    ],
)
def test_what_is_not_a_request_url(url: str) -> None:
    assert not subscriptions.is_request_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:3000/slack/events", "https://[::1]/", "http://my_app:80?a=b"])
def test_what_is_a_request_url(url: str) -> None:
    assert subscriptions.is_request_url(url)
