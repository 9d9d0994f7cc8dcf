"""Requests to apps: sent over the door of the app, answered once within three seconds or not at all.

A request is not in the log and is never sent again. An app in Socket Mode gets all of its requests over its
connections; another gets them at the URLs that it has set. The doors send, this module waits: it numbers a request, and
takes the first answer of the app that was asked. A later answer, one to an unknown number, or one of another app has no
effect. Source: wire/interactivity.md#requests.
"""

import asyncio
from collections import Counter
from functools import partial
from typing import Any, Final, Literal, Protocol
from uuid import uuid4

import msgspec

from tautwire.protocol.errors import TautwireError
from tautwire.server.services import nesting
from tautwire.server.services.access.features import Route, find_route
from tautwire.server.store.reader import Reader

TIME_LIMIT: Final = 3.0
"""Seconds for an answer. Source: wire/interactivity.md#requests (documented)."""
MAX_OPEN: Final = 100
"""Open requests of an app (ours)."""
MAX_BYTES: Final = 8_388_608
"""Bytes of the open requests of an app (ours)."""
MAX_OPEN_IN_ALL: Final = 2_000
"""Open requests of all apps of a workspace (ours)."""
MAX_ANSWER: Final = 524_288
"""Bytes of an answer (ours): the largest view has 250,000, and JSON may escape each of them."""

MAX_ACK: Final = MAX_ANSWER + 1_024
"""Bytes of an acknowledgement with an answer."""

Reason = Literal["operation_timeout", "dispatch_failed"]
"""Why there is no answer: the app took too long, or could not be asked. Source: wire/interactivity.md#requests."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What an app is asked."""

    app: str
    kind: Literal["slash_commands", "interactive"]
    payload: bytes
    """A JSON object; of a command, one of texts."""
    wants_options: bool = False
    """Whether the options of a menu are asked for, which may have a URL of their own."""
    command: str = ""
    """The name of a slash command, which may have a URL of its own."""


class Answer(msgspec.Struct, frozen=True):
    """What an app answered: a JSON object, a text, or nothing."""

    body: dict[str, Any] | None = None
    text: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the app only acknowledged."""
        return not self.body and not self.text


class NotAnswered(TautwireError):  # noqa: N818 - an outcome
    """The app did not answer."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Sockets(Protocol):
    """The door of Socket Mode, as requests use it."""

    def ask(self, app: str, envelope_id: str, request: Request) -> bool:
        """Send a request on one of the app's connections; return False if none can take it."""


class Urls(Protocol):
    """The door over HTTP, as requests use it."""

    async def ask(self, url: str, secret: str, request: Request) -> Answer:
        """Post a request to a URL and return the answer; raise ``NotAnswered``."""


class _Open:
    """A request that waits for its answer over Socket Mode."""

    __slots__ = ("answer", "app")

    def __init__(self, app: str) -> None:
        self.app = app
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()


class Requests:
    """The requests of a workspace."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._sockets: Sockets | None = None
        self._urls: Urls | None = None
        self._open: dict[str, _Open] = {}  # by the id of the envelope
        self._counts: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    def send_by(self, sockets: Sockets, urls: Urls) -> None:
        """Use these doors; without them no app can be asked."""
        self._sockets, self._urls = sockets, urls

    async def ask(self, request: Request) -> Answer:
        """Send a request to its app, and return the answer.

        Raises:
            NotAnswered: operation_timeout after three seconds; dispatch_failed, mostly at once, if the app has no
                connection or no URL, has interactivity switched off, or answers with something else than 200 or JSON.
        """
        app, size = request.app, len(request.payload)
        is_too_much = self._counts[app] >= MAX_OPEN or self._bytes[app] + size > MAX_BYTES
        if self._is_closed or is_too_much or self._counts.total() >= MAX_OPEN_IN_ALL:
            raise NotAnswered("dispatch_failed")
        self._counts[app] += 1
        self._bytes[app] += size
        task = asyncio.ensure_future(self._ask(request))
        self._tasks.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if self._is_closed:
                raise NotAnswered("dispatch_failed") from None
            raise
        finally:
            task.cancel()
            self._tasks.discard(task)
            _subtract(self._counts, app, 1)
            _subtract(self._bytes, app, size)

    def answered(self, app: str, envelope_id: str, payload: bytes) -> None:
        """Take an acknowledgement of an app in Socket Mode; no effect if the app was not asked this, or answers late.

        Args:
            payload: the JSON of the answer; empty for none.
        """
        asked = self._open.get(envelope_id)
        if asked is None or asked.app != app or asked.answer.done():
            return
        try:
            asked.answer.set_result(read_answer(payload))
        except NotAnswered as failure:
            asked.answer.set_exception(failure)

    def close(self) -> None:
        """End the open requests, and refuse others."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()

    @property
    def open_requests(self) -> int:
        """How many requests wait for an answer."""
        return self._counts.total()

    async def _ask(self, request: Request) -> Answer:
        route = await self._reader.read(partial(find_route, app=request.app, command=request.command))
        if route is None or (request.kind == "interactive" and not route.is_interactive):
            raise NotAnswered("dispatch_failed")
        if route.socket_mode:
            return await self._ask_socket(request)
        url = _url(request, route)
        if self._urls is None or not url or not route.signing_secret:
            raise NotAnswered("dispatch_failed")
        return await self._urls.ask(url, route.signing_secret, request)

    async def _ask_socket(self, request: Request) -> Answer:
        envelope_id = str(uuid4())
        asked = self._open[envelope_id] = _Open(request.app)
        try:
            if self._sockets is None or not self._sockets.ask(request.app, envelope_id, request):
                raise NotAnswered("dispatch_failed")
            async with asyncio.timeout(TIME_LIMIT):
                return await asked.answer
        except TimeoutError:
            raise NotAnswered("operation_timeout") from None
        finally:
            del self._open[envelope_id]


def read_answer(payload: bytes) -> Answer:
    """Return the answer in JSON; an empty object is none, as an empty payload is.

    Raises:
        NotAnswered: dispatch_failed, if it is not an object, or is too long or too deep.
    """
    if len(payload) > MAX_ANSWER:
        raise NotAnswered("dispatch_failed")
    if not payload.strip():
        return Answer()
    try:
        body = nesting.decode(payload)
    except ValueError:
        raise NotAnswered("dispatch_failed") from None
    if not isinstance(body, dict | None):
        raise NotAnswered("dispatch_failed")
    return Answer(body or None)


def _url(request: Request, route: Route) -> str:
    if request.kind == "slash_commands":
        return route.command_url
    return (route.options_url if request.wants_options else "") or route.request_url


def _subtract(counter: Counter[str], app: str, amount: int) -> None:
    counter[app] -= amount
    if counter[app] <= 0:
        del counter[app]
