"""Sends whose connection ended before the reply.

A message that got no reply before its connection ended may be stored or not. Some servers send the last message again
on the next connection (a ``message`` event with ``reply_to``), which settles it; the others end as ``SendUnknown``. An
id alone settles nothing: servers remember the last message of a user, who may have several programs, and each of those
numbers its frames by itself.
"""

import asyncio
import secrets
from typing import Final

from tautwire.client.connection.connection import Connection
from tautwire.client.connection.replies import Stored, give_up, settle
from tautwire.protocol.codec import decode_command
from tautwire.protocol.events import MessageEvent
from tautwire.protocol.frames import Ack, Message
from tautwire.protocol.ids import ChannelId
from tautwire.protocol.text import Link, Text, build, parse
from tautwire.session.outgoing import Sent

REPLAY_WAIT: Final = 2.0
"""Seconds after a hello in which the last message may be sent again.
Source: wire/reconnecting.md#the-replay-of-the-last-message (read in an SDK)."""


def first_id() -> int:
    """Return where a client begins to count its frames: a positive number that no other client is likely to reach.

    Far below 2**31, since servers may keep ids in 32 bits. Not from ``random``, which programs seed.
    """
    return 1 + secrets.randbelow(2**29)


class UnansweredSends:
    """Sends whose connection ended before the reply, and the last one that had got its ack: either may come again."""

    def __init__(self) -> None:
        self.waiting: dict[int, Sent] = {}
        """Pending sends, by the id of the frame on the connection that ended."""
        self._stored: Stored | None = None
        self._timer: asyncio.TimerHandle | None = None

    def adopt(self, connection: Connection, seconds: float) -> None:
        """Take over the sends of a connection that ended; they wait ``seconds`` more at most."""
        for sent in connection.take_unanswered():
            if sent.id in self.waiting:  # of a connection before, when the user chose the same id
                give_up(self.waiting[sent.id])
            self.waiting[sent.id] = sent
        self._stored = connection.stored or self._stored
        if self.waiting:
            self.give_up_after(seconds)

    def is_replay(self, message: MessageEvent, me: str) -> bool:
        """Return whether a message is one of ours (user ``me``) that is sent again, and end its send as stored.

        False also for a message whose send ended as unknown: its event is news.
        """
        if message.reply_to is None or message.user != me:
            return False
        stored = self._stored
        if stored is not None and stored.ts == message.ts and _message(stored.payload).channel == message.channel:
            return True
        sent = self.waiting.get(message.reply_to)
        if sent is None or not _is_copy(message, _message(sent.payload)):
            return False
        del self.waiting[message.reply_to]
        self._stored = Stored(sent.payload, message.ts)
        settle(sent, Ack(message.reply_to, message.ts, message.text))
        return True

    def give_up_after(self, seconds: float) -> None:
        """End pending sends as unknown after so many seconds."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self.give_up)

    def give_up(self) -> None:
        """End all pending sends as unknown."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for sent in self.waiting.values():
            give_up(sent)
        self.waiting.clear()


_SCHEMES: Final = ("", "http://", "https://", "mailto:", "tel:")
"""What a server puts before an address that it finds in a text."""


def _message(payload: bytes) -> Message:
    """Return the message that was sent; for any other frame a message that no event can be a copy of."""
    frame = decode_command(payload)
    return frame if isinstance(frame, Message) else Message(ChannelId(""), "")


def _is_copy(message: MessageEvent, sent: Message) -> bool:
    """Return whether an event is the very message that was sent. When in doubt it is not: a send must not end well by
    mistake.

    A replay need not name the thread. Source: wire/reconnecting.md#the-replay-of-the-last-message.
    """
    return (
        message.channel == sent.channel
        and message.thread_ts in (None, message.ts, sent.thread_ts)
        and _plain(message.text) == _plain(sent.text)
    )


def _plain(text: str) -> str:
    """Return what is left of a text without what servers add: escapes that were missing, and links."""
    return build(
        Text(piece.label or piece.url) if isinstance(piece, Link) and _is_bare(piece) else piece
        for piece in parse(text)
    )


def _is_bare(link: Link) -> bool:
    """Return whether a link shows its own address, as the text had it."""
    return link.label is None or link.url in [scheme + link.label for scheme in _SCHEMES]
