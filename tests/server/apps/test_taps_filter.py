"""Which events an app gets of an entry of the log, and how they are wrapped."""

import hashlib
import json
from base64 import b32encode, urlsafe_b64encode
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.protocol.correspondence import CHANNEL_TYPES, MESSAGES
from tautwire.protocol.ids import Ts
from tautwire.server.log.entry import Entry, Kind, Topic
from tautwire.server.services.access.subscriptions import BOT_EVENTS
from tautwire.server.taps.envelope import Source, socket_mode_frame, wrap
from tautwire.server.taps.filter import AppEvent, Filter

BOT, BOT_ID = "UBOT000001", "BBOT000001"
ALL = sorted(BOT_EVENTS)
KINDS = sorted(MESSAGES)


def message(**members: Any) -> dict[str, Any]:
    return {
        "type": "message", "user": "U1", "text": "hello", "ts": "1790000110.000100", "channel": "C1",
        "event_ts": "1790000110.000100",
    } | members  # fmt: skip


def entry(body: dict[str, Any], topic: str = "C1", position: int = 7, kind: Kind = "event") -> Entry:
    return Entry(position, kind, Topic(topic), msgspec.json.encode(body))


def told(body: dict[str, Any], kind: str | None = "public", events: list[str] = ALL) -> list[dict[str, Any]]:
    seen = Filter(events, BOT, BOT_ID).events(entry(body), kind)
    found = [json.loads(each.body) for each in seen]
    assert [each.type for each in seen] == [each["type"] for each in found]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_told_by_the_kind_of_its_conversation(kind: str) -> None:
    plain = message()
    (event,) = told(plain, kind, [MESSAGES[kind]])
    assert event == plain | {"channel_type": CHANNEL_TYPES[kind]}
    assert told(plain, kind, ["message"]) == [event]
    assert told(plain, kind, [name for name in MESSAGES.values() if name != MESSAGES[kind]]) == []


def test_an_ephemeral_message_is_never_told() -> None:
    assert told(message(is_ephemeral=True, text=f"<@{BOT}>")) == []
    assert told(message(text=f"<@{BOT}>"), None) == [], "the topic of an ephemeral message is a user"


def test_the_known_defect_of_message_replied() -> None:
    """The Events API has it without its subtype. Source: wire/events-api.md#differences-to-rtm."""
    body = message(subtype="message_replied", hidden=True, message={"text": f"<@{BOT}>", "reply_count": 1})
    (event,) = told(body)
    del body["subtype"]
    assert event == body | {"channel_type": "channel"}


@pytest.mark.parametrize("text", [f"<@{BOT}> status?", f"ask <@{BOT}|bot>!"])
@pytest.mark.parametrize("kind", ["public", "private", "mpim"])
def test_a_mention_is_one_more_event(text: str, kind: str) -> None:
    """Vector 1 of wire/events-api.md#test-vectors."""
    body = message(text=text, thread_ts="1790000100.000100")
    plain, mention = told(body, kind)
    assert plain["type"] == "message"
    assert mention == body | {"type": "app_mention"}, "it has no channel_type"
    assert told(body, kind, ["app_mention"]) == [mention]


@pytest.mark.parametrize(
    "body",
    [
        message(text="<@UOTHER0001>"),
        message(text=f"<@{BOT}0>"),
        message(text=f"@{BOT}"),
        message(text=f"<@{BOT}>", user=BOT),
        message(text=f"<@{BOT}>", user="", bot_id=BOT_ID, subtype="bot_message"),
        message(text=f"<@{BOT}> has joined the channel", subtype="channel_join"),
        message(attachments=[{"text": f"<@{BOT}>"}]),
        message(subtype="message_deleted", previous_message=message(text=f"<@{BOT}>")),
    ],
    ids=["another", "a longer id", "no mention", "itself", "itself as bot", "joined", "attachment", "deleted"],
)
def test_what_is_no_mention(body: dict[str, Any]) -> None:
    assert told(body, events=["app_mention"]) == []


def test_a_direct_message_is_no_mention() -> None:
    """Vector 2 of wire/events-api.md#test-vectors."""
    assert [event["type"] for event in told(message(text=f"<@{BOT}>"), "im")] == ["message"]


