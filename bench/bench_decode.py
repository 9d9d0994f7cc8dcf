"""What it costs a client to turn one frame into a typed event, beside ``json.loads`` of the same bytes.

Dispatching the event to handlers is measured by ``bench_dispatch``.
"""

import json
import timeit
from collections.abc import Callable

from bench.report import Cell, report
from tautwire.protocol.codec import decode_command, decode_events

ROUNDS = 15  # the best counts: everything slower is somebody else's work
MIN_SECONDS = 0.02  # of one round

MESSAGE = {
    "type": "message",
    "channel": "C0EX00001",
    "user": "U0EX00002",
    "text": "Good morning everybody, the build is green and lunch is at noon",
    "ts": "1700000010.000100",
    "event_ts": "1700000010.000100",
    "team": "T0EX00003",
    "user_team": "T0EX00003",
    "source_team": "T0EX00003",
    "client_msg_id": "5b2f6dbd-4b2e-4c60-9f4e-0d5b5c1a2e3f",
}
PARAGRAPH = {
    "type": "rich_text_section",
    "elements": [
        {"type": "text", "text": "The owls of the north tower were counted again last night. "},
        {"type": "link", "url": "https://owls.example.test/count", "style": {"bold": True}},
        {"type": "emoji", "name": "owl", "unicode": "1f989"},
    ],
}
FRAMES: dict[str, object] = {
    "message": MESSAGE,
    "message with blocks": MESSAGE
    | {"blocks": [{"type": "rich_text", "block_id": "b1", "elements": [PARAGRAPH] * 19}]},
    "message_changed": {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "channel": "C0EX00001",
        "ts": "1700000011.000200",
        "message": {"type": "message", "user": "U0EX00002", "text": "Good morning, all", "ts": "1700000010.000100"},
    },
    "user_typing": {"type": "user_typing", "channel": "C0EX00001", "user": "U0EX00002"},
    "ack": {"ok": True, "reply_to": 7, "ts": "1700000010.000100", "text": "Good morning"},
    "unknown type": {"type": "brand_new", "channel": "C0EX00001", "user": "U0EX00002"},
}
COMMAND = {"id": 1, "type": "message", "channel": "C0EX00001", "text": MESSAGE["text"]}


def micros(*calls: Callable[[], object]) -> list[float]:
    """Return the best time of each call, in microseconds. They take turns, so that other load hits all alike."""
    timers = [timeit.Timer(call) for call in calls]
    number = 1000
    while timers[0].timeit(number) < MIN_SECONDS:
        number *= 2
    rounds = [[timer.timeit(number) for timer in timers] for _ in range(ROUNDS)]
    return [min(times) / number * 1e6 for times in zip(*rounds, strict=True)]


def decode_one(data: bytes) -> object:
    """Read a frame that came in alone."""
    return decode_events((data,))[0]


def row(name: str, frame: object, decode: Callable[[bytes], object]) -> dict[str, Cell]:
    """Measure one frame."""
    data = json.dumps(frame, separators=(",", ":")).encode()
    ours, plain = micros(lambda: decode(data), lambda: json.loads(data))
    return {"frame": name, "bytes": len(data), "ours_us": ours, "json_loads_us": plain, "times_faster": plain / ours}


def main() -> None:
    """Measure every kind of frame."""
    rows = [row(name, frame, decode_one) for name, frame in FRAMES.items()]
    rows.append(row("message, as the server reads it", COMMAND, decode_command))
    report("decode", "Decoding one frame into its typed event (microseconds)", rows)
