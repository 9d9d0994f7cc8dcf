"""An upstream that sends garbage, answers with garbage, and leads elsewhere; what it does to the gateway stays small.

``open_stage`` fails a test during which an error was logged: garbage from outside is a warning at most.
"""

import asyncio
import contextlib
import itertools
import json
import resource
import zlib
from typing import Any

import pytest
from aiohttp import web

from scene import Frame, Socket, eventually
from stage import Stage
from tautwire.gateway.upstream import link as link_module
from tautwire.protocol.errors import ConfigError

DEEP = json.loads("[" * 400 + "]" * 400)
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", "C" * 5_000, [], [[]], {}, {"id": 7}, {"id": None}, DEEP,
]  # fmt: skip
EVENTS: list[Frame] = [
    {"type": "message", "channel": "C1", "user": "U1", "text": "t", "ts": "1.1", "event_ts": "1.1",
     "channel_type": "channel", "subtype": "thread_broadcast", "bot_id": "B1", "username": "n", "hidden": True,
     "bot_profile": {"name": "n"}, "message": {"ts": "1.0", "reply_count": 1}, "thread_ts": "1.0"},
    {"type": "message", "channel": "D1", "user": "U1", "text": "t", "ts": "1.2", "event_ts": "1.2",
     "channel_type": "im", "bot_id": "B1", "bot_profile": {"name": "n"}},
    {"type": "member_joined_channel", "user": "U1", "channel": "C1", "channel_type": "C", "team": "T1", "inviter": "U2",
     "event_ts": "1.3"},
    {"type": "reaction_added", "user": "U1", "reaction": "tada", "item_user": "U2", "event_ts": "1.4",
     "item": {"type": "message", "channel": "C1", "ts": "1.1"}},
    {"type": "channel_rename", "channel": {"id": "C1", "name": "n", "created": 1}, "event_ts": "1.5"},
    {"type": "channel_left", "channel": "C1", "actor_id": "U1", "event_ts": "1.6"},
    {"type": "user_change", "user": {"id": "U1", "profile": {}}, "cache_ts": 1, "event_ts": "1.7"},
    {"type": "file_shared", "file_id": "F1", "file": {"id": "F1"}, "user_id": "U1", "channel_id": "C1",
     "event_ts": "1.8"},
    {"type": "emoji_changed", "subtype": "add", "name": "n", "value": "v", "event_ts": "1.9"},
    {"type": "app_uninstalled", "event_ts": "2.0"},
]  # fmt: skip


def broken() -> list[Frame]:
    """Every event with every member of a wrong type, and without it."""
    found = []
    for event in EVENTS:
        for name in event:
            found += [{**event, name: value} for value in VALUES]
            found.append({each: value for each, value in event.items() if each != name})
    return found


async def works(stage: Stage, socket: Socket) -> None:
    """A person is heard, and the bot is."""
    await stage.post("alice", stage.general, "still here")
    while True:
        message = await socket.ws.receive(10)
        if json.loads(message.data).get("text") == "still here":
            break
    await socket.send(type="message", id=77, channel=stage.general, text="so am I")
    while True:
        found = json.loads((await socket.ws.receive(10)).data)
        if found.get("reply_to") == 77:
            assert found["ok"], found
            return


async def test_events_whose_members_have_any_type(stage: Stage) -> None:
    socket = await stage.connect()
    acked: set[str] = set()
    stage.line.drops_ack = lambda envelope: bool(acked.add(envelope))
    sent = broken()
    for number, event in enumerate(sent):
        payload = {"type": "event_callback", "event_id": f"Ev{number}", "event": event}
        await stage.line.tell({"type": "events_api", "envelope_id": f"E{number}", "payload": payload})
    await eventually(lambda: len(acked) >= len(sent))
    assert stage.line.opened == 1
    await works(stage, socket)


async def test_payloads_and_envelopes_of_any_type(stage: Stage) -> None:
    socket = await stage.connect()
    event = {"type": "channel_left", "channel": "C1", "event_ts": "1.6"}
    payload = {"type": "event_callback", "event_id": "Ev", "event": event, "event_time": 1}
    envelope = {"type": "events_api", "envelope_id": "E", "payload": payload, "retry_attempt": 0, "retry_reason": ""}
    for name, value in itertools.product(payload, VALUES):
        await stage.line.tell({**envelope, "payload": {**payload, name: value}})
    for name, value in itertools.product(envelope, VALUES):
        await stage.line.tell({**envelope, name: value})
    for reason in VALUES:
        await stage.line.tell({"type": "hello", "num_connections": reason, "connection_info": reason})
    await works(stage, socket)


