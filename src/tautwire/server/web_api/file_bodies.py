"""A multipart body with a file in it: fields become arguments, the file goes to a sink (the database) as it comes.

Some clients send the token as a field behind the file (wire/files.md#filesupload). So a file of a caller who is not
known yet is held in memory, within the limits of all bodies; that of a known caller is not.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import Any, Final, Protocol, Self

from starlette.types import Receive

from tautwire.server.incoming import MalformedError, Multipart, Part, SlowError, stream
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files.intake import BusyError, WrongSizeError
from tautwire.server.services.files.uploads import Announced
from tautwire.server.web_api.arguments import Given, check_names, read_pairs
from tautwire.server.web_api.bodies import Bodies, TooBig
from tautwire.server.web_api.method import Caller

MARGIN: Final = 65_536
"""Bytes that a body may have beside its file."""

Admit = Callable[[str | None], Caller]
"""Returns the caller with a token; raises ``MethodError``."""


class Sink(Protocol):
    """Takes the bytes of one file; see ``services.files.intake.Intake``."""

    size: int
    """Bytes that may come."""

    @property
    def is_over(self) -> bool:
        """Whether more bytes have come."""

    async def feed(self, data: bytes) -> None:
        """Take bytes; raise ``WrongSizeError`` if they are too many."""

    async def end(self, *, is_exact: bool = True) -> str:
        """Store that this is all; return the name under which the file is found. Without bytes: ``WrongSizeError``."""


OpenSink = Callable[[Caller, str, int], Awaitable[AbstractAsyncContextManager[Sink]]]
"""Opens a sink for a file of a caller, with its name and the bytes of the body that it is in, 0 if they are unknown.
It raises ``MethodError``, or ``BusyError`` if too many files arrive."""


async def open_intake(caller: Caller, name: str, size: int) -> AbstractAsyncContextManager[Sink]:
    """Store a file in the database of the caller's workspace."""
    workspace, who = caller
    largest = workspace.files.room.file
    if size > largest + MARGIN:
        raise MethodError("file_upload_size_restricted")
    return await workspace.files.receive(who.user, Announced(name, min(size or largest, largest)))


class FileBody:
    """Reads one body. Use it as an asynchronous context manager: a file whose body was not read whole is dropped.

    Args:
        open_sink: where the file goes to.
    """

    def __init__(
        self, headers: Mapping[str, str], receive: Receive, bodies: Bodies, open_sink: OpenSink = open_intake
    ) -> None:
        self.caller: Caller
        self.file: str | None = None
        """What the end of the sink has returned, such as the id of the file; None if the body has no file."""
        self.field = ""
        """The name of the part with the file."""
        self.name: str | None = None
        """The file name of that part."""
        self._headers = headers
        self._receive = receive
        self._bodies = bodies
        self._exit = AsyncExitStack()
        self._held: list[bytes] = []
        self._counted = 0
        self._size = 0
        self._open_sink = open_sink
        self._sink: Sink | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._bodies.release(self._counted)
        await self._exit.aclose()

    async def read(self, query: bytes, admit: Admit, *, is_known: bool) -> Given:
        """Return the arguments, with the file stored.

        Raises:
            MethodError: what ``admit`` raises; the file cannot be stored.
            TooBig, TooMany: the fields, or the file of a caller who is not known, are too long.
        """
        given = read_pairs(query)
        if is_known:
            self.caller = admit(None)
        try:
            await self._read(given, admit, is_known=is_known)
            if self._sink is not None:
                self.file = await self._sink.end(is_exact=False)
        except MalformedError:
            raise MethodError("invalid_form_data") from None
        except SlowError:
            raise MethodError("request_timeout") from None
        except WrongSizeError:
            code = "file_upload_size_restricted" if self._sink is not None and self._sink.is_over else "no_file_data"
            raise MethodError(code) from None
        except BusyError:
            raise MethodError("service_unavailable") from None
        given.pop("token", None)  # a token must not appear in an answer
        check_names(given)
        return given

    async def _read(self, given: Given, admit: Admit, *, is_known: bool) -> None:
        form = Multipart(self._headers["content-type"])
        field: str | None = None
        takes = False
        async with aclosing(stream(self._receive, self._expected)) as source:
            async for data in source:
                for found in form.feed(data):
                    if isinstance(found, Part):
                        takes = found.filename is not None and self.name is None
                        field = found.name if found.filename is None else None
                        if field is not None:
                            given[field] = b""
                        elif takes:
                            self.field, self.name = found.name, found.filename or ""
                            is_known = is_known or self._admit_early(given, admit)
                            if is_known:
                                await self._begin()
                    elif self._sink is not None and takes:
                        await self._sink.feed(found)
                    elif takes:
                        self._hold(found, is_known=is_known)
                        self._held.append(found)
                    elif field is not None:
                        self._hold(found, is_known=is_known)
                        given[field] += found
        form.close()
        for name, value in given.items():
            if isinstance(value, bytes):
                given[name] = value.decode(errors="replace")
        if not is_known:
            self.caller = admit(given.get("token"))
            if self.name is not None:
                sink = await self._begin()
                for piece in self._held:
                    await sink.feed(piece)

    def _admit_early(self, given: Given, admit: Admit) -> bool:
        """Return whether the caller is known by a field before the file."""
        token: Any = given.get("token")
        if not token:
            return False
        self.caller = admit(token.decode(errors="replace") if isinstance(token, bytes) else token)
        return True

    def _hold(self, data: bytes, *, is_known: bool) -> None:
        self._size += len(data)
        if self._size > self._bodies.limit:
            raise TooBig
        if not is_known:
            self._bodies.hold(len(data))
            self._counted += len(data)

    async def _begin(self) -> Sink:
        opened = await self._open_sink(self.caller, self.name or "", self._announced())
        self._sink = await self._exit.enter_async_context(opened)
        return self._sink

    def _expected(self) -> int:
        """Return the bytes that may come: of a caller who is not known, no more than of any body."""
        limit = self._bodies.limit if self._sink is None else self._sink.size + MARGIN
        return min(self._announced() or limit, limit)

    def _announced(self) -> int:
        """Return the length of the body; 0 if the header does not say."""
        length = self._headers.get("content-length", "")
        return int(length) if length.isdecimal() and len(length) < 18 else 0
