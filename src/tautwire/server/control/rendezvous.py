"""Where the commands of an operator find the server of a data directory: ``control.sock`` and ``control.json``.

The socket has mode 0600 in a directory of mode 0700. ``control.json``, readable by its owner only, has the path of the
socket and a secret, made anew at each start unless a setting gives it: so a caller proves that it can read the
directory, on every system and without the credentials of the peer. The same secret opens the door on the TCP port.

The path of a unix socket is limited to about a hundred bytes, and some file systems have no sockets. Then the socket is
in a private directory of its own among the temporary files.
"""

import contextlib
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from tautwire.protocol.errors import ConfigError
from tautwire.server.private_file import replace_private

FILE: Final = "control.json"
SOCKET: Final = "control.sock"

MAX_PATH: Final = 103
"""Bytes of the path of a unix socket: 104 with the end mark on macOS and BSD, 108 on Linux."""
BACKLOG: Final = 64
_PREFIX: Final = "tautwire-control-"


class Place(msgspec.Struct, frozen=True):
    """The content of ``control.json``."""

    socket: str
    secret: str


class Rendezvous:
    """The socket and the file of one run of a server."""

    def __init__(self, data: Path, secret: str) -> None:
        self._file = data.resolve() / FILE
        self._socket = data.resolve() / SOCKET
        self._own_directory: Path | None = None
        self.secret = secret

    def open(self) -> socket.socket:
        """Listen, and write where; what a killed server left is replaced.

        Raises:
            ConfigError: neither the data directory nor the temporary directory can have the socket.
        """
        self._remove_stale()
        listener = self._bind()
        try:
            place = Place(str(self._socket), self.secret)
            replace_private(self._file, msgspec.json.encode(place) + b"\n")
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            self.close()
            raise ConfigError(f"the control door cannot open in {self._file.parent}: {error}") from error
        return listener

    def close(self) -> None:
        """Remove the file and the socket."""
        for path in (self._file, self._socket):
            path.unlink(missing_ok=True)
        if self._own_directory is not None:
            with contextlib.suppress(OSError):  # something else is in it
                self._own_directory.rmdir()
            self._own_directory = None

    def _bind(self) -> socket.socket:
        if len(os.fsencode(self._socket)) <= MAX_PATH:
            with contextlib.suppress(OSError):  # a file system without sockets
                return _bound(self._socket)
        try:
            self._own_directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._socket = self._own_directory / SOCKET
            return _bound(self._socket)
        except OSError as error:
            self.close()
            raise ConfigError(
                f"the control door cannot have its socket in {self._socket.parent}: {error}; "
                "set TMPDIR to a directory with a shorter name"
            ) from error

    def _remove_stale(self) -> None:
        """Remove what a killed server left, unless a server answers there."""
        left = [self._socket]
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            left.append(Path(msgspec.json.decode(self._file.read_bytes(), type=Place).socket))
        for path in left:
            if not _is_socket(path):
                continue
            if _answers(path):
                raise ConfigError(f"another server answers at {path}: stop it, or use another directory with --data")
            path.unlink(missing_ok=True)
            if path.parent.name.startswith(_PREFIX):
                with contextlib.suppress(OSError):
                    path.parent.rmdir()


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)  # before listen: until then connections are refused
    except BaseException:
        listener.close()
        raise
    return listener


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True
