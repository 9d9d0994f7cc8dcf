"""Apps in Socket Mode as load: raw sockets that acknowledge every envelope, all in one thread.

``Apps`` notes when envelopes come. ``python -m bench.apps DESCRIPTOR …`` is the same in a process of its own, for what
is measured beside apps: there they take no time from the connections whose fan-out is measured.
"""

import json
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

from bench import loops
from bench.process import APPS_CORE, spawn
from bench.subject import Subject
from tautwire.testing.websocket import TEXT, FrameReader, upgrade_request

EVENTS = ["message.channels"]


def describe(count: int, urls: Sequence[str] = ()) -> list[dict[str, object]]:
    """Return ``count`` apps of a seed file, ``app0`` and so on, that get the messages of public channels.

    Args:
        urls: where the first ones get them over HTTP; the others are in Socket Mode.
    """
    ways = [{"request_url": url} for url in urls] + [{"socket_mode": True}] * (count - len(urls))
    return [{"name": f"app{number}", "bot_events": EVENTS, **way} for number, way in enumerate(ways)]


def dial(subject: Subject, name: str) -> socket.socket:
    """Open a Socket Mode connection of an app; return its socket, non-blocking, with nothing read behind the head."""
    token = subject.directory["apps"][name]["app_token"]
    url = urlsplit(subject.call_with(token, "apps.connections.open")["url"])
    sock = socket.create_connection((url.hostname, url.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(upgrade_request(f"{url.path}?{url.query}", url.netloc))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    sock.setblocking(False)
    return sock


class Apps:
    """Connections that acknowledge what comes, from ``with`` on, in a thread of their own.

    Attributes:
        arrivals: when each envelope came, on ``time.perf_counter``, in the order of their coming.
    """

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.arrivals: list[float] = []
        self._sockets = sockets
        self._stopped = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Apps":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(10)
        for sock in self._sockets:
            sock.close()

    def wait(self, count: int, within: float = 120.0) -> None:
        """Wait until ``count`` envelopes have come in all.

        Raises:
            LoadError: they do not come in time, or a connection ended.
        """
        end = time.monotonic() + within
        while len(self.arrivals) < count:
            if self._failure is not None or time.monotonic() > end:
                raise loops.LoadError(f"{len(self.arrivals)} of {count} envelopes came: {self._failure}")
            time.sleep(0.001)

    def serve(self) -> None:
        """Acknowledge what comes, in this thread, until a connection ends."""
        self._run()
        raise SystemExit(str(self._failure))

    def _run(self) -> None:
        poll = select.epoll()
        for sock in self._sockets:
            poll.register(sock, select.EPOLLIN)
        by_number = {sock.fileno(): (sock, FrameReader()) for sock in self._sockets}
        try:
            while not self._stopped.is_set():
                for number, _ in poll.poll(0.05):
                    self._read(*by_number[number])
        except OSError as error:
            self._failure = error

    def _read(self, sock: socket.socket, reader: FrameReader) -> None:
        data = sock.recv(1 << 18)
        if not data:
            raise ConnectionResetError("the server closed a connection of an app")
        now = time.perf_counter()
        acks = []
        for frame in reader.feed(data):
            if frame.opcode == TEXT and b'"envelope_id"' in frame.payload:
                self.arrivals.append(now)
                envelope_id = frame.payload.split(b'"', 4)[3]  # it is the first member
                acks.append(loops.client_frame(b'{"envelope_id":"%b"}' % envelope_id))
        if acks:
            sock.setblocking(True)
            sock.sendall(b"".join(acks))
            sock.setblocking(False)


@contextmanager
def apart(sockets: Sequence[socket.socket]) -> Iterator[None]:
    """Acknowledge what comes, in a process of its own."""
    descriptors = [sock.fileno() for sock in sockets]
    command = [sys.executable, "-m", "bench.apps", *map(str, descriptors)]
    with spawn(command, cores={APPS_CORE}, pass_fds=descriptors) as process:
        for sock in sockets:
            sock.close()
        try:
            yield
            if process.poll() is not None:
                raise loops.LoadError("the server closed a connection of an app")
        finally:
            process.terminate()


class Hanging:
    """A web server that answers the challenge of an app, and no event: it keeps the connections, in its own thread."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Hang)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events"

    def __enter__(self) -> "Hanging":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Hang(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["type"] == "url_verification":
            answer = body["challenge"].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        else:
            self.rfile.read()  # until the server gives up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Print nothing."""


if __name__ == "__main__":
    Apps([socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:]]).serve()
