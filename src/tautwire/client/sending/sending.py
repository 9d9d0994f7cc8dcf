"""The sending half of a client: a frame's way from the call to its reply.

    checked ─► waits for a connection ─► a message: waits for its turn ─► sent ─► its reply is awaited

A frame whose connection ends before the reply is in the hands of ``client/sending/unanswered``.
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from time import monotonic
from typing import Any, Final, cast

from tautwire.client.backfill.filler import Filler
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.observer import Observer
from tautwire.client.connection.replies import Reply
from tautwire.client.connection.supervisor import Supervisor
from tautwire.client.errors import ClientClosed, ConnectRefused, NotConnected, NotSent, SendRefused, SendUnknown
from tautwire.client.guard import isolated
from tautwire.client.handlers.callbacks import Callbacks
from tautwire.client.metrics import Metrics, Outcome
from tautwire.client.notices import ClientState
from tautwire.client.sending.channel_names import with_channel_id
from tautwire.client.sending.pacer import MessagePacer
from tautwire.client.sending.unanswered import REPLAY_WAIT, UnansweredSends
from tautwire.client.settings import Settings, check_seconds
from tautwire.client.view.view import View
from tautwire.protocol.errors import RtmErrorCode, SendError
from tautwire.protocol.frames import Ack, ClientFrame, Message, Pong, PresenceSub
from tautwire.protocol.ids import ChannelId, Ts, UserId
from tautwire.session.client import Ended
from tautwire.session.members import FrameError, member
from tautwire.session.outgoing import PING, Prepared, parse_frame, prepare, type_of

_PASSING: Final = frozenset({"typing", "presence_query", "tickle"})
"""Frames that are of no use later and get no reply: ``offline="drop"`` forgets them."""

_REPLIES: Final[dict[str, type[Reply]]] = {"message": Ack, "ping": Pong}
"""The reply that confirms a frame, by the type of the frame. Other frames get no reply."""


class Sending(Observer):
    """Sends frames by whatever connection there is. All methods are for the loop.

    Args:
        supervisor: keeps the connection.
        unanswered: takes over the sends of a connection that ends.
        callbacks: gets the reports of refused frames.
        settings: rates and time limits.
        metrics: the hooks to call; None for none.
        filler: learns which messages of a channel are ours.
        view: knows the ids of channel names.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        unanswered: UnansweredSends,
        callbacks: Callbacks,
        settings: Settings,
        *,
        metrics: Metrics | None = None,
        filler: Filler | None = None,
        view: View | None = None,
    ) -> None:
        self.pacer = MessagePacer(settings.message_rate)
        self.unanswered = unanswered
        self._supervisor = supervisor
        self._callbacks = callbacks
        self._settings = settings
        self._metrics = metrics
        self._filler = filler
        self._view = view
        self._presence: list[UserId] | None = None
        """The users whose presence every new connection subscribes to."""

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
        try:
            return await self._send(with_channel_id(frame, self._view), timeout)
        except SendError as error:
            raise error.of(type_of(frame), member(frame, "channel")) from error.__cause__

    async def _send(self, frame: ClientFrame | Mapping[str, Any], timeout: float | None) -> Reply | None:  # noqa: ASYNC109 (as in send)
        prepared = prepare(frame)
        kind = prepared.kind
        if self._settings.offline == "drop" and kind in _PASSING and self._supervisor.is_between_connections:
            return None
        if kind == "presence_sub":
            self._subscribe(prepared, member(frame, "ids"))
            return None
        until = None if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            async with asyncio.timeout_at(until):
                connection = await self._live()
                if kind == "message" and await self.pacer.wait():
                    connection = await self._live()  # it may have gone meanwhile
        except TimeoutError:
            raise NotSent(f"not sent within {timeout:g} s: the {kind} waited for a connection or its turn") from None
        future = self._post(connection, prepared)
        if future is None:
            return None
        try:
            async with asyncio.timeout_at(until):
                reply = await future
        except TimeoutError:
            raise SendUnknown(f"no reply within {timeout:g} s; it may or may not have been stored") from None
        except SendRefused as error:
            if error.code == RtmErrorCode.SLOW_DOWN.number:
                self.pacer.slow_down()
            raise
        if not isinstance(reply, _REPLIES[kind]):
            name = type(reply).__name__
            raise SendUnknown(
                f"the server answered a {kind} with another kind of reply ({name}); it may or may not have been stored"
            )
        if isinstance(reply, Ack) and self._filler is not None:
            self._filler.sent(frame, reply.ts)
        return reply

    async def ping(self) -> float:
        """Send a ping; return the seconds until its pong."""
        self._supervisor.check_loop()
        connection = await self._live()
        sent_at = monotonic()
        future = self._post(connection, PING)
        if future is not None:
            await future
        return monotonic() - sent_at

    # -- what the supervisor reports ------------------------------------------------------------------------

    def connection_opened(self, new: Connection) -> None:
        """See ``Observer``. A last message may be replayed now; subscribe to presence again."""
        if self.unanswered.waiting:
            self.unanswered.give_up_after(REPLAY_WAIT)
        if self._presence is not None and new.is_live:  # a successor may end before it may speak
            try:
                new.send(prepare(PresenceSub(self._presence)))
            except FrameError as error:  # its id has more digits than before, or is taken
                self._callbacks.refused(error)

    def connection_closed(
        self, connection: Connection, ended: Ended, *, was_replaced: bool, will_reconnect: bool
    ) -> None:
        """See ``Observer``. Keep the sends without a reply for a while: another connection may bring it."""
        isolated(self.unanswered.adopt, connection, self._settings.timeouts.reply)
        if not will_reconnect:
            self.unanswered.give_up()

    def state_changed(self, state: ClientState) -> None:
        """See ``Observer``. Fail the messages that wait for their turn when no connection will come."""
        match state:
            case ClientState.CLOSED:
                self.pacer.give_up(ClientClosed)
            case ClientState.IDLE | ClientState.FAILED:
                self.pacer.give_up(lambda: self._supervisor.failure or NotConnected("the connection ended"))

    def _subscribe(self, frame: Prepared, ids: Iterable[UserId]) -> None:
        """Subscribe to the presence of users on the connection there is, if there is one, and on every later one.

        Raises:
            ClientClosed: there will be none.
        """
        if self._supervisor.state is ClientState.CLOSED:
            raise ClientClosed
        connection = self._supervisor.connection
        if connection is not None and connection.is_live:
            self._post(connection, frame)
        self._presence = list(ids)

    def _post(self, connection: Connection, frame: Prepared) -> asyncio.Future[Reply] | None:
        future = connection.send(frame)
        if future is not None and self._metrics is not None:
            future.add_done_callback(partial(_settled, self._metrics, frame.kind, monotonic()))
        return future

    async def _live(self) -> Connection:
        """Return a connection that takes frames, waiting for one as long as the settings allow."""
        if self._settings.offline != "wait" and self._supervisor.connection is None:
            raise NotConnected(f"not connected now, and offline={self._settings.offline!r}: the frame does not wait")
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                # a connection may end between the moment it is there and the moment this task goes on
                while not (connection := await self._supervisor.ready()).is_live:  # noqa: ASYNC110 (ready() waits)
                    await asyncio.sleep(0)
        except ConnectRefused as error:
            raise NotConnected(f"not connected: {error}") from error
        except TimeoutError:
            raise NotConnected(f"no connection came back within {self._settings.send_timeout:g} s") from None
        return connection


def _settled(metrics: Metrics, kind: str, sent_at: float, future: asyncio.Future[Reply]) -> None:
    if future.cancelled():
        return
    error = future.exception()
    outcome: Outcome = "refused" if isinstance(error, SendRefused) else "unknown"
    if error is None and isinstance(future.result(), _REPLIES[kind]):
        outcome = "delivered"
    metrics.reply_received(kind, outcome, monotonic() - sent_at)


def said(channel: str, text: str, thread_ts: str | None, reply_broadcast: bool | None) -> Message:
    """Return the frame that ``say`` sends."""
    thread = None if thread_ts is None else Ts(thread_ts)
    return Message(ChannelId(channel), text, thread_ts=thread, reply_broadcast=reply_broadcast)


def users(ids: Iterable[str]) -> list[UserId]:
    """Return ids as a list. Any other value stays as it is, and is refused as a member of its frame."""
    is_list = isinstance(ids, Iterable) and not isinstance(ids, str | bytes)
    return [UserId(each) for each in ids] if is_list else cast("list[UserId]", ids)
