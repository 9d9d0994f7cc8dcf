"""What others call: the faults of blocks and of views. Source: wire/block-kit.md#validation-errors.

A fault is a text such as ``must be less than 3001 characters [json-pointer:/blocks/0/text/text]``. Nothing here raises,
whatever the value is, and no more faults are returned than ``check.MAX_FAULTS``.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, TypeGuard

from tautwire.server.services.blockkit.blocks import BLOCKS, MAX_BLOCKS, Surface
from tautwire.server.services.blockkit.check import Check, Stop
from tautwire.server.services.blockkit.objects import plain
from tautwire.server.services.blockkit.rules import check_rules, check_submit
from tautwire.server.services.blockkit.shapes import ANYTHING, FLAG, Items, Kinds, Object, Shape, Text

_ANY_VIEW: Final[dict[str, Shape]] = {
    "title": plain(24),
    "submit": plain(24),
    "close": plain(24),
    "private_metadata": Text(3_000),
    "callback_id": Text(255),
    "external_id": Text(255),
    "clear_on_close": FLAG,
    "notify_on_close": FLAG,
    "submit_disabled": FLAG,
}
VIEWS: Final = Kinds(
    {
        "modal": Object({"title": plain(24), "blocks": ANYTHING}, _ANY_VIEW),
        "home": Object({"blocks": ANYTHING}, _ANY_VIEW),
    }
)
"""The members of views; their blocks are checked by surface. Source: wire/views.md#objects (documented)."""


def validate_blocks(blocks: Any, surface: Surface, *place: str | int) -> list[str]:
    """Return the faults of the blocks of a surface; empty if they are valid.

    Args:
        place: where the blocks stand, if not in the argument ``blocks``.
    """
    check = Check(*(place or ("blocks",)))
    with suppress(Stop):
        _blocks(check, blocks, surface)
    return check.faults


def validate_view(view: Any) -> list[str]:
    """Return the faults of a view, a modal or a Home; empty if it is valid. Its size in bytes is not looked at."""
    check = Check("view")
    with suppress(Stop):
        check.value(VIEWS, view)
        kind = view.get("type") if isinstance(view, dict) else None
        blocks = view.get("blocks") if isinstance(view, dict) else None
        if blocks is not None:
            surface: Surface = "home" if kind == "home" else "modal"
            check.enter("blocks")
            _blocks(check, blocks, surface)
            if surface == "modal" and isinstance(blocks, list):
                check_submit(check, blocks[: MAX_BLOCKS[surface]], has_submit=view.get("submit") is not None)
    return check.faults


def are_objects(blocks: Any) -> TypeGuard[list[Any]]:
    """Return whether a value is an array of objects; otherwise it is ``invalid_blocks_format`` (documented)."""
    return isinstance(blocks, list) and all(isinstance(block, dict) for block in blocks)


def as_messages(faults: Sequence[str]) -> list[str]:
    """Return faults as they stand in ``response_metadata.messages`` (captured)."""
    return [f"[ERROR] {fault}" for fault in faults]


def _blocks(check: Check, blocks: Any, surface: Surface) -> None:
    high = MAX_BLOCKS[surface]
    check.value(Items(BLOCKS[surface], high), blocks)
    if isinstance(blocks, list):
        check_rules(check, blocks[:high], surface)
