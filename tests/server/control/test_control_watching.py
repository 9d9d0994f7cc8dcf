"""The journal through the control API: what it has, filters, watchers that are slow, and no secret anywhere."""

import asyncio
import json
import socket
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from yarl import URL

from appside import APP_SEED, AppSide
from controlled import PATH, SECRET, ask, operate, root
from scene import OpenScene, Scene
from tautwire.server.control.watching import MAX_WATCHERS
from tautwire.server.journal.journal import MAX_BYTES
from watching import headers, journal, watching


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


@pytest.fixture
async def apps(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET, seed=APP_SEED)


def kept(scene: Scene) -> Any:
    controls = scene.server.workspace.controls
    assert controls is not None
    return controls.journal


async def test_frames_of_both_directions_are_in_the_journal(scene: Scene) -> None:
    alice = await scene.connect("alice")
    ack = await alice.say(scene.general, "hello")

    lines = await journal(scene, "kind=frame,connection&user=alice")

    shown = [(each.get("direction") or each["state"], (each.get("payload") or {}).get("type")) for each in lines]
    assert shown[:4] == [("connected", None), ("out", "hello"), ("in", "message"), ("out", None)]
    assert lines[3]["payload"]["ts"] == ack["ts"]
    assert {each["door"] for each in lines} == {"rtm"}
    assert len({each["connection"] for each in lines}) == 1


async def test_a_call_has_its_arguments_answer_and_duration(scene: Scene) -> None:
    await scene.post("alice", scene.general, "hello")
    await scene.error("alice", "chat.postMessage", channel="C0NONE", text="x")
    await scene.request("POST", "auth.test", headers={"Authorization": "Bearer xoxb-1-wrong-token"})

    posted, failed, refused = await journal(scene, "kind=call")

    assert (posted["method"], posted["status"], posted["user"]) == ("chat.postMessage", 200, scene.users["alice"])
    assert posted["arguments"] == {"channel": scene.general, "text": "hello"}
    assert posted["answer"]["message"]["text"] == "hello"
    assert posted["milliseconds"] > 0
    assert failed["answer"]["error"] == "channel_not_found"
    assert (refused["method"], refused["answer"]["error"], refused.get("user")) == ("auth.test", "invalid_auth", None)


async def test_a_connect_through_the_front_is_there_once(scene: Scene) -> None:
    await scene.connect("alice")

    (line,) = await journal(scene, "method=rtm.connect")

    assert line["answer"]["url"].startswith("ws://")


async def test_envelopes_and_acks_of_an_app_are_in_the_journal(apps: Scene) -> None:
    desk = AppSide(apps)
    link = await desk.connect()
    await apps.post("alice", apps.general, "hello")
    await link.take()
    await desk.settled()

    lines = await journal(apps, f"app=desk&kind=envelope,ack,frame&channel={apps.general}")
    acks = await journal(apps, f"app={desk.id}&kind=ack")

    assert [each["payload"]["payload"]["event"]["text"] for each in lines] == ["hello"]
    assert [each["payload"]["envelope_id"] for each in acks] == [lines[0]["payload"]["envelope_id"]]
    assert {each["door"] for each in lines} == {"socket_mode"}


async def test_control_acts_are_in_the_journal(scene: Scene) -> None:
    await operate(scene, "say", user="alice", channel="general", text="hello")
    await ask(scene, PATH + "say", b'{"user": "nemo", "channel": "general", "text": "x"}')

    done, refused = await journal(scene, "kind=control")

    assert (done["method"], done["status"], done["arguments"]["text"]) == ("say", 200, "hello")
    assert (refused["method"], refused["status"]) == ("say", 404)


