"""What is remembered of recent interactions, within bytes."""

import msgspec

from tautwire.server.log.entry import Entry, Topic
from tautwire.server.services.interactivity.recent import Ephemerals, Recent


def test_the_value_used_longest_ago_is_dropped_first() -> None:
    made = Recent(1_000)
    made.keep("a", "1")
    made.keep("b", "2")
    assert made.find("1") == "a"
    made.keep("c" * 100, "3")
    assert (made.find("1"), made.find("2"), made.find("3")) == ("a", None, "c" * 100)
    made.keep("d" * 2_000, "1")
    assert made.find("1") is None
    made.drop("3")
    assert (len(made), made.size) == (0, 0)


def ephemeral(topic: str = "U1", **members: object) -> Entry:
    event = {"type": "message", "channel": "C1", "is_ephemeral": True, "ts": "1.1", **members}
    return Entry(1, "event", Topic(topic), msgspec.json.encode(event))


def test_ephemeral_messages_follow_the_log() -> None:
    made = Ephemerals()
    made.follow([ephemeral(text="one"), ephemeral(text="two", ts="1.2")])
    assert made.find("U1", "C1", "1.1")["text"] == "one"
    assert made.find("U2", "C1", "1.1") is None
    made.follow([ephemeral(subtype="message_changed", ts="1.3", message={"text": "new", "ts": "1.1"})])
    assert made.find("U1", "C1", "1.1")["text"] == "new"
    made.follow([ephemeral(subtype="message_deleted", ts="1.4", deleted_ts="1.2")])
    assert (made.find("U1", "C1", "1.2"), len(made)) == (None, 1)


def test_other_events_are_not_remembered() -> None:
    made = Ephemerals()
    made.follow(
        [
            ephemeral(type="pref_change"),
            ephemeral(is_ephemeral=False, inner={"is_ephemeral": True}),
            ephemeral("C1", text="x"),
            msgspec.structs.replace(ephemeral(text="x"), kind="room"),
        ]
    )
    assert len(made) == 0
