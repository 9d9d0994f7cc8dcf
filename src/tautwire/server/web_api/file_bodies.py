"""A multipart body with a file in it: fields become arguments, the file goes to the database as it comes.

Some clients send the token as a field behind the file (wire/files.md#filesupload). So a file of a caller who is not
known yet is held in memory, within the limits of all bodies; that of a known caller is not.
"""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, Self

from starlette.types import Receive

from tautwire.server.incoming import MalformedError, Multipart, Part, SlowError, stream
from tautwire.server.services.errors import MethodError
from tautwire.server.services.files.intake import BusyError, Intake, WrongSizeError
from tautwire.server.services.files.uploads import Announced
from tautwire.server.web_api.arguments import Given, check_names, read_pairs
from tautwire.server.web_api.bodies import Bodies, TooBig
from tautwire.server.web_api.method import Caller

MARGIN: Final = 65_536
"""Bytes that a body may have beside its file."""

Admit = Callable[[str | None], Caller]
"""Returns the caller with a token; raises ``MethodError``."""


class FileBody:
    """Reads one body. Use it as an asynchronous context manager: a file whose body was not read whole is dropped."""

    def __init__(self, headers: Mapping[str, str], receive: Receive, bodies: Bodies) -> None:
        self.caller: Caller
        self.file: str | None = None
        """The id of the stored file; None if the body has none."""
        self._headers = headers
        self._receive = receive
        self._bodies = bodies
        self._exit = AsyncExitStack()
        self._held: list[bytes] = []
        self._counted = 0
        self._size = 0
        self._name: str | None = None
        self._intake: Intake | None = None

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
            if self._intake is not None:
                self.file = await self._intake.end(is_exact=False)
        except MalformedError:
            raise MethodError("invalid_form_data") from None
        except SlowError:
            raise MethodError("request_timeout") from None
        except WrongSizeError:
            code = (
                "file_upload_size_restricted" if self._intake is not None and self._intake.is_over else "no_file_data"
            )
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
                        takes = found.filename is not None and self._name is None
                        field = found.name if found.filename is None else None
                        if field is not None:
                            given[field] = b""
                        elif takes:
                            self._name = found.filename or ""
                            is_known = is_known or self._admit_early(given, admit)
                            if is_known:
                                await self._begin()
                    elif self._intake is not None and takes:
                        await self._intake.feed(found)
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
            if self._name is not None:
                intake = await self._begin()
                for piece in self._held:
                    await intake.feed(piece)

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

    async def _begin(self) -> Intake:
        workspace, who = self.caller
        size = self._announced() or workspace.files.room.file
        if size > workspace.files.room.file + MARGIN:
            raise MethodError("file_upload_size_restricted")
        announced = Announced(self._name or "", min(size, workspace.files.room.file))
        self._intake = await self._exit.enter_async_context(await workspace.files.receive(who.user, announced))
        return self._intake

    def _expected(self) -> int:
        """Return the bytes that may come: of a caller who is not known, no more than of any body."""
        limit = self._bodies.limit if self._intake is None else self._intake.size + MARGIN
        return min(self._announced() or limit, limit)

    def _announced(self) -> int:
        """Return the length of the body; 0 if the header does not say."""
        length = self._headers.get("content-length", "")
        return int(length) if length.isdecimal() and len(length) < 18 else 0
