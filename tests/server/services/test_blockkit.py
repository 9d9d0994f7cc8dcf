"""The faults of blocks and views, in the words that the wire pages give."""

from typing import Any

import msgspec
import pytest
from slack_sdk.models import blocks as sdk
from slack_sdk.models.blocks import basic_components, block_elements
from slack_sdk.models.views import View

from tautwire.server.services.blockkit.check import MAX_FAULTS, MAX_VALUES
from tautwire.server.services.blockkit.rules import has_two_tables
from tautwire.server.services.blockkit.validation import are_objects, as_messages, validate_blocks, validate_view

Block = dict[str, Any]
PLAIN = {"type": "plain_text", "text": "x"}
OPTIONS = [{"text": PLAIN, "value": "v"}]
INPUT = {"type": "input", "label": PLAIN, "element": {"type": "plain_text_input"}}


def plain(length: int) -> Block:
    return {"type": "plain_text", "text": "x" * length}


def section(**members: Any) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": "x"}, **members}


def button(**members: Any) -> Block:
    return {"type": "button", "text": PLAIN, **members}


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def table(rows: int, cells: int) -> Block:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * cells] * rows}


@pytest.mark.parametrize(
    ("at", "beyond"),
    [
        (section(text=plain(3_000)), section(text=plain(3_001))),
        (section(fields=[plain(2_000)] * 10), section(fields=[plain(2_001)])),
        (section(block_id="x" * 255), section(block_id="x" * 256)),
        ({"type": "header", "text": plain(150)}, {"type": "header", "text": plain(151)}),
        (actions(*[button()] * 25), actions(*[button()] * 26)),
        ({"type": "context", "elements": [PLAIN] * 10}, {"type": "context", "elements": [PLAIN] * 11}),
        (actions(button(text=plain(75))), actions(button(text=plain(76)))),
        (actions(button(value="x" * 2_000)), actions(button(value="x" * 2_001))),
        (actions(button(url="x" * 3_000)), actions(button(url="x" * 3_001))),
        (actions(button(action_id="x" * 255)), actions(button(action_id="x" * 256))),
        (INPUT | {"label": plain(2_000)}, INPUT | {"label": plain(2_001)}),
        ({"type": "markdown", "text": "x" * 12_000}, {"type": "markdown", "text": "x" * 12_001}),
        (table(100, 20), table(101, 20)),
        (table(1, 20), table(1, 21)),
        (
            section(accessory={"type": "static_select", "options": OPTIONS * 100}),
            section(accessory={"type": "static_select", "options": OPTIONS * 101}),
        ),
        (
            section(accessory={"type": "overflow", "options": OPTIONS * 5}),
            section(accessory={"type": "overflow", "options": OPTIONS * 6}),
        ),
        (
            section(accessory={"type": "checkboxes", "options": OPTIONS * 10}),
            section(accessory={"type": "checkboxes", "options": OPTIONS * 11}),
        ),
    ],
)
def test_the_limits_are_those_of_the_documentation(at: Block, beyond: Block) -> None:
    assert validate_blocks([at], "message") == []
    assert len(validate_blocks([beyond], "message")) == 1


