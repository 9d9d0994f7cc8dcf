"""What a message has besides its text: blocks, attachments and metadata, checked as every door has to check them."""

from typing import Any, Final, NamedTuple

import msgspec

from tautwire.server.services.blockkit.rules import has_two_tables
from tautwire.server.services.blockkit.validation import are_objects, as_messages, validate_blocks
from tautwire.server.services.errors import MethodError

MAX_ATTACHMENTS: Final = 100
MAX_STRUCTURE: Final = 200_000
"""Bytes of JSON in blocks, attachments or metadata (ours)."""


class Content(NamedTuple):
    """Blocks, attachments and metadata, encoded."""

    blocks: msgspec.Raw | None
    attachments: msgspec.Raw | None
    metadata: msgspec.Raw | None


def content_of(blocks: Any, attachments: Any, metadata: Any) -> Content:
    """Return what a message is to have; raise ``MethodError`` if it is not valid."""
    content = Content(
        structure(blocks, list, "invalid_blocks_format", "msg_blocks_too_long"),
        structure(attachments, list, "invalid_attachments", "attachment_payload_limit_exceeded"),
        structure(metadata, dict, "invalid_metadata_format", "metadata_too_large"),
    )
    if blocks:
        check_blocks(blocks)
    if isinstance(attachments, list) and len(attachments) > MAX_ATTACHMENTS:
        raise MethodError("too_many_attachments")
    return content


def check_blocks(blocks: list[Any], *place: str | int, malformed: str = "invalid_blocks_format") -> None:
    """Raise ``MethodError`` with every fault if the blocks of a message are not valid.

    Source: wire/block-kit.md#validation-errors (captured).

    Args:
        place: where they stand, if not in the argument ``blocks``.
        malformed: the error if they are not objects.
    """
    if not are_objects(blocks):
        raise MethodError(malformed)
    code, faults = "invalid_blocks", validate_blocks(blocks, "message", *place)
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
