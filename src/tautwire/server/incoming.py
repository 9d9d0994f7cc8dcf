"""Request bodies as they come, without holding them in memory: the bytes, and the parts of multipart.

The caller bounds the size of a body; this module bounds its time. A body ends after ``SILENCE`` without a byte, and
when all of it takes longer than ``GRACE`` and its size at the pace ``SLOWEST``.

Clients send files in different ways: wire/files.md#requests-of-sdks (measured). So the file is the part that has a file
name, whatever the part is called, and what follows the closing boundary is ignored.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Final, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect
from starlette.types import Receive

MULTIPART: Final = "multipart/form-data"
MAX_PARTS: Final = 200
SILENCE: Final = 30.0
"""Seconds between two pieces of a body."""
GRACE: Final = 60.0
"""Seconds that a body may take in any case."""
SLOWEST: Final = 16_384
"""Bytes a second that a long body has to come with."""


class SlowError(Exception):
    """The body does not come in time."""


async def stream(receive: Receive, expected: Callable[[], int]) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a body as they come.

    Args:
        expected: returns the bytes that may come, asked again with each piece: what is known of a caller may change.

    Raises:
        SlowError: it does not come in time.
        ClientDisconnect: the caller has closed the connection.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    more = True
    while more:
        try:
            async with asyncio.timeout_at(min(start + GRACE + expected() / SLOWEST, loop.time() + SILENCE)):
                message = await receive()
        except TimeoutError:
            raise SlowError from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        data = message.get("body", b"")
        if data:
            yield data


def is_multipart(content_type: str) -> bool:
    """Whether the header Content-Type is that of multipart."""
    return content_type.partition(";")[0].strip().lower() == MULTIPART


class MalformedError(ValueError):
    """The body is not valid multipart."""


class Part(NamedTuple):
    """The head of a part."""

    name: str
    filename: str | None
    """None if the part is a field of a form."""


class Multipart:
    """Reads one body.

    Args:
        content_type: the header, with the boundary.

    Raises:
        MalformedError: it has no boundary that can be used.
    """

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise MalformedError("the header Content-Type must have a boundary")
        self._found: list[Part | bytes] = []
        self._parts = 0
        self._name = self._value = b""
        self._disposition = b""
        self._is_over = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_part_data": self._data,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._head,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise MalformedError(str(error)) from None

    def feed(self, data: bytes) -> Iterator[Part | bytes]:
        """Return what bytes of the body are: heads of parts, and the bytes of the part whose head came last.

        Raises:
            MalformedError: they are not valid.
        """
        if self._is_over:
            return iter(())
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise MalformedError(str(error)) from None
        found, self._found = self._found, []
        return iter(found)

    def close(self) -> None:
        """Say that the body is over; raise ``MalformedError`` if its closing boundary has not come."""
        if not self._is_over:
            raise MalformedError("the body must end with the closing boundary")

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise FormParserError(f"a body must have at most {MAX_PARTS} parts")
        self._disposition = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _head(self) -> None:
        _, options = parse_options_header(self._disposition)
        filename = options.get(b"filename")
        self._found.append(
            Part(
                options.get(b"name", b"").decode(errors="replace"),
                None if filename is None else filename.decode(errors="replace"),
            )
        )

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_over:
            self._found.append(data[start:end])

    def _end(self) -> None:
        self._is_over = True
