"""Which conversation an event belongs to, whatever member says so."""

import json
from typing import Any

import pytest

from tautwire.protocol.codec import decode_event
from tautwire.protocol.events.conversation import conversation_of


@pytest.mark.parametrize(
    ("members", "conversation"),
    [
        ({"type": "message", "channel": "C1", "text": "x", "ts": "1.000001"}, "C1"),
        ({"type": "user_typing", "channel": "C2", "user": "U1"}, "C2"),
        ({"type": "channel_rename", "channel": {"id": "C3", "name": "x", "created": 1}}, "C3"),
        ({"type": "reaction_added", "user": "U1", "reaction": "eyes", "event_ts": "1.000001",
          "item": {"type": "message", "channel": "C4", "ts": "1.000001"}}, "C4"),
        ({"type": "file_created", "file_id": "F1", "file": {"id": "F1"}, "channel_id": "C5"}, ""),
        ({"type": "team_join", "user": {"id": "U1", "name": "x"}}, ""),
        ({"type": "never_heard_of", "channel": "C6"}, ""),
    ],
)  # fmt: skip
def test_the_conversation_is_found(members: dict[str, Any], conversation: str) -> None:
    event = decode_event(json.dumps(members).encode())
    assert conversation_of(event) == conversation
