"""The raw loop as a process of its own: ``python -m bench.raw CONNECTIONS SIZE`` answers frames with frames.

It accepts that many connections on a port that it prints, then is ``loops.raw_serve`` and nothing else.
"""

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import loops
from bench.process import spawn

SEND_BUFFER = 65_536
"""The server's own, so that the kernel does the same work for both."""


class Raw:
    """A running raw loop and the connections to it; each payload it sends has ``size`` bytes."""

    def __init__(self, connections: int, size: int, *, join: bool) -> None:
        command = [sys.executable, "-m", "bench.raw", str(connections), str(size), "join" if join else "each"]
        self._process: subprocess.Popen[str] = spawn(command, cwd=Path(__file__).parents[1])
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline())
        self.sockets: Sequence[socket.socket] = [
            socket.create_connection(("127.0.0.1", port)) for _ in range(connections)
        ]
        self._process.stdout.readline()  # all are accepted
        for sock in self.sockets:
            sock.setblocking(False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *exc: object) -> None:
        for sock in self.sockets:
            sock.close()
        self._process.wait(10)


def main() -> None:
    connections, size, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(listener.getsockname()[1], flush=True)
        sockets = [listener.accept()[0] for _ in range(connections)]
    for sock in sockets:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        sock.setblocking(False)
    print("ready", flush=True)
    loops.raw_serve(sockets, loops.server_frame(size), join=how == "join")


if __name__ == "__main__":
    main()
