"""A proxy before PostgreSQL that breaks connections at a chosen moment."""

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

Cut = Literal["before", "after"]
"""Whether the bytes that hold the word reach the server before the connection ends."""

NAME = ".s.PGSQL.5432"


class Proxy:
    """Passes bytes between clients and a PostgreSQL, until it is told to break a connection.

    Attributes:
        url: the URL of the workspace through the proxy.
    """

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        self._target = str(Path(query["host"]) / NAME)
        self.url = f"postgresql://{parts.netloc}{parts.path}?{urlencode(query | {'host': str(folder)})}"
        self._word: bytes | None = None
        self._cut: Cut = "before"
        self._stays_away = False
        self._refuses = False
        self.cuts = 0
        self._sockets: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / NAME))
        self._listener.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, word: bytes, cut: Cut, *, stays_away: bool = False) -> None:
        """Break the next connection whose client sends a word; with ``stays_away``, refuse others until ``be_well``."""
        self._cut, self._stays_away = cut, stays_away
        self._word = word

    def be_well(self) -> None:
        """Take connections again."""
        self._refuses = False

    def break_all(self) -> None:
        """Break all connections."""
        for each in list(self._sockets):
            _close(each)

    def close(self) -> None:
        """End all."""
        _close(self._listener)
        self.break_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._refuses:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._sockets |= {client, server}
                threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, is_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if is_client and self._word is not None and self._word in data:
                    self._word = None
                    self._refuses = self._stays_away
                    self.cuts += 1
                    if self._cut == "after":
                        _close(source)  # first: the client must not see the answer
                        target.sendall(data)
                        _await_answer(target)
                    break
                target.sendall(data)
        for each in (source, target):
            _close(each)
            self._sockets.discard(each)


def _await_answer(server: socket.socket) -> None:
    """Return when the other thread has read the answer, or nothing was left to read."""
    server.settimeout(5)
    with contextlib.suppress(OSError):
        server.recv(65_536, socket.MSG_PEEK)


def _close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """Put a proxy before a PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="tautwire-pp-") as folder:
        proxy = Proxy(url, Path(folder))
        try:
            yield proxy
        finally:
            proxy.close()
