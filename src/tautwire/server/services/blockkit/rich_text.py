"""The rich_text block of the table. Source: wire/block-kit.md#rich_text (documented)."""

from typing import Final

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
)

_STYLE: Final = Object(
    optional=dict.fromkeys(
        ("bold", "italic", "strike", "underline", "code", "highlight", "client_highlight", "unlink"), FLAG
    )
)


def _leaf(*required: str, **optional: Shape) -> Object:
    return Object(dict.fromkeys(required, ANY_TEXT), {"style": _STYLE, **optional})


TEXT: Final = _leaf("text")
LINK: Final = _leaf("url", text=ANY_TEXT, unsafe=FLAG)
LEAVES: Final = Kinds(
    {
        "text": TEXT,
        "link": LINK,
        "user": _leaf("user_id"),
        "usergroup": _leaf("usergroup_id"),
        "team": _leaf("team_id"),
        "channel": _leaf("channel_id"),
        "emoji": _leaf("name", unicode=ANY_TEXT, skin_tone=ANYTHING),
        "broadcast": Object({"range": Choice(("here", "channel", "everyone"))}, {"style": _STYLE}),
        "date": Object(
            {"timestamp": Number(), "format": ANY_TEXT}, {"style": _STYLE, "url": ANY_TEXT, "fallback": ANY_TEXT}
        ),
        "color": _leaf("value"),
    }
)
_BORDER: Final = Choice((0, 1))
_SECTION: Final = Object({"elements": Items(LEAVES)})
RICH_TEXT: Final = Object(
    {
        "elements": Items(
            Kinds(
                {
                    "rich_text_section": _SECTION,
                    "rich_text_list": Object(
                        {
                            "style": Choice(("bullet", "ordered")),
                            "elements": Items(Kinds({"rich_text_section": _SECTION})),
                        },
                        {"indent": Number(0, 8), "offset": Number(0), "border": _BORDER},
                    ),
                    "rich_text_quote": Object({"elements": Items(LEAVES)}, {"border": _BORDER}),
                    "rich_text_preformatted": Object(
                        {"elements": Items(Kinds({"text": TEXT, "link": LINK}))},
                        {"border": _BORDER, "language": ANY_TEXT},
                    ),
                }
            )
        )
    },
)
"""A rich_text object without the members of every block."""
