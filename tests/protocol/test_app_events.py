"""The events that only the Events API has: every one has its fields."""

import msgspec

from tautwire.protocol.app_events import APP_EVENTS
from tautwire.protocol.correspondence import ONLY_EVENTS_API


def test_every_event_that_only_the_events_api_has_is_listed() -> None:
    assert sorted(str(cls.__struct_config__.tag) for cls in APP_EVENTS) == sorted(ONLY_EVENTS_API)


def test_the_fields_of_a_mention_are_read() -> None:
    sent = b'{"type":"app_mention","user":"U1","text":"<@U2> hi","ts":"1.2","channel":"C1","event_ts":"1.2","x":1}'
    mention = msgspec.json.decode(sent, type=next(cls for cls in APP_EVENTS if cls.__name__ == "AppMention"))

    assert msgspec.to_builtins(mention)["text"] == "<@U2> hi"