@pytest.mark.parametrize(
    ("block", "fault", "place"),
    [
        ({}, "missing required field: type", ""),
        ({"type": 5}, "must provide a string", "/type"),
        ({"type": "dance"}, "unsupported type: dance", "/type"),
        ("x", "must provide an object", ""),
        ({"type": "section"}, "must define either `text` or `fields`", ""),
        ({"type": "header"}, "missing required field: text", ""),
        ({"type": "header", "text": "x"}, "must provide an object", "/text"),
        ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, "unsupported type: mrkdwn", "/text/type"),
        ({"type": "header", "text": PLAIN | {"text": ""}}, "must be more than 0 characters", "/text/text"),
        ({"type": "header", "text": PLAIN | {"text": 5}}, "must provide a string", "/text/text"),
        ({"type": "header", "text": PLAIN | {"emoji": 1}}, "must be a boolean", "/text/emoji"),
        ({"type": "divider", "color": "red"}, "invalid additional property: color", ""),
        (section(fields=[]), "must provide at least 1 items", "/fields"),
        (section(fields={}), "must provide an array", "/fields"),
        (section(accessory=button(style="pink")), "must be a valid enum value", "/accessory/style"),
        (section(accessory=button(style=["primary"])), "must be a valid enum value", "/accessory/style"),
        (section(accessory={"type": "plain_text_input"}), "unsupported type: plain_text_input", "/accessory/type"),
        ({"type": "image", "alt_text": "x"}, "missing required field: image_url", ""),
        (
            {"type": "image", "alt_text": "x", "image_url": "y", "slack_file": {"id": "F1"}},
            "failed to match exactly one allowed schema",
            "",
        ),
        (
            actions({"type": "datepicker", "initial_date": "today"}),
            "input must match regex pattern: [0-9]{4}-[0-9]{2}-[0-9]{2}",
            "/elements/0/initial_date",
        ),
        ({"type": "alert", "text": PLAIN}, "unsupported type: alert", "/type"),
        ({"type": "header", "text": PLAIN, "level": "1"}, "must provide an integer", "/level"),
        ({"type": "header", "text": PLAIN, "level": True}, "must provide an integer", "/level"),
        (table(1, 0) | {"rows": [[{"type": "raw_number", "value": "1"}]]}, "must provide a number", "/rows/0/0/value"),
        ({"type": "image", "alt_text": "x", "slack_file": 5}, "must provide an object", "/slack_file"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(block: Any, fault: str, place: str) -> None:
    assert validate_blocks([block], "message") == [f"{fault} [json-pointer:/blocks/0{place}]"]


def test_all_faults_are_named() -> None:
    blocks = [section(text=plain(3_001), fields=[]), {"type": "divider"}, {"type": "header", "text": plain(151)}]
    assert validate_blocks(blocks, "message") == [
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
        "must provide at least 1 items [json-pointer:/blocks/0/fields]",
        "must be less than 151 characters [json-pointer:/blocks/2/text/text]",
    ]


def test_an_id_is_refused_where_it_stands_again() -> None:
    blocks = [
        actions(button(action_id="a"), button(action_id="a")) | {"block_id": "b"},
        actions(button(action_id="a")) | {"block_id": "b"},
    ]
    assert validate_blocks(blocks, "message") == [
        '`block_id` "b" already exists [json-pointer:/blocks/1/block_id]',
        '`action_id` "a" already exists [json-pointer:/blocks/0/elements/1/action_id]',
    ]


def test_the_sums_over_a_message_are_limited() -> None:
    half = {"type": "markdown", "text": "x" * 6_000}
    chart = {"type": "data_visualization", "title": "x", "chart": {"type": "pie"}}
    assert validate_blocks([half, half, chart, chart], "message") == []
    assert validate_blocks([half, half, half | {"text": "x"}], "message") == [
        "must be less than 12001 characters [json-pointer:/blocks/2/text]"
    ]
    assert validate_blocks([chart] * 3, "message") == [
        "no more than 2 blocks of the type data_visualization allowed [json-pointer:/blocks]"
    ]


def test_two_tables_are_found_among_anything() -> None:
    assert has_two_tables([table(1, 1), 5, {"type": []}, table(1, 1)])
    assert not has_two_tables([table(1, 1), 5, {"type": "divider"}])


def test_a_file_input_stands_in_modals_only() -> None:
    block = INPUT | {"element": {"type": "file_input"}}
    assert validate_blocks([block], "modal") == []
    for surface in ("message", "home"):
        assert validate_blocks([block], surface) == [
            "unsupported type: file_input [json-pointer:/blocks/0/element/type]"
        ]


def test_null_counts_as_absent() -> None:
    assert validate_blocks([section(accessory=None, block_id=None)], "message") == []
    assert validate_blocks([section(text=None)], "message") != []


def test_a_view_is_refused_with_all_faults() -> None:
    view = {"type": "modal", "title": plain(25), "blocks": [INPUT]}
    assert validate_view(view) == [
        "must be less than 25 characters [json-pointer:/view/title/text]",
        "must define `submit` to use an `input` block in modals [json-pointer:/view/blocks/0/input]",
    ]
    assert validate_view({"type": "modal", "title": plain(24), "blocks": [INPUT], "submit": PLAIN}) == []
    assert validate_view({"type": "home", "blocks": [INPUT]}) == []


@pytest.mark.parametrize(
    ("view", "fault"),
    [
        (None, "must provide an object [json-pointer:/view]"),
        ([], "must provide an object [json-pointer:/view]"),
        ({"type": "home"}, "missing required field: blocks [json-pointer:/view]"),
        ({"type": "home", "blocks": {}}, "must provide an array [json-pointer:/view/blocks]"),
        ({"type": "modal", "blocks": []}, "missing required field: title [json-pointer:/view]"),
        ({"type": "dance", "blocks": []}, "unsupported type: dance [json-pointer:/view/type]"),
        ({"type": "home", "blocks": [], "id": "V1"}, "invalid additional property: id [json-pointer:/view]"),
        (
            {"type": "home", "blocks": [{"type": "markdown", "text": "x"}]},
            "unsupported type: markdown [json-pointer:/view/blocks/0/type]",
        ),
    ],
)
def test_what_is_not_a_view(view: Any, fault: str) -> None:
    assert validate_view(view) == [fault]


def test_one_element_of_a_view_may_have_the_focus() -> None:
    focused = actions({"type": "datepicker", "focus_on_load": True})
    assert validate_view({"type": "home", "blocks": [focused]}) == []
    assert validate_view({"type": "home", "blocks": [focused, focused]}) == [
        "only one element may have `focus_on_load` [json-pointer:/view/blocks/1/elements/0/focus_on_load]"
    ]


def test_values_that_are_nested_without_end_are_harmless() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for block in (deep, section(text=deep), section(deep=deep), {"type": deep}, {"type": "call", "call": deep}):
        assert isinstance(validate_blocks([block], "message"), list)
    quote: Any = {"type": "rich_text_quote", "elements": []}
    for _ in range(1_000):
        quote = {"type": "rich_text_quote", "elements": [quote]}
    assert len(validate_blocks([{"type": "rich_text", "elements": [quote]}], "message")) == 1


def test_the_number_of_faults_and_of_values_is_bounded() -> None:
    assert len(validate_blocks([{"type": "context", "elements": [5] * 10}] * 50, "message")) == MAX_FAULTS
    leaves = [{"type": "text", "text": "x"}] * MAX_VALUES
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": leaves}]}
    (fault,) = validate_blocks([rich], "message")
    assert fault.startswith("no more than 50000 values allowed")


def test_a_name_of_the_sender_is_cut_and_can_be_encoded() -> None:
    for block in ({"type": "\ud83d" * 1_000}, {"type": "divider", "\ud83d" * 1_000: 1}):
        (fault,) = validate_blocks([block], "message")
        assert len(fault) < 200
        assert msgspec.json.encode(fault)


def test_what_is_an_array_of_objects() -> None:
    assert are_objects([])
    assert are_objects([{}])
    assert not any(map(are_objects, ([{}, 5], {}, "x", None)))


def test_faults_become_messages() -> None:
    assert as_messages(["a", "b"]) == ["[ERROR] a", "[ERROR] b"]


def test_the_blocks_of_slack_sdk_are_accepted() -> None:
    confirm = sdk.ConfirmObject(title="t", text="x", confirm="y", deny="n")
    options = [sdk.Option(text="one", value="1"), sdk.Option(text="two", value="2", description="second")]
    many = [
        sdk.ButtonElement(text="b", action_id="a", value="v", style="primary", confirm=confirm),
        sdk.LinkButtonElement(text="l", url="https://x.test"),
        sdk.StaticSelectElement(placeholder="p", options=options, initial_option=options[0]),
        sdk.StaticMultiSelectElement(option_groups=[sdk.OptionGroup(label="g", options=options)], max_selected_items=2),
        sdk.ExternalDataSelectElement(placeholder="p", min_query_length=1),
        sdk.UserSelectElement(placeholder="p", initial_user="U1"),
        sdk.ConversationSelectElement(
            placeholder="p", filter=sdk.ConversationFilter(include=["public"]), response_url_enabled=True
        ),
        sdk.ChannelMultiSelectElement(placeholder="p", initial_channels=["C1"]),
        sdk.DatePickerElement(initial_date="2026-01-31", placeholder="p", focus_on_load=True),
        sdk.TimePickerElement(initial_time="23:59"),
        sdk.DateTimePickerElement(initial_date_time=1_790_000_000),
        sdk.CheckboxesElement(options=options, initial_options=options),
        sdk.RadioButtonsElement(options=options),
        sdk.OverflowMenuElement(options=options),
    ]  # fmt: skip
    leaves = sdk.RichTextElementParts
    rich = sdk.RichTextBlock(elements=[
        sdk.RichTextSectionElement(elements=[
            leaves.Text(text="x", style=leaves.TextStyle(bold=True)), leaves.Link(url="https://x.test", text="l"),
            leaves.User(user_id="U1"), leaves.Channel(channel_id="C1"), leaves.Emoji(name="tada"),
            leaves.Broadcast(range="here"), leaves.UserGroup(usergroup_id="S1"), leaves.Team(team_id="T1"),
            leaves.Color(value="#fff"),
        ]),
        sdk.RichTextListElement(elements=[sdk.RichTextSectionElement(elements=[])], style="bullet", indent=1, border=0),
        sdk.RichTextQuoteElement(elements=[leaves.Text(text="q")]),
        sdk.RichTextPreformattedElement(elements=[leaves.Text(text="p")], border=1),
    ])  # fmt: skip
    image = sdk.ImageElement(image_url="https://x.test/i.png", alt_text="i")
    for each in (
        sdk.SectionBlock(text="*x*", fields=["a", "b"], accessory=image, expand=True),
        sdk.ActionsBlock(elements=many),
        sdk.ContextBlock(elements=[image, sdk.MarkdownTextObject(text="x", verbatim=True)]),
        sdk.DividerBlock(block_id="d"),
        sdk.HeaderBlock(text="h"),
        sdk.ImageBlock(image_url="https://x.test/i.png", alt_text="i", title="t"),
        sdk.ImageBlock(slack_file=basic_components.SlackFile(id="F1"), alt_text="i"),
        sdk.InputBlock(label="l", element=sdk.PlainTextInputElement(multiline=True), hint="h", optional=True),
        sdk.MarkdownBlock(text="# x"),
        sdk.FileBlock(external_id="e"),
        sdk.CallBlock(call_id="R1"),
        sdk.VideoBlock(
            alt_text="a", video_url="https://x.test/v", thumbnail_url="https://x.test/t", title="t", author_name="n"
        ),
        sdk.ContextActionsBlock(elements=[
            sdk.FeedbackButtonsElement(
                positive_button=sdk.FeedbackButtonObject(text="+", value="1"),
                negative_button=sdk.FeedbackButtonObject(text="-", value="0"),
            ),
            sdk.IconButtonElement(icon="trash", text="t"),
        ]),
        rich,
    ):  # fmt: skip
        assert validate_blocks([each.to_dict()], "message") == [], each.type
    for element in (
        sdk.NumberInputElement(is_decimal_allowed=True, min_value="1"), sdk.EmailInputElement(placeholder="p"),
        sdk.UrlInputElement(), sdk.RichTextInputElement(action_id="r"),
        block_elements.FileInputElement(filetypes=["png"]),
    ):  # fmt: skip
        view = View(type="modal", title="t", submit="s", blocks=[sdk.InputBlock(label="l", element=element)])
        assert validate_view(view.to_dict()) == [], element.type