def test_an_edit_mentions_again() -> None:
    """Vector 3 of wire/events-api.md#test-vectors."""
    inner = {"type": "message", "user": "U1", "text": f"<@{BOT}> now", "ts": "1790000100.000100",
             "edited": {"user": "U1", "ts": "1790000120.000100"}}  # fmt: skip
    body = message(
        subtype="message_changed", hidden=True, message=inner, ts="1790000120.000100", event_ts="1790000120.000200"
    )
    changed, mention = told(body)
    assert changed == body | {"channel_type": "channel"}
    assert mention == inner | {"type": "app_mention", "channel": "C1", "event_ts": "1790000120.000200"}


def test_a_change_that_is_no_edit_mentions_nobody() -> None:
    inner = message(text=f"<@{BOT}>", edited={"user": "U1", "ts": "1790000001.000000"})
    body = message(subtype="message_changed", message=inner, ts="1790000120.000100")
    assert [event["type"] for event in told(body)] == ["message"]


@pytest.mark.parametrize("name", ["reaction_added", "member_joined_channel", "team_join", "channel_left"])
def test_other_events_are_told_as_they_are(name: str) -> None:
    body = {"type": name, "event_ts": "1790000110.000100", "channel": "C1"}
    assert told(body) == [body]
    assert told(body, None) == [body]
    assert told(body, events=["app_mention"]) == []


@pytest.mark.parametrize("name", ["im_marked", "channel_joined", "bot_added", "pref_change", "im_created", ""])
def test_what_only_rtm_has_is_told_to_no_app(name: str) -> None:
    assert told({"type": name, "event_ts": "1790000110.000100"}, events=[*ALL, name]) == []


bodies = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["message", "message", "reaction_added", "im_marked"]),
        "user": st.sampled_from(["U1", BOT]),
        "text": st.sampled_from(["hi", f"<@{BOT}> hi", "ü“\\"]) | st.text(),
        "ts": st.just("1790000110.000100"),
        "channel": st.just("C1"),
        "event_ts": st.integers(0, 9_999_999_999).map(lambda n: f"{n:010}.000001"),
    },
    optional={
        "subtype": st.sampled_from(["me_message", "channel_join", "message_replied", "bot_message"]),
        "is_ephemeral": st.booleans(),
        "hidden": st.booleans(),
        "extra": st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
    },
)


@given(bodies, st.sampled_from(KINDS), st.sets(st.sampled_from(ALL)))
def test_what_an_app_gets_is_what_rtm_has_but_for_the_map(body: dict[str, Any], kind: str, events: set[str]) -> None:
    for event in told(body, kind, sorted(events)):
        assert not body.get("is_ephemeral")
        assert event["event_ts"] == body["event_ts"]
        if event["type"] == "app_mention":
            assert {"app_mention"} <= events
            assert event == body | {"type": "app_mention"}
        elif event["type"] == "message":
            assert event.pop("channel_type") == CHANNEL_TYPES[kind]
            assert {"message", MESSAGES[kind]} & events
            if body.get("subtype") == "message_replied":
                event["subtype"] = "message_replied"
            assert event == body
        else:
            assert event == body


@given(bodies, st.sampled_from(KINDS), st.sets(st.sampled_from(ALL)))
def test_an_entry_that_is_passed_over_has_no_event(body: dict[str, Any], kind: str, events: set[str]) -> None:
    one = Filter(events, BOT, BOT_ID)
    if not one.may_want(entry(body)):
        assert one.events(entry(body), kind) == []


# Envelopes

SOURCE = Source("T0TAUT001", "A0TICKET01", "U0TICKET1", is_bot=True)
SEEN = AppEvent(0, "message", Ts("1790000110.000100"), b'{"type":"message","event_ts":"1790000110.000100"}')


def test_an_envelope_has_the_members_of_the_vector() -> None:
    """E1 of wire/events-api.md#test-vectors."""
    payload = json.loads(wrap(SOURCE, 7, "C1", SEEN).payload)
    assert payload["event"] == json.loads(SEEN.body)
    assert (payload["type"], payload["team_id"], payload["api_app_id"]) == ("event_callback", "T0TAUT001", "A0TICKET01")
    assert payload["event_time"] == 1790000110
    assert payload["authorizations"] == [
        {"enterprise_id": None, "team_id": "T0TAUT001", "user_id": "U0TICKET1", "is_bot": True,
         "is_enterprise_install": False}
    ]  # fmt: skip
    assert payload["is_ext_shared_channel"] is False
    assert payload["event_id"].startswith("Ev")
    assert payload["event_context"].startswith("4-")


