"""The composition objects of the table. Source: wire/block-kit.md#composition-objects (documented)."""

from typing import Final

from tautwire.server.services.blockkit.shapes import (
    ANY_TEXT,
    FLAG,
    Choice,
    Items,
    Kinds,
    Number,
    Object,
    Shape,
    Text,
)

MAX_TEXT: Final = 3_000
URL: Final = Text(3_000)


def plain(high: int = MAX_TEXT) -> Kinds:
    """Return the shape of a plain_text object of at most ``high`` code points."""
    return Kinds({"plain_text": _plain(high)})


def text(high: int = MAX_TEXT) -> Kinds:
    """Return the shape of a text object of either kind, of at most ``high`` code points."""
    mrkdwn = Object({"text": Text(high, 1)}, {"verbatim": FLAG})
    return Kinds({"plain_text": _plain(high), "mrkdwn": mrkdwn})


def option(words: Kinds, *, has_url: bool = False) -> Object:
    """Return the shape of an option whose texts have the shape ``words``."""
    optional: dict[str, Shape] = {"description": words}
    return Object({"text": words, "value": Text(150)}, optional | ({"url": URL} if has_url else {}))


def _plain(high: int) -> Object:
    return Object({"text": Text(high, 1)}, {"emoji": FLAG})


OPTION: Final = option(plain(75))
"""An option of a menu."""
MARKED_OPTION: Final = option(text(75))
"""An option of checkboxes or radio buttons."""
LINK_OPTION: Final = option(plain(75), has_url=True)
"""An option of an overflow menu."""
OPTION_GROUP: Final = Object({"label": plain(75), "options": Items(OPTION, 100, 1)})
CONFIRM: Final = Object(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": Choice(("primary", "danger"))},
)
FILTER: Final = Object(
    optional={
        "include": Items(Choice(("im", "mpim", "private", "public")), low=1),
        "exclude_external_shared_channels": FLAG,
        "exclude_bot_users": FLAG,
    },
    at_least_one=("include", "exclude_external_shared_channels", "exclude_bot_users"),
)
DISPATCH: Final = Object(
    optional={"trigger_actions_on": Items(Choice(("on_enter_pressed", "on_character_entered")), low=1)}
)
SLACK_FILE: Final = Object(optional={"id": ANY_TEXT, "url": ANY_TEXT}, exactly_one=("id", "url"))
RAW_TEXT: Final = Object({"text": Text(low=1)})
RAW_NUMBER: Final = Object({"value": Number(is_integer=False)}, {"text": ANY_TEXT})
