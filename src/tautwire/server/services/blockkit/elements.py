"""The elements of the table. Source: wire/block-kit.md#elements (documented)."""

from collections.abc import Mapping
from typing import Final

from tautwire.server.services.blockkit.objects import (
    CONFIRM,
    DISPATCH,
    FILTER,
    LINK_OPTION,
    MARKED_OPTION,
    OPTION,
    OPTION_GROUP,
    SLACK_FILE,
    URL,
    plain,
)
from tautwire.server.services.blockkit.rich_text import RICH_TEXT
from tautwire.server.services.blockkit.shapes import (
    ANY_TEXT,
    ANYTHING,
    FLAG,
    Choice,
    Items,
    Kinds,
    Number,
    Object,
    Shape,
    Text,
)

_ID: Final = Text(255)
_LABEL: Final = Text(75)
_STYLE: Final = Choice(("primary", "danger"))
_DATE: Final = Text(pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = Text(pattern=r"[0-9]{2}:[0-9]{2}")
_IDS: Final = Items(ANY_TEXT)
_ASKS: Final[Mapping[str, Shape]] = {"action_id": _ID, "confirm": CONFIRM}
_CHOOSES: Final[Mapping[str, Shape]] = {**_ASKS, "focus_on_load": FLAG}
_PICKS: Final[Mapping[str, Shape]] = {**_CHOOSES, "placeholder": plain(150)}
_TYPES: Final[Mapping[str, Shape]] = {
    "action_id": _ID,
    "placeholder": plain(150),
    "focus_on_load": FLAG,
    "dispatch_action_config": DISPATCH,
}
_MANY: Final[Mapping[str, Shape]] = {**_PICKS, "max_selected_items": Number(1)}
_OPTIONS: Final[Mapping[str, Shape]] = {"options": Items(OPTION, 100, 1), "option_groups": Items(OPTION_GROUP, 100, 1)}
_CONVERSATIONS: Final[Mapping[str, Shape]] = {"default_to_current_conversation": FLAG, "filter": FILTER}
_RESPONDS: Final[Mapping[str, Shape]] = {"response_url_enabled": FLAG}
_FEEDBACK: Final = Object({"text": plain(75), "value": Text(2_000)}, {"accessibility_label": _LABEL})

IMAGE: Final = Object(
    {"alt_text": ANY_TEXT}, {"image_url": ANY_TEXT, "slack_file": SLACK_FILE}, exactly_one=("image_url", "slack_file")
)
SOURCE: Final = Object({"url": ANY_TEXT, "text": ANY_TEXT})
BUTTON: Final = Object(
    {"text": plain(75)},
    {
        **_ASKS,
        "value": Text(2_000),
        "url": URL,
        "style": _STYLE,
        "accessibility_label": _LABEL,
        "visible_to_user_ids": ANYTHING,
        "agent_prompt": ANYTHING,
        "agent_prompt_display": ANYTHING,
    },
)
"""The last three members are those of slack_sdk, and nowhere described."""
SELECTS: Final[Mapping[str, Object]] = {
    "static_select": Object(
        optional={**_PICKS, **_OPTIONS, "initial_option": OPTION}, exactly_one=("options", "option_groups")
    ),
    "multi_static_select": Object(
        optional={**_MANY, **_OPTIONS, "initial_options": Items(OPTION, 100)},
        exactly_one=("options", "option_groups"),
    ),
    "external_select": Object(optional={**_PICKS, "initial_option": OPTION, "min_query_length": Number(0)}),
    "multi_external_select": Object(
        optional={**_MANY, "initial_options": Items(OPTION, 100), "min_query_length": Number(0)}
    ),
    "users_select": Object(optional={**_PICKS, "initial_user": ANY_TEXT}),
    "multi_users_select": Object(optional={**_MANY, "initial_users": _IDS}),
    "channels_select": Object(optional={**_PICKS, **_RESPONDS, "initial_channel": ANY_TEXT}),
    "multi_channels_select": Object(optional={**_MANY, "initial_channels": _IDS}),
    "conversations_select": Object(
        optional={**_PICKS, **_RESPONDS, **_CONVERSATIONS, "initial_conversation": ANY_TEXT}
    ),
    "multi_conversations_select": Object(optional={**_MANY, **_CONVERSATIONS, "initial_conversations": _IDS}),
}
CHOICES: Final[Mapping[str, Object]] = {
    "checkboxes": Object(
        {"options": Items(MARKED_OPTION, 10, 1)}, {**_CHOOSES, "initial_options": Items(MARKED_OPTION, 10)}
    ),
    "radio_buttons": Object({"options": Items(MARKED_OPTION, 10, 1)}, {**_CHOOSES, "initial_option": MARKED_OPTION}),
    "datepicker": Object(optional={**_PICKS, "initial_date": _DATE}),
    "timepicker": Object(optional={**_PICKS, "initial_time": _TIME, "timezone": ANY_TEXT}),
}
DATETIME_PICKER: Final = Object(optional={**_PICKS, "initial_date_time": Number(1_000_000_000, 9_999_999_999)})
INPUTS: Final[Mapping[str, Object]] = {
    "plain_text_input": Object(
        optional={
            **_TYPES,
            "initial_value": ANY_TEXT,
            "multiline": FLAG,
            "min_length": Number(0, 3_000),
            "max_length": Number(1, 3_000),
        }
    ),
    "email_text_input": Object(optional={**_TYPES, "initial_value": ANY_TEXT}),
    "url_text_input": Object(optional={**_TYPES, "initial_value": ANY_TEXT}),
    "number_input": Object(
        {"is_decimal_allowed": FLAG},
        {**_TYPES, "initial_value": ANY_TEXT, "min_value": ANY_TEXT, "max_value": ANY_TEXT},
    ),
    "rich_text_input": Object(
        optional={
            **_TYPES,
            "initial_value": Kinds({"rich_text": RICH_TEXT}),
            "min_lines": Number(1, 100),
            "max_lines": Number(1, 100),
        }
    ),
}
FILE_INPUT: Final = Object(optional={"action_id": _ID, "filetypes": Items(ANY_TEXT), "max_files": Number(1, 10)})
_PRESSED: Final[Mapping[str, Object]] = {
    "button": BUTTON,
    "overflow": Object({"options": Items(LINK_OPTION, 5, 1)}, _ASKS),
    "workflow_button": Object(
        {"text": plain(75), "workflow": ANYTHING, "action_id": _ID}, {"style": _STYLE, "accessibility_label": _LABEL}
    ),
}

ACCESSORIES: Final = Kinds({**_PRESSED, **SELECTS, **CHOICES, "image": IMAGE})
IN_ACTIONS: Final = Kinds({
    **_PRESSED, **SELECTS, **CHOICES, "datetimepicker": DATETIME_PICKER, "rich_text_input": INPUTS["rich_text_input"]
})  # fmt: skip
IN_INPUT: Final = Kinds({**SELECTS, **CHOICES, **INPUTS, "datetimepicker": DATETIME_PICKER})
IN_MODAL_INPUT: Final = Kinds({**IN_INPUT.kinds, "file_input": FILE_INPUT})
IN_CONTEXT_ACTIONS: Final = Kinds(
    {
        "feedback_buttons": Object({"positive_button": _FEEDBACK, "negative_button": _FEEDBACK}, {"action_id": _ID}),
        "icon_button": Object(
            {"icon": ANY_TEXT, "text": plain()},
            {**_ASKS, "value": Text(2_000), "accessibility_label": _LABEL, "visible_to_user_ids": _IDS},
        ),
    }
)
