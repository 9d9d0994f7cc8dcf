"""The server under test: a ``tautwire serve`` on a fresh database, and RTM connections to it."""

import http.client
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench.peers import Peer
from bench.process import spawn
from tautwire.testing.websocket import upgrade_request


class Subject:
    """A running server with people ``u0``, ``u1``, … of whom each ``channel_size`` in a row share a channel.

    ``directory`` is what it prints when it serves. Ours has its limits off, all else is as by default: SQLite, FULL.

    Args:
        peer: somebody's server of the same job instead of ours.
        channels: further channels, and who is in them.
        apps: apps as a seed file has them; they are members of all channels but the further ones.
        database: the URL of a PostgreSQL instead of SQLite.
        options: further options of ``tautwire serve``.
    """

    def __init__(
        self,
        people: int,
        channel_size: int,
        *,
        peer: Peer | None = None,
        channels: Mapping[str, range] | None = None,
        apps: Sequence[Mapping[str, Any]] = (),
        database: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._data = tempfile.TemporaryDirectory(prefix="tautwire-bench-")
        seed = Path(self._data.name) / "seed.yaml"
        names = [f"u{n}" for n in range(people)]
        rooms = {
            f"c{n}": range(n * channel_size, min(people, (n + 1) * channel_size))
            for n in range(-(-people // channel_size))
        } | dict(channels or {})
        members = [
            {
                "name": name,
                "members": [names[n] for n in who] + [app["name"] for app in apps if name not in (channels or {})],
            }
            for name, who in rooms.items()
        ]
        content = {"users": [{"name": name} for name in names], "channels": members}
        seed.write_text(json.dumps(content | ({"apps": apps} if apps else {})))
        if peer is None:
            command = [
                sys.executable, "-m", "tautwire", "serve", "--port", "0", "--data", self._data.name,
                "--seed", str(seed), "--json", "--rate-limits", "off", "--log-level", "warning",
                *([] if database is None else ["--database", database]), *options,
            ]  # fmt: skip
            self._process = spawn(command)
        else:
            environment = {**os.environ, "SEED": str(seed), "DATA": self._data.name}
            self._process = spawn(peer.command(), env=environment, cwd=peer.program.directory)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        self.directory: dict[str, Any] = json.loads(line)
        self._api = http.client.HTTPConnection(urlsplit(self.directory["api_url"]).netloc)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def data(self) -> Path:
        return Path(self._data.name)

    def channel(self, number: int) -> str:
        """Return the id of a channel."""
        return self.channel_named(f"c{number}")

    def channel_named(self, name: str) -> str:
        """Return the id of a channel."""
        channel: str = self.directory["channels"][name]
        return channel

    def call(self, person: int, method: str, **arguments: str) -> dict[str, Any]:
        """Call a Web API method as a person, on a connection that is kept; return the answer."""
        return self.call_with(self.directory["users"][f"u{person}"]["token"], method, **arguments)

    def call_with(self, token: str, method: str, **arguments: str) -> dict[str, Any]:
        """Call a Web API method with a token, as ``call`` does."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-www-form-urlencoded"}
        self._api.request("POST", f"/api/{method}", urlencode(arguments), headers)
        answer: dict[str, Any] = json.loads(self._api.getresponse().read())
        if not answer["ok"]:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer

    def connect(self, person: int, *, resume: str | None = None) -> socket.socket:
        """Open an RTM connection for a person; return its socket, non-blocking, with hello already read.

        With ``resume`` (a position, or an empty text) it can be resumed, as our own client's can.
        """
        return self.dial(person, resume=resume)[0]

    def dial(self, person: int, *, resume: str | None = None) -> tuple[socket.socket, bytes]:
        """As ``connect``; return also what was read: hello, and what came right behind it."""
        answer = self.call(person, "rtm.connect", **({} if resume is None else {"resume": resume}))
        url = urlsplit(answer["url"])
        sock = socket.create_connection((url.hostname, url.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(upgrade_request(url.path, url.netloc))
        received = b""
        while b"hello" not in received:
            data = sock.recv(4096)
            if not data:
                raise RuntimeError(f"no hello: {received!r}")
            received += data
        sock.setblocking(False)
        return sock, received

    def __enter__(self) -> "Subject":
        return self

    def __exit__(self, *exc: object) -> None:
        self._api.close()
        with self._process:  # closes the pipe
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
        self._data.cleanup()


def message(channel: str, text: str) -> bytes:
    """Return the JSON of a message as a client sends it."""
    return json.dumps({"id": 1, "type": "message", "channel": channel, "text": text}).encode()


def commit_seconds(directory: Path, count: int = 200) -> float:
    """Return how long a small append and fdatasync take on this disk: what a durable ack cannot be faster than."""
    times = []
    path = directory / "probe"
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            start = time.perf_counter()
            file.write(b"x" * 512)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return sorted(times)[count // 2]
