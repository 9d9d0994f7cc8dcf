"""What a server may answer to the calls the client makes by itself: by real sockets, byte for byte."""

import asyncio
import gzip
import json
import resource
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fake import TICKET, TOKEN
from tautwire import ConnectError, RateLimited
from tautwire.client.connection.rtm_connect import ConnectAnswer, ask
from tautwire.client.net import bounded
from tautwire.client.net.bounded import MAX_CONNECT_ANSWER, MAX_PAGE, MAX_REDIRECTS
from tautwire.client.net.calls import CallError, call
from tautwire.client.net.web_client import connect_client, reading_client
from tautwire.client.settings import Settings

GOOD = {
    "ok": True,
    "url": f"ws://127.0.0.1:1/rtm/{TICKET}",
    "self": {"id": "U0BOT", "name": "relaybot"},
    "team": {"id": "T0TEAM", "name": "Acme", "domain": "acme"},
}

Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]
"""What is done for a request: its number from 0 on, and where to write."""


class Server:
    """Answers each request by a function, and counts what it could write."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[str] = []
        self.url = ""
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.decode())
            await self._answer(len(self.requests) - 1, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has had enough, which is what the tests are about
        finally:
            writer.close()


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[Server]:
    made = Server(answer)
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/api/"
    async with listener:
        yield made


async def ask_at(url: str) -> ConnectAnswer:
    return await ask(connect_client(Settings.of(TOKEN, url)), None, 20)


def head(status: int = 200, **headers: object) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nConnection: close\r\n{lines}\r\n".encode()


async def endlessly(writer: asyncio.StreamWriter, block: bytes) -> None:
    while True:
        writer.write(block)
        await writer.drain()


@pytest.mark.parametrize("beginning", [b'{"ok":true,"url":"', b"<html>", b""])
async def test_an_answer_without_an_end_is_given_up(beginning: bytes) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + beginning)
        await endlessly(writer, b" " * 65_536)

    async with server(answer) as made:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ConnectError, match=f"more than {MAX_CONNECT_ANSWER} bytes"):
            await ask_at(made.url)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # in KiB
    assert grown < 100_000


async def test_a_packed_answer_is_read_and_bounded_by_what_it_unpacks_to() -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(b" " * 1_000_000) for _ in range(300)) + packer.flush()
    bodies = [gzip.compress(json.dumps(GOOD).encode()), bomb, b"no gzip"]

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head(Content_Encoding="gzip", Content_Length=len(bodies[number])) + bodies[number])
        await writer.drain()

    async with server(answer) as made:
        assert (await ask_at(made.url)).identity.user.id == "U0BOT"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ConnectError, match=f"more than {MAX_CONNECT_ANSWER} bytes"):
            await ask_at(made.url)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
        with pytest.raises(ConnectError, match="cannot be unpacked"):
            await ask_at(made.url)
    assert "Accept-Encoding: gzip\r\n" in made.requests[0]


@pytest.mark.parametrize("status", [429, 500])
async def test_a_refusal_without_an_end_is_still_a_refusal(status: int) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, Retry_After=7))
        await endlessly(writer, b"x" * 65_536)

    async with server(answer) as made:
        with pytest.raises(ConnectError) as caught:
            await ask_at(made.url)
    if status == 429:
        assert isinstance(caught.value, RateLimited)
        assert caught.value.retry_after == 7
    else:
        assert "HTTP status 500" in str(caught.value)


async def test_a_few_redirects_are_followed_and_no_more() -> None:
    wanted = MAX_REDIRECTS

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number < wanted:
            writer.write(head(307, Location=f"/elsewhere/{number}", Content_Length=0))
        else:
            body = json.dumps(GOOD).encode()
            writer.write(head(Content_Length=len(body)) + body)
        await writer.drain()

    async with server(answer) as made:
        assert (await ask_at(made.url)).url == GOOD["url"]
        assert len(made.requests) == MAX_REDIRECTS + 1
        made.requests.clear()
        wanted = 1_000
        with pytest.raises(ConnectError, match=rf"redirects more than {MAX_REDIRECTS} times: .*base_url"):
            await ask_at(made.url)
        assert len(made.requests) == MAX_REDIRECTS + 1


async def test_a_redirect_with_a_body_without_an_end_is_followed() -> None:
    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 0:
            writer.write(head(307, Location="/elsewhere"))
            await endlessly(writer, b"x" * 65_536)
        writer.write(head() + json.dumps(GOOD).encode())
        await writer.drain()

    async with server(answer) as made:
        assert (await ask_at(made.url)).url == GOOD["url"]


@pytest.mark.parametrize("lines", [1, 10_000])
async def test_a_head_without_an_end_is_given_up(lines: int) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Filler: " + b"x" * (1_000_000 // lines) + b"\r\n" * (lines > 1))
            await writer.drain()

    async with server(answer) as made:
        with pytest.raises(ConnectError, match=r"rtm\.connect failed"):
            await ask_at(made.url)


async def test_a_page_of_a_list_may_be_longer_but_not_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.client.net.calls.TRIES", 1)
    filler = b" " * 65_536
    some = MAX_CONNECT_ANSWER // len(filler) + 2

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + b'{"ok":true,')
        if number:
            await endlessly(writer, filler)
        writer.write(filler * some + b'"members":[]}')
        await writer.drain()

    async with server(answer) as made:
        web = reading_client(Settings.of(TOKEN, made.url))
        until = asyncio.get_running_loop().time() + 20
        assert (await call(web, "users.list", {}, until))["members"] == []
        with pytest.raises(CallError, match=f"more than {MAX_PAGE} bytes"):
            await call(web, "users.list", {}, until)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (rb'"relay\ud83d"', "relay\ufffd"),
        (b'"relay\xff"', "relay\ufffd"),
        (b'"relay\nbot"', "relay\nbot"),
        (b'"relaybot","big":' + b"9" * 30, "relaybot"),
    ],
)
async def test_odd_text_in_an_answer_costs_that_character_only(body: bytes, name: str) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + json.dumps(GOOD).encode().replace(b'"relaybot"', body))
        await writer.drain()

    async with server(answer) as made:
        assert (await ask_at(made.url)).identity.user.name == name


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"ok":true', b'"x"', b"[" * 100_000])
async def test_an_answer_that_is_no_object_is_told_as_that(body: bytes) -> None:
    async def answer(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + body)
        await writer.drain()

    async with server(answer) as made:
        with pytest.raises(ConnectError, match=bounded.NO_OBJECT):
            await ask_at(made.url)


class Secure:
    """A client whose address begins with https, and which is answered at once."""

    base_url = "https://slack.example/api/"
    proxy = None

    def __init__(self, url: str) -> None:
        self._url = url

    async def api_call(self, method: str, **_: Any) -> Any:
        return type("Response", (), {"data": GOOD | {"url": self._url}, "headers": {}})()


async def test_a_ticket_that_came_by_https_does_not_go_unencrypted() -> None:
    secure: Any = Secure(f"ws://slack.example/rtm/{TICKET}")
    with pytest.raises(ConnectError, match="ws://") as caught:
        await ask(secure, None, 10)
    assert TICKET not in str(caught.value)
    url = f"wss://slack.example/rtm/{TICKET}"
    secure = Secure(url)
    assert (await ask(secure, None, 10)).url == url
