"""The log of a command on stderr: a line for each record, as text or JSON, with masked secrets.

Masking happens in the formatters: records of libraries and tracebacks pass through them as well.
"""

import json
import logging
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tautwire.protocol.tokens import redact
from tautwire.server.table import check, row
from tautwire.server.values import Choice

_LOG: Final = "Log of the process"


class LogLevel(StrEnum):
    """The least severe level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The form of a line."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How a command logs; rows of the table of settings beside those of the server, which installs no log handlers."""

    log_level: LogLevel = field(
        default=LogLevel.INFO,
        metadata=row(_LOG, Choice(tuple(LogLevel)), "The least severe level that goes to stderr."),
    )
    log_format: LogFormat = field(
        default=LogFormat.TEXT,
        metadata=row(_LOG, Choice(tuple(LogFormat)), "Lines of text, or a JSON object a line."),
    )

    def __post_init__(self) -> None:
        check(self)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line and the traceback, if there is one, with masked secrets."""
        return redact(super().format(record))


class _Json(logging.Formatter):
    """One JSON object a line: ``time`` (UTC, RFC 3339), ``level``, ``logger``, ``message``, ``traceback`` if any."""

    def format(self, record: logging.LogRecord) -> str:
        members = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            members["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(members, ensure_ascii=False)

    @staticmethod
    def converter(seconds: float | None) -> time.struct_time:
        """Use UTC."""
        return time.gmtime(seconds)


def set_up_logging(level: LogLevel, form: LogFormat) -> None:
    """Write records of this level and above to stderr, those of libraries too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form is LogFormat.JSON else _Text())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.value.upper())
