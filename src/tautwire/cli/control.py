"""The operator's side of the control door: one request to the server of a data directory, and its outcome.

Only the standard library: a command must start quickly. The door is ``tautwire.server.control``.
"""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PATH: Final = "/_control/v1/"
FILE: Final = "control.json"
HOST_FILE: Final = "host.json"

PATIENCE: Final = 60.0
"""Seconds that the server may take: it answers when the change is on disk, and a disk can be slow."""

Answer = dict[str, Any]


class ControlError(Exception):
    """The operation has no result.

    Attributes:
        code: for programs.
        status: the exit status of the command.
    """

    status = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RefusedError(ControlError):
    """The server has refused the operation, or could not carry it out."""


class NotRunningError(ControlError):
    """No server was reached, so nothing was changed."""

    status = 3


class UnknownOutcomeError(ControlError):
    """The server was lost after the request was sent: the change may or may not be stored."""

    status = 4


def call(data: Path, operation: str, /, **arguments: Any) -> Answer:
    """Carry out an operation on the server of a data directory; return its result.

    Raises:
        ControlError: there is no result; see its kinds.
    """
    path, secret = _find(data, FILE, "socket")
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    connection.sock = _dial(path, data)
    return _ask(connection, PATH, secret, data, operation, arguments)


def call_host(data: Path, operation: str, /, **arguments: Any) -> Answer:
    """Carry out an operation on whole workspaces, on the port of the server of a data directory; return its result.

    Raises:
        ControlError: there is no result; see its kinds.
    """
    url, secret = _find(data, HOST_FILE, "url")
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        connection.connect()
    except OSError as error:
        raise NotRunningError(
            "not_reached", f"the server of {data} cannot be reached at {url}: {_reason(error)}. Nothing was changed."
        ) from error
    return _ask(connection, parts.path, secret, data, operation, arguments)


def _ask(
    connection: http.client.HTTPConnection,
    path: str,
    secret: str,
    data: Path,
    operation: str,
    arguments: Mapping[str, Any],
) -> Answer:
    try:
        body = json.dumps(arguments).encode()
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        connection.request("POST", path + operation, body, headers)
        response = connection.getresponse()
        status, text = response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise UnknownOutcomeError(
            "unknown_outcome", f"the server of {data} was lost during {operation}: {_reason(error)}"
        ) from error
    finally:
        connection.close()
    return _result(status, text)


def _find(data: Path, name: str, where: str) -> tuple[str, str]:
    """Return where the server of a data directory is and its secret, from a file in it."""
    try:
        place = json.loads((data / name).read_bytes())
        return str(place[where]), str(place["secret"])
    except FileNotFoundError:
        if name == HOST_FILE and (data / FILE).exists():
            raise NotRunningError(
                "not_controlled",
                f"the server of {data} does not serve the control API: start it with --control on. "
                "Nothing was changed.",
            ) from None
        raise _not_running(data) from None
    except OSError as error:
        raise NotRunningError(
            "not_allowed",
            f"{data / name} cannot be read: {_reason(error)}; run the command as the user who runs the server. "
            "Nothing was changed.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotRunningError(
            "damaged", f"{data / name} is damaged: restart the server, which writes it anew. Nothing was changed."
        ) from error


def _dial(path: str, data: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    try:
        sock.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        raise _not_running(data) from None
    except OSError as error:
        sock.close()
        raise NotRunningError(
            "not_reached", f"the server of {data} cannot be reached at {path}: {_reason(error)}. Nothing was changed."
        ) from error
    return sock


def _not_running(data: Path) -> NotRunningError:
    if not data.is_dir():
        return NotRunningError(
            "no_data_directory",
            f"there is no data directory {data}: name the one of the server with --data. Nothing was changed.",
        )
    return NotRunningError(
        "not_running",
        f"no server runs on {data}: start it with `tautwire serve --data {data}`, then repeat the command. "
        "Nothing was changed.",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {PATIENCE:.0f} seconds"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _result(status: int, text: bytes) -> Answer:
    try:
        answer: Answer = json.loads(text)
        if status == http.client.OK:
            return answer
        code, message = str(answer["error"]["code"]), str(answer["error"]["message"])
    except (ValueError, KeyError, TypeError) as error:
        if status == http.client.OK:
            raise UnknownOutcomeError("unknown_outcome", "the server's answer cannot be read") from error
        raise RefusedError("refused", f"the server answers {status}: repeat the command later") from error
    raise RefusedError(code, message)
