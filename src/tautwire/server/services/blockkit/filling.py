"""What the server adds to blocks that it stores: the ids that are missing, and the defaults. Pure, but for the ids.

Source: wire/block-kit.md#what-the-server-adds (captured).
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from tautwire.server.services.blockkit.elements import IN_ACTIONS, IN_CONTEXT_ACTIONS, IN_MODAL_INPUT

MAX_DEPTH: Final = 24
"""How far down texts get their defaults: no documented block goes further."""
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_ID_LENGTH: Final = 5
_ELEMENTS: Final = frozenset({*IN_ACTIONS.kinds, *IN_CONTEXT_ACTIONS.kinds, *IN_MODAL_INPUT.kinds})
"""The elements that have an ``action_id``."""
_UNTOUCHED: Final = frozenset({"rich_text"})
"""Blocks without text objects inside."""
_INNER: Final = "child_blocks"
"""The member of a container that has blocks; they are checked to have no container inside."""
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "plain_text": {"emoji": True},
    "mrkdwn": {"verbatim": False},
    "input": {"optional": False, "dispatch_action": False},
}
_TYPES_ON: Final = {"trigger_actions_on": ["on_enter_pressed"]}
"""The ``dispatch_action_config`` of a plain_text_input."""


def new_id() -> str:
    """Return a ``block_id`` or ``action_id``."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_ID_LENGTH))


def fill_blocks(blocks: list[Any], make_id: Callable[[], str] = new_id) -> list[Any]:
    """Return valid blocks with ids and defaults; those given stay as they are."""
    taken = {
        block.get("block_id") for block in blocks if isinstance(block, dict) and isinstance(block.get("block_id"), str)
    }

    def unique() -> str:
        while (made := make_id()) in taken:
            pass
        taken.add(made)
        return made

    return [_block(block, unique, MAX_DEPTH) if isinstance(block, dict) else block for block in blocks]


def fill_attachments(attachments: list[Any], make_id: Callable[[], str] = new_id) -> list[Any]:
    """Return attachments with their numbers, those of their buttons and menus, and their blocks filled.

    The numbers begin with 1 and are what ``attachment_id`` of an interaction names.
    """
    return [
        _attachment(each, number, make_id) if isinstance(each, dict) else each
        for number, each in enumerate(attachments, 1)
    ]


def _attachment(attachment: dict[str, Any], number: int, make_id: Callable[[], str]) -> dict[str, Any]:
    filled = {**attachment, "id": number}
    actions, blocks = attachment.get("actions"), attachment.get("blocks")
    if isinstance(actions, list):
        filled["actions"] = [
            {**each, "id": str(place)} if isinstance(each, dict) else each for place, each in enumerate(actions, 1)
        ]
    if isinstance(blocks, list):
        filled["blocks"] = fill_blocks(blocks, make_id)
    return filled


def _block(block: dict[str, Any], make_id: Callable[[], str], depth: int) -> dict[str, Any]:
    filled: dict[str, Any] = _filled(block, make_id, depth)
    if filled.get("block_id"):
        return filled
    kind = {"type": filled["type"]} if "type" in filled else {}
    return {**kind, "block_id": make_id(), **{name: value for name, value in filled.items() if name != "block_id"}}


def _filled(value: Any, make_id: Callable[[], str], depth: int) -> Any:
    if depth <= 0:
        return value
    if isinstance(value, list):
        return [_filled(each, make_id, depth - 1) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if isinstance(kind, str) and kind in _UNTOUCHED:
        return value
    filled: dict[str, Any] = {
        name: [_block(each, make_id, depth - 1) if isinstance(each, dict) else each for each in member]
        if name == _INNER and isinstance(member, list)
        else _filled(member, make_id, depth - 1)
        for name, member in value.items()
    }
    if not isinstance(kind, str):  # blocks in attachments are not checked before
        return filled
    if kind in _ELEMENTS and not filled.get("action_id"):
        filled["action_id"] = make_id()
    if kind == "plain_text_input" and filled.get("dispatch_action_config") is None:
        filled["dispatch_action_config"] = _TYPES_ON
    if kind in _DEFAULTS:
        filled = {**filled, **{name: each for name, each in _DEFAULTS[kind].items() if filled.get(name) is None}}
    return filled
