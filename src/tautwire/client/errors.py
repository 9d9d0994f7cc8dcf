"""What can go wrong for a user of the client, as a branch of the tree in ``tautwire.protocol.errors``.

    TautwireError
    ├── ConnectError            no connection came about; another try may work
    │   ├── RateLimited         the server wants a pause                         .retry_after
    │   └── ConnectRefused      no attempt will work until token, scopes or workspace change .code
    ├── SendError               a frame was not sent or not accepted         .frame .channel
    │   ├── NotConnected        there is no connection; also raised by other calls
    │   ├── ClientClosed        close() was called; also raised by other calls
    │   ├── NotSent             the message waited too long, or too many wait already
    │   ├── SendRefused         the server refused it; also an RtmError      .code .msg
    │   ├── SendUnknown         sent, but not answered: it may be stored or not
    │   └── FrameError          it must not be sent as it is; also a LocalProtocolError and a ValueError
    ├── EventsDropped           the queue of a handler ran full; for error handlers .handler .count
    ├── BackfillIncomplete      messages of a gap may be missing; for error handlers .channel .since .reason
    ├── ViewIncomplete          part of the local view could not be read                 .what .reason
    └── (from protocol.errors)
        └── ProtocolError ── UnreadableFrame  the server sent no event and no reply; for error handlers .reason

None ever contains a token, the address of a ticket or a proxy password, also where it repeats the server's words:
``TautwireError`` masks what it is given. A connection that ended unasked is no error: close handlers hear of it.
"""

# ruff: noqa: N818 - they read as what happened, like ConnectionResetError without the suffix

from tautwire.protocol.errors import ProtocolError, RtmError, SendError, TautwireError
from tautwire.protocol.ids import ChannelId, Ts


class ConnectError(TautwireError):
    """No connection came about: the API or the socket could not be reached, refused, or said nothing in time."""


class RateLimited(ConnectError):
    """The server wants no ``rtm.connect`` for some time.

    Args:
        retry_after: that time, in seconds.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"rtm.connect is rate-limited; try again after {self.retry_after:g} s"


class ConnectRefused(ConnectError):
    """``rtm.connect`` was refused, and will be until token, scopes or workspace change.

    Args:
        code: the Web API's error string, such as ``invalid_auth``.
        needed: the scope that is missing, where the server names it.
    """

    def __init__(self, code: str, needed: str = "") -> None:
        super().__init__(code, needed)
        self.code: str
        self.needed: str
        self.code, self.needed = self.args

    def __str__(self) -> str:
        return f"rtm.connect was refused: {self.code}" + (f" (needed: {self.needed})" if self.needed else "")


class NotConnected(SendError):
    """There is no connection."""

    def __init__(self, message: str = "not connected; call connect() first") -> None:
        super().__init__(message)


class ClientClosed(SendError):
    """The client was closed for good; make a new one."""

    def __init__(self, message: str = "the client is closed; make a new one") -> None:
        super().__init__(message)


class SendRefused(SendError, RtmError):
    """The server answered the frame with an error; the message is not stored.

    The code is 0 where the server gave a text without a number, such as ``not_in_channel``.
    """


class NotSent(SendError):
    """The message was not sent: too many wait for their turn already, or its time was over while it waited."""


class SendUnknown(SendError):
    """The frame went out, but no answer came: the message may be stored or not. Do not send it again blindly."""


class UnreadableFrame(ProtocolError):
    """The server sent a frame that is no event and no reply. Error handlers get this with the ``MalformedEvent``.

    Args:
        reason: what is wrong with it; nothing of the frame stands in it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: str
        (self.reason,) = self.args

    def __str__(self) -> str:
        return f"the server sent a frame that cannot be read: {self.reason}"


class EventsDropped(TautwireError):
    """The queue of a handler is full: the event this came with, and perhaps more, never reach that handler.

    Args:
        handler: its name.
        count: events that were dropped since the last report, the one this came with among them. Those that follow
            are reported when the queue is full the next time; ``queues()`` counts all.
    """

    def __init__(self, handler: str, count: int = 1) -> None:
        super().__init__(handler, count)
        self.handler: str
        self.count: int
        self.handler, self.count = self.args

    def __str__(self) -> str:
        what = "an event was" if self.count == 1 else f"{self.count} events were"
        return f"the queue of handler {self.handler} is full: {what} dropped since the last report"


class BackfillIncomplete(TautwireError):
    """A channel was not filled to the end: messages of a gap may be missing. What was found is delivered all the same.

    Args:
        channel: its id.
        since: the ts after which messages may be missing.
        reason: the Web API's error string, or a sentence.
    """

    def __init__(self, channel: ChannelId, since: Ts, reason: str) -> None:
        super().__init__(channel, since, reason)
        self.channel: ChannelId
        self.since: Ts
        self.reason: str
        self.channel, self.since, self.reason = self.args

    def __str__(self) -> str:
        return f"messages of {self.channel} after {self.since} may be missing: {self.reason}"


class ViewIncomplete(TautwireError):
    """A part of the local view could not be read: the view shows what it had before, changed by events.

    Args:
        what: the part, such as ``users``.
        reason: the Web API's error string, or a sentence.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what: str
        self.reason: str
        self.what, self.reason = self.args

    def __str__(self) -> str:
        return f"the view lacks {self.what}: {self.reason}"
