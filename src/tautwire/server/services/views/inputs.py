"""What a user has put into a view: stored by block and element, checked as a client checks it. Pure.

An element whose value was not changed is not in the inputs; ``elements.state_of`` adds what it holds at first. A client
refuses to submit what breaks a rule of an input block, so the app is not asked.
Source: wire/interactivity.md#view_submission.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tautwire.server.services.interactivity.elements import VALUES, Found, elements_of, state_of

Inputs = dict[str, dict[str, Any]]
"""Values by ``block_id`` and ``action_id``."""

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URL: Final = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_INTEGER: Final = re.compile(r"-?[0-9]{1,300}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?")


def kept_inputs(inputs: Inputs, before: Sequence[Any], after: Sequence[Any]) -> Inputs:
    """Return the inputs that a view keeps when its blocks change.

    Those stay whose block, element and type of element stay the same. Source: wire/views.md#methods (documented).
    """
    kinds = {_key(found): found.element["type"] for found in elements_of(before)}
    kept: Inputs = {}
    for found in elements_of(after):
        block_id, action_id = _key(found)
        if kinds.get((block_id, action_id)) == found.element["type"] and action_id in inputs.get(block_id, {}):
            kept.setdefault(block_id, {})[action_id] = inputs[block_id][action_id]
    return kept


def with_input(inputs: Inputs, found: Found, value: Any) -> Inputs:
    """Return inputs with one more; an element without a state has none."""
    if found.element["type"] not in VALUES:
        return inputs
    block_id, action_id = _key(found)
    return {**inputs, block_id: {**inputs.get(block_id, {}), action_id: value}}


def values_of(blocks: Sequence[Any], inputs: Inputs) -> dict[str, Any]:
    """Return ``values`` of the state of a view: of every element that has one."""
    chosen = {(block, action): value for block, values in inputs.items() for action, value in values.items()}
    values: dict[str, Any] = state_of(blocks, chosen)["values"]
    return values


def faults(blocks: Sequence[Any], values: Mapping[str, Any]) -> dict[str, str]:
    """Return what a client objects to before it submits a view, by ``block_id``: one fault for each input block.

    Args:
        values: as ``values_of`` returns them.
    """
    found: dict[str, str] = {}
    for each in elements_of(blocks):
        value = VALUES.get(each.element["type"])
        if value is None or each.block.get("type") != "input":
            continue
        held = values[each.block_id][each.action_id][value.member]
        if not held:
            fault = None if each.block.get("optional") is True else "a value is required"
        else:
            fault = _fault(each.element, held)
        if fault is not None:
            found[each.block_id] = fault
    return found


def _key(found: Found) -> tuple[str, str]:
    return found.block_id, found.action_id


def _fault(element: Mapping[str, Any], value: Any) -> str | None:
    match element["type"]:
        case "plain_text_input":
            low, high = element.get("min_length") or 0, element.get("max_length")
            if len(value) < low:
                return f"the text must have at least {low} characters, got {len(value)}"
            if high is not None and len(value) > high:
                return f"the text must have at most {high} characters, got {len(value)}"
        case "email_text_input":
            if _EMAIL.fullmatch(value) is None:
                return f"the text must be an e-mail address, got {value!r:.80}"
        case "url_text_input":
            if _URL.fullmatch(value) is None:
                return f"the text must be a URL with http or https, got {value!r:.80}"
        case "number_input":
            return _number_fault(element, value)
    return None


def _number_fault(element: Mapping[str, Any], text: str) -> str | None:
    is_decimal = element.get("is_decimal_allowed") is True
    if (_DECIMAL if is_decimal else _INTEGER).fullmatch(text) is None:
        return f"the text must be {'a number' if is_decimal else 'an integer'}, got {text!r:.80}"
    number = Decimal(text)
    low, high = _limit(element, "min_value"), _limit(element, "max_value")
    if low is not None and number < low:
        return f"the number must be at least {low}, got {text[:80]}"
    if high is not None and number > high:
        return f"the number must be at most {high}, got {text[:80]}"
    return None


def _limit(element: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a limit of a number; None if the app gave none, or one that is not a number."""
    limit = element.get(name)
    return Decimal(limit) if isinstance(limit, str) and _DECIMAL.fullmatch(limit) else None