async def test_filters_choose(scene: Scene) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    await alice.say(scene.ops, "secret plan")
    await scene.post("bob", scene.general, "hello")
    await bob.fence()

    everything = await journal(scene)
    number = next(
        each["connection"] for each in everything if each.get("user") == scene.users["bob"] and "connection" in each
    )

    assert {each["connection"] for each in await journal(scene, f"connection={number}")} == {number}
    assert {each["user"] for each in await journal(scene, "user=@bob")} == {scene.users["bob"]}
    assert all(each["kind"] == "call" for each in await journal(scene, "kind=call"))
    ops = await journal(scene, "channel=ops")
    assert {each["payload"]["text"] for each in ops if each["kind"] == "frame"} == {"secret plan"}
    assert await journal(scene, f"after={everything[-1]['id']}&kind=frame") == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("kind=frames", 400), ("kind=", 400), ("connection=x", 400), ("connection=-1", 400),
        ("connection=99999999999999999999", 400), ("nonsense=1", 400), ("user=nemo", 404), ("channel=nowhere", 404),
        ("app=nothing", 404), ("kind=%FF%00", 400), ("user=%F0%9F%98%80", 404), ("&&&=;=&", 400),
        ("user=' OR 1=1 --", 404), ("method=" + "x" * 4_000, 200), ("after=%00", 400),
    ],
)  # fmt: skip
async def test_filters_of_garbage_are_refused(scene: Scene, query: str, status: int) -> None:
    async with scene.http.get(f"{root(scene)}{PATH}journal?{query}", headers=headers()) as response:
        answer = await response.read()

    assert response.status == status, answer
    if status != 200:
        assert json.loads(answer)["error"]["message"]


@pytest.mark.parametrize("name", ["watch", "journal"])
async def test_the_streams_need_the_secret_and_no_web_page_gets_them(scene: Scene, name: str) -> None:
    for given, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), (headers(Origin="http://x"), 403)):
        assert (await ask(scene, PATH + name, verb="GET", headers=given)).status == status
    assert (await ask(scene, PATH + name)).status == 405  # POST


async def test_a_watcher_sees_what_comes(scene: Scene) -> None:
    await scene.post("alice", scene.general, "before")
    async with watching(scene, "kind=call&user=alice") as watcher:
        await scene.post("bob", scene.general, "other")
        await scene.post("alice", scene.general, "now")

        event = await watcher.event()

    assert (event.name, event.data["arguments"]["text"], event.id) == ("call", "now", event.data["id"])


async def test_a_watcher_resumes_behind_the_last_event_it_had(scene: Scene) -> None:
    async with watching(scene, "kind=call") as watcher:
        await scene.post("alice", scene.general, "one")
        first = await watcher.event()
    await scene.post("alice", scene.general, "two")
    await scene.post("alice", scene.general, "three")

    async with watching(scene, "kind=call", **{"Last-Event-ID": first.id or ""}) as watcher:
        texts = [(await watcher.event()).data["arguments"]["text"] for _ in range(2)]
    async with watching(scene, "kind=call", **{"Last-Event-ID": "0badc0de.7"}) as watcher:
        again = (await watcher.event()).data["arguments"]["text"]

    assert texts == ["two", "three"]
    assert again == "one"


async def test_a_watcher_that_does_not_read_loses_entries_and_delays_nothing(scene: Scene) -> None:
    address = urlsplit(root(scene))
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    reader, writer = await _stopped_watcher(address.hostname or "", address.port or 0)
    try:
        filler = "x" * 1_000
        for _ in range(20):
            for _ in range(250):  # an incoming and an outgoing frame each: 10,000 frames
                await alice.send(type="ping", id=1, filler=filler)
            await alice.fence()
        await operate(scene, "say", user="alice", channel="general", text="last")
        assert (await bob.until("message"))["text"] == "last"

        assert kept(scene).last > 10_000
        assert kept(scene).size <= MAX_BYTES
        read = bytearray()
        async with asyncio.timeout(30):
            while b'"last"' not in read:
                read += await reader.read(65_536)
    finally:
        writer.close()

    lost = [json.loads(line[6:])["count"] for line in read.split(b"\n") if line.startswith(b'data: {"count"')]
    numbers = [int(line.rpartition(b".")[2]) for line in read.split(b"\n") if line.startswith(b"id: ")]
    assert lost
    assert numbers == sorted(set(numbers))
    gaps = sum(after - before - 1 for before, after in pairwise(numbers))
    assert sum(lost) == gaps


