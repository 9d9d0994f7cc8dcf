"""A stand-in for a server that sends as fast as a client takes: ready-made frames, written by the kernel in one go.

It answers the calls a client makes before it connects, upgrades to a WebSocket, says hello and answers pings. Nothing
else: what is measured beside it is the client alone. A client's name stands in its API address, which is how the
streams are told apart.
"""

import json
import socket
import struct
import threading
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tautwire.testing.websocket import CLOSE, PING, PONG, TEXT, frame_bytes, read_frame_blocking, upgrade_response

PATIENCE = 60
"""Seconds for a client to connect, and to take more of what is sent."""

RESUMABLE = "-resumable"

PORTION = 128 * 1024
"""Bytes that ``send_in_portions`` sends before it waits until all is read."""

USER = {"id": "U0EX00001", "name": "bench", "team_id": "T0EX00003"}
TEAM = {"id": "T0EX00003", "name": "Bench", "domain": "bench"}
ANSWERS: dict[str, dict[str, Any]] = {
    "rtm.connect": {"self": USER, "team": TEAM},
    "auth.test": {"user_id": USER["id"], "team_id": TEAM["id"], "bot_id": "B0EX00001"},
    "users.info": {"user": {**USER, "profile": {}}},
}


def text_frame(payload: bytes) -> bytes:
    """Return a text message as a server sends it."""
    return frame_bytes(TEXT, payload)


def position(number: int) -> str:
    """Return a place in the log as our server writes it."""
    return f"bench.{number}"


class Stream:
    """One client's WebSocket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", PATIENCE, 0))
        self._sock = sock
        self._lock = threading.Lock()
        self._ports = f"{_kernel(sock.getpeername())} {_kernel(sock.getsockname())}"

    def send(self, data: bytes, times: int = 1) -> None:
        """Send whole frames as fast as they are taken."""
        with self._lock:
            for _ in range(times):
                self._sock.sendall(data)

    def send_in_portions(self, frames: list[bytes], times: int) -> None:
        """Send frames, and after each ``PORTION`` wait until the client has read it, which costs it no time."""
        each = max(1, PORTION // len(frames[0]))
        portions = [b"".join(frames[at : at + each]) for at in range(0, len(frames), each)]
        for portion in portions * times:
            self.send(portion)
            self._until_read()

    def _until_read(self) -> None:
        """Wait until nothing is left in the socket's two buffers, as the kernel's table tells."""
        end = monotonic() + PATIENCE
        while monotonic() < end:
            lines = Path("/proc/net/tcp").read_text().splitlines()
            mirrored = " ".join(reversed(self._ports.split()))
            fields = [line.split() for line in lines if self._ports in line or mirrored in line]
            if all(each[4] == "00000000:00000000" for each in fields):
                return
            sleep(0.0002)
        raise TimeoutError("the client does not read")

    def serve(self, reader: BufferedReader) -> None:
        """Say hello and answer pings until the client leaves."""
        self.send(text_frame(b'{"type":"hello"}'))
        while True:
            try:
                opcode, payload, _ = read_frame_blocking(reader.read)
            except EOFError:
                return
            if opcode == CLOSE:
                self.send(frame_bytes(CLOSE, payload))
                return
            if opcode == PING:
                self.send(frame_bytes(PONG, payload))
            elif opcode == TEXT and (frame := json.loads(payload)).get("type") == "ping":
                pong = {**frame, "type": "pong", "reply_to": frame.get("id")}
                self.send(text_frame(json.dumps(pong).encode()))


class Source:
    """The listening stand-in; use it in a ``with`` statement."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._streams: dict[str, Stream] = {}
        self._changed = threading.Condition()

    def api_url(self, name: str) -> str:
        """Return the Web API's address for a client, with the slash at its end.

        A client whose name ends with ``RESUMABLE`` is promised positions if it asks for them, as by our server.
        """
        return f"http://{self._address}/{name}/api/"

    def stream(self, name: str) -> Stream:
        """Wait until a client is connected; return its stream."""
        with self._changed:
            if not self._changed.wait_for(lambda: name in self._streams, PATIENCE):
                raise TimeoutError(f"{name} does not connect")
            return self._streams[name]

    def __enter__(self) -> "Source":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock, sock.makefile("rb") as reader:
                while (request := _read_request(reader)) is not None:
                    if "sec-websocket-key" in request.headers:
                        self._upgrade(sock, reader, request)
                        return
                    sock.sendall(self._answer(request))
        except ConnectionError:  # the client was ended
            return

    def _upgrade(self, sock: socket.socket, reader: BufferedReader, request: "Request") -> None:
        sock.sendall(upgrade_response(request.headers["sec-websocket-key"]))
        stream = Stream(sock)
        with self._changed:
            self._streams[request.path[0]] = stream
            self._changed.notify_all()
        stream.serve(reader)

    def _answer(self, request: "Request") -> bytes:
        answer = ANSWERS.get(request.path[-1])
        if answer is None:
            content: dict[str, Any] = {"ok": False, "error": "unknown_method"}
        else:
            content = {"ok": True, **answer, "url": f"ws://{self._address}/{request.path[0]}"}
            if request.path[0].endswith(RESUMABLE):
                content |= {"resume": "new", "position": position(0)}
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


class Request(NamedTuple):
    path: list[str]
    headers: Mapping[str, str]


def _read_request(reader: BufferedReader) -> Request | None:
    """Read a request with its body; None at the end."""
    line = reader.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (header := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    reader.read(int(headers.get("content-length", 0)))
    path = urlsplit(line.split()[1].decode("latin-1")).path
    return Request(path.strip("/").split("/"), headers)


def _kernel(address: tuple[str, int]) -> str:
    """Return an address the way /proc/net/tcp writes it."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
