"""A server that misbehaves on request: it writes each byte of HTTP and WebSocket, so that every one can be wrong.

It answers rtm.connect and speaks just enough WebSocket for a client of ours. It runs in a thread of its own, so that
the same scenario can drive an asyncio and a blocking client; all its methods may be called from any thread.
"""

import asyncio
import concurrent.futures
import json
import queue
import socket
import struct
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Self

from tautwire.testing.websocket import CLOSE, PONG, TEXT, frame_bytes, read_frame, upgrade_response

TOKEN = "xoxb-1111111111-2222222222-fAkEfAkEfAkEfAkE1a2b"
TICKET = "tIcKeT0123456789secret"
PATIENCE = 10.0


class Peer:
    """One client that came in by WebSocket."""

    def __init__(self, server: "FakeServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.frames: queue.Queue[dict[str, Any]] = queue.Queue()
        """What the client sent and no answer was made for, oldest first."""
        self.closed = threading.Event()
        """Set when the client's side of the socket is gone."""
        self.close_code: int | None = None
        self.close_answer = b""
        """What is sent when the client sends a Close frame, before the socket is closed."""
        self.pongs: list[bytes] = []
        self._server = server
        self._reader = reader
        self._writer = writer

    def send(self, *frames: dict[str, Any] | bytes) -> None:
        """Send text messages in one write."""
        data = b"".join(frame(each if isinstance(each, bytes) else json.dumps(each).encode()) for each in frames)
        self.send_bytes(data)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._server.call(self._writer.write, data)

    def flood(self, chunks: Iterable[bytes]) -> "concurrent.futures.Future[None]":
        """Begin to send bytes as fast as the client takes them; the future ends with the last of them."""

        async def run() -> None:
            for chunk in chunks:
                self._writer.write(chunk)
                await self._writer.drain()

        return asyncio.run_coroutine_threadsafe(run(), self._server.loop)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a Close frame; the socket stays."""
        self.send_bytes(frame(struct.pack("!H", code) + reason.encode(), opcode=CLOSE))

    def read(self, wanted: bool) -> None:
        """Stop to read, or go on."""
        transport = self._writer.transport
        self._server.call(transport.resume_reading if wanted else transport.pause_reading)  # type: ignore[attr-defined]

    def drop(self) -> None:
        """End the TCP connection with a FIN."""
        self._server.call(self._writer.close)

    def reset(self) -> None:
        """End the TCP connection with an RST."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._server.call(self._writer.transport.abort)

    def next_frame(self, kind: str | None = None) -> dict[str, Any]:
        """Wait for the next frame of a type."""
        while True:
            found = self.frames.get(timeout=PATIENCE)
            if kind in (None, found.get("type")):
                return found

    async def serve(self) -> None:
        while True:
            try:
                opcode, payload, _ = received = await read_frame(self._reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.closed.set()
                self._writer.close()
                return
            assert received.is_masked, "a client masks each frame"
            if opcode == CLOSE:
                self.close_code = struct.unpack("!H", payload[:2])[0]
                self._writer.write(self.close_answer)
                self._writer.close()
            elif opcode == PONG:
                self.pongs.append(payload)
            elif opcode == TEXT:
                command = json.loads(payload)
                reply = self._server.reply(command)
                if reply is None:
                    self.frames.put(command)
                else:
                    self._writer.write(frame(json.dumps(reply).encode()))


def is_accepting(task: "asyncio.Task[Any]") -> bool:
    """Whether a task of asyncio makes the transport of a socket that it has accepted."""
    return getattr(task.get_coro(), "__name__", "") == "_accept_connection2"


class FakeServer:
    """The server. Set its attributes before the client comes.

    ``answers`` are used up one for each rtm.connect: a dict is merged into the good answer, a ``(status, headers,
    body)`` goes out as it is. ``upgrades`` likewise, one for each WebSocket: a status instead of 101. ``greeting`` is
    sent to every new WebSocket.
    """

    def __init__(self) -> None:
        self.answers: deque[dict[str, Any] | tuple[int, dict[str, str], str]] = deque()
        self.upgrades: deque[int] = deque()
        self.greeting: list[dict[str, Any] | bytes] = [{"type": "hello"}]
        self.meanwhile: list[tuple[Peer, dict[str, Any]]] = []
        """What is sent to whom while an rtm.connect is being answered."""
        self.connects: list[dict[str, str]] = []
        """Arguments of each rtm.connect so far."""
        self.connected_at: list[float] = []
        self.upgrade_paths: list[str] = []
        self.reply: Callable[[dict[str, Any]], dict[str, Any] | None] = answer_pings
        self._peers: queue.Queue[Peer] = queue.Queue()
        self._writers: set[asyncio.StreamWriter] = set()
        self._placeholder: socket.socket | None = None
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="fake-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        if self._placeholder is not None:
            self._placeholder.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    def peer(self) -> Peer:
        """Wait for the next client to open a WebSocket."""
        return self._peers.get(timeout=PATIENCE)

    def has_peer(self) -> bool:
        """Tell whether a client came that nobody asked for yet."""
        return not self._peers.empty()

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call a function on the server's loop, and wait until it was called."""
        done = threading.Event()

        def run() -> None:
            try:
                function(*args)
            finally:
                done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE)

    def stop_listening(self) -> None:
        """Refuse new TCP connections from now on. The port stays taken, or a server of another test could get it, and
        the calls of the clients that try again here."""
        self.call(self._server.close)
        self._placeholder = socket.socket()
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind(("127.0.0.1", self.port))

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    async def _stop(self) -> None:
        # A socket that asyncio has accepted belongs to a task of its own until it has a transport. If that is cancelled
        # before, or the server is closed, the socket stays open.
        while any(is_accepting(task) for task in asyncio.all_tasks()):  # noqa: ASYNC110 - asyncio has no event for it
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # in which tasks that were made for such sockets begin
        self._server.close()
        for writer in self._writers:
            if not writer.is_closing():
                writer.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # in which aborted sockets are closed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        request, *lines = head.strip().split("\r\n")
        path = request.split()[1]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if "upgrade" in headers.get("connection", "").lower():
            await self._upgrade(path, headers, reader, writer)
        else:
            self._connect(path, writer)

    def _connect(self, path: str, writer: asyncio.StreamWriter) -> None:
        query = urllib.parse.urlsplit(path).query
        self.connects.append(dict(urllib.parse.parse_qsl(query, keep_blank_values=True)))
        self.connected_at.append(time.monotonic())
        for peer, event in self.meanwhile:
            peer._writer.write(frame(json.dumps(event).encode()))
        answer = self.answers.popleft() if self.answers else {}
        if isinstance(answer, dict):
            good = {
                "ok": True,
                "url": f"ws://127.0.0.1:{self.port}/rtm/{TICKET}{len(self.connects)}=?a=b%20c",
                "self": {"id": "U0BOT", "name": "relaybot"},
                "team": {"id": "T0TEAM", "name": "Acme", "domain": "acme"},
            }
            answer = (200, {}, json.dumps({**good, **answer}))
        status, extra, body = answer
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close", **extra}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} Status\r\n{head}\r\n{body}".encode())
        writer.close()

    async def _upgrade(
        self, path: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.upgrade_paths.append(path)
        status = self.upgrades.popleft() if self.upgrades else 101
        if status == 0:  # say nothing at all
            await reader.read()
            return
        if status != 101:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            writer.close()
            return
        writer.write(upgrade_response(headers["sec-websocket-key"]))
        peer = Peer(self, reader, writer)
        greeting = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in self.greeting]
        writer.write(b"".join(frame(each) for each in greeting))
        self._peers.put(peer)
        await peer.serve()


def answer_pings(received: dict[str, Any]) -> dict[str, Any] | None:
    """Answer pings, nothing else."""
    if received["type"] == "ping":
        return {"type": "pong", "reply_to": received["id"]}
    return None


def answer_all(received: dict[str, Any]) -> dict[str, Any] | None:
    """Answer pings and store every message."""
    if received["type"] == "message":
        ts = f"1700000000.{received['id'] % 1_000_000:06}"
        return {"ok": True, "reply_to": received["id"], "ts": ts, "text": received["text"]}
    return answer_pings(received)


def frame(payload: bytes, *, opcode: int = TEXT, fin: bool = True) -> bytes:
    """Return a WebSocket frame as a server writes it."""
    return frame_bytes(opcode, payload, final=fin)


def message(number: int, channel: str = "C1", **members: Any) -> dict[str, Any]:
    """Return a message event; its text is its number."""
    ts = f"1700000000.{number:06}"
    return {"type": "message", "channel": channel, "user": "U1", "text": str(number), "ts": ts, **members}
