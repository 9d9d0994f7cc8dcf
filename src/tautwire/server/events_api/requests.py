"""Requests to apps over HTTP: a form, signed as events are, and the answer to it.

Source: wire/interactivity.md#requests.

They go to the same addresses as events and by the same code. Nothing is sent again. How many are open at a time, and
how large they are, ``services.interactivity.requests`` bounds for each app.
"""

from http import HTTPStatus
from time import monotonic
from typing import Final
from urllib.parse import urlencode

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.events_api.addresses import Addresses
from tautwire.server.events_api.receiver import JSON, TIMEOUT, Poster
from tautwire.server.events_api.recording import Recorder
from tautwire.server.services.controls import Controls
from tautwire.server.services.interactivity.requests import (
    MAX_ANSWER,
    Answer,
    NotAnswered,
    Request,
    read_answer,
)

FORM: Final = "application/x-www-form-urlencoded"
MAX_WAYS: Final = 100
"""Apps whose connections are kept."""


class _Way:
    """The connections to one app, with a resolver of its own: a name without an answer holds up no other app."""

    def __init__(self, poster: Poster) -> None:
        self.poster = poster
        self.requests = 0


class RequestDoor:
    """Asks the apps of a workspace that have no Socket Mode.

    Args:
        controls: has the journal that records the requests, while the control API is on.
    """

    def __init__(self, addresses: Addresses, clock: Clock, controls: Controls | None = None) -> None:
        self._recorder = Recorder("interactivity", controls)
        self._addresses = addresses
        self._clock = clock
        self._ways: dict[str, _Way] = {}  # by app; the one used longest ago first

    async def ask(self, url: str, secret: str, request: Request) -> Answer:
        """Post a request and return the answer.

        Raises:
            NotAnswered: operation_timeout, or dispatch_failed for every other failure.
        """
        way = self._ways.pop(request.app, None) or _Way(Poster(self._addresses, self._clock, limit=0))
        self._ways[request.app] = way
        way.requests += 1
        began = monotonic()
        try:
            outcome = await way.poster.post(url, secret, form_of(request), content_type=FORM, wanted=MAX_ANSWER + 1)
        finally:
            way.requests -= 1
            await self._close_idle()
        self._recorder.record(request.app, url, request.payload, outcome, began)
        if outcome.reason == TIMEOUT:
            raise NotAnswered("operation_timeout")
        if outcome.status != HTTPStatus.OK:
            raise NotAnswered("dispatch_failed")
        if outcome.content_type == JSON:
            return read_answer(outcome.body)
        try:
            text = outcome.body.decode()
        except UnicodeDecodeError:
            raise NotAnswered("dispatch_failed") from None
        if len(outcome.body) > MAX_ANSWER:
            raise NotAnswered("dispatch_failed")
        return Answer(text=text.strip())

    async def close(self) -> None:
        """Close the connections."""
        for way in self._ways.values():
            await way.poster.close()

    async def _close_idle(self) -> None:
        """Close the way to the app that was asked longest ago, if there are many."""
        idle = next((app for app, way in self._ways.items() if not way.requests), None)
        if len(self._ways) > MAX_WAYS and idle is not None:
            await self._ways.pop(idle).poster.close()


def form_of(request: Request) -> bytes:
    """Return the body: the fields of a command, or the field ``payload``."""
    if request.kind == "slash_commands":
        return urlencode(msgspec.json.decode(request.payload, type=dict[str, str])).encode()
    return urlencode({"payload": request.payload.decode()}).encode()
