"""What an event is about: its user, its message, its thread, and whether a program spoke.

``test_context`` has the plain cases, as contexts show them.
"""

import json
from typing import Any

import pytest

from tautwire import Event
from tautwire.client.handlers.event_facts import is_from_bot, message_of, thread_of, user_of
from tautwire.protocol.codec import decode_event


def event(**members: Any) -> Event:
    found = decode_event(json.dumps(members))
    assert isinstance(found, Event)
    return found


def message(**members: Any) -> Event:
    return event(type="message", channel="C1", text="x", ts="1.000001", **members)


def edit(**inner: Any) -> Event:
    """The change, at 9, of a message of 2."""
    return event(
        type="message",
        subtype="message_changed",
        channel="C1",
        ts="9.000001",
        hidden=True,
        message={"type": "message", "text": "y", "ts": "2.000001", **inner},
    )


@pytest.mark.parametrize(
    ("about", "from_bot"),
    [
        (message(user="U1"), False),
        (message(user="U1", bot_id="B1"), True),
        (message(user="U1", bot_id=""), False),
        (message(subtype="bot_message", bot_id="B1"), True),
        (message(user="USLACKBOT"), True),
        (edit(user="U1"), False),
        (edit(user="U1", bot_id="B1"), True),
        (edit(user="USLACKBOT"), True),
        (event(type="hello"), False),
        (event(type="user_typing", channel="C1", user="U1"), False),
        (event(type="brand_new", bot_id="B1", user="USLACKBOT"), False),
    ],
)
def test_a_program_spoke_where_a_bot_is_named_or_the_service_itself(about: Event, from_bot: bool) -> None:
    assert is_from_bot(about) is from_bot


@pytest.mark.parametrize(
    ("about", "user"),
    [
        (message(user="U1"), "U1"),
        (message(subtype="bot_message", bot_id="B1"), None),
        (edit(user="U2"), "U2"),
        (edit(), None),
        (event(type="user_change", user={"id": "U5", "name": "eve"}), "U5"),
        (event(type="brand_new", user="U1"), None),
        (event(type="hello"), None),
    ],
)
def test_the_user_is_named_by_id_or_by_the_whole_user(about: Event, user: str | None) -> None:
    assert user_of(about) == user


@pytest.mark.parametrize(
    ("about", "ts", "thread"),
    [
        (message(user="U1"), "1.000001", None),
        (message(user="U1", thread_ts="0.000001"), "1.000001", "0.000001"),
        (edit(user="U1"), "2.000001", None),
        (edit(user="U1", thread_ts="0.000001"), "2.000001", "0.000001"),
        (event(type="reaction_added", user="U1", reaction="eyes", item={"type": "file", "file": "F1"}), None, None),
        (event(type="brand_new", ts="1.000001", thread_ts="0.000001"), None, None),
    ],
)
def test_an_edit_is_about_the_message_within_it(about: Event, ts: str | None, thread: str | None) -> None:
    """Not about its own ts, under which no message is found."""
    assert message_of(about) == ts
    assert thread_of(about) == thread
