"""An upstream that sends garbage, answers with garbage, and leads elsewhere; what it does to the gateway stays small.

``open_stage`` fails a test during which an error was logged: garbage from outside is a warning at most.
"""

import asyncio
import gzip
import itertools
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from crooked import refused
from scene import Frame, Socket, eventually
from stage import OpenStage, Stage
from tautwire.gateway.upstream import link as link_module

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
