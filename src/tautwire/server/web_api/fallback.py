"""The port to what answers for methods that are not served here, such as a proxy to another workspace."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tautwire.server.services.access.identity import Identity
from tautwire.server.services.workspace import Workspace
from tautwire.server.web_api.file_bodies import OpenSink
from tautwire.server.web_api.method import Answer


class Upload(NamedTuple):
    """A file in the body of a call."""

    field: str
    """The name of its part."""
    name: str
    """The file name of its part; it may be empty."""
    stored: str
    """What the end of its sink has returned."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A call that is passed to the fallback."""

    name: str
    """The method as the caller sent it: letters, digits, ``_`` and periods, 100 at most."""
    who: Identity | None
    """The caller; None without a token. A call with a wrong token does not arrive."""
    given: Mapping[str, Any]
    """The arguments without the token: text, or anything that JSON has."""
    workspace: Workspace
    """The workspace of the token; without one, that which refuses it."""
    base_url: str
    """Scheme and authority by which the caller reached the server, without a slash at the end."""
    file: Upload | None = None


class BrokenStreamError(Exception):
    """The rest of an answer cannot come; the connection of the caller is closed before its end."""


class Stream(NamedTuple):
    """An answer that is passed on as it comes: the bytes of a JSON object."""

    pieces: AsyncGenerator[bytes, None]
    """They end with the answer, and raise ``BrokenStreamError`` if the rest cannot come."""
    close: Callable[[], Awaitable[None]]
    """Called once, after the last piece or before it, also if no piece was taken."""


class Fallback(Protocol):
    """Answers calls of methods that are not served here.

    It is called once for each such call, retired methods included, after the token was checked and the arguments were
    read. It bounds its own time: the caller waits until it returns. What it raises ends this call only.
    """

    @property
    def open_sink(self) -> OpenSink | None:
        """Takes the file of a multipart body; None to leave files out."""

    async def __call__(self, passed: Passed) -> Answer | Stream | None:
        """Return the members of the answer, or its bytes, or None if the method is not served there either.

        Raises:
            MethodError: becomes an error answer; a ``RateLimited`` one has ``Retry-After``.
        """
