"""The commands of clients: a message becomes a unit, typing a whisper, a presence frame a subscription.

Source: wire/frames.md#client-frames.
"""

import logging
from functools import partial
from typing import Final

import msgspec

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Message, PresenceQuery, PresenceSub, Typing
from tautwire.protocol.ids import is_ts
from tautwire.server.log.entry import Topic
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.rtm.replays import Replays, Sent
from tautwire.server.services import messages
from tautwire.server.services.errors import MethodError
from tautwire.server.services.presence import Presence
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import StoreError
from tautwire.session.server import Command

log = logging.getLogger("tautwire.server.rtm")

REFUSALS: Final = {
    "channel_not_found": RtmErrorCode.INVALID_CHANNEL,
    "not_in_channel": RtmErrorCode.INVALID_CHANNEL,
}
"""Error codes of RTM for refusals of the services; any other is ``cannot process message``.
Source: wire/replies-and-errors.md#error-codes."""


class Commands:
    """Carries out the commands of all connections."""

    def __init__(self, workspace: Workspace, presence: Presence, replays: Replays) -> None:
        self._workspace = workspace
        self._presence = presence
        self._replays = replays

    def carry_out(self, connection: RtmConnection, command: Command) -> None:
        """Carry out a command; an answer, if there is one, is queued later."""
        # Every command is an activity, so a user that only types or posts does not become away.
        self._presence.touch(connection.user)
        if type(command) is Message:  # by far the most frequent: tested before the match
            self._post(connection, command)
            return
        match command:
            case Typing():
                self._type(connection, command)
            case PresenceSub():
                if not self._presence.subscribe(connection, command.ids):
                    self._fail(connection, command.id, RtmErrorCode.CANNOT_PROCESS)
            case PresenceQuery():
                self._presence.answer(connection, list(dict.fromkeys(command.ids)))

    def _post(self, connection: RtmConnection, message: Message) -> None:
        """Post a message to the writer; its ack or error is sent after the commit."""
        draft = messages.Draft(
            text=message.text, thread_ts=message.thread_ts, reply_broadcast=bool(message.reply_broadcast)
        )
        unit = partial(
            messages.post,
            team=self._workspace.team,
            who=connection.who,
            channel=message.channel,
            draft=draft,
            skip=connection.number,
        )
        self._workspace.writer.post(unit, partial(self._answer, connection, message.id))

    def _answer(
        self,
        connection: RtmConnection,
        message_id: int | None,
        posted: messages.Posted | None,
        error: BaseException | None,
    ) -> None:
        # Called on the loop by the writer's report: an error here must not reach the results of other units.
        try:
            self._reply(connection, message_id, posted, error)
        except Exception as failure:  # noqa: BLE001 - logged there
            self._workspace.hub.give_up(connection, "the answer to its message could not be sent", failure)

    def _reply(
        self,
        connection: RtmConnection,
        message_id: int | None,
        posted: messages.Posted | None,
        error: BaseException | None,
    ) -> None:
        if posted is not None:
            reply = connection.session.acknowledge(message_id, posted.ts, posted.body["text"])
            self._workspace.counts.acks += reply is not None
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
            self._workspace.counts.rtm_errors[int(refusal)] += reply is not None
        if reply is not None:
            connection.send(reply)

    def _type(self, connection: RtmConnection, typing: Typing) -> None:
        """Show the typing to the other members; success has no reply, an unknown channel gets an error.

        Source: wire/frames.md#client-frames.
        """
        channel = Topic(typing.channel)
        user = connection.user
        hub = self._workspace.hub
        if channel in hub.channels_of(user):
            payload = {"type": "user_typing", "channel": channel, "user": user}
            if typing.thread_ts is not None and is_ts(typing.thread_ts):
                payload["thread_ts"] = typing.thread_ts
            hub.whisper(channel, msgspec.json.encode(payload), but=user)
            return
        self._fail(connection, typing.id, RtmErrorCode.INVALID_CHANNEL)

    def _fail(self, connection: RtmConnection, frame_id: int | None, code: RtmErrorCode) -> None:
        """Send an error for a frame that has no reply otherwise."""
        reply = connection.session.fail(frame_id, code)
        self._workspace.counts.rtm_errors[int(code)] += reply is not None
        if reply is not None:
            connection.send(reply)
