"""The front: hosts it speaks for, hosts it only tunnels to, and peers that send anything at all."""

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from fronts import PATIENCE, Fronted, OpenFront, serving, until
from tautwire.attach import front as front_module
from tautwire.attach import relay
from tautwire.attach.hosts import SOCKETS

GET = b"GET /api/api.test HTTP/1.1\r\nHost: slack.com\r\n\r\n"


@asynccontextmanager
async def answering(text: bytes = b"hello") -> AsyncIterator[int]:
    """A host that is no HTTP server: it speaks first, and repeats what it gets until the end of the stream."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.write(b"end")
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def tunnel(fronted: Fronted, target: str, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a tunnel that has to be opened."""
    reader, writer = await fronted.dial()
    writer.write("\r\n".join([f"CONNECT {target} HTTP/1.1", *headers, "", ""]).encode())
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE) == (
        b"HTTP/1.1 200 Connection established\r\n\r\n"
    )
    return reader, writer


@pytest.mark.parametrize("host", ["slack.com", "WWW.Slack.com", SOCKETS, "acme.slack.com"])
async def test_tls_for_an_intercepted_host_goes_to_the_server_behind(open_front: OpenFront, host: str) -> None:
    fronted = await open_front(team="acme")
    assert (await fronted.call(host)).endswith(b"behind:")
    assert fronted.seen == [f"GET {host} /api/api.test"]


@pytest.mark.parametrize("host", ["example.com", "files.slack.com", "acme.slack.com"])
async def test_tls_for_another_host_is_refused(open_front: OpenFront, host: str) -> None:
    fronted = await open_front()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await fronted.call(host)
    assert not fronted.seen


@pytest.mark.parametrize("headers", [[], ["Host: slack.com:443"], ["hOST: slack.com", "Proxy-Connection: keep-alive"]])
@pytest.mark.parametrize("target", ["slack.com:443", "SLACK.COM:443", "wss-primary.slack.com:443"])
async def test_a_proxy_request_for_an_intercepted_host_gets_the_server_behind(
    open_front: OpenFront, target: str, headers: list[str]
) -> None:
    fronted = await open_front()
    reader, writer = await tunnel(fronted, target, *headers)
    host = target.partition(":")[0].lower()
    await asyncio.wait_for(writer.start_tls(fronted.client_context(), server_hostname=host), PATIENCE)
    writer.write(b"GET /api/auth.test HTTP/1.1\r\nHost: slack.com\r\nConnection: close\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), PATIENCE)).endswith(b"behind:")
    assert fronted.seen == ["GET slack.com /api/auth.test"]
    assert (fronted.front.legs.calls, fronted.front.legs.sockets) == (1, 0)


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/api.test HTTP/1.1\r\nHost: slack.com\r\n\r\n",
        "GET http://slack.com/api/api.test HTTP/1.1\r\nHost: other.test\r\nProxy-Connection: keep-alive\r\n\r\n",
        "GET HTTP://SLACK.com:80/api/api.test HTTP/1.0\r\n\r\n",
    ],
)
async def test_http_in_the_clear_for_an_intercepted_host_goes_there_too(open_front: OpenFront, head: str) -> None:
    fronted = await open_front()
    answer = await fronted.say(head.encode())
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"behind:")
    assert [each.lower().replace(":80", "") for each in fronted.seen] == ["get slack.com /api/api.test"]


