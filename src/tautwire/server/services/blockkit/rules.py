"""The rules that concern several blocks. They look at blocks of any content, since all faults are reported.

Source: wire/block-kit.md#validation-errors (captured; the words for ``block_id``, ``focus_on_load`` and the number of
charts are recommended).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tautwire.server.services.blockkit.blocks import MAX_MARKDOWN, Surface
from tautwire.server.services.blockkit.check import Check, quoted

MAX_CHARTS: Final = 2
"""Blocks data_visualization of a message (captured, at second hand)."""


def check_rules(check: Check, blocks: Sequence[Any], surface: Surface) -> None:
    """Check the rules across blocks; ``check`` stands at the array."""
    objects = [(index, block) for index, block in enumerate(blocks) if isinstance(block, dict)]
    _unique(check, "block_id", [((index,), block) for index, block in objects])
    focused = 0
    for index, block in objects:
        elements = list(_elements(block))
        _unique(check, "action_id", [((index, *place), element) for place, element in elements])
        for place, element in elements:
            focused += element.get("focus_on_load") is True
            if surface != "message" and focused > 1 and element.get("focus_on_load") is True:
                check.fault("only one element may have `focus_on_load`", index, *place, "focus_on_load")
    if surface == "message":
        _sums(check, objects)


def has_two_tables(blocks: Sequence[Any]) -> bool:
    """Return whether a message has more tables than one, which has an error of its own (documented)."""
    return [block.get("type") for block in blocks if isinstance(block, dict)].count("table") > 1


def check_submit(check: Check, blocks: Sequence[Any], *, has_submit: bool) -> None:
    """Check that a modal with an input block has a button to submit it; ``check`` stands at the array."""
    for index, block in enumerate(blocks):
        if not has_submit and isinstance(block, dict) and block.get("type") == "input":
            check.fault("must define `submit` to use an `input` block in modals", index, "input")


def _sums(check: Check, objects: Sequence[tuple[int, dict[str, Any]]]) -> None:
    markdown = charts = 0
    for index, block in objects:
        text = block.get("text")
        if block.get("type") == "markdown" and isinstance(text, str):
            before, markdown = markdown, markdown + len(text)
            if before <= MAX_MARKDOWN < markdown and len(text) <= MAX_MARKDOWN:
                check.fault(f"must be less than {MAX_MARKDOWN + 1} characters", index, "text")
        charts += block.get("type") == "data_visualization"
    if charts > MAX_CHARTS:
        check.fault(f"no more than {MAX_CHARTS} blocks of the type data_visualization allowed")


Place = tuple[str | int, ...]


def _unique(check: Check, name: str, objects: Sequence[tuple[Place, dict[str, Any]]]) -> None:
    seen: set[str] = set()
    for place, each in objects:
        value = each.get(name)
        if isinstance(value, str) and value:
            if value in seen:
                check.fault(f'`{name}` "{quoted(value)}" already exists', *place, name)
            seen.add(value)


def _elements(block: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the elements of a block with their places in it."""
    for name in ("accessory", "element"):
        if isinstance(block.get(name), dict):
            yield (name,), block[name]
    elements = block.get("elements")
    for index, element in enumerate(elements if isinstance(elements, list) else ()):
        if isinstance(element, dict):
            yield ("elements", index), element
