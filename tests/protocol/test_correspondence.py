"""The table of events of RTM and of the Events API: complete, in both directions, and as the pages say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.protocol.correspondence import (
    MESSAGES,
    ONLY_EVENTS_API,
    ONLY_RTM,
    SAME,
    SAME_FOR_USERS,
    to_events_api,
    to_rtm,
)
from tautwire.protocol.events import CATALOGUE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "wire" / "events-api.md"


def test_every_event_of_rtm_is_at_one_place_of_the_table() -> None:
    groups = [SAME, SAME_FOR_USERS, ONLY_RTM, frozenset({"message"})]
    assert sum(map(len, groups)) == len(frozenset().union(*groups)), "an event is in two groups"
    assert frozenset().union(*groups) == {cls.TYPE for cls in CATALOGUE.values()}
    assert not ONLY_EVENTS_API & {cls.TYPE for cls in CATALOGUE.values()}


@pytest.mark.parametrize(
    ("title", "names"), [("same", SAME), ("same, for users", SAME_FOR_USERS), ("RTM only", ONLY_RTM),
                         ("Events API only", ONLY_EVENTS_API)],
)  # fmt: skip
def test_the_page_has_the_same_table(title: str, names: frozenset[str]) -> None:
    row = re.search(rf"^\| {re.escape(title)} \|[^|]*\|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    assert row is not None
    assert frozenset(re.findall(r"`(\w+)`", row[1])) == names


MEMBERS = st.dictionaries(
    st.sampled_from(["user", "text", "ts", "thread_ts", "blocks", "bot_id"]), st.text(max_size=20), max_size=4
)
INNER = st.fixed_dictionaries({"ts": st.text(max_size=5)}, optional={"edited": st.just({"user": "U1", "ts": "1"})})


@given(MEMBERS, st.sampled_from(["", "bot_message", "channel_join", "message_changed"]), st.sampled_from([*MESSAGES]))
def test_a_message_there_and_back_is_the_same(members: dict[str, str], subtype: str, kind: str) -> None:
    message: dict[str, Any] = {"type": "message", **({"subtype": subtype} if subtype else {}), **members}
    there = to_events_api(json.dumps(message).encode(), subtype or None, kind)
    assert json.loads(there)["channel_type"] in ("channel", "group", "im", "mpim")
    back = to_rtm(there)
    assert back is not None
    assert json.loads(back) == message


@given(INNER, st.sampled_from([{"reply_count": 1}, {"thread_ts": "1.2"}]), st.sampled_from([*MESSAGES]))
def test_a_parent_with_new_counters_gets_its_subtype_back(inner: Any, facts: Any, kind: str) -> None:
    message = {"type": "message", "subtype": "message_replied", "hidden": True, "message": inner | facts}
    there = to_events_api(json.dumps(message).encode(), "message_replied", kind)
    assert "subtype" not in json.loads(there)
    back = to_rtm(there)
    assert back is not None
    assert json.loads(back) == message


@pytest.mark.parametrize("name", sorted(SAME | SAME_FOR_USERS))
def test_what_is_the_same_is_the_same_to_the_byte(name: str) -> None:
    event = b'{ "type": "%b", "event_ts":"1.2" }' % name.encode()
    assert to_rtm(event) == event


@pytest.mark.parametrize("name", [*sorted(ONLY_EVENTS_API), "something_new"])
def test_what_rtm_lacks_is_no_event(name: str) -> None:
    assert to_rtm(json.dumps({"type": name}).encode()) is None


def test_a_hidden_message_of_another_kind_gets_no_subtype() -> None:
    for message in ({"hidden": True, "message": "text"}, {"hidden": True}, {"message": {"reply_count": 1}}):
        back = to_rtm(json.dumps({"type": "message", **message}).encode())
        assert back is not None
        assert json.loads(back) == {"type": "message", **message}