async def test_frames_that_are_too_large_end_their_connection_only(stage: Stage) -> None:
    socket = await stage.connect()
    with contextlib.suppress(ConnectionError):  # the gateway may close it before all of the frame is sent
        await stage.line.sockets[-1][0].send_str('{"type":"' + "x" * link_module.MAX_FRAME + '"}')
    await eventually(lambda: stage.line.opened == 2)
    await eventually(lambda: stage.gateway.relay.link.is_up)
    await works(stage, socket)


URLS = [
    None, 7, "", "nothing", "ws://", "ws://127.0.0.1:99999/?ticket=hidden", "ws://127.0.0.1:0x50/?ticket=hidden",
    "ws://[::1/?ticket=hidden", "http://127.0.0.1/?ticket=hidden", "ws://example.test/?ticket=hidden",
    "ws://127.0.0.1@example.test/?ticket=hidden", "ws://127.0.0.1.example.test/?ticket=hidden", "ws://127.0.0.1:1/?t=hidden",
    "ws://127.0.0.1\\@example.test/?ticket=hidden", "ws://127.0.0.1:/ \r\n?ticket=hidden", "file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS, ids=str)
async def test_any_address_of_the_next_connection(
    url: Any, stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "LONGEST_PAUSE", 0.02)
    socket = await stage.connect()
    tries = 0

    async def lead_away(method: str, _: dict[str, str]) -> web.Response | None:
        nonlocal tries
        if method != "apps.connections.open" or tries > 2:
            return None
        tries += 1
        return web.json_response({"ok": True, "url": url})

    stage.line.before = lead_away
    await stage.line.cut()
    await eventually(lambda: tries > 2)
    await eventually(lambda: stage.gateway.relay.link.is_up)
    await works(stage, socket)
    assert "hidden" not in caplog.text
    assert [record for record in caplog.records if record.exc_info] == []
    caplog.clear()  # the fault that the link is not up


ANSWERS: dict[str, Any] = {
    "no JSON": b"<html>", "nothing": b"", "a list": b"[]", "a text": b'"ok"', "no utf-8": b'{"ok":true,"x":"\xff"}',
    "deep": b'{"ok":true,"url":' + b"[" * 100_000, "not ok": b'{"ok":1}', "empty": b"{}",
    "wrong types": json.dumps({
        "ok": True, "channel": [], "ts": 7, "message": "m", "channels": 5, "members": {"a": 1}, "url": [],
        "presence": [], "user_id": 1, "team": 3, "bot_id": {}, "usergroups": "u", "response_metadata": [],
    }).encode(),
    "odd lists": json.dumps({
        "ok": True, "channels": [1, None, [], {"id": []}, {"id": None}, {}], "members": [None, 1, [], {}],
        "usergroups": [None], "response_metadata": {"next_cursor": 0},
    }).encode(),
    "an odd error": b'{"ok":false,"error":{"code":7},"needed":[]}',
    "error no utf-8": b'{"ok":false,"error":"\xff\xfe"}',
}  # fmt: skip


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
async def test_any_answer_of_the_web_api(
    body: bytes, stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each caller is answered, and what needs no answer goes on: events, presence, the link."""
    monkeypatch.setattr(link_module, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(link_module, "REFUSED_PAUSE", 0.02)
    monkeypatch.setattr("tautwire.gateway.upstream.api.DEFAULT_RETRY_AFTER", 0.01)
    monkeypatch.setattr("tautwire.gateway.upstream.api.PAUSE", 0.01)
    socket = await stage.connect(presence_sub=True)
    is_garbage = True

    async def answer(method: str, _: dict[str, str]) -> web.Response | None:
        return web.Response(body=body, content_type="application/json") if is_garbage else None

    stage.line.before = answer
    await socket.send(type="presence_sub", ids=[stage.upstream.users["alice"]])
    await eventually(lambda: stage.line.count("users.getPresence") > 0)
    await socket.send(type="message", id=5, channel=stage.general, text="hi")
    while (found := json.loads((await socket.ws.receive(10)).data)).get("reply_to") != 5:
        pass
    assert not found["ok"], "there is no ack without the time of the message"
    for method in (
        "rtm.start",
        "channels.list",
        "channels.join",
        "conversations.list",
        "users.list",
        "im.open",
        "nothing",
    ):
        found = await stage.request(method, name="general", user="U1")
        assert isinstance(found["ok"], bool)
    await stage.ok("rtm.connect")
    direct = (await stage.upstream.ok("carol", "conversations.open", users=stage.bot))["channel"]["id"]
    await stage.post("carol", direct, "announced although the conversation is not described")
    assert (await socket.until("im_created"))["channel"]["id"] == direct
    await stage.line.cut()
    await eventually(lambda: stage.line.count("apps.connections.open") > 3)
    is_garbage = False
    await eventually(lambda: stage.gateway.relay.link.is_up)
    await works(stage, socket)
    asked = stage.gateway.relay.presence.calls
    await socket.send(type="presence_query", ids=[stage.upstream.users["bob"]])
    await eventually(lambda: stage.gateway.relay.presence.calls > asked)
    assert [record for record in caplog.records if record.exc_info] == []
    caplog.clear()


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_restart_while_every_answer_is_garbage(
    body: bytes, stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway serves what it has, as the bot of its last start, or says why it does not start."""
    monkeypatch.setattr(link_module, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(link_module, "REFUSED_PAUSE", 0.02)
    await stage.post("alice", stage.general, "before")
    await stage.settled()
    await stage.gateway.stop()
    is_garbage = True

    async def answer(method: str, _: dict[str, str]) -> web.Response | None:
        return (
            web.Response(body=body, content_type="application/json") if is_garbage and method != "auth.test" else None
        )

    stage.line.before = answer
    asyncio.get_running_loop().call_later(0.5, lambda: setattr(stage.line, "before", None))
    await stage.start()
    socket = await stage.connect()
    await works(stage, socket)
    assert [record for record in caplog.records if record.exc_info] == []
    caplog.clear()


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
async def test_a_start_at_an_upstream_that_does_not_say_who_the_bot_is(body: bytes, stage: Stage) -> None:
    """It is the bot of the last start, or an error that says what to do; never another bot."""
    before = stage.gateway.relay.bot
    await stage.gateway.stop()

    async def answer(method: str, _: dict[str, str]) -> web.Response | None:
        return web.Response(body=body, content_type="application/json") if method == "auth.test" else None

    stage.line.before = answer
    try:
        await stage.start()
    except ConfigError as error:
        refusal = str(error)
        stage.line.before = None
        await stage.start()
    else:
        refusal = "upstream"
    assert any(word in refusal for word in ("upstream", "token", "data directory")), refusal
    assert stage.gateway.relay.bot == before


async def test_a_connection_that_is_led_elsewhere_is_not_followed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link_module, "LONGEST_PAUSE", 0.02)
    visits: list[str] = []

    async def visit(request: web.Request) -> web.Response:
        visits.append(str(request.rel_url))
        return web.Response(status=404)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", visit)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.2", 0).start()
    elsewhere = f"http://127.0.0.2:{runner.addresses[0][1]}/"
    stage.line.leads = elsewhere
    await stage.line.cut()
    await eventually(lambda: stage.line.count("apps.connections.open") > 3)
    stage.line.leads = ""
    await eventually(lambda: stage.gateway.relay.link.is_up)
    await runner.cleanup()
    assert visits == []
    caplog.clear()


async def test_a_packed_answer_takes_no_more_memory_than_its_bytes(stage: Stage) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)  # gzip, piece by piece: the test itself takes no memory for it
    bomb = packer.compress(b'{"ok":true,"x":"')
    for _ in range(400):
        bomb += packer.compress(b"x" * 1_048_576)
    bomb += packer.compress(b'"}') + packer.flush()

    async def answer(method: str, _: dict[str, str]) -> web.Response | None:
        packed = {"Content-Encoding": "gzip"}
        return web.Response(body=bomb, headers=packed) if method == "conversations.list" else None

    stage.line.before = answer
    before = peak_memory()
    assert (await stage.request("channels.list"))["error"] == "service_unavailable"  # one that the gateway changes
    headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
    url, size = stage.gateway.api_url + "conversations.list", 0
    async with stage.upstream.http.post(url, headers=headers) as response:  # one that is passed on as it comes
        async for piece in response.content.iter_chunked(65_536):
            size += len(piece)
    assert size > 400 * 1_048_576
    assert peak_memory() - before < 64 * 1_048_576


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024
