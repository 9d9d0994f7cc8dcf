"""What the server adds to blocks."""

from itertools import count
from typing import Any

import pytest

from tautwire.server.services.blockkit.filling import fill_attachments, fill_blocks
from tautwire.server.services.blockkit.validation import validate_blocks

TEXT = {"type": "plain_text", "text": "x"}
FILLED = {"type": "plain_text", "text": "x", "emoji": True}


def fill(*blocks: Any) -> Any:
    numbers = count(1)
    return fill_blocks([*blocks], lambda: f"i{next(numbers)}")


def test_ids_and_defaults_are_written_out() -> None:
    block = {"type": "input", "label": TEXT, "element": {"type": "plain_text_input", "placeholder": TEXT}}
    assert fill(block) == [
        {
            "type": "input",
            "block_id": "i2",
            "label": FILLED,
            "element": {
                "type": "plain_text_input",
                "action_id": "i1",
                "placeholder": FILLED,
                "dispatch_action_config": {"trigger_actions_on": ["on_enter_pressed"]},
            },
            "optional": False,
            "dispatch_action": False,
        }
    ]


def test_what_is_given_stays() -> None:
    block = {
        "type": "section",
        "block_id": "b",
        "text": {"type": "mrkdwn", "text": "x", "verbatim": True},
        "accessory": {"type": "button", "action_id": "a", "text": {**TEXT, "emoji": False}},
    }
    assert fill(block) == [block]


def test_blocks_in_containers_and_texts_in_options_are_filled() -> None:
    menu = {"type": "overflow", "options": [{"text": TEXT, "value": "1"}]}
    inner = {"type": "section", "fields": [TEXT], "accessory": menu}
    (filled,) = fill({"type": "container", "title": TEXT, "child_blocks": [inner]})
    (child,) = filled["child_blocks"]
    assert (filled["block_id"], child["block_id"], child["accessory"]["action_id"]) == ("i3", "i2", "i1")
    assert child["accessory"]["options"][0]["text"] == FILLED


def test_a_generated_id_is_not_one_that_is_given() -> None:
    first, second = fill({"type": "divider"}, {"type": "divider", "block_id": "i1"})
    assert (first["block_id"], second["block_id"]) == ("i2", "i1")


def test_filled_blocks_are_valid_and_filled_for_good() -> None:
    block = {"type": "actions", "elements": [{"type": "users_select", "placeholder": TEXT}]}
    filled = fill_blocks([block, {"type": "divider"}])
    assert validate_blocks(filled, "message") == []
    assert fill_blocks(filled) == filled


def test_rich_text_is_left_alone() -> None:
    block = {"type": "rich_text", "block_id": "b", "elements": [{"type": "rich_text_section", "elements": []}]}
    assert fill(block) == [block]


def test_attachments_and_their_buttons_are_numbered() -> None:
    given = [{"text": "x"}, {"actions": [{"name": "a"}, {"name": "b"}], "blocks": [{"type": "divider"}]}]
    first, second = fill_attachments(given, lambda: "i")
    assert first == {"text": "x", "id": 1}
    assert [each["id"] for each in second["actions"]] == ["1", "2"]
    assert second["blocks"] == [{"type": "divider", "block_id": "i"}]


@pytest.mark.parametrize(
    "block", [{}, {"type": []}, {"type": {}, "block_id": []}, {"type": "container", "child_blocks": 7}, {"a": [[[7]]]}]
)
def test_blocks_that_were_never_checked_do_no_harm(block: dict[str, Any]) -> None:
    (attachment,) = fill_attachments([{"blocks": [block, 7]}])
    assert attachment["blocks"][1] == 7


def test_depth_does_no_harm() -> None:
    block: dict[str, Any] = {"type": "container"}
    for _ in range(500):
        block = {"type": "container", "child_blocks": [block]}
    assert fill(block)[0]["block_id"]
