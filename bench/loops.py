"""The inner loops of the benchmarks: ``raw_serve``, ``fan_out`` and ``post`` of loops.c, or the same in Python.

With ``cc`` on the path loops.c is compiled into the results folder and called through ctypes. Without one the loops
below run; they are slower, and the ``generator busy`` column of the tables shows whether that was the limit.
TAUTWIRE_BENCH_LOOPS=python chooses them where there is a compiler.

The two frames are built here and not by ``tautwire.testing``: the process of the raw loop loads nothing of ours.
"""

import ctypes
import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

SOURCE = Path(__file__).with_name("loops.c")
T = TypeVar("T")

PATIENCE = 10.0
CHUNK = 1 << 18
MOST_JOINED = 64
"""Frames that the raw loop sends at once when it joins them."""


class LoadError(Exception):
    """A connection was lost, a message was refused, or nothing arrived for ten seconds."""


def client_frame(payload: bytes) -> bytes:
    """Return the frame a client sends, masked with a key of zeros."""
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
    return head + bytes(4) + payload


def server_frame(size: int) -> bytes:
    """Return a frame as a server sends it, with ``size`` bytes of payload."""
    head = bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2)
    return head + b"x" * size


def keep_alive(sockets: Sequence[socket.socket]) -> None:
    """Send an unasked pong on every connection: the loads answer no pings, and a server ends who is silent for long."""
    for sock in sockets:
        sock.send(b"\x8a\x80" + bytes(4))


def language() -> str:
    """Return what the loops run in: C or Python."""
    return "C" if _library() else "Python"


def raw_serve(sockets: Sequence[socket.socket], frame: bytes, *, join: bool) -> None:
    """For each frame that comes in send ``frame`` to everybody, until a connection closes."""
    library = _library()
    if library:
        library.raw_serve(
            _descriptors(sockets), len(sockets), frame * MOST_JOINED, ctypes.c_long(len(frame)), MOST_JOINED, int(join)
        )
    else:
        _raw_serve(sockets, frame, join=join)


def fan_out(
    sockets: Sequence[socket.socket],
    frame: bytes,
    *,
    burst: int,
    rounds: int,
    pause: float = 0.0,
    took: list[float] | None = None,
) -> float:
    """``rounds`` times: the first connection sends ``burst`` frames, everybody receives as many.

    Returns the seconds for which this side was busy.

    Args:
        pause: seconds from one round to the next at least.
        took: gets the seconds from each round's send to the moment at which a connection has received all of it, for
            each round and connection.
    """
    library = _library()
    if not library:
        return _busy(lambda: _fan_out(sockets, frame * burst, burst=burst, rounds=rounds, pause=pause, took=took))[1]
    busy = ctypes.c_int64()
    times = (ctypes.c_int64 * (len(sockets) * rounds if took is not None else 0))()
    failed = library.fan_out(
        _descriptors(sockets), len(sockets), frame * burst, ctypes.c_long(len(frame) * burst), burst, rounds,
        ctypes.c_double(pause), times if took is not None else None, ctypes.byref(busy),
    )  # fmt: skip
    if failed:
        raise LoadError("the fan-out stopped")
    if took is not None:
        took += (nanoseconds / 1e9 for nanoseconds in times)
    return busy.value / 1e9


def post(
    sockets: Sequence[socket.socket], frames: Sequence[bytes], *, others: int, seconds: float, most: int = 1_000_000
) -> tuple[list[float], float]:
    """Post from the first ``len(frames)`` connections, each with one message on its way.

    Every message is an event for ``others`` connections; the call returns when all acks and events are in: the
    latencies of the acks, and for how long this side was busy, both in seconds.
    """
    library = _library()
    if not library:
        return _busy(lambda: _post(sockets, frames, others=others, seconds=seconds, most=most))
    (size,) = {len(frame) for frame in frames}
    latencies = (ctypes.c_int64 * most)()
    busy = ctypes.c_int64()
    acked = library.post(
        _descriptors(sockets), len(sockets), len(frames), others, b"".join(frames), ctypes.c_long(size),
        ctypes.c_double(seconds), latencies, ctypes.c_long(most), ctypes.byref(busy),
    )  # fmt: skip
    if acked < 0:
        raise LoadError("the posting stopped")
    return [latency / 1e9 for latency in latencies[:acked]], busy.value / 1e9


@cache
def _library() -> ctypes.CDLL | None:
    compiler = shutil.which("cc")
    if compiler is None or os.environ.get("TAUTWIRE_BENCH_LOOPS") == "python":
        return None
    target = SOURCE.parent / "results" / "loops.so"
    target.parent.mkdir(exist_ok=True)
    if not target.exists() or target.stat().st_mtime < SOURCE.stat().st_mtime:
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", target, SOURCE], check=True)
    library = ctypes.CDLL(str(target))
    library.raw_serve.restype = None
    library.post.restype = ctypes.c_long
    return library