def test_a_frame_has_the_members_of_socket_mode() -> None:
    envelope = wrap(SOURCE, 7, "C1", SEEN)
    frame = json.loads(socket_mode_frame(envelope, 2, "timeout"))
    assert frame == {
        "envelope_id": envelope.envelope_id, "type": "events_api", "payload": json.loads(envelope.payload),
        "accepts_response_payload": False, "retry_attempt": 2, "retry_reason": "timeout",
    }  # fmt: skip


places = st.tuples(
    st.sampled_from(["A1", "A2"]), st.integers(1, 9), st.sampled_from([0, 1]),
    st.sampled_from(["1790000110.000100", "1790000110.000101"]),
)  # fmt: skip


@given(places, places)
def test_ids_are_the_same_for_the_same_event_alone(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    def ids(app: str, position: int, ordinal: int, ts: str) -> tuple[str, str]:
        envelope = wrap(
            Source("T1", app, "U1", is_bot=True), position, "C1", AppEvent(ordinal, "message", Ts(ts), SEEN.body)
        )
        return envelope.id, envelope.envelope_id

    for first, second in zip(ids(*one), ids(*other), strict=True):
        assert (first == second) == (one == other)


@pytest.mark.parametrize(
    "changes",
    [{"text": "never mind", "edited": {"user": "U1", "ts": "1790000120.000100"}}, {"edited": None}, {"reply_count": 1}],
    ids=["the mention is gone", "no edit", "the thread grew"],
)
def test_a_change_without_a_new_mention_mentions_nobody(changes: dict[str, Any]) -> None:
    before = message(text=f"<@{BOT}>")
    body = message(subtype="message_changed", message=before | changes, previous_message=before, ts="1790000120.000100")
    assert [event["type"] for event in told(body)] == ["message"]


@pytest.mark.parametrize(
    ("events", "body", "wanted"),
    [
        *(([name], message(), True) for name in MESSAGES.values()),
        (["app_mention"], message(text=f"<@{BOT}>"), True),
        (["app_mention"], message(), False),
        (["team_join"], message(), True),
        ([], message(text=f"<@{BOT}>"), False),
    ],
)
def test_which_entries_are_looked_at(events: list[str], body: dict[str, Any], wanted: bool) -> None:
    assert Filter(events, BOT, BOT_ID).may_want(entry(body)) is wanted


def test_the_ids_of_an_event_are_those_of_every_version() -> None:
    """What was sent before an update is sent after it with the same ids."""
    digest = hashlib.sha256(f"T1 A1 7 0 {SEEN.event_ts}".encode()).digest()
    envelope = wrap(Source("T1", "A1", "U1", is_bot=True), 7, "C1", SEEN)
    assert envelope.id == f"Ev{b32encode(digest[:10]).decode()}"
    assert envelope.envelope_id == str(UUID(bytes=digest[16:], version=4))
    context = json.loads(envelope.payload)["event_context"]
    about = {"et": SEEN.type, "tid": "T1", "aid": "A1", "eid": envelope.id, "cid": "C1"}
    assert context == "4-" + urlsafe_b64encode(msgspec.json.encode(about)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("topic", "body", "about"),
    [
        ("C1", b'{"type":"message","channel":"C2"}', "C1"),
        ("T1", b'{"type":"channel_archive","channel":"C2"}', "C2"),
        ("T1", b'{"type":"channel_rename","channel":{"id":"C2","name":"n"}}', "C2"),
        ("U1", b'{"type":"channel_left","channel":"C2"}', "C2"),
        ("T1", b'{"type":"user_change","user":{"id":"U1"}}', "T1"),
        ("T1", b'{"type":"brand_new","channel":{"id":7}}', "T1"),
    ],
)
def test_an_event_is_about_the_conversation_that_it_names(topic: str, body: bytes, about: str) -> None:
    """Over HTTP it has its place among the events of that conversation, also if the whole workspace gets it."""
    assert wrap(SOURCE, 7, topic, SEEN._replace(body=body)).about == about
