"""The Web API calls that bots made: what they asked for and what they were answered."""

import email.parser
import email.policy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from tautwire.server.journal.filter import same_value
from tautwire.testing.heads import Head

MAX_READ: Final = 1_048_576
"""Bytes of a body or an answer beyond which its contents are not kept."""

_NAME: Final = re.compile(r"[#@][\w.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """A Web API call that came through the front, when it was answered."""

    method: str
    user: str
    """The name of whose token it had; empty if the token is not one of the workspace."""
    arguments: dict[str, Any]
    """As the caller sent them, the token left out: text from forms, any JSON from JSON bodies."""
    status: int | None
    """The HTTP status of the answer, whether the server's or a fault's; None if there was none."""
    answer: dict[str, Any]
    """The answer; empty if it is no JSON object."""


def read_call(head: Head, body: bytes, answered: bytes, by_token: dict[str, str]) -> Call:
    """Return a call by the bytes of its request and its answer."""
    arguments = dict(parse_qsl(head.path.partition("?")[2], keep_blank_values=True)) | _read_body(head, body)
    scheme, _, token = head.header("authorization").partition(" ")
    given = arguments.pop("token", "")
    user = by_token.get(token.strip() if scheme.lower() == "bearer" else str(given), "")
    first, _, _ = answered.partition(b"\r\n")
    _, _, content = answered.partition(b"\r\n\r\n")
    status = int(first.split(b" ")[1]) if answered else None
    return Call(head.method_name, user, arguments, status, read_object(content))


def fits_argument(wanted: object, sent: object, channel_or_user: Callable[[str], str | None]) -> bool:
    """Return whether an argument is the one that is meant.

    Args:
        wanted: the value, a pattern found in it, or a function of it. Forms have text only, so a number fits its
            digits, True fits ``1`` and ``true``, and a list or dict fits its JSON.
        sent: what the caller sent.
        channel_or_user: returns the id for ``#name`` and ``@name``.
    """
    if isinstance(wanted, re.Pattern):
        return wanted.search(str(sent)) is not None
    if callable(wanted):
        return bool(wanted(sent))
    if isinstance(wanted, str) and wanted != sent and _NAME.fullmatch(wanted):
        return sent == channel_or_user(wanted)
    return same_value(wanted, sent)


def _read_body(head: Head, body: bytes) -> dict[str, Any]:
    kind = head.header("content-type").partition(";")[0].strip().lower()
    if len(body) > MAX_READ:
        return {}
    if kind == "application/json":
        return read_object(body)
    if kind == "multipart/form-data":
        return _read_parts(head.header("content-type"), body)
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def _read_parts(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields of a form with parts; of a file only its name."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body)
    fields: dict[str, Any] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = part.get_filename() or content.decode(errors="replace")
    return fields


def read_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object, an empty one if the data is anything else: what a bot sends may be anything."""
    value = _read_json(data) if data.lstrip()[:1] == b"{" else None
    return value if isinstance(value, dict) else {}


def _read_json(data: bytes) -> Any:
    """Return what some JSON says, None if it is none."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
