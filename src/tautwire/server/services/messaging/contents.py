"""The content of a message as a program gives it: its texts, blocks, attachments and metadata, checked and filled.

What the ``chat`` methods, the answers of apps to interactions and incoming webhooks share.
"""

from typing import Any, Final

import msgspec

from tautwire.server.services.blockkit.filling import fill_attachments, fill_blocks
from tautwire.server.services.blockkit.rules import has_two_tables
from tautwire.server.services.blockkit.validation import are_objects, as_messages, validate_blocks
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging.messages import Draft
from tautwire.server.services.messaging.texts import from_markdown

MAX_MARKDOWN: Final = 12_000
"""Code points of ``markdown_text``; a longer one is msg_too_long.
Source: wire/web-api.md#lengths (documented)."""
MAX_ATTACHMENTS: Final = 100
MAX_STRUCTURE: Final = 200_000
"""Bytes of JSON in blocks, attachments or metadata (ours), as they are given."""


def set_content(
    draft: Draft, *, text: str, blocks: Any, attachments: Any, metadata: Any, markdown_text: str = ""
) -> None:
    """Set the content of a message; raise ``MethodError`` if its parts are not valid or do not fit together.

    Args:
        blocks: decoded JSON, as the next two; None if it is not given.
    """
    draft.blocks = message_blocks(blocks)
    draft.attachments = structure(attachments, list, "invalid_attachments", "attachment_payload_limit_exceeded")
    draft.metadata = structure(metadata, dict, "invalid_metadata_format", "metadata_too_large")
    if isinstance(attachments, list):
        if len(attachments) > MAX_ATTACHMENTS:
            raise MethodError("too_many_attachments")
        _check_attachments(attachments)
        draft.attachments = msgspec.Raw(msgspec.json.encode(fill_attachments(attachments)))
    if markdown_text and (text or blocks):
        raise MethodError("markdown_text_conflict")
    if len(markdown_text) > MAX_MARKDOWN:
        raise MethodError("msg_too_long")
    draft.text = text or from_markdown(markdown_text)
    if not draft.text and not blocks and not attachments:
        raise MethodError("no_text")


def message_blocks(blocks: Any) -> msgspec.Raw | None:
    """Return the blocks of a message checked and filled; raise ``MethodError`` if they are not valid."""
    encoded = structure(blocks, list, "invalid_blocks_format", "msg_blocks_too_long")
    if not blocks:
        return encoded
    check_blocks(blocks)
    return msgspec.Raw(msgspec.json.encode(fill_blocks(blocks)))


def _check_attachments(attachments: list[Any]) -> None:
    """Raise ``MethodError`` (invalid_attachments) with the faults of the first attachment whose blocks are not valid.

    Source: wire/block-kit.md#validation-errors (uncertain).
    """
    code = "invalid_attachments"
    for number, each in enumerate(attachments):
        blocks = each.get("blocks") if isinstance(each, dict) else None
        if blocks is not None:
            check_blocks(blocks, "attachments", number, "blocks", malformed=code, wrong=code)


def check_blocks(
    blocks: Any, *place: str | int, malformed: str = "invalid_blocks_format", wrong: str = "invalid_blocks"
) -> None:
    """Raise ``MethodError`` with every fault if the blocks of a message are not valid.

    Source: wire/block-kit.md#validation-errors (captured).

    Args:
        place: where they stand, if not in the argument ``blocks``.
        malformed: the error if they are not objects.
        wrong: the error if they have faults.
    """
    if not are_objects(blocks):
        raise MethodError(malformed)
    code, faults = wrong, validate_blocks(blocks, "message", *place)
    if not faults and has_two_tables(blocks):
        code, faults = "invalid_attachments", ["only_one_table_allowed"]
    if faults:
        raise MethodError(code, errors=faults, response_metadata={"messages": as_messages(faults)})


def structure(value: Any, shape: type, wrong: str, too_long: str) -> msgspec.Raw | None:
    """Return a structured argument encoded: it is copied as bytes from here on."""
    if value is None:
        return None
    if not isinstance(value, shape):
        raise MethodError(wrong)
    encoded = msgspec.json.encode(value)
    if len(encoded) > MAX_STRUCTURE:
        raise MethodError(too_long)
    return msgspec.Raw(encoded)
