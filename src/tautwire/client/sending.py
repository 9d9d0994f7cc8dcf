"""The sending half of a client: a frame's way from the call to its reply.

A frame is looked at, waits for a connection and, if it is a message, for its turn; then it is sent, and its reply
awaited. What becomes of a frame whose connection ends meanwhile is decided in ``tautwire.client.sends``.
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from time import monotonic
from typing import Any, Final, cast

from tautwire.client.checks import check_seconds
from tautwire.client.connection import Connection
from tautwire.client.delivery import Delivery
from tautwire.client.errors import ClientClosed, NotConnected, NotSent, SendRefused, SendUnknown
from tautwire.client.metrics import Outcome
from tautwire.client.replies import Reply
from tautwire.client.settings import Settings
from tautwire.client.supervisor import ClientState, Supervisor
from tautwire.client.turn import Turn
from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Ack, ClientFrame, Message, PingMessage, Pong
from tautwire.protocol.ids import ChannelId, Ts, UserId
from tautwire.session.client import check_frame, parse_frame, type_of
from tautwire.session.members import member

_PASSING: Final = frozenset({"typing", "presence_query", "tickle"})
"""Frames that are worth nothing later and get no reply: those that may be dropped quietly."""

_REPLIES: Final[dict[str, type[Reply]]] = {"message": Ack, "ping": Pong}
"""What says that a frame arrived, by the type of the frame; no other frame gets a reply."""


class Sending:
    """Sends frames by whatever connection there is. All methods are for the loop."""

    def __init__(self, supervisor: Supervisor, delivery: Delivery, settings: Settings) -> None:
        self.turn = Turn(settings.message_rate)
        self._supervisor = supervisor
        self._delivery = delivery
        self._settings = settings
        delivery.step_taken = self._step_taken

    async def send(self, frame: ClientFrame | Mapping[str, Any] | str, timeout: float | None = None) -> Reply | None:  # noqa: ASYNC109 (it says what became of the frame, which asyncio.timeout does not)
        """Send as ``RTMClient.send`` does, for at most ``timeout`` seconds in all.

        Raises:
            NotSent: the time was over while the frame waited for a connection or its turn. Otherwise as there.
        """
        self._supervisor.check_loop()
        if timeout is not None:
            check_seconds("timeout", timeout)
        if isinstance(frame, str):
            frame = parse_frame(frame)
        check_frame(frame)
        kind = type_of(frame)
        if self._settings.offline == "drop" and kind in _PASSING and self._supervisor.is_between_connections:
            return None
        if kind == "presence_sub":
            self._subscribe(frame)
            return None
        until = None if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(until):
                connection = await self._live()
                if kind == "message":
                    await self.turn.wait()
                    connection = await self._live()  # it may have gone meanwhile
        except TimeoutError:
            raise NotSent(f"not sent within {timeout:g} s: the {kind} waited for a connection or its turn") from None
        future = self._post(connection, frame)
        if future is None:
            return None
        try:
            async with asyncio.timeout_at(until):
                reply = await future
        except TimeoutError:
            raise SendUnknown(f"no reply within {timeout:g} s; it may have happened or not") from None
        except SendRefused as error:
            if error.code == RtmErrorCode.SLOW_DOWN.number:
                self.turn.slow_down()
            raise
        if not isinstance(reply, _REPLIES[kind]):
            name = type(reply).__name__
            raise SendUnknown(
                f"the server answered a {kind} with a reply of another kind ({name}); it may have happened or not"
            )
        if isinstance(reply, Ack) and self._delivery.filler is not None:
            self._delivery.filler.sent(frame, reply.ts)
        return reply

    async def ping(self) -> float:
        """Ask for a sign of life; return the seconds it took."""
        self._supervisor.check_loop()
        connection = await self._live()
        sent_at = monotonic()
        future = self._post(connection, PingMessage())
        if future is not None:
            await future
        return monotonic() - sent_at

    def _step_taken(self, state: ClientState) -> None:
        """Let the messages that wait for their turn end, once there is no connection to send them on any more."""
        match state:
            case ClientState.CLOSED:
                self.turn.give_up(ClientClosed)
            case ClientState.IDLE | ClientState.FAILED:
                self.turn.give_up(lambda: self._supervisor.failure or NotConnected("the connection ended"))

    def _subscribe(self, frame: ClientFrame | Mapping[str, Any]) -> None:
        """Subscribe to presence on the connection there is, if there is one, and on every later one.

        Raises:
            ClientClosed: there will be none.
        """
        if self._supervisor.state is ClientState.CLOSED:
            raise ClientClosed
        connection = self._supervisor.connection
        if connection is not None and connection.is_live:
            self._post(connection, frame)
        self._delivery.presence = list(member(frame, "ids"))

    def _post(self, connection: Connection, frame: ClientFrame | Mapping[str, Any]) -> asyncio.Future[Reply] | None:
        future = connection.send(frame)
        if future is not None and self._delivery.is_measured:
            future.add_done_callback(partial(self._settled, type_of(frame), monotonic()))
        return future

    def _settled(self, kind: str, sent_at: float, future: asyncio.Future[Reply]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        outcome: Outcome = "refused" if isinstance(error, SendRefused) else "unknown"
        if error is None and isinstance(future.result(), _REPLIES[kind]):
            outcome = "delivered"
        self._delivery.metrics.reply_received(kind, outcome, monotonic() - sent_at)

    async def _live(self) -> Connection:
        """Return a connection that takes frames, waiting for one as long as the settings allow."""
        if self._settings.offline != "wait" and self._supervisor.connection is None:
            raise NotConnected("not connected now")
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                while not (connection := await self._supervisor.ready()).is_live:  # noqa: ASYNC110 (ready() waits)
                    await asyncio.sleep(0)  # it came and went
        except TimeoutError:
            raise NotConnected(f"no connection came back within {self._settings.send_timeout:g} s") from None
        return connection


def said(channel: str, text: str, thread_ts: str | None, reply_broadcast: bool | None) -> Message:
    """Return the frame that ``say`` sends."""
    thread = None if thread_ts is None else Ts(thread_ts)
    return Message(ChannelId(channel), text, thread_ts=thread, reply_broadcast=reply_broadcast)


def users(ids: Iterable[str]) -> list[UserId]:
    """Return ids as a list; what is none stays what it is, and is refused as a member of its frame."""
    is_list = isinstance(ids, Iterable) and not isinstance(ids, str | bytes)
    return [UserId(each) for each in ids] if is_list else cast("list[UserId]", ids)
