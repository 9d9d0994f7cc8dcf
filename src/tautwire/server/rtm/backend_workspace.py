"""The backend that is this server's own workspace: a message becomes a unit, typing a whisper, presence our own.

Source of what the commands do: wire/frames.md#client-frames.
"""

from collections.abc import Sequence
from functools import partial

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Message, Typing
from tautwire.server.log.catchup import CatchUp
from tautwire.server.rtm.backend import Answer, Peer
from tautwire.server.services.messaging import messages
from tautwire.server.services.people.typing import whisper_typing
from tautwire.server.services.workspace import Workspace


class WorkspaceBackend:
    """Carries out RTM commands in a workspace. Every command is an activity: who only types or posts stays active."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._hub = workspace.hub
        self._presence = workspace.presence

    def catch_up(self, peer: Peer, position: int) -> CatchUp:
        """Return the missed events, from the tail in memory or from disk."""
        place = self._workspace
        channels = self._hub.channels_of(peer.user)
        return CatchUp(place.tail, place.reader, user=peer.user, position=position, channels=channels)

    def live(self, peer: Peer) -> None:
        """Record the activity."""
        self._presence.touch(peer.user)

    def ended(self, peer: Peer) -> None:
        """End the peer's subscription, and begin the grace of its user; the second also if the first raises."""
        try:
            self._presence.unsubscribe(peer)
        finally:
            self._presence.disconnected(peer.user)

    def post(self, peer: Peer, message: Message, answer: Answer) -> None:
        """Post the message to the writer, which answers after the commit."""
        self._presence.touch(peer.user)
        draft = messages.Draft(
            text=message.text, thread_ts=message.thread_ts, reply_broadcast=bool(message.reply_broadcast)
        )
        unit = partial(
            messages.post,
            team=self._workspace.team,
            who=peer.who,
            channel=message.channel,
            draft=draft,
            skip=peer.number,
        )
        self._workspace.writer.post(unit, answer)

    def type(self, peer: Peer, typing: Typing) -> RtmErrorCode | None:
        """Whisper to the other members; a channel without the user is unknown to the user."""
        self._presence.touch(peer.user)
        is_seen = whisper_typing(self._hub, peer.user, typing.channel, typing.thread_ts)
        return None if is_seen else RtmErrorCode.INVALID_CHANNEL

    def subscribe_presence(self, peer: Peer, users: Sequence[str]) -> RtmErrorCode | None:
        """Subscribe, unless all subscriptions of the server would take too much memory."""
        self._presence.touch(peer.user)
        return None if self._presence.subscribe(peer, users) else RtmErrorCode.CANNOT_PROCESS

    def query_presence(self, peer: Peer, users: Sequence[str]) -> None:
        """Send the present states."""
        self._presence.touch(peer.user)
        self._presence.answer(peer, users)

    def tickle(self, peer: Peer) -> None:
        """Record the activity."""
        self._presence.touch(peer.user)
