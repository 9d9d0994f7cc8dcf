"""What a choice of a person makes of an interactive element, and the options that an app gives for its menus. Pure.

A choice is given as JSON: the ``value`` of an option (or the whole option, for menus whose options an app gives), an
id, a date, a text, a list of them for menus of several, None for nothing. Source: wire/interactivity.md#block_actions.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from tautwire.protocol.errors import TautwireError
from tautwire.server.services.blockkit.check import Check, Stop
from tautwire.server.services.blockkit.objects import OPTION
from tautwire.server.services.interactivity.elements import EXTERNAL, PRESSED, VALUES, Found

MAX_TEXT: Final = 3_000
"""Characters of a typed text. Source: wire/block-kit.md#elements (documented for plain_text_input)."""
MAX_CHOSEN: Final = 100
"""Elements of a list that is chosen: no menu has more."""
MAX_ID: Final = 255
_ECHOED: Final = ("placeholder", "confirm")
_ECHOED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "button": ("value", "text", "url", "style"),
    "icon_button": ("value", "text", "icon"),
    "external_select": ("min_query_length",),
    "multi_external_select": ("min_query_length",),
    "timepicker": ("timezone",),
}
"""Members of an element that an action repeats, beside its first choice, ``placeholder`` and ``confirm``."""
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENTS: Final = range(1_000_000_000, 10_000_000_000)
"""Seconds of a datetimepicker: ten digits."""


class ImpossibleChoice(TautwireError):  # noqa: N818 - an outcome
    """A person cannot choose this here; the text says what is possible."""


def act(found: Found, choice: Any, *, action_ts: str, offered: Sequence[Any] = ()) -> dict[str, Any]:
    """Return the action that a choice makes.

    Args:
        choice: see above; of a button nothing, of feedback_buttons ``positive`` or ``negative``.
        offered: the options that an app gave for a menu of its own.

    Raises:
        ImpossibleChoice: the element has no such choice.
    """
    element = found.element
    kind = element["type"]
    echoed = {name: element[name] for name in (*_ECHOED_BY.get(kind, ()), *_ECHOED) if element.get(name) is not None}
    if kind in VALUES:
        value = VALUES[kind]
        chosen: dict[str, Any] = {value.member: choose(element, choice, offered)}
        if element.get(value.initial) is not None:
            echoed[value.initial] = element[value.initial]
    elif kind == "overflow":
        if not isinstance(choice, str):
            raise ImpossibleChoice(f"an overflow menu needs the value of one option, got {choice!r:.80}")
        chosen = {"selected_option": _option(_options(element), choice)}
    elif kind == "feedback_buttons":
        button = element.get(f"{choice}_button") if choice in ("positive", "negative") else None
        if not isinstance(button, dict):
            raise ImpossibleChoice(f"feedback buttons are pressed as positive or negative, got {choice!r:.80}")
        chosen = {"value": button["value"], "text": button["text"]}
    elif kind in PRESSED:
        if choice is not None:
            raise ImpossibleChoice(f"a {kind} is pressed, without a value, got {choice!r:.80}")
        chosen = {}
    else:
        raise ImpossibleChoice(f"nothing is sent of an element of the type {kind!r:.80}")
    return {
        "type": kind, "action_id": found.action_id, "block_id": found.block_id, **echoed, **chosen,
        "action_ts": action_ts,
    }  # fmt: skip


def choose(element: Mapping[str, Any], choice: Any, offered: Sequence[Any] = ()) -> Any:
    """Return the value of an element with a state; raise ``ImpossibleChoice`` if it cannot have it."""
    kind = element["type"]
    value = VALUES[kind]
    if choice is None:
        return value.nothing
    if not value.is_list:
        return _one(element, value.kind, choice, offered)
    if not isinstance(choice, list) or len(choice) > MAX_CHOSEN:
        raise ImpossibleChoice(f"a {kind} needs a list of at most {MAX_CHOSEN} choices, got {choice!r:.80}")
    limit = element.get("max_selected_items", element.get("max_files"))
    if isinstance(limit, int) and len(choice) > limit:
        raise ImpossibleChoice(f"at most {limit} can be chosen here, got {len(choice)}")
    return [_one(element, value.kind, each, offered) for each in choice]


def read_options(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the options of an app's answer, those of groups one after the other; nothing if they are not valid.

    Source: wire/interactivity.md#block_suggestion.
    """
    answer = answer or {}
    options, groups = answer.get("options"), answer.get("option_groups")
    if (options is None) == (groups is None):
        return []
    lists = [options] if options is not None else [_get(each, "options") for each in _list(groups)]
    found: list[dict[str, Any]] = []
    for each in lists:
        if not isinstance(each, list) or len(each) > MAX_CHOSEN or not all(_is_option(option) for option in each):
            return []
        found += each
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) and len(value) <= MAX_CHOSEN else []


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _is_option(option: Any) -> bool:
    check = Check("options")
    try:
        check.value(OPTION, option)
    except Stop:
        return False
    return not check.faults


def _one(element: Mapping[str, Any], kind: str, choice: Any, offered: Sequence[Any]) -> Any:
    match kind:
        case "option":
            options = offered if element["type"] in EXTERNAL else _options(element)
            return _option(options, choice)
        case "moment":
            if isinstance(choice, bool) or not isinstance(choice, int) or choice not in _MOMENTS:
                raise ImpossibleChoice(
                    f"a time must be an integer of ten digits, seconds since 1970, got {choice!r:.80}"
                )
            return choice
        case "rich":
            if not isinstance(choice, dict) or choice.get("type") != "rich_text":
                raise ImpossibleChoice(f"a rich text must be a block of the type rich_text, got {choice!r:.80}")
            return choice
        case "files":
            if not isinstance(choice, dict):
                raise ImpossibleChoice(f"a file must be a file object, got {choice!r:.80}")
            return choice
    if not isinstance(choice, str):
        raise ImpossibleChoice(f"a {element['type']} needs a string, got {choice!r:.80}")
    if kind == "date" and not _is_date(choice):
        raise ImpossibleChoice(f"a date must be a day such as 2026-02-28, got {choice!r:.80}")
    if kind == "time" and _TIME.fullmatch(choice) is None:
        raise ImpossibleChoice(f"a time must be from 00:00 to 23:59, got {choice!r:.80}")
    if len(choice) > (MAX_TEXT if kind == "text" else MAX_ID):
        raise ImpossibleChoice(f"a text must have at most {MAX_TEXT} characters, and an id {MAX_ID}, got {len(choice)}")
    return choice


def _options(element: Mapping[str, Any]) -> list[Any]:
    groups = element.get("option_groups")
    if isinstance(groups, list):
        return [option for group in groups for option in group["options"]]
    options = element.get("options")
    return options if isinstance(options, list) else []


def _option(options: Sequence[Any], choice: Any) -> Any:
    for option in options:
        if choice in (option, option["value"]):
            return option
    values = ", ".join(repr(option["value"]) for option in options[:10])
    raise ImpossibleChoice(
        f"there is no option {choice!r:.80}: "
        + (f"the values of the first are {values}" if values else "there is none")
    )


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False
