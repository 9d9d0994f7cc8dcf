"""What can go wrong, as one small tree of exceptions, and the numbered errors of RTM.

    TautwireError
    ├── ConfigError             what the caller configured cannot work
    ├── ProtocolError           a rule of the protocol was broken
    │   └── LocalProtocolError  by us, or nearly: nothing was sent
    ├── RtmError                the server answered a frame with an error .code .msg
    └── SendError               a frame was not sent, was refused, or its outcome is unknown .frame .channel

Exceptions carry data; their text ends with the next step when there is one. Secrets in what they are made of, such as
the server's words, are masked. The error strings of the Web API are in ``tautwire.protocol.error_codes``.
"""

from copy import copy
from enum import Enum
from typing import Final, Self

from tautwire.protocol.error_codes import ErrorCode
from tautwire.protocol.tokens import redact

__all__ = [
    "ConfigError",
    "ErrorCode",
    "LocalProtocolError",
    "ProtocolError",
    "RtmError",
    "RtmErrorCode",
    "SendError",
    "TautwireError",
]


class RtmErrorCode(Enum):
    """The numbered errors of RTM frames: error replies to a frame, and the error event that ends a session.

    ``int(code)`` and ``code.msg`` are what goes on the wire. Numbers are not unique (a client may branch on -1 only),
    so a number alone cannot be turned back into a member.

    Source: wire/replies-and-errors.md#error-codes; the marker of each stands with it.
    """

    SLOW_DOWN = (-1, "slow down, too many messages...")
    """Error reply; read in an SDK, which compares number and text literally."""

    INVALID_CHANNEL = (0, "invalid channel id")
    """Error reply; captured."""

    URL_EXPIRED = (1, "Socket URL has expired")
    """Error event; documented."""

    INVALID_FRAME = (1, "invalid frame")
    """Error reply to what is no frame; recommended."""

    NO_TEXT = (2, "message text is missing")
    """Error reply; documented."""

    TEXT_TOO_LONG = (3, "message text is too long")
    """Error reply; our own."""

    CANNOT_PROCESS = (4, "cannot process message")
    """Error reply; captured."""

    RATELIMITED = (17, "Ratelimited")
    """Error event, with ``retry_after`` in seconds; captured."""

    UNAUTHORIZED = (401, "unauthorized")
    """Error event; the number is captured, the text is ours."""

    def __init__(self, number: int, msg: str) -> None:
        self.number = number
        self.msg = msg

    def __int__(self) -> int:
        return self.number


_MAX_TEXT: Final = 1_000
"""Characters of a text in an exception: a server's own words may be megabytes."""


class TautwireError(Exception):
    """The root of everything this package raises on purpose.

    Secrets are masked in each text among ``args``, from which subclasses take what they carry besides, so that none
    gets into a message, a repr or an attribute, wherever the text came from. A text of more than 1,000 characters is
    cut.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(redact(_cut(each)) if isinstance(each, str) else each for each in args))


def _cut(text: str) -> str:
    if len(text) <= _MAX_TEXT:
        return text
    end = f"… ({len(text)} characters)"
    return text[: _MAX_TEXT - len(end)] + end


class ConfigError(TautwireError):
    """Something was configured in a way that cannot work."""


class ProtocolError(TautwireError):
    """A rule of the protocol was broken."""


class LocalProtocolError(ProtocolError):
    """The caller asked for what the protocol forbids; nothing was sent."""


class SendError(TautwireError):
    """A frame was not sent, was refused, or its outcome is unknown. The subclass says which."""

    frame: str = ""
    """The type of the frame, such as ``message``; "" if the error is of no frame."""
    channel: str | None = None
    """The channel of the frame, None if it has none."""

    def of(self, frame: str, channel: object) -> Self:
        """Return the same error, naming a frame and its channel. One error may be the outcome of several frames."""
        named = copy(self)
        named.frame, named.channel = frame, channel if isinstance(channel, str) else None
        return named

    def __str__(self) -> str:
        if not self.frame:
            return super().__str__()
        what = self.frame if self.channel is None else f"{self.frame} to {redact(self.channel)}"
        return f"{what}: {super().__str__()}"


class RtmError(TautwireError):
    """The server refused a frame, or the whole session, with a numbered error.

    Args:
        code: the number; see ``RtmErrorCode``.
        msg: the server's words.
    """

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(code, msg)
        self.code: int
        self.msg: str
        self.code, self.msg = self.args

    def __str__(self) -> str:
        advice = "; send less often" if self.code == int(RtmErrorCode.SLOW_DOWN) else ""
        return f"the server refused with error {self.code}: {self.msg}{advice}"
