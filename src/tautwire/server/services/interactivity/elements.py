"""Interactive elements: finding them in blocks, and the state of a message or view. Pure.

The table ``VALUES`` says which member a choice has, and what it is when nothing is chosen. What a person can choose in
an element is in ``choices``. Source: wire/interactivity.md#block_actions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple


class Value(NamedTuple):
    """The member that a choice has."""

    member: str
    initial: str
    """The member of the element that has the first choice."""
    kind: str
    """What is chosen: ``option``, ``id``, ``date``, ``time``, ``moment``, ``text``, ``rich`` or ``files``."""
    is_list: bool = False

    @property
    def nothing(self) -> Any:
        """The value when nothing is chosen."""
        return [] if self.is_list else None


VALUES: Final[Mapping[str, Value]] = {
    "static_select": Value("selected_option", "initial_option", "option"),
    "external_select": Value("selected_option", "initial_option", "option"),
    "radio_buttons": Value("selected_option", "initial_option", "option"),
    "multi_static_select": Value("selected_options", "initial_options", "option", True),
    "multi_external_select": Value("selected_options", "initial_options", "option", True),
    "checkboxes": Value("selected_options", "initial_options", "option", True),
    "users_select": Value("selected_user", "initial_user", "id"),
    "conversations_select": Value("selected_conversation", "initial_conversation", "id"),
    "channels_select": Value("selected_channel", "initial_channel", "id"),
    "multi_users_select": Value("selected_users", "initial_users", "id", True),
    "multi_conversations_select": Value("selected_conversations", "initial_conversations", "id", True),
    "multi_channels_select": Value("selected_channels", "initial_channels", "id", True),
    "datepicker": Value("selected_date", "initial_date", "date"),
    "timepicker": Value("selected_time", "initial_time", "time"),
    "datetimepicker": Value("selected_date_time", "initial_date_time", "moment"),
    "plain_text_input": Value("value", "initial_value", "text"),
    "email_text_input": Value("value", "initial_value", "text"),
    "url_text_input": Value("value", "initial_value", "text"),
    "number_input": Value("value", "initial_value", "text"),
    "rich_text_input": Value("rich_text_value", "initial_value", "rich"),
    "file_input": Value("files", "", "files", True),
}
"""The elements that have a state, with the member of their value."""

EXTERNAL: Final = frozenset({"external_select", "multi_external_select"})
"""Menus whose options the app gives."""
PRESSED: Final = frozenset({"button", "icon_button", "feedback_buttons", "overflow"})
"""Elements without a state that an app is asked about."""


class Found(NamedTuple):
    """An element in its block."""

    block: dict[str, Any]
    element: dict[str, Any]

    @property
    def action_id(self) -> str:
        """Its ``action_id``."""
        return str(self.element["action_id"])

    @property
    def block_id(self) -> str:
        """The ``block_id`` of its block."""
        return str(self.block.get("block_id", ""))


def elements_of(blocks: Sequence[Any]) -> Iterator[Found]:
    """Yield the interactive elements of stored blocks, those inside of containers included."""
    for block in blocks:
        if not isinstance(block, dict):
            continue
        for element in _inside(block):
            if isinstance(element.get("action_id"), str) and isinstance(element.get("type"), str):
                yield Found(block, element)
        inner = block.get("child_blocks")
        if isinstance(inner, list):
            yield from elements_of([each for each in inner if isinstance(each, dict) and "child_blocks" not in each])


def _inside(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("accessory", "element"):
        if isinstance(block.get(name), dict):
            yield block[name]
    for name in ("elements", "actions"):
        for each in block[name] if isinstance(block.get(name), list) else ():
            if not isinstance(each, dict):
                continue
            if each.get("type") == "card":
                yield from _inside(each)
            else:
                yield each


def find_element(blocks: Sequence[Any], action_id: str, block_id: str = "") -> Found | None:
    """Return the element with an ``action_id``; without ``block_id`` the first one."""
    for found in elements_of(blocks):
        if found.action_id == action_id and block_id in ("", found.block_id):
            return found
    return None


def sends_actions(found: Found) -> bool:
    """Whether a change of an element is sent at once: one of an input block needs ``dispatch_action``."""
    kind = found.element["type"]
    if kind == "file_input" or (kind not in VALUES and kind not in PRESSED):
        return False
    return found.block.get("type") != "input" or found.block.get("dispatch_action") is True


def state_of(blocks: Sequence[Any], chosen: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
    """Return ``state`` of a message or view: every element that has one, with what was chosen or its first choice.

    Args:
        chosen: the values that were chosen, by ``block_id`` and ``action_id``.
    """
    values: dict[str, dict[str, Any]] = {}
    for found in elements_of(blocks):
        element = found.element
        value = VALUES.get(element["type"])
        if value is None:
            continue
        first = element.get(value.initial)
        state = {"type": element["type"], value.member: value.nothing if first is None else first}
        if (found.block_id, found.action_id) in chosen:
            state[value.member] = chosen[found.block_id, found.action_id]
        if element.get("timezone") is not None:
            state["timezone"] = element["timezone"]
        values.setdefault(found.block_id, {})[found.action_id] = state
    return {"values": values}
