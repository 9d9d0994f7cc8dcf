"""Growth: what the same call costs in a small, a middling and a large workspace, and what ``rtm.start`` costs others.

A call that reads a page has to cost the same in all three. Calls come one at a time on one kept connection, from a
person who is in every channel. The last table is one person who posts, one message after the other, alone and beside
clients that call ``rtm.start`` without a pause.
"""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench import loops
from bench.grown import Size, channel, direct, grow, token, ts
from bench.process import cpu_seconds, spawn
from bench.report import Cell, report
from bench.subject import Subject, message

SIZES = (Size(1_000, 100, 20), Size(100_000, 1_000, 100), Size(1_000_000, 10_000, 1_000))
WARM_UP = 3
CALLS = 60
SECONDS = 2.0
"""A call is repeated so often, or for so long, whichever ends first."""
BESIDE = (0, 1, 4)
"""Clients that call rtm.start while somebody posts."""
POSTING = 3.0
TEXT = "A usual message of some eighty characters, as people write them to each other."

Arguments = dict[str, Any]


class Grown(Subject):
    """A server on a workspace of the given size; the people are those of ``bench.grown``."""

    def __init__(self, size: Size) -> None:
        self._data = tempfile.TemporaryDirectory(prefix="tautwire-bench-")
        grow(self.data, size)
        command = [
            sys.executable, "-m", "tautwire", "serve", "--port", "0", "--data", self._data.name,
            "--json", "--rate-limits", "off", "--log-level", "warning",
        ]  # fmt: skip
        self._process: subprocess.Popen[str] = spawn(command)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        self.directory = json.loads(line)
        self.directory["users"] = {f"u{n}": {"token": token(n)} for n in range(size.users)}
        self._api = http.client.HTTPConnection(urlsplit(self.directory["api_url"]).netloc)

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method as person 0; return the answer."""
        return json.loads(self.fetch(method, arguments))

    def fetch(self, method: str, arguments: Arguments) -> bytes:
        """Call a method as person 0; return the body of the answer."""
        self._api.request("POST", f"/api/{method}", urlencode(arguments), request_headers())
        body = self._api.getresponse().read()
        if not body.startswith(b'{"ok":true'):
            raise RuntimeError(f"{method}: {body[:200]!r}")
        return body


def request_headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {token(0)}", "Content-Type": "application/x-www-form-urlencoded"}


def calls(subject: Grown, size: Size) -> dict[str, tuple[str, Arguments]]:
    """Return the calls by what they are: method and arguments."""
    room = {"channel": channel(0)}
    newest_but_few = {"latest": ts(size.messages - 150)}
    deep = ts(min(size.messages - 1, 150))
    first = subject.ask("conversations.history", **room, **newest_but_few, limit=1)
    cursor = first["response_metadata"]["next_cursor"]  # its form is the server's affair: learn it, then go deep
    return {
        "chat.postMessage": ("chat.postMessage", {**room, "text": TEXT}),
        "history, newest 100": ("conversations.history", {**room, "limit": 100}),
        "history, latest= deep": ("conversations.history", {**room, "latest": deep, "limit": 100}),
        "history, cursor deep": ("conversations.history", {**room, "limit": 100, "cursor": moved(cursor, deep)}),
        "replies, newest by cursor": (
            "conversations.replies",
            {**room, "ts": ts(0), "limit": 100, "cursor": moved(cursor, ts(max(0, size.messages - 5_000)))},
        ),
        "conversations.list, 100": ("conversations.list", {"limit": 100}),
        "conversations.list, all kinds": (
            "conversations.list", {"limit": 100, "types": "public_channel,private_channel,mpim,im"}
        ),
        "conversations.info": ("conversations.info", {**room, "include_num_members": 1}),
        "conversations.info, im": ("conversations.info", {"channel": direct(1)}),
        "conversations.members, 100": ("conversations.members", {**room, "limit": 100}),
        "users.list, 100": ("users.list", {"limit": 100}),
        "users.list, all": ("users.list", {}),
        "rtm.connect": ("rtm.connect", {}),
        "rtm.start": ("rtm.start", {}),
    }  # fmt: skip


def moved(cursor: str, place: str) -> str:
    """Return the cursor of a history page, moved to another message."""
    kind, _, _ = urlsafe_b64decode(cursor).partition(b":")
    return urlsafe_b64encode(kind + b":" + place.encode()).decode()


def measure(
    subject: Grown, method: str, arguments: Arguments, *, most: int, seconds: float
) -> tuple[float, float, int]:
    """Return the median time and the mean CPU time of a call in seconds, and the bytes of its answer."""
    for _ in range(WARM_UP):
        body = subject.fetch(method, arguments)
    times: list[float] = []
    used, end = cpu_seconds(subject.pid), time.monotonic() + seconds
    while len(times) < most and (time.monotonic() < end or not times):
        start = time.perf_counter()
        body = subject.fetch(method, arguments)
        times.append(time.perf_counter() - start)
    return median(times), (cpu_seconds(subject.pid) - used) / len(times), len(body)


def page_through(subject: Grown) -> float:
    """Read channel 0 to its beginning, 1,000 messages a page; return the mean seconds of a page."""
    pages, cursor, start = 0, "", time.monotonic()
    while pages == 0 or cursor:
        answer = subject.ask("conversations.history", channel=channel(0), limit=1_000, cursor=cursor)
        cursor, pages = answer.get("response_metadata", {}).get("next_cursor", ""), pages + 1
    return (time.monotonic() - start) / pages


@contextlib.contextmanager
def starting(subject: Grown, clients: int, times: list[float]) -> Iterator[None]:
    """Have clients call rtm.start over and over; ``times`` gets the seconds of each."""
    over = threading.Event()
    body = urlencode({}).encode()
    head = "\r\n".join(f"{name}: {value}" for name, value in request_headers().items())
    request = f"POST /api/rtm.start HTTP/1.1\r\nHost: bench\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    url = urlsplit(subject.directory["api_url"])

    def client() -> None:
        with socket.create_connection((url.hostname or "", url.port or 0)) as sock:
            space = bytearray(1 << 20)
            while not over.is_set():
                start = time.monotonic()
                sock.sendall(request + body)
                read_answer(sock, space)
                times.append(time.monotonic() - start)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def read_answer(sock: socket.socket, space: bytearray) -> None:
    """Read one HTTP answer into the void; its length is in its head."""
    got = b""
    while b"\r\n\r\n" not in got:
        data = sock.recv(65_536)
        if not data:
            raise RuntimeError("the server closed the connection")
        got += data
    head, _, rest = got.partition(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    missing = int(length.partition(b":")[2]) - len(rest)
    while missing > 0:
        count = sock.recv_into(space, min(missing, len(space)))
        if not count:
            raise RuntimeError("the server closed the connection")
        missing -= count


def beside(subject: Grown, size: Size, *, clients: Sequence[int], seconds: float) -> list[dict[str, Cell]]:
    """Post one message after the other beside clients that call rtm.start; return the rows of the table."""
    rows: list[dict[str, Cell]] = []
    poster = subject.connect(1)
    frame = loops.client_frame(message(direct(1), TEXT))
    loops.post([poster], [frame], others=0, seconds=min(seconds, 0.5))  # warms up
    for count in clients:
        times: list[float] = []
        loops.keep_alive([poster])
        with starting(subject, count, times):
            time.sleep(min(seconds, 0.5))
            latencies, _ = loops.post([poster], [frame], others=0, seconds=seconds)
        latencies.sort()
        rows.append(
            {
                "workspace": str(size),
                "clients in rtm.start": count,
                "sends": len(latencies),
                "send p50 ms": latencies[len(latencies) // 2] * 1e3,
                "send p99 ms": latencies[len(latencies) * 99 // 100] * 1e3,
                "send max ms": latencies[-1] * 1e3,
                "rtm.start p50 ms": median(times) * 1e3 if times else None,
            }
        )
    poster.close()
    return rows


def cells(size: Size, p50: float, cpu: float | None = None, length: int | None = None) -> dict[str, Cell]:
    """Return the columns of a workspace."""
    return {
        f"{size.messages:,}: ms": p50 * 1e3,
        f"{size.messages:,}: CPU": None if cpu is None else cpu * 1e3,
        f"{size.messages:,}: kB": None if length is None else length / 1e3,
    }


def run(
    sizes: Sequence[Size], *, most: int, seconds: float, clients: Sequence[int], posting: float
) -> tuple[list[dict[str, Cell]], list[dict[str, Cell]]]:
    """Measure every size; return the rows of the calls and those of the sends."""
    rows: dict[str, dict[str, Cell]] = {}
    mixed: list[dict[str, Cell]] = []
    for size in sizes:
        with Grown(size) as subject:
            for name, (method, arguments) in calls(subject, size).items():
                figures = measure(subject, method, arguments, most=most, seconds=seconds)
                rows.setdefault(name, {"call": name}).update(cells(size, *figures))
            name = "history, a page of 1,000 of all of it"
            rows.setdefault(name, {"call": name}).update(cells(size, page_through(subject)))
            mixed += beside(subject, size, clients=clients, seconds=posting)
    return [*rows.values()], mixed


def main() -> None:
    rows, mixed = run(SIZES, most=CALLS, seconds=SECONDS, clients=BESIDE, posting=POSTING)
    report(
        "growth",
        "The same call in workspaces of " + " · ".join(map(str, SIZES)) + ": median ms, CPU ms of the server, kB",
        rows,
        calls=CALLS,
        seconds=SECONDS,
        warm_up=WARM_UP,
    )
    report(
        "growth_beside",
        "One person's durable sends, one after the other, beside clients that call rtm.start",
        mixed,
        loops_in=loops.language(),
        seconds=POSTING,
    )