async def test_http_in_the_clear_for_another_host_is_misdirected(open_front: OpenFront) -> None:
    fronted = await open_front()
    assert (await fronted.say(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")).startswith(b"HTTP/1.1 421 ")
    assert (await fronted.say(b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 421 ")
    assert not fronted.seen


async def test_a_websocket_through_the_front_is_quick_and_whole(open_front: OpenFront) -> None:
    fronted = await open_front()
    proxy = f"http://127.0.0.1:{fronted.port}"
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"wss://{SOCKETS}/rtm/x", proxy=proxy, ssl=fronted.client_context(), max_msg_size=0) as ws,
    ):
        for size in (1, 100, 70_000, 3_000_000):
            await ws.send_str("x" * size)
            assert len(await ws.receive_str(timeout=PATIENCE)) == size
    assert fronted.front.legs.sockets == 1


async def test_a_tunnel_to_another_host_is_blind(open_front: OpenFront) -> None:
    fronted = await open_front()
    async with answering() as port:
        reader, writer = await tunnel(fronted, f"127.0.0.1:{port}")
        assert await asyncio.wait_for(reader.readexactly(5), PATIENCE) == b"hello"
        sent = random.Random(1).randbytes(3_000_000)
        writer.write(sent)
        assert await asyncio.wait_for(reader.readexactly(len(sent)), PATIENCE) == sent
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b"end", "the other direction stays open"
        writer.close()
    await until(lambda: not fronted.front._serving)
    assert not fronted.seen


async def test_a_request_by_the_proxy_reaches_its_host_with_its_body(open_front: OpenFront) -> None:
    fronted, seen = await open_front(), list[str]()
    proxy = f"http://127.0.0.1:{fronted.port}"
    body = random.Random(2).randbytes(900_000)
    async with serving(seen) as port, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/some/path?a=1"
        async with http.post(url, data=body, proxy=proxy) as response:
            assert await response.read() == b"behind:" + body
        async with http.ws_connect(f"http://127.0.0.1:{port}/ws", proxy=proxy) as ws:
            await ws.send_str("over a proxy")
            assert await ws.receive_str(timeout=PATIENCE) == "over a proxy"
    assert seen == [f"POST 127.0.0.1:{port} /some/path?a=1", f"GET 127.0.0.1:{port} /ws"]
    assert not fronted.seen


async def test_a_second_request_on_a_connection_goes_to_no_wrong_host(open_front: OpenFront) -> None:
    fronted, seen = await open_front(), list[str]()
    async with serving(seen) as port:
        first = f"GET http://127.0.0.1:{port}/one HTTP/1.1\r\n\r\n".encode()
        answer = await fronted.say(first + b"GET http://elsewhere.test/secret HTTP/1.1\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 1
    assert seen == [f"GET 127.0.0.1:{port} /one"]


async def test_slack_sdk_gets_tls_on_the_port_of_the_base_url(open_front: OpenFront) -> None:
    fronted = await open_front()
    reader, writer = await tunnel(fronted, f"localhost:{fronted.front._api}")
    await asyncio.wait_for(writer.start_tls(fronted.client_context(), server_hostname="localhost"), PATIENCE)
    writer.write(b"GET /rtm/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), PATIENCE)).endswith(b"behind:")


async def test_other_hosts_are_reached_by_the_proxy_of_the_operator(open_front: OpenFront) -> None:
    """The second front stands for the operator's proxy."""
    outer = await open_front()
    url = f"http://user:pass%20word@127.0.0.1:{outer.port}"
    fronted = await open_front(environment={"HTTPS_PROXY": url, "http_proxy": url, "NO_PROXY": "localhost"})
    asked: list[bytes] = []
    begin = outer.front._begin

    async def noted(sock: socket.socket) -> object:
        head = await begin(sock)
        if head is not None:
            asked.append(head.method + b" " + head.target + b" " + (head.get(b"proxy-authorization") or b"-"))
        return head

    outer.front._begin = noted  # type: ignore[method-assign,assignment]
    seen = list[str]()
    async with answering() as port, serving(seen) as web:
        reader, writer = await tunnel(fronted, f"127.0.0.1:{port}")
        assert await asyncio.wait_for(reader.readexactly(5), PATIENCE) == b"hello"
        writer.close()
        await fronted.say(f"GET http://127.0.0.1:{web}/a HTTP/1.1\r\nProxy-Authorization: mine\r\n\r\n".encode())
        await fronted.say(f"GET http://localhost:{web}/b HTTP/1.1\r\n\r\n".encode())
    credentials = b"Basic dXNlcjpwYXNzIHdvcmQ="
    assert asked == [
        b"CONNECT 127.0.0.1:%d %b" % (port, credentials),
        b"GET http://127.0.0.1:%d/a %b" % (web, credentials),
    ]
    assert seen == [f"GET 127.0.0.1:{web} /a", f"GET localhost:{web} /b"]


async def test_a_proxy_of_an_unknown_kind_is_left_out(open_front: OpenFront, caplog: pytest.LogCaptureFixture) -> None:
    fronted = await open_front(environment={"HTTPS_PROXY": "socks5://user:secret@127.0.0.1:1"})
    assert "HTTPS_PROXY is not used" in caplog.text
    assert "secret" not in caplog.text
    async with answering() as port:
        reader, writer = await tunnel(fronted, f"127.0.0.1:{port}")
        assert await asyncio.wait_for(reader.readexactly(5), PATIENCE) == b"hello"
        writer.close()


async def test_a_host_that_cannot_be_reached_is_a_bad_gateway(open_front: OpenFront) -> None:
    fronted = await open_front()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        answer = await fronted.say(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 502 ")
        answer = await fronted.say(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\n\r\n".encode())
    assert b"cannot be reached" in answer
    answer = await fronted.say(b"CONNECT name.invalid:443 HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 ")


async def test_other_machines_reach_no_other_host(open_front: OpenFront, monkeypatch: pytest.MonkeyPatch) -> None:
    fronted = await open_front()
    monkeypatch.setattr(front_module, "ip_address", lambda _: __import__("ipaddress").ip_address("192.0.2.7"))
    for head in ("CONNECT 127.0.0.1:1 HTTP/1.1", "GET http://127.0.0.1:1/ HTTP/1.1"):
        assert (await fronted.say(f"{head}\r\n\r\n".encode())).startswith(b"HTTP/1.1 403 ")
    assert (await fronted.call("slack.com")).endswith(b"behind:")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"\0\1\2\3\r\n\r\n", 400),
        (b"CONNECT slack.com HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT slack.com:x HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT slack.com:99999 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT user@slack.com:443 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT [::1:443 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT /:443 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT slack.com:443 HTTP/2\r\n\r\n", 400),
        (b"GET ftp://example.com/ HTTP/1.1\r\n\r\n", 400),
        (b"GET https://example.com/ HTTP/1.1\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: slack.com\r\nHost: slack.com\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : slack.com\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: slack.com\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: slack.com\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: slack.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 431),
    ],
)
async def test_what_is_no_request_is_refused(open_front: OpenFront, data: bytes, status: int) -> None:
    fronted = await open_front()
    assert (await fronted.say(data)).startswith(b"HTTP/1.1 %d " % status)
    assert not fronted.seen
    assert (await fronted.call("slack.com")).endswith(b"behind:"), "others are served"


async def test_a_head_may_come_byte_by_byte(open_front: OpenFront) -> None:
    fronted = await open_front()
    reader, writer = await fronted.dial()
    for byte in GET:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert (await asyncio.wait_for(reader.read(), PATIENCE)).endswith(b"behind:")
    writer.close()


async def test_random_bytes_end_only_their_own_connection(
    open_front: OpenFront, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_module, "HEAD_PATIENCE", 0.5)
    fronted, source = await open_front(), random.Random(3)
    starts = (b"", b"\x16\x03\x01", b"\x16" * 9, b"CONNECT ", GET[:40], b"CONNECT slack.com:443 HTTP/1.1\r\n\r\n")

    async def spit(start: bytes) -> None:
        reader, writer = await fronted.dial()
        writer.write(start + source.randbytes(source.randrange(3_000)))
        with contextlib.suppress(ConnectionError):
            if source.random() < 0.5:
                writer.write_eof()
            await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()

    await asyncio.gather(*(spit(start) for start in starts * 10))
    await until(lambda: not fronted.front._serving)
    assert (await fronted.call("slack.com")).endswith(b"behind:")
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_silent_connections_are_closed(open_front: OpenFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "HEAD_PATIENCE", 0.3)
    fronted = await open_front()
    for start in (b"", b"GET / HT", b"\x16\x03\x01\x02\x00\x01", b"CONNECT slack.com:443 HTTP/1.1\r\n\r\n"):
        answer = await fronted.say(start)
        assert answer in (b"", b"HTTP/1.1 200 Connection established\r\n\r\n")
    await until(lambda: not fronted.front._serving)


async def test_a_full_front_makes_room_for_new_connections(
    open_front: OpenFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_module, "MAX_CONNECTIONS", 3)
    fronted = await open_front()
    async with answering() as port:
        _, held = await tunnel(fronted, f"127.0.0.1:{port}")
        idle = [await fronted.dial() for _ in range(2)]
        await until(lambda: len(fronted.front._serving) == 3)
        assert (await fronted.call("slack.com")).endswith(b"behind:")
        assert await asyncio.wait_for(idle[0][0].read(), PATIENCE) == b"", "the oldest without a request has gone"
        assert not held.is_closing()
        for _, writer in (*idle, (None, held)):
            writer.close()


async def test_a_program_that_dials_without_a_pause_is_served(open_front: OpenFront) -> None:
    fronted = await open_front()
    for _ in range(300):
        _, writer = await fronted.dial()
        writer.write(b"CONNECT slack.com:443 HTTP/1.1\r\n\r\n")
        writer.transport.abort()
    assert (await fronted.call("slack.com")).endswith(b"behind:")
    await until(lambda: not fronted.front._serving)


async def test_a_slow_reader_fills_no_memory(open_front: OpenFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "FAREWELL", 0.1)
    fronted = await open_front()
    async with answering() as port:
        _, writer = await tunnel(fronted, f"127.0.0.1:{port}")
        writer.transport.set_write_buffer_limits(high=0)
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5):  # nothing of what comes back is read beyond the stream's limit
                while sent < 200_000_000:
                    writer.write(b"x" * 1_000_000)
                    sent += 1_000_000
                    await writer.drain()
        assert sent < 100_000_000
        writer.transport.abort()
    await until(lambda: not fronted.front._serving)


async def test_a_program_that_distrusts_the_root_is_counted(open_front: OpenFront) -> None:
    fronted = await open_front()

    def dial() -> None:
        context = ssl.create_default_context()
        with socket.create_connection(("127.0.0.1", fronted.port)) as plain:
            context.wrap_socket(plain, server_hostname="slack.com")

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(dial)
    await until(lambda: fronted.front.legs.distrusts)
    assert "does not take the certificate" in (fronted.front.legs.fault or "")


async def test_a_stop_ends_all_connections(open_front: OpenFront) -> None:
    fronted = await open_front()
    async with answering() as port:
        reader, writer = await tunnel(fronted, f"127.0.0.1:{port}")
        await reader.readexactly(5)
        await fronted.front.stop_accepting()
        writer.write(b"still there")
        assert await asyncio.wait_for(reader.readexactly(11), PATIENCE) == b"still there"
        with pytest.raises(OSError, match="Connect"):
            await fronted.dial()
        await fronted.front.stop()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
        writer.close()
