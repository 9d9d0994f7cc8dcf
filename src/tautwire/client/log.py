"""The loggers of the client, and the filter that keeps secrets out of them.

The libraries below us print URLs, headers and whole answers at DEBUG level, with tokens and tickets in them. They get
loggers of ours, and every record made through these is redacted before any handler sees it.
"""

import logging
import traceback
from typing import Any, Final

from tautwire.protocol.tokens import redact

_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
"""Control characters and how a log shows them: a server's words must not begin a line that looks like a record."""


class Redactor(logging.Filter):
    """Masks secrets in a record's text and traceback, and keeps the text in one line; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean a record."""
        record.msg = redact(record.getMessage()).translate(_CONTROLS)
        record.args = ()
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return True


def _logger(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.addFilter(Redactor())
    return logger


LOG: Final = _logger("tautwire.client")
"""One line for each thing worth waking up for at INFO, frames at DEBUG."""

WEB_LOG: Final = _logger("tautwire.client.web")
"""What slack_sdk has to say."""

CONNECT_LOG: Final = _logger("tautwire.client.connect")
"""What slack_sdk has to say about rtm.connect: no DEBUG, for there the answer with the ticket is printed whole."""

CONNECT_LOG.setLevel(logging.INFO)


class _SocketLog(logging.LoggerAdapter[logging.Logger]):
    """Makes picows quieter: its INFO is our DEBUG, and what it prints below DEBUG is never made.

    Down there stands the request line, in which a ticket looks like any other path.
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 (logging's name)
        return level >= logging.DEBUG and super().isEnabledFor(level)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        super().log(logging.DEBUG if level == logging.INFO else level, msg, *args, **kwargs)


SOCKET_LOG: Final = _SocketLog(_logger("tautwire.client.socket"), {})
"""What picows has to say. An adapter: of a plain logger picows makes children, which our filter would not see."""
