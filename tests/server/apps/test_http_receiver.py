"""Requests to apps: their signatures, where they may go, and what receivers can do to them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from slack_sdk.signature import Clock as ReceiverClock
from slack_sdk.signature import SignatureVerifier

from tautwire.protocol.signing import signature, signed
from tautwire.server.clock import Clock
from tautwire.server.events_api import receiver, verification
from tautwire.server.events_api.addresses import Addresses, AddressRefusedError, CheckedResolver
from tautwire.server.events_api.failures import Failures
from tautwire.server.events_api.receiver import Receiver

SECRET = "7b1f0a9c3d5e4f60a1b2c3d4e5f60718"
LOCAL = "127.0.0.0/8,::1"

# Signatures: the vectors of the wire reference


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            '{"token":"vt-retired","challenge":"n0tAsecretJustAnEcho4711","type":"url_verification"}',
            "v0=65f5ea93f6302a9b3aacfe2f30c1b50791e2022cfb79d749f661348c061df20f",
        ),
        (
            '{"type":"event_callback","event":{"type":"message","text":"Grüße 👋"}}',
            "v0=2c9b7092c9f8034f4a6c2279416ce15edba486e6e04cd180faea2336406fccae",
        ),
        ("", "v0=2c1b5d056d10df15247e40138df3f426cc684ae9bdff445812c33afa473d5381"),
    ],
)
def test_signatures_are_those_of_the_vectors(body: str, expected: str) -> None:
    assert signature(SECRET, body.encode(), 1790000100) == expected


def test_slack_sdk_takes_a_signature_and_refuses_it_with_one_more_byte() -> None:
    class Fixed(ReceiverClock):
        def now(self) -> float:
            return 1790000100.0

    verifier = SignatureVerifier(SECRET, Fixed())
    headers = signed(SECRET, b"{}", 1790000100)
    assert verifier.is_valid_request(b"{}", headers)
    assert not verifier.is_valid_request(b"{} ", headers)


# Addresses


@pytest.mark.parametrize(
    ("allowed", "address", "expected"),
    [
        (None, "127.0.0.1", True),
        (None, "::1", True),
        (None, "::ffff:127.0.0.1", True),
        (None, "10.0.0.1", False),
        (None, "93.184.215.14", False),
        ("*", "93.184.215.14", True),
        ("*", "2606:2800:220:1:248:1893:25c8:1946", True),
        ("*", "127.0.0.1", False),
        ("*", "0.0.0.0", False),
        ("*", "10.0.0.1", False),
        ("*", "192.168.1.1", False),
        ("*", "169.254.169.254", False),
        ("*", "::ffff:169.254.169.254", False),
        ("*", "fe80::1", False),
        ("*", "fd00::1", False),
        ("*", "224.0.0.1", False),
        ("*", "ff0e::1", False),
        ("*", "2002:a00:1::1", False),
        ("*", "64:ff9b::a00:1", False),
        ("10.1.0.0/16", "10.1.2.3", True),
        ("10.1.0.0/16", "10.2.2.3", False),
        ("10.1.0.0/16", "127.0.0.1", False),
        ("*, 10.1.0.0/16", "10.1.2.3", True),
        ("*", "not an address", False),
    ],
)
def test_which_addresses_are_allowed(allowed: str | None, address: str, expected: bool) -> None:
    assert Addresses(allowed).allow(address) is expected


async def test_a_name_is_resolved_to_its_allowed_addresses_only() -> None:
    answers = [["127.0.0.1", "10.0.0.1"], ["10.0.0.1"]]

    def lookup(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answers.pop(0)]

    resolver = CheckedResolver(Addresses(LOCAL), lookup)
    assert [each["host"] for each in await resolver.resolve("rebinding.test", 80)] == ["127.0.0.1"]
    with pytest.raises(AddressRefusedError):
        await resolver.resolve("rebinding.test", 80)
    await resolver.close()


# Receivers

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A web server of this test; ``answer`` is what it does."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[web.Request] = []
        self.answer: Handler

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        await request.read()
        return await self.answer(request)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    site.port = runner.addresses[0][1]
    yield site
    await runner.cleanup()


@pytest.fixture
async def post(site: Site) -> AsyncIterator[Callable[..., Awaitable[receiver.Outcome]]]:
    made = Receiver(f"http://127.0.0.1:{site.port}/events", SECRET, Addresses(LOCAL), Clock())

    async def post(answer: Handler) -> receiver.Outcome:
        site.answer = answer
        return await made.deliver(b"{}", 0, "")

    yield post
    await made.close()


Post = Callable[[Handler], Awaitable[receiver.Outcome]]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_every_2xx_is_a_success(post: Post, status: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    assert (await post(answer)).reason == ""


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *((status, "too_many_redirects") for status in (301, 302, 303, 307, 308)),
        *((status, "http_error") for status in (304, 400, 404, 500)),
    ],
)
async def test_other_answers_are_failures_and_redirects_are_not_followed(
    post: Post, site: Site, status: int, reason: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    outcome = await post(answer)
    assert (outcome.reason, outcome.may_retry, outcome.has_no_listener) == (reason, True, status == 404)
    assert [request.path for request in site.requests] == ["/events"]


async def test_a_receiver_can_decline_further_attempts(post: Post) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=500, headers={"X-Slack-No-Retry": "1"})

    assert not (await post(answer)).may_retry


async def test_a_receiver_that_does_not_answer_is_left(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "TIME_LIMIT", 0.05)

    async def answer(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert (await post(answer)).reason == "http_timeout"


async def test_an_endless_answer_is_not_read(post: Post) -> None:
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        finally:
            ended.set()

    assert (await post(answer)).reason == ""
    async with asyncio.timeout(10):
        await ended.wait()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "connection_failed"),
        (b"\x00\xff garbage\r\n\r\n", "unknown_error"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "unknown_error"),
        (b"HTTP/1.1 2", "connection_failed"),
    ],
    ids=["nothing", "garbage", "long", "half"],
)
async def test_what_is_not_http_is_a_failure(sent: bytes, reason: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made = Receiver(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", SECRET, Addresses(None), Clock())
    assert (await made.deliver(b"{}", 0, "")).reason == reason
    await made.close()
    server.close()


async def test_a_receiver_that_speaks_no_tls_is_a_failure(site: Site) -> None:
    made = Receiver(f"https://127.0.0.1:{site.port}/", SECRET, Addresses(None), Clock())
    assert (await made.deliver(b"{}", 0, "")).reason == "ssl_error"
    await made.close()


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "0.0.0.0", "0", "127.0.0.1."),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "%31%32%37.0.0.1", "127。0。0。1", "１２７.0.0.1"),  # noqa: RUF001
    ],
)
async def test_no_way_to_write_an_address_reaches_one_that_is_refused(site: Site, host: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    site.answer = answer
    for allowed in ("*", "10.0.0.0/8"):
        made = Receiver(f"http://{host}:{site.port}/events", SECRET, Addresses(allowed), Clock())
        assert (await made.deliver(b"{}", 0, "")).reason == "connection_failed"
        await made.close()
    assert site.requests == []


async def test_a_name_that_changes_its_address_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Connection": "close"})

    site.answer = answer
    places = ["127.0.0.1", "127.0.0.2"]

    def lookup(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (places.pop(0), port))]

    def resolver(allowed: Addresses) -> CheckedResolver:
        return CheckedResolver(allowed, lookup)

    monkeypatch.setattr(receiver, "CheckedResolver", resolver)
    made = Receiver(f"http://rebinding.test:{site.port}/", SECRET, Addresses("127.0.0.1"), Clock())
    assert [(await made.deliver(b"{}", 0, "")).reason for _ in range(2)] == ["", "connection_failed"]
    await made.close()
    assert len(site.requests) == 1


# The challenge


@pytest.mark.parametrize("form", ["{}", "challenge={}", '{{"challenge":"{}"}}', "{}\n", "a=b&challenge={}"])
def test_the_challenge_may_come_back_in_three_forms(form: str) -> None:
    challenge = verification.new_challenge()
    assert verification.is_answer(form.format(challenge).encode(), challenge)


@pytest.mark.parametrize(
    "body", [b"", b"ok", b"[]", b"{}", b'{"challenge":1}', b"\xff\xfe", b"[" * 4_096, b"a=" * 2_000]
)
def test_other_answers_have_no_challenge(body: bytes) -> None:
    assert not verification.is_answer(body, verification.new_challenge())


async def test_an_endless_answer_to_the_challenge_is_cut(site: Site) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    site.answer = answer
    made = Receiver(f"http://127.0.0.1:{site.port}/", SECRET, Addresses(None), Clock())
    assert (await made.verify()).reason == "no_challenge"
    await made.close()


# Too many failures


def test_an_app_fails_too_often_with_a_thousand_events_and_nearly_no_success() -> None:
    failures = Failures()
    for _ in range(999):
        failures.note(0.0, is_first=True, failed=True)
    assert not failures.are_too_many
    failures.note(0.0, is_first=True, failed=True)
    assert failures.are_too_many
    for _ in range(53):
        failures.note(60.0, is_first=True, failed=False)
    assert not failures.are_too_many


def test_failures_are_forgotten_after_an_hour() -> None:
    failures = Failures()
    for _ in range(1_000):
        failures.note(30.0, is_first=True, failed=True)
    failures.note(3_599.0, is_first=True, failed=True)
    assert failures.are_too_many
    failures.note(3_600.0, is_first=True, failed=True)
    assert not failures.are_too_many
