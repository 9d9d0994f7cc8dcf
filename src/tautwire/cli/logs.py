"""What a command prints to stderr: one line for each record, as text or as JSON, with the secrets masked."""

import json
import logging
import sys
import time
from enum import StrEnum

from tautwire.protocol.tokens import redact


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a record is written."""

    TEXT = "text"
    JSON = "json"


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and behind it the traceback if there is one; secrets are masked in both."""
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
    """Send records of this level and above to stderr. Records of libraries are masked like our own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form is LogFormat.JSON else _Text())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.value.upper())
