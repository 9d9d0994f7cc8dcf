"""What the tables in ``tests/data`` say about answers and frames, as checks."""

import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from tautwire.protocol.codec import decode_event
from tautwire.protocol.events import Event, MalformedEvent, UnknownEvent
from tautwire.protocol.frames import Ack, AckError, Pong, Position
from tautwire.server.services.events import SENT
from tautwire.server.web_api.method import COMMON_ERRORS as ERRORS_OF_THE_DOOR
from tautwire.server.web_api.method import METHODS as SERVED

DATA: Final = Path(__file__).parents[2] / "data"

METHODS: Final = {method["method"]: method for method in json.loads((DATA / "webapi_methods.json").read_text())}
COMMON_ERRORS: Final = set(json.loads((DATA / "webapi_common_errors.json").read_text()))
EVENTS: Final = {
    (event["type"], event["subtype"]): event["fields"] for event in json.loads((DATA / "events.json").read_text())
}
EVENTS["message", "bot_message"]["metadata"] = (
    "object?"  # whoever posts may add it. Source: wire/web-api-methods.md#chatpostmessage
)

for _subtype in (None, "bot_message", "thread_broadcast"):
    # Any author may turn formatting off (wire/web-api.md#text-processing), and a stream has a state
    # (wire/assistants.md#streaming-messages).
    EVENTS["message", _subtype] |= {"mrkdwn": "boolean?", "streaming_state": "string?"}

# A bot shares files too. Source: wire/files.md#events-of-an-upload
EVENTS["message", "file_share"] |= {"bot_id": "string?", "app_id": "string?", "bot_profile": "object?"}
# A bot broadcasts replies as well (wire/messages.md#a-plain-message).
EVENTS["message", "thread_broadcast"] |= {"bot_id": "string?", "app_id": "string?", "bot_profile": "object?"}

OTHER_ERRORS: Final = {
    "invalid_attachments",  # of chat.scheduleMessage
    "invalid_cursor",  # of all methods with cursors
    "invalid_limit",
    "invalid_metadata_format",  # of all methods that post
    "metadata_too_large",
    "attachment_payload_limit_exceeded",
    "msg_blocks_too_long",
    "msg_too_long",  # of markdown_text
    "no_text",
    # Of files.*: the errors of one step of an upload are those of the others. Source: wire/files.md#limits
    "channel_not_found",
    "channels_limit_exceeded",
    "file_deleted",
    "file_not_found",
    "file_upload_size_restricted",
    "invalid_blocks_format",
    "invalid_thread_ts",
    "missing_argument",
    "no_file_data",
    "over_pagination_limit",
    "storage_limit_reached",
    "is_archived",  # of reactions.remove: documented for reactions.add
    "not_in_channel",  # of reactions.*: not documented, observed by users of the clients
    "user_not_found",  # of users.getPresence, for which the tables name none
}
"""Errors that the tables name in words only. Source: wire/web-api.md#pages and wire/web-api-methods.md."""

_TYPES: Final = {"string": str, "integer": int, "boolean": bool, "object": dict, "any": object, "ts": str}
_TS: Final = re.compile(r"\d{10}\.\d{6}")


def check_answer(method: str, status: int, body: dict[str, Any]) -> None:
    """See that an answer is one the method can have."""
    assert status == (429 if body.get("error") == "ratelimited" else 200)
    assert body["ok"] is ("error" not in body), body
    if "error" in body and method != "api.test":
        known = ERRORS_OF_THE_DOOR.union(SERVED[method].errors if method in SERVED else ())
        assert body["error"] in known, f"{method} does not name {body['error']} among its errors"
        assert body["error"] != "internal_error", f"{method} failed"


def check_frame(raw: bytes) -> dict[str, Any]:
    """See that a frame is one of the catalogue; return it."""
    assert b"\n" not in raw
    frame: dict[str, Any] = json.loads(raw)
    event = decode_event(raw)
    assert not isinstance(event, UnknownEvent | MalformedEvent), f"{event} from {raw!r}"
    match event:
        case Ack() | AckError():
            assert "type" not in frame
            _check_ack(frame)
        case Pong() | Position():
            pass
        case Event():
            key = (frame["type"], frame.get("subtype"))
            assert key == (event.TYPE, event.SUBTYPE)
            assert event.TYPE in SENT, f"{event.TYPE} has to be in services.events.SENT, which the docs count"
            _check_members(frame, EVENTS[key])
            msgspec.json.decode(raw, type=type(event))  # strictly, which a client does not insist on
    return frame


def _check_ack(frame: dict[str, Any]) -> None:
    if frame["ok"]:
        assert set(frame) <= {"ok", "reply_to", "ts", "text"}
        assert _TS.fullmatch(frame["ts"])
    else:
        assert set(frame) <= {"ok", "reply_to", "error"}
        assert set(frame["error"]) == {"code", "msg"}


def _check_members(frame: dict[str, Any], fields: dict[str, str]) -> None:
    """See that the members are those of the table, and ``event_ts`` wherever there may be one.

    Other servers leave it out at times; ours gives it to all events but the copy of a message that was sent before.
    Source: wire/delivery.md#rules-for-every-event.
    """
    for name, kind in fields.items():
        is_needed = "reply_to" not in frame if name == "event_ts" else not kind.endswith("?")
        if name != "*" and is_needed:
            assert name in frame, f"{name} is missing in {frame}"
    for name, value in frame.items():
        if name in ("type", "subtype"):
            continue
        assert name in fields, f"{name} is no member of {frame}"
        kind = fields[name].removesuffix("?")
        wanted = list if kind.startswith("array") else _TYPES[kind]
        assert isinstance(value, wanted), f"{name} of {frame}"
        assert not (kind == "integer" and isinstance(value, bool)), f"{name} of {frame}"
        if kind == "ts":
            assert _TS.fullmatch(value), f"{name} of {frame}"
