"""What real clients send to open a connection, byte for byte, and what the server must not answer."""

import asyncio
from pathlib import Path

import pytest

from conformance.inbox import Transcript
from conformance.person import Person
from conformance.raw_socket import RawSocket
from conformance.server import ServerProcess
from tautwire.testing.websocket import CLOSE, PING, PONG, accept_value

pytestmark = pytest.mark.asyncio(loop_scope="module")


def open_connection(socket: RawSocket, request: str) -> dict[str, str]:
    """Upgrade, take hello and return the response's headers."""
    socket.write(request.encode())
    status, headers = socket.read_head()
    assert status == "HTTP/1.1 101 Switching Protocols"
    assert headers["sec-websocket-accept"] == accept_value(socket.key)
    assert socket.read() == {"type": "hello"}
    return headers


async def test_host_without_port_no_origin_and_an_empty_query_as_slack_sdk_sends(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        open_connection(socket, socket.request(f"Host: {socket.host}", query="?"))


async def test_any_host(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        open_connection(socket, socket.request("Host: rtm.example.test"))


@pytest.mark.parametrize("origin", ["https://api.slack.com", "null", "http://elsewhere.example.test:1"])
async def test_any_origin(relaybot: Person, origin: str) -> None:
    with RawSocket(await relaybot.url()) as socket:
        open_connection(socket, socket.request(f"Origin: {origin}"))


@pytest.mark.parametrize("query", ["?batch_presence_aware=1", "?token=x&a=%2F%3F&b"])
async def test_a_query_string_behind_the_ticket(relaybot: Person, query: str) -> None:
    with RawSocket(await relaybot.url()) as socket:
        open_connection(socket, socket.request(query=query))


async def test_offered_extensions_are_not_negotiated(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"
        headers = open_connection(socket, socket.request(offer))
        assert "sec-websocket-extensions" not in headers
        assert "sec-websocket-protocol" not in headers


async def test_a_connection_header_with_more_than_upgrade(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        open_connection(socket, socket.request("Connection: keep-alive, Upgrade"))


async def test_header_names_in_lower_case(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        request = socket.request()
        for name in ("Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"):
            request = request.replace(f"{name}:", f"{name.lower()}:")
        open_connection(socket, request)


async def test_a_request_that_comes_in_pieces(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        request = socket.request()
        for start in range(0, len(request) - 30, 30):
            socket.write(request[start : start + 30].encode())
            await asyncio.sleep(0.001)  # lets the server read this piece on its own
        open_connection(socket, request[start + 30 :])


async def test_an_upgrade_on_a_connection_that_was_used_for_the_web_api(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        socket.write(f"GET /api/api.test HTTP/1.1\r\nHost: {socket.host}\r\n\r\n".encode())
        status, headers = socket.read_head()
        assert status.startswith("HTTP/1.1 200")
        socket.read_bytes(int(headers["content-length"]))
        open_connection(socket, socket.request())


async def test_a_websocket_ping_is_answered_with_its_payload(relaybot: Person) -> None:
    with RawSocket(await relaybot.url()) as socket:
        open_connection(socket, socket.request())
        for payload in (b"6c1f0a52-0000-4000-8000-000000000000:1700000000.123", b""):
            socket.send_frame(PING, payload)
            assert socket.read_frame() == (PONG, payload)


@pytest.mark.parametrize("payload", [b"\x03\xe8bye", b"\x03\xe9", b""])
async def test_a_close_is_answered_and_the_socket_ends(relaybot: Person, payload: bytes) -> None:
    with RawSocket(await relaybot.url()) as socket:
        open_connection(socket, socket.request())
        socket.send_frame(CLOSE, payload)
        opcode, answer = socket.read_frame()
        assert opcode == CLOSE
        assert answer[:2] in (payload[:2], b"\x03\xe8")
        assert socket.is_at_end()


async def test_a_stopping_server_issues_no_urls_that_nobody_can_dial(tmp_path: Path, transcript: Transcript) -> None:
    """@slack/rtm-api calls rtm.connect hundreds of times a second while the URLs it gets cannot be dialled."""
    async with (
        ServerProcess(tmp_path, transcript) as server,
        Person("relaybot", server.token("relaybot"), server.api_url, transcript) as relaybot,
    ):
        socket = await relaybot.connect()
        call = (
            "GET /api/rtm.connect HTTP/1.1\r\n"
            f"Host: {server.address[0]}\r\nAuthorization: Bearer {server.token('relaybot')}\r\n\r\n"
        )
        with RawSocket(server.api_url) as kept_alive:
            kept_alive.write(call.encode())
            status, headers = kept_alive.read_head()
            assert status.startswith("HTTP/1.1 200")
            kept_alive.read_bytes(int(headers["content-length"]))
            stopping = asyncio.create_task(server.stop())
            await socket.inbox.take(type="goodbye")
            assert await asyncio.to_thread(kept_alive.is_refused, call.encode())
        assert await stopping == 0
