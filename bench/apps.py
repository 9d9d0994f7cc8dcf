"""Apps in Socket Mode as load: raw sockets that acknowledge every envelope, all in one thread."""

import json
import select
import socket
import threading
import time
from types import TracebackType
from urllib.parse import urlsplit

from bench import loops
from bench.subject import Subject
from tautwire.testing.websocket import TEXT, FrameReader, upgrade_request

EVENTS = ["message.channels"]


def describe(count: int) -> list[dict[str, object]]:
    """Return ``count`` apps of a seed file, ``app0`` and so on, that get the messages of public channels."""
    return [{"name": f"app{number}", "socket_mode": True, "bot_events": EVENTS} for number in range(count)]


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
                answer = json.dumps({"envelope_id": json.loads(frame.payload)["envelope_id"]})
                acks.append(loops.client_frame(answer.encode()))
        if acks:
            sock.setblocking(True)
            sock.sendall(b"".join(acks))
            sock.setblocking(False)
