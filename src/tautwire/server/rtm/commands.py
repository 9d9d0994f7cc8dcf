"""The commands of clients and their replies: a command goes to the backend, its answer becomes a frame.

Source: wire/frames.md#client-frames, wire/replies-and-errors.md.
"""

import logging
from functools import partial
from typing import Final

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Message, PresenceQuery, PresenceSub, Tickle, Typing
from tautwire.server.counts import Counts
from tautwire.server.hub.hub import Hub
from tautwire.server.rtm.backend import Backend, Posted
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.rtm.replays import Replays, Sent
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import StoreError
from tautwire.session.server import Command

log = logging.getLogger("tautwire.server.rtm")

REFUSALS: Final = {
    "channel_not_found": RtmErrorCode.INVALID_CHANNEL,
    "no_text": RtmErrorCode.NO_TEXT,
    "not_in_channel": RtmErrorCode.INVALID_CHANNEL,
    "ratelimited": RtmErrorCode.SLOW_DOWN,
}
"""Error codes of RTM for refusals, by the error of the Web API; any other is ``cannot process message``.
Source: wire/replies-and-errors.md#error-codes."""


class Commands:
    """Passes the commands of all connections to the backend, and replies."""

    def __init__(self, backend: Backend, hub: Hub, counts: Counts, replays: Replays) -> None:
        self._backend = backend
        self._hub = hub
        self._counts = counts
        self._replays = replays

    def carry_out(self, connection: RtmConnection, command: Command) -> None:
        """Carry out a command; an answer, if there is one, is queued later."""
        backend = self._backend
        if type(command) is Message:  # by far the most frequent: tested before the match
            backend.post(connection, command, partial(self._answer, connection, command.id))
            return
        match command:
            case Typing():
                self._fail(connection, command.id, backend.type(connection, command))
            case PresenceSub():
                self._fail(connection, command.id, backend.subscribe_presence(connection, command.ids))
            case PresenceQuery():
                backend.query_presence(connection, list(dict.fromkeys(command.ids)))
            case Tickle():
                backend.tickle(connection)

    def _answer(
        self,
        connection: RtmConnection,
        message_id: int | None,
        posted: Posted | None,
        error: BaseException | None,
    ) -> None:
        # Called by the backend, for many messages in a row: an error here must not reach the answers of others.
        try:
            self._reply(connection, message_id, posted, error)
        except Exception as failure:  # noqa: BLE001 - logged there
            self._hub.give_up(connection, "the answer to its message could not be sent", failure)

    def _reply(
        self,
        connection: RtmConnection,
        message_id: int | None,
        posted: Posted | None,
        error: BaseException | None,
    ) -> None:
        if posted is not None:
            reply = connection.session.acknowledge(message_id, posted.ts, posted.body["text"])
            self._counts.acks += reply is not None
            if message_id is not None:
                connection.sent = Sent(message_id, posted)
                # No reply: the connection has ended since, and its user's next one may need the replay.
                if reply is None and not connection.left:
                    self._replays.lost(connection.user, connection.sent)
        else:
            if not isinstance(error, MethodError | StoreError):
                log.error("a message of %s could not be posted", connection.user, exc_info=error)
            code = error.code if isinstance(error, MethodError) else ""
            refusal = REFUSALS.get(code, RtmErrorCode.CANNOT_PROCESS)
            reply = connection.session.reject(message_id, refusal)
            self._counts.rtm_errors[int(refusal)] += reply is not None
        if reply is not None:
            connection.send(reply)

    def _fail(self, connection: RtmConnection, frame_id: int | None, code: RtmErrorCode | None) -> None:
        """Send an error for a frame that has no reply otherwise; none if there is no error."""
        if code is None:
            return
        reply = connection.session.fail(frame_id, code)
        self._counts.rtm_errors[int(code)] += reply is not None
        if reply is not None:
            connection.send(reply)
