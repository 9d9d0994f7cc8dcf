"""Odd programs at the doors of apps: what they send or answer hurts neither the server nor another app."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appside import APP_SEED, AppSide
from rawsocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, frame
from scene import PATIENCE, SEED, OpenScene, eventually
from tautwire.server.events_api import delivery, receiver
from tautwire.server.taps import window

Site = Callable[[Callable[[bytes], bytes | None]], Awaitable[str]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent again over Socket Mode only because the machine is busy; HTTP receivers are left soon."""
    monkeypatch.setattr(window, "ACK_TIME", 100_000.0)
    monkeypatch.setattr(receiver, "TIME_LIMIT", 0.5)


def odd_bytes(chance: random.Random, known: list[str]) -> bytes:
    """Return one to five frames of which most are wrong in some way."""
    return b"".join(_odd_frame(chance, known) for _ in range(chance.randint(1, 5)))


def _odd_frame(chance: random.Random, known: list[str]) -> bytes:
    texts: list[Any] = [
        {"envelope_id": chance.choice([*known, "", "x" * 3_000, None, 7, [], {}])},
        {"envelope_id": chance.choice([*known, "x"]), "payload": chance.choice([None, [], {"a": {}}, "x" * 9_000])},
        [], 7, None, "text", {"type": "hello"}, {"envelope_id": {"envelope_id": "x"}},
    ]  # fmt: skip
    payload = chance.choice(
        [json.dumps(chance.choice(texts)).encode(), os.urandom(chance.randrange(200)), b"[" * 5_000, b'{"a":' * 5_000,
         b"\xff\xfe", b"", b'{"envelope_id":"\\ud800"}', b'{"envelope_id":' + b"9" * 400 + b"}"]
    )  # fmt: skip
    opcode = chance.choice([TEXT] * 8 + [BINARY, CONTINUATION, PING, PONG, CLOSE, 3, 11])
    if chance.random() < 0.05:
        return os.urandom(chance.randrange(1, 30))
    if chance.random() < 0.05:  # a length that no frame may have
        return bytes([0x81, 0xFF]) + (2**62).to_bytes(8) + b"mask"
    return frame(payload, opcode, fin=chance.random() < 0.9, masked=chance.random() < 0.95,
                 first=chance.choice([0, 0, 0, 0, 0x40, 0x10]))  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_odd_frames_over_socket_mode_hurt_no_other_app(open_scene: OpenScene, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    scene = await open_scene(seed=APP_SEED)
    odd, well = AppSide(scene, "desk"), AppSide(scene, "quiet")
    good = await well.connect()
    mention = f"<@{well.bot}>"
    for number in range(25):
        async with RawSocket.dialled(await odd.url(), hello=False) as socket:
            await scene.post("alice", scene.general, f"{mention} {number}")
            known = []
            for _ in range(2):  # hello, and one envelope at least
                opcode, payload = await socket.read()
                assert opcode == TEXT
                found = json.loads(payload)
                known += [found["envelope_id"]] if "envelope_id" in found else []
            socket.write(odd_bytes(chance, known))
            await scene.ok("alice", "api.test")
        event = await good.take()
        assert (event["type"], event["text"]) == ("app_mention", f"{mention} {number}")
    await eventually(lambda: not odd.tap.is_running)
    assert odd.tap.open_events <= 25
    socket = await odd.connect()
    await scene.post("alice", scene.general, "the last")
    await socket.until(lambda event: event.get("text") == "the last")


class Odd:
    """A web server whose answers are bytes of the test; None keeps the connection and says nothing."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self.requests = 0
        self.open = 0
        self.most_open = 0
        self._answer = answer
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Odd"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"
        async with server:
            yield self
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")
            )
            body = await reader.readexactly(length)
            self.requests += 1
            answer = self._answer(body)
            if answer is None:
                await reader.read()
                return
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open -= 1
            writer.transport.abort() if not writer.is_closing() else None


def challenged(body: bytes) -> bytes | None:
    """Return the answer to a challenge, None to an event."""
    payload = json.loads(body)
    if payload["type"] != "url_verification":
        return None
    text = payload["challenge"].encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(text), text)


def odd_answer(chance: random.Random) -> bytes | None:
    status = chance.choice([b"200", b"204", b"301", b"302", b"307", b"404", b"429", b"500", b"999", b"20", b"abc", b""])
    return chance.choice(
        [
            None,
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + os.urandom(5_000),
            b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X-A: a\r\n" * 20_000 + b"\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000,
            b"HTTP/1.1 %b ?\r\nLocation: http://10.0.0.1/\r\nX-Slack-No-Retry: 1\r\nContent-Length: 0\r\n\r\n" % status,
            b"HTTP/1.1 %b ?\r\nLocation: /events\r\nContent-Length: 0\r\n\r\n" % status,
            b"HTTP/9.9 200 OK\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
            os.urandom(300),
        ]
    )


def let_well_answer_late(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Leave the receiver at a URL never: on a busy machine a try would fail there, and the next event overtake it."""
    post = receiver.Poster.post
    soon = receiver.TIME_LIMIT

    async def patient(poster: receiver.Poster, to: str, *args: Any, **options: Any) -> receiver.Outcome:
        # Nothing is awaited between this and the place that reads it.
        monkeypatch.setattr(receiver, "TIME_LIMIT", 100_000.0 if to == url else soon)
        return await post(poster, to, *args, **options)

    monkeypatch.setattr(receiver.Poster, "post", patient)


@pytest.mark.parametrize("seed", range(4))
async def test_odd_answers_of_a_receiver_hurt_no_other_app(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    heard: list[str] = []

    def well(body: bytes) -> bytes | None:
        payload = json.loads(body)
        if payload["type"] == "event_callback":
            heard.append(payload["event"]["text"])
        # Without keep-alive: this site closes after each answer, and a request must not come on such a connection.
        return challenged(body) or b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    odd_site = Odd(lambda body: challenged(body) or odd_answer(chance))
    async with odd_site.listening(), Odd(well).listening() as well_site:
        let_well_answer_late(monkeypatch, well_site.url)
        apps = "\n".join(
            f"  - {{name: {name}, request_url: '{url}', bot_events: [message.channels]}}"
            for name, url in (("odd", odd_site.url), ("well", well_site.url))
        )
        text = f"{SEED}apps:\n{apps}\n".replace("[alice, bob, relaybot]", "[alice, bob, relaybot, odd, well]")
        scene = await open_scene(seed=text)
        (served,) = scene.server.host
        odd, good = (served.taps.find(scene.directory.apps[name]["id"]) for name in ("odd", "well"))
        assert odd is not None
        assert good is not None
        await eventually(lambda: good.is_running)
        for number in range(60):
            await scene.post("alice", scene.general, str(number))
        numbers = [str(number) for number in range(60)]
        await eventually(lambda: len({*heard}) == 60)
        assert [*dict.fromkeys(heard)] == numbers, "each first came in its order; what comes again may come later"
        async with asyncio.timeout(2 * PATIENCE):
            while odd_site.requests <= 20:
                scene.clock.offset += delivery.MAX_PAUSE
                await scene.server_swept()
                await scene.ok("alice", "api.test")
        await eventually(lambda: good.open_events == 0)
        assert odd_site.most_open <= receiver.CONCURRENCY
        assert odd.open_events <= window.MAX_OPEN


@pytest.mark.parametrize("seed", range(3))
async def test_odd_answers_to_the_challenge_verify_nothing(open_scene: OpenScene, seed: int) -> None:
    chance = random.Random(seed)
    odd_site = Odd(lambda body: odd_answer(chance))
    async with odd_site.listening():
        app = f"  - {{name: odd, request_url: '{odd_site.url}', bot_events: [message.channels]}}"
        text = f"{SEED}apps:\n{app}\n".replace("[alice, bob, relaybot]", "[alice, bob, relaybot, odd]")
        scene = await open_scene(seed=text)
        (served,) = scene.server.host
        tap = served.taps.find(scene.directory.apps["odd"]["id"])
        assert tap is not None
        async with asyncio.timeout(PATIENCE):
            while odd_site.requests < 15:
                scene.clock.offset += delivery.MAX_PAUSE
                await scene.server_swept()
        assert tap.subscription.request_state == "unverified"
        assert not tap.is_running
        await scene.ok("alice", "api.test")
