"""The backend of the RTM door that carries commands to the upstream; what bots missed comes from the gateway's log."""

from collections.abc import Sequence

from tautwire.gateway.presence import Presence
from tautwire.gateway.sending import Sending
from tautwire.gateway.typing_status import TypingStatus
from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Message, Typing
from tautwire.server.hub.hub import Hub
from tautwire.server.log.catchup import CatchUp
from tautwire.server.log.tail import Tail
from tautwire.server.rtm.backend import Answer, Peer
from tautwire.server.store.reader import Reader


class UpstreamBackend:
    """Carries out RTM commands at the upstream. Source: wire/events-api.md#what-only-rtm-has."""

    def __init__(
        self, sending: Sending, presence: Presence, typing: TypingStatus, *, hub: Hub, tail: Tail, reader: Reader
    ) -> None:
        self._sending = sending
        self._presence = presence
        self._typing = typing
        self._hub = hub
        self._tail = tail
        self._reader = reader

    def catch_up(self, peer: Peer, position: int) -> CatchUp:
        """Return the missed events. All entries are of the topic of the workspace: the log is that of one bot."""
        channels = self._hub.channels_of(peer.user)
        return CatchUp(self._tail, self._reader, user=peer.user, position=position, channels=channels)

    def live(self, peer: Peer) -> None:
        """Do nothing: the upstream shows the bot as active by the settings of its app."""

    def ended(self, peer: Peer) -> None:
        """Forget the peer's subscription."""
        self._presence.forget(peer)

    def post(self, peer: Peer, message: Message, answer: Answer) -> None:
        """Queue the message for the upstream, which answers."""
        self._typing.end(message.channel)
        self._sending.post(peer, message, answer)

    def type(self, peer: Peer, typing: Typing) -> RtmErrorCode | None:
        """Show it in the thread, if the settings want that; no method shows that a bot is typing in a channel."""
        self._typing.type(typing.channel, typing.thread_ts)
        return None

    def subscribe_presence(self, peer: Peer, users: Sequence[str]) -> RtmErrorCode | None:
        """Subscribe, unless all subscriptions are too many."""
        return None if self._presence.subscribe(peer, users) else RtmErrorCode.CANNOT_PROCESS

    def query_presence(self, peer: Peer, users: Sequence[str]) -> None:
        """Answer from what is known, and ask for the rest."""
        self._presence.query(peer, users)

    def tickle(self, peer: Peer) -> None:
        """Do nothing; see ``live``."""