async def _stopped_watcher(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin to watch, with small buffers, and read no more than the head."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=4_096)
    writer.write(f"GET {PATH}watch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n\r\n".encode())
    assert b"200" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_watchers_are_bounded_and_leave_their_places(scene: Scene) -> None:
    url = f"{root(scene)}{PATH}watch"
    responses = [await scene.http.get(url, headers=headers()) for _ in range(50)]
    statuses = [response.status for response in responses]
    for response in responses:
        response.close()

    assert statuses == [200] * MAX_WATCHERS + [400] * (50 - MAX_WATCHERS)

    async def watches() -> bool:
        async with scene.http.get(url, headers=headers()) as response:
            return response.status == 200

    async with asyncio.timeout(10):
        while not await watches():
            pass


async def test_the_stop_of_the_server_ends_watchers(open_scene: OpenScene, scene: Scene) -> None:
    async with watching(scene, "kind=call") as watcher:
        await scene.server.stop()

        with pytest.raises(EOFError):
            await watcher.event()


async def test_nothing_is_recorded_while_the_control_api_is_off(open_scene: OpenScene) -> None:
    scene = await open_scene(control=False)
    alice = await scene.connect("alice")
    await alice.say(scene.general, "hello")
    (served,) = scene.server.host

    assert scene.server.workspace.controls is None
    assert (served.door.probe, served.link_door.probe) == (None, None)


async def test_no_secret_is_in_the_journal(apps: Scene) -> None:
    """Everything is done that carries a secret; then all lines are searched for all of them."""
    desk = AppSide(apps)
    url = await desk.url()
    link = await desk.dial(url)
    await link.frame()
    grant = await apps.grant("alice")
    alice = await apps.dial(grant)
    made = await operate(apps, "app.add", name="extra", app_token=True)
    issued = await operate(apps, "token.issue", user="bob")
    rotated = await operate(apps, "token.rotate", token=issued["token"])
    await operate(apps, "token.revoke", token=rotated["token"])
    secrets = {
        SECRET, url.rpartition("/")[2], grant["url"].rpartition("/")[2], issued["token"], rotated["token"],
        *(text for name, text in made.items() if name.endswith(("token", "secret")) and text),
        *(text for text in apps.tokens.values() if text),
        *(app["signing_secret"] for app in apps.directory.apps.values() if app["signing_secret"]),
    }  # fmt: skip
    for token in apps.tokens.values():
        await apps.request("POST", "auth.test", data={"token": token})
        await apps.request("GET", f"auth.test?token={token}")
        await apps.request("POST", "api.test", json={"token": token, "a": {"b": [token]}})
        await alice.say(apps.general, f"is {token} yours?")
        await alice.ws.send_str('{"type":"x","a":"' + "".join(f"\\u{ord(each):04x}" for each in token) + '"}')
        await alice.ws.send_str(f"not json {token}")
    await link.ws.send_str(json.dumps({"envelope_id": "x", "payload": {"text": apps.tokens["alice"]}}))
    await operate(apps, "say", user="alice", channel="general", text=apps.tokens["bob"])
    await alice.fence()

    everything = await journal(apps)
    text = json.dumps(everything) + json.dumps(everything, ensure_ascii=False)

    assert {each["kind"] for each in everything} >= {"frame", "envelope", "ack", "connection", "call", "control"}
    assert len(secrets) > 12
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.parametrize(
    "path",
    [
        "nope", "%ED%A0%80", "%FF%FE", "x" * 5_000, "auth.test?token=%ED%A0%80&a=%FF", "api.test?a=%ED%A0%80%00",
        "%22%7B%7D%0A", "chat.postMessage?text=%F0%9F",
    ],
)  # fmt: skip
async def test_calls_of_garbage_are_entries_like_others(scene: Scene, path: str) -> None:
    url = URL(scene.server.api_url + path, encoded=True)
    for body in (b"", b'{"a":"\\ud800"}', b"a=%ED%A0%80", b"\xff" * 100):
        for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            given = {**scene.bearer("alice"), "Content-Type": kind}
            async with scene.http.post(url, data=body, headers=given) as response:
                assert response.status == 200

    lines = await journal(scene, "kind=call")

    assert len(lines) == 12
    assert all(len(line["method"]) <= 100 for line in lines)


async def test_a_file_is_an_argument_without_its_content(scene: Scene) -> None:
    form = aiohttp.FormData({"channel": scene.general, "text": "with a file"})
    form.add_field("file", b"content" * 100, filename="a.bin")
    await scene.request("POST", "chat.postMessage", data=form, headers=scene.bearer("alice"))

    (line,) = await journal(scene, "kind=call")

    assert line["arguments"]["text"] == "with a file"
    assert "contentcontent" not in json.dumps(line)


async def test_the_watchers_of_a_document_are_described(scene: Scene) -> None:
    document = (await ask(scene, PATH + "openapi.json", verb="GET")).body

    assert {each["name"] for each in document["paths"][PATH + "watch"]["get"]["parameters"]} >= {"kind", "after"}
    assert "application/jsonl" in document["paths"][PATH + "journal"]["get"]["responses"]["200"]["content"]
