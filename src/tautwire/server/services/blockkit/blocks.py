"""The blocks of the table, and the surfaces where they may stand. Source: wire/block-kit.md#blocks (documented)."""

from collections.abc import Mapping
from typing import Final, Literal

from tautwire.server.services.blockkit.elements import (
    ACCESSORIES,
    BUTTON,
    IMAGE,
    IN_ACTIONS,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_MODAL_INPUT,
    SOURCE,
)
from tautwire.server.services.blockkit.objects import RAW_NUMBER, RAW_TEXT, SLACK_FILE, plain, text
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

Surface = Literal["message", "modal", "home"]

MAX_MARKDOWN: Final = 12_000
"""Code points in all markdown blocks of a message."""
MAX_BLOCKS: Final[Mapping[Surface, int]] = {"message": 50, "modal": 100, "home": 100}


def _block(
    required: Mapping[str, Shape] | None = None,
    optional: Mapping[str, Shape] | None = None,
    *,
    exactly_one: tuple[str, ...] = (),
    at_least_one: tuple[str, ...] = (),
    is_open: bool = False,
) -> Object:
    """Return a block: what it is made of, and ``block_id``."""
    members: dict[str, Shape] = {"block_id": Text(255), **(optional or {})}
    return Object(required or {}, members, exactly_one, at_least_one, is_open)


def _input(elements: Kinds) -> Object:
    return _block(
        {"label": plain(2_000), "element": elements},
        {"hint": plain(2_000), "optional": FLAG, "dispatch_action": FLAG},
    )


_RICH_TEXT: Final = _block(RICH_TEXT.required)
_RICH: Final = Kinds({"rich_text": _RICH_TEXT})
_CELLS: Final = Items(Kinds({"raw_text": RAW_TEXT, "raw_number": RAW_NUMBER, "rich_text": _RICH_TEXT}), 20)
_CARD: Final = _block(
    optional={
        "title": text(150),
        "subtitle": text(150),
        "body": text(200),
        "hero_image": ANYTHING,
        "actions": Items(Kinds({"button": BUTTON})),
    },
    at_least_one=("hero_image", "title", "body", "actions"),
    is_open=True,
)
_TASK: Final = _block(
    {"task_id": ANY_TEXT, "title": ANY_TEXT},
    {
        "details": _RICH,
        "output": _RICH,
        "sources": Items(Kinds({"url": SOURCE})),
        "status": Choice(("pending", "in_progress", "complete", "error")),
    },
    is_open=True,
)
_EVERYWHERE: Final[Mapping[str, Object]] = {
    "section": _block(
        optional={"text": text(), "fields": Items(text(2_000), 10, 1), "accessory": ACCESSORIES, "expand": FLAG},
        at_least_one=("text", "fields"),
    ),
    "actions": _block({"elements": Items(IN_ACTIONS, 25, 1)}),
    "context": _block({"elements": Items(Kinds({"image": IMAGE, **text().kinds}), 10, 1)}),
    "divider": _block(),
    "header": _block({"text": plain(150)}, {"level": Number(1, 4)}),
    "image": _block(
        {"alt_text": Text(2_000)},
        {
            "image_url": Text(3_000),
            "slack_file": SLACK_FILE,
            "title": plain(2_000),
            # members of an image in a stored message: apps send such a block back in chat.update
            **dict.fromkeys(("fallback", "image_width", "image_height", "image_bytes", "is_animated"), ANYTHING),
        },
        exactly_one=("image_url", "slack_file"),
    ),
    "input": _input(IN_INPUT),
    "rich_text": _RICH_TEXT,
    "video": _block(
        {"alt_text": ANY_TEXT, "title": plain(199), "thumbnail_url": ANY_TEXT, "video_url": ANY_TEXT},
        {
            "title_url": ANY_TEXT,
            "author_name": Text(49),
            "provider_name": ANY_TEXT,
            "provider_icon_url": ANY_TEXT,
            "description": plain(),
        },
    ),
}
_TABLES: Final[Mapping[str, Object]] = {
    "table": _block(
        {"rows": Items(_CELLS, 100)},
        {
            "column_settings": Items(
                Object(optional={"align": Choice(("left", "center", "right")), "is_wrapped": FLAG}), 20, has_null=True
            )
        },
    ),
    "data_table": _block(
        {"caption": ANYTHING, "rows": Items(_CELLS, 101, 2)},
        {"page_size": Number(1, 100), "row_header_column_index": Number(0)},
        is_open=True,
    ),
    "card": _CARD,
    "carousel": _block({"elements": Items(Kinds({"card": _CARD}), 10, 1)}, is_open=True),
}
_IN_CONTAINER: Final[Mapping[str, Object]] = {
    **_EVERYWHERE,
    **_TABLES,
    "context_actions": _block({"elements": Items(IN_CONTEXT_ACTIONS, 5, 1)}),
    "markdown": _block({"text": Text(MAX_MARKDOWN, 1)}),
    "data_visualization": _block({"title": ANYTHING, "chart": ANYTHING}, is_open=True),
    "plan": _block({"title": ANY_TEXT}, {"tasks": Items(Kinds({"task_card": _TASK}))}, is_open=True),
    "task_card": _TASK,
    "file": _block({"external_id": ANY_TEXT, "source": Choice(("remote",))}, is_open=True),
    # known to slack_sdk, and accepted whatever is in them
    "call": _block(is_open=True),
    "auth_provider": _block(is_open=True),
}

BLOCKS: Final[Mapping[Surface, Kinds]] = {
    "message": Kinds(
        {
            **_IN_CONTAINER,
            "container": _block(
                {"child_blocks": Items(Kinds(_IN_CONTAINER), 10, 1)},
                {"title": plain(150), "rich_text_title": _RICH, "subtitle": text(150)},
                exactly_one=("title", "rich_text_title"),
                is_open=True,
            ),
        }
    ),
    "modal": Kinds(
        {
            **_EVERYWHERE,
            "input": _input(IN_MODAL_INPUT),
            "alert": _block(
                {"text": text()}, {"level": Choice(("default", "info", "warning", "error", "success"))}, is_open=True
            ),
        }
    ),
    "home": Kinds({**_EVERYWHERE, **_TABLES}),
}
"""The blocks of each surface. Those that are documented in part only are open: further members are accepted."""