def _descriptors(sockets: Sequence[socket.socket]) -> ctypes.Array[ctypes.c_int]:
    return (ctypes.c_int * len(sockets))(*(sock.fileno() for sock in sockets))


# The same in Python. These loops sleep when nothing arrives.


def _busy(work: Callable[[], T]) -> tuple[T, float]:
    start = time.thread_time()
    return work(), time.thread_time() - start


@dataclass(slots=True)
class _Connection:
    number: int
    sock: socket.socket
    carry: bytes = b""
    frames: int = 0
    sent_at: float = 0.0

    def receive(self) -> list[bytes]:
        """Return the payloads of the text frames that arrived, without positions."""
        try:
            data = self.carry + self.sock.recv(CHUNK)
        except BlockingIOError:
            return []
        if len(data) == len(self.carry):
            raise LoadError("a connection was closed")
        payloads, at = [], 0
        while len(data) >= at + 4:
            size, head = data[at + 1] & 127, 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4]), 4
            head += 4 if data[at + 1] & 128 else 0
            if len(data) < at + head + size:
                break
            payload = data[at + head : at + head + size]
            if data[at] & 15 == 1 and not payload.startswith(b'{"type":"position"'):
                payloads.append(payload)
            at += head + size
        self.carry = data[at:]
        self.frames += len(payloads)
        return payloads


def _watch(sockets: Sequence[socket.socket]) -> tuple[select.epoll, dict[int, _Connection]]:
    poll = select.epoll()
    for sock in sockets:
        poll.register(sock, select.EPOLLIN)
    return poll, {sock.fileno(): _Connection(number, sock) for number, sock in enumerate(sockets)}


def _send_all(sock: socket.socket, data: bytes) -> None:
    while data:
        try:
            data = data[sock.send(data) :]
        except BlockingIOError:
            continue


def _until(finished: Callable[[], bool], poll: select.epoll, ready: Callable[[int], None]) -> None:
    while not finished():
        events = poll.poll(PATIENCE)
        if not events:
            raise LoadError("nothing arrived")
        for fd, _ in events:
            ready(fd)


def _raw_serve(sockets: Sequence[socket.socket], frame: bytes, *, join: bool) -> None:
    poll, connections = _watch(sockets)
    while True:
        for fd, _ in poll.poll():
            try:
                fresh = len(connections[fd].receive())
            except LoadError:
                return
            for data in [frame * fresh] if join else [frame] * fresh:
                for sock in sockets:
                    _send_all(sock, data)


def _fan_out(
    sockets: Sequence[socket.socket],
    data: bytes,
    *,
    burst: int,
    rounds: int,
    pause: float,
    took: list[float] | None,
) -> None:
    poll, connections = _watch(sockets)
    for number in range(1, rounds + 1):
        waiting = set(connections)
        sent = time.monotonic()

        def ready(fd: int, wanted: int = number * burst, waiting: set[int] = waiting, sent: float = sent) -> None:
            connections[fd].receive()
            if connections[fd].frames >= wanted and fd in waiting:
                waiting.discard(fd)
                if took is not None:
                    took.append(time.monotonic() - sent)

        _send_all(sockets[0], data)
        _until(lambda waiting=waiting: not waiting, poll, ready)  # type: ignore[misc]
        while time.monotonic() - sent < pause:
            pass


def _post(
    sockets: Sequence[socket.socket], frames: Sequence[bytes], *, others: int, seconds: float, most: int
) -> list[float]:
    poll, connections = _watch(sockets)
    latencies: list[float] = []
    events = in_flight = 0
    end = time.monotonic() + seconds

    def send(connection: _Connection) -> None:
        nonlocal in_flight
        connection.sent_at = time.monotonic()
        in_flight += 1
        _send_all(connection.sock, frames[connection.number])

    def ready(fd: int) -> None:
        nonlocal events, in_flight
        connection = connections[fd]
        for payload in connection.receive():
            if payload.startswith(b'{"t'):
                events += 1
                continue
            if not payload.startswith(b'{"ok":true'):
                raise LoadError(payload.decode())
            now = time.monotonic()
            latencies.append(now - connection.sent_at)
            in_flight -= 1
            if now < end and len(latencies) + in_flight < most:
                send(connection)

    for connection in [*connections.values()][: len(frames)]:
        send(connection)
    _until(lambda: in_flight == 0 and events == len(latencies) * others, poll, ready)
    return latencies
