"""Events of the Events API as RTM frames: the inverse of the filter by which the server makes them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.gateway.translate.conversations import announce, unknown
from tautwire.gateway.translate.events import RULES, Before, Rule, Terms, translate
from tautwire.protocol.correspondence import MESSAGES
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.services.access.subscriptions import BOT_EVENTS
from tautwire.server.taps.filter import Filter

BOT, BOT_ID = "UBOT000001", "BBOT000001"
PLAIN = Terms(BOT, BOT_ID, legacy_bot_messages=False)
LEGACY = Terms(BOT, BOT_ID)
SAMPLES = json.loads((Path(__file__).parents[1] / "data" / "samples.json").read_text())


def frame_of(event: dict[str, Any], terms: Terms = PLAIN) -> dict[str, Any] | None:
    frame = translate(msgspec.json.encode(event), terms).frame
    return None if frame is None else json.loads(frame)


def upstream_events(frame: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return what our server sends an app that subscribes to everything."""
    entry = Entry(7, "event", Topic("C1"), msgspec.json.encode(frame))
    return [json.loads(seen.body) for seen in Filter(BOT_EVENTS, BOT, BOT_ID).events(entry, kind)]


def round_trip(frame: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [frame_of(event) for event in upstream_events(frame, kind)]
    return [each for each in found if each is not None]


@pytest.mark.parametrize("kind", sorted(MESSAGES))
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_what_the_filter_lets_through_comes_back_as_the_frame_it_was(sample: dict[str, Any], kind: str) -> None:
    frame = {name: value for name, value in sample["frame"].items() if name != "channel_type"}
    if upstream_events(frame, kind) and RULES.get(frame["type"], Rule.NONE) is not Rule.NONE:
        assert round_trip(frame, kind) == [frame]


texts = st.text(max_size=20)
messages = st.fixed_dictionaries(
    {"type": st.just("message"), "channel": st.just("C1"), "ts": st.just("1790000110.000100"), "text": texts},
    optional={
        "user": st.sampled_from([BOT, "U1"]),
        "subtype": st.sampled_from(["message_changed", "message_deleted", "channel_join", "bot_message"]),
        "bot_id": st.sampled_from([BOT_ID, "B2"]),
        "hidden": st.just(True),
        "blocks": st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2),
        "event_ts": st.just("1790000110.000100"),
    },
)


@given(messages, st.sampled_from(sorted(MESSAGES)))
def test_any_message_comes_back(frame: dict[str, Any], kind: str) -> None:
    assert round_trip(frame, kind) == [frame]


@given(
    st.fixed_dictionaries(
        {"type": st.just("message"), "subtype": st.just("message_replied"), "hidden": st.just(True)},
        optional={"channel": st.just("C1")},
    ),
    st.sampled_from([{"thread_ts": "1.000001"}, {"reply_count": 0}, {"thread_ts": "1.000001", "reply_count": 3}]),
)
def test_the_lost_subtype_of_message_replied_comes_back(frame: dict[str, Any], inner: dict[str, Any]) -> None:
    assert round_trip(frame | {"message": inner}, "public") == [frame | {"message": inner}]


def test_every_event_of_a_bot_has_a_rule() -> None:
    known = {name for name in BOT_EVENTS if not name.startswith("message.")}
    assert known <= RULES.keys()


def test_an_event_that_only_the_events_api_has_is_dropped_unless_it_is_wanted() -> None:
    mention = {"type": "app_mention", "channel": "C1", "text": "hi"}
    assert frame_of(mention) is None
    assert frame_of({"type": "brand_new_event"}) is None
    assert frame_of(mention, Terms(BOT, BOT_ID, all_events=True)) == mention


def test_a_message_of_another_app_gets_the_subtype_that_old_bots_look_for() -> None:
    other = {"type": "message", "channel": "C1", "bot_id": "B2", "user": "U2", "text": "x", "ts": "1.000001"}
    told = frame_of(other | {"bot_profile": {"name": "builds"}}, LEGACY)
    assert told == other | {"subtype": "bot_message", "username": "builds", "bot_profile": {"name": "builds"}}
    assert frame_of(other | {"username": "ci"}, LEGACY) == other | {"subtype": "bot_message", "username": "ci"}
    assert frame_of(other | {"bot_id": BOT_ID}, LEGACY) == other | {"bot_id": BOT_ID}, "its own are as they were"
    assert frame_of(other, PLAIN) == other


@pytest.mark.parametrize(
    ("event", "channel"),
    [
        ({"type": "reaction_added", "item": {"type": "message", "channel": "C7", "ts": "1.000001"}}, "C7"),
        ({"type": "pin_added", "channel_id": "C7"}, "C7"),
        ({"type": "channel_rename", "channel": {"id": "C7", "name": "x"}}, "C7"),
        ({"type": "message", "channel": "C7"}, "C7"),
        ({"type": "team_join", "user": {"id": "U1"}}, ""),
        ({"type": "reaction_added", "item": {"channel": 7}}, ""),
    ],
)
def test_the_conversation_of_an_event_is_known(event: dict[str, Any], channel: str) -> None:
    assert translate(msgspec.json.encode(event), PLAIN).channel == channel


def test_only_the_bots_own_join_needs_the_conversation() -> None:
    join = {"type": "member_joined_channel", "channel": "C1", "user": "U1"}
    assert translate(msgspec.json.encode(join), PLAIN).before is Before.NOTHING
    assert translate(msgspec.json.encode(join | {"user": BOT}), PLAIN).before is Before.JOINED


@pytest.mark.parametrize(
    ("members", "ts"),
    [
        ({"user": BOT}, "1.000001"),
        ({"bot_id": BOT_ID}, "1.000001"),
        ({"user": BOT, "subtype": "thread_broadcast"}, "1.000001"),
        ({"user": "U1"}, ""),
        ({"user": BOT, "subtype": "message_changed"}, ""),
        ({"user": BOT, "hidden": True}, ""),
        ({"bot_id": ""}, ""),
    ],
)
def test_the_bots_own_messages_are_known(members: dict[str, Any], ts: str) -> None:
    event = {"type": "message", "channel": "C1", "ts": "1.000001", "text": "x", **members}
    assert translate(msgspec.json.encode(event), PLAIN).own_ts == ts


@pytest.mark.parametrize(
    ("conversation", "types"),
    [
        ({"id": "C1", "is_private": False}, ["channel_joined"]),
        ({"id": "C1", "is_private": True}, ["group_joined"]),
        ({"id": "D1", "is_im": True}, ["im_created"]),
        ({"id": "G1", "is_mpim": True, "is_private": True}, ["mpim_joined", "group_joined"]),
        (unknown("D1"), ["im_created"]),
        (unknown("G1"), ["group_joined"]),
        (unknown("C1"), ["channel_joined"]),
    ],
)
def test_a_new_conversation_is_announced_as_rtm_does(conversation: dict[str, Any], types: list[str]) -> None:
    frames = [json.loads(frame) for frame in announce(conversation, BOT, "1.000001")]
    assert [frame["type"] for frame in frames] == types
    assert all(frame["channel"] == conversation and frame["event_ts"] == "1.000001" for frame in frames)
