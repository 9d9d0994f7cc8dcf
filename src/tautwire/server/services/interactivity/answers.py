"""The messages that apps give in answers: in the body of an ack, at a response_url, at a webhook. Pure.

Source: wire/interactivity.md#response_url and wire/webhooks.md.
"""

from typing import Any, Final

import msgspec

from tautwire.server.forms import read_form
from tautwire.server.services import nesting
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging.contents import set_content
from tautwire.server.services.messaging.messages import Draft
from tautwire.server.services.messaging.texts import MAX_POST, parse_of

INVALID: Final = "invalid_payload"
IN_CHANNEL: Final = "in_channel"
_CONTENT: Final = ("text", "blocks", "attachments")
_TS: Final = 40
"""Characters of a ts, generously."""
_FIELDS: Final = 10
"""Fields that a form may have."""


class Reply(msgspec.Struct, kw_only=True):
    """A message of an app, and what it is to do with the one to which it answers."""

    draft: Draft | None
    """None if it has no content."""
    is_public: bool = False
    """Whether all in the channel see it (``response_type``)."""
    replaces: bool | None = None
    deletes: bool = False


def read_body(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the object in the body of a request: JSON, or the JSON in the field ``payload`` of a form.

    Raises:
        MethodError: invalid_payload.
    """
    if "x-www-form-urlencoded" in content_type.lower() and not body.lstrip().startswith(b"{"):
        try:
            fields = read_form(body, _FIELDS)
        except ValueError:
            raise MethodError(INVALID) from None
        body = fields.get("payload", "").encode("utf-8", "replace")
    try:
        decoded = nesting.decode(body)
    except ValueError:
        raise MethodError(INVALID) from None
    if not isinstance(decoded, dict):
        raise MethodError(INVALID)
    return decoded


def read_reply(message: dict[str, Any], *, needs_content: bool = True) -> Reply:
    """Return the message in an answer.

    Args:
        needs_content: whether it must have a content, unless it only deletes.

    Raises:
        MethodError: invalid_payload, no_text, invalid_blocks and the like.
    """
    deletes = bool(_flag(message, "delete_original"))
    reply = Reply(
        draft=None, is_public=message.get("response_type") == IN_CHANNEL, replaces=_flag(message, "replace_original"),
        deletes=deletes,
    )  # fmt: skip
    if any(message.get(name) for name in _CONTENT) or (needs_content and not deletes):
        reply.draft = _draft(message)
    return reply


def _draft(message: dict[str, Any]) -> Draft:
    text, thread_ts = message.get("text") or "", message.get("thread_ts")
    if not isinstance(text, str) or not (thread_ts is None or (isinstance(thread_ts, str) and len(thread_ts) <= _TS)):
        raise MethodError(INVALID)
    draft = Draft(thread_ts=thread_ts or None, mrkdwn=_flag(message, "mrkdwn") is not False)
    draft.parse = parse_of(message.get("parse"), link_names=bool(_flag(message, "link_names")))
    set_content(
        draft, text=text[:MAX_POST], blocks=_structure(message, "blocks"),
        attachments=_structure(message, "attachments"), metadata=_structure(message, "metadata"),
    )  # fmt: skip
    return draft


def _structure(message: dict[str, Any], name: str) -> Any:
    """Return a structure, which may be given as a text of JSON."""
    value = message.get(name)
    if not isinstance(value, str) or not value:
        return value or None
    try:
        return nesting.decode(value)
    except ValueError:
        raise MethodError(INVALID) from None


def _flag(message: dict[str, Any], name: str) -> bool | None:
    """Return a switch, which may be given as a text; None if it is not given."""
    value = message.get(name)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise MethodError(INVALID)
