"""The table: generated blocks of each kind are accepted, and every limit holds exactly where it stands."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockkit_values import limits, smallest, valid, valid_kind
from tautwire.server.services.blockkit.blocks import BLOCKS, MAX_BLOCKS, Surface
from tautwire.server.services.blockkit.validation import VIEWS, validate_blocks, validate_view

SURFACES: tuple[Surface, ...] = ("message", "modal", "home")
KINDS = [(surface, kind) for surface in SURFACES for kind in BLOCKS[surface].kinds]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
NAMES = st.sampled_from(
    [
        *(
            "type",
            "text",
            "elements",
            "element",
            "accessory",
            "fields",
            "blocks",
            "rows",
            "block_id",
            "action_id",
            "title",
        ),
        *("options", "focus_on_load", "image_url", "label", "submit", "child_blocks"),
    ]
)
WORDS = st.sampled_from(
    [*BLOCKS["message"].kinds, "mrkdwn", "plain_text", "button", "rich_text_section", "modal", "home"]
)
NEARLY = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner | WORDS, max_size=5),
)
"""JSON with the words of blocks."""


@pytest.mark.parametrize(("surface", "kind"), KINDS)
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_generated_blocks_of_each_kind_are_accepted(surface: Surface, kind: str, data: st.DataObject) -> None:
    block = data.draw(valid_kind(BLOCKS[surface], kind))
    assert validate_blocks([block], surface) == []


@pytest.mark.parametrize(("surface", "kind"), KINDS)
def test_every_limit_of_a_block_holds_at_it_and_one_beyond_it(surface: Surface, kind: str) -> None:
    for limit in limits(BLOCKS[surface].kinds[kind]):
        at, beyond = {"type": kind, **limit.at}, {"type": kind, **limit.beyond}
        assert validate_blocks([at], surface) == []
        assert validate_blocks([beyond], surface) == [f"{limit.message} [json-pointer:/blocks/0{limit.place}]"]


@pytest.mark.parametrize("kind", ["modal", "home"])
def test_every_limit_of_a_view_holds_at_it_and_one_beyond_it(kind: str) -> None:
    shape = VIEWS.kinds[kind]
    for limit in limits(shape):
        at, beyond = ({"type": kind, **value, "blocks": []} for value in (limit.at, limit.beyond))
        assert validate_view(at) == []
        assert validate_view(beyond) == [f"{limit.message} [json-pointer:/view{limit.place}]"]


@pytest.mark.parametrize("surface", SURFACES)
def test_the_number_of_blocks_is_limited(surface: Surface) -> None:
    blocks = [smallest(BLOCKS[surface], "divider")] * (MAX_BLOCKS[surface] + 1)
    assert validate_blocks(blocks[:-1], surface) == []
    (fault,) = validate_blocks(blocks, surface)
    assert fault == f"no more than {MAX_BLOCKS[surface]} items allowed [json-pointer:/blocks]"


@given(value=JSON | NEARLY, surface=st.sampled_from(SURFACES))
def test_any_json_gives_a_list_of_faults(value: object, surface: Surface) -> None:
    for faults in (validate_blocks(value, surface), validate_blocks([value], surface), validate_view(value)):
        assert all(fault.endswith("]") and "[json-pointer:/" in fault for fault in faults)


@settings(suppress_health_check=list(HealthCheck))
@given(block=valid(BLOCKS["message"]), name=NAMES, odd=NEARLY)
def test_a_valid_block_with_an_odd_member_gives_a_list_of_faults(
    block: dict[str, object], name: str, odd: object
) -> None:
    faults = validate_blocks([block | {name: odd}], "message")
    assert all("[json-pointer:/blocks" in fault for fault in faults)
