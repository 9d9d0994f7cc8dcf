"""The envelope of an event, with ids that are the same each time it is made. Pure.

The ids come from the app, the position of the entry and the time of the event. So an event that is sent again, even by
another process after a crash, has the id it had first, and receivers can drop copies. The time is in them because a
position alone can be given twice, after a backup was restored. Source: wire/events-api.md#envelope.
"""

import hashlib
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.protocol.ids import Ts
from tautwire.server.services.interactivity.payloads import VERIFICATION_TOKEN
from tautwire.server.services.interactivity.requests import Request
from tautwire.server.taps.filter import AppEvent
from tautwire.server.taps.kinds import CONVERSATIONS

MAX_CONTEXT: Final = 1_000
"""Characters of an ``event_context``."""
_PREFIX: Final = "4-"


# This runs for each event and app, so the encodings are by hand: those of the library cost five times as much.
_DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS: Final = tuple(first + second for first in _DIGITS for second in _DIGITS)
"""Base32 of ten bits. Source: RFC 4648, 6."""
_VARIANTS: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The digit of a UUID that has the variant in its upper two bits. Source: RFC 9562, 4.1."""
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


class _Head(msgspec.Struct, gc=False):
    """The member of an event that may name a conversation."""

    channel: Any = None


_decode_head: Final = msgspec.json.Decoder(_Head).decode


class Source:
    """The app for which envelopes are made, and as whom it gets the events, with what is the same in all of them.

    Args:
        viewer: a user; empty for events about the app itself.
        is_bot: whether the viewer is the bot of the app.
    """

    __slots__ = ("app", "context", "head", "seed", "tail", "team")

    def __init__(self, team: str, app: str, viewer: str, *, is_bot: bool) -> None:
        self.team, self.app = team, app
        self.seed = f"{team} {app}"
        self.head = (
            b'{"token":"%b","team_id":"%b","context_team_id":"%b","context_enterprise_id":null,"api_app_id":"%b",'
            b'"event":'
        ) % (VERIFICATION_TOKEN.encode(), team.encode(), team.encode(), app.encode())
        # There are no authorizations for an event about the app itself.
        self.tail = _authorizations(team, viewer, is_bot=is_bot) if viewer else b""
        self.tail += b'"is_ext_shared_channel":false,"event_context":"' + _PREFIX.encode()
        self.context = b'","tid":"%b","aid":"%b","eid":"' % (team.encode(), app.encode())


class Context(msgspec.Struct, frozen=True):
    """What ``event_context`` says, for ``apps.event.authorizations.list``: nothing that the app has not got.

    The position is not in it: it would show how busy conversations are that the app cannot see.
    """

    et: str
    """The type of the event."""
    tid: str
    aid: str
    eid: str
    """The id of the event."""
    cid: str = ""
    """The conversation of the event."""


class Envelope(NamedTuple):
    """An event on its way to an app."""

    id: str
    """The id of the event, ``Ev…``."""
    envelope_id: str
    """The id by which Socket Mode acknowledges it."""
    payload: bytes
    """The ``event_callback``: the payload in Socket Mode, the body over HTTP."""
    about: str = ""
    """What the event is about: a conversation, a user or the workspace. Events about one of them have an order."""
    connection: int = 0
    """The connection that it is meant for, while that can take it; 0 for any."""


def wrap(source: Source, position: int, topic: str, event: AppEvent) -> Envelope:
    """Return the envelope of an event of the entry of a topic at ``position``."""
    digest = hashlib.sha256(f"{source.seed} {position} {event.ordinal} {event.event_ts}".encode()).digest()
    event_id = _event_id(digest)
    payload = b'%b%b,"type":"event_callback","event_id":"%b","event_time":%d,%b%b"}' % (
        source.head, event.body, event_id, _seconds(event.event_ts), source.tail,
        _context(source, topic, event, event_id),
    )  # fmt: skip
    return Envelope(event_id.decode(), _envelope_id(digest), payload, _about(topic, event))


def _about(topic: str, event: AppEvent) -> str:
    """Return the conversation that an event names, also if the whole workspace or one user gets it; else its topic."""
    if topic.startswith(CONVERSATIONS):
        return topic
    channel = _decode_head(event.body).channel
    found = channel.get("id") if isinstance(channel, dict) else channel
    return found if isinstance(found, str) and found else topic


def rate_limited(source: Source, minute: int) -> bytes:
    """Return the notice that an app got no more events in a minute, in seconds since 1970.

    Source: wire/events-api.md#delivery-over-http (documented).
    """
    notice = {
        "token": VERIFICATION_TOKEN, "type": "app_rate_limited", "team_id": source.team, "minute_rate_limited": minute,
        "api_app_id": source.app,
    }  # fmt: skip
    return msgspec.json.encode(notice)


def socket_mode_frame(envelope: Envelope, attempt: int, reason: str) -> bytes:
    """Return the payload of a frame of Socket Mode. Source: wire/socket-mode.md#server-frames."""
    return (
        b'{"envelope_id":"%b","type":"events_api","payload":%b,"accepts_response_payload":false,'
        b'"retry_attempt":%d,"retry_reason":"%b"}'
    ) % (envelope.envelope_id.encode(), envelope.payload, attempt, reason.encode())


def request_frame(envelope_id: str, request: Request) -> bytes:
    """Return the payload of a frame with a request. Source: wire/socket-mode.md#server-frames."""
    return b'{"envelope_id":"%b","type":"%b","payload":%b,"accepts_response_payload":true}' % (
        envelope_id.encode(), request.kind.encode(), request.payload,
    )  # fmt: skip


def _event_id(digest: bytes) -> bytes:
    """Return ``Ev`` and the first ten bytes in Base32."""
    bits, pairs = int.from_bytes(digest[:10]), _PAIRS
    return (
        f"Ev{pairs[bits >> 70]}{pairs[bits >> 60 & 1023]}{pairs[bits >> 50 & 1023]}{pairs[bits >> 40 & 1023]}"
        f"{pairs[bits >> 30 & 1023]}{pairs[bits >> 20 & 1023]}{pairs[bits >> 10 & 1023]}{pairs[bits & 1023]}"
    ).encode()


def _envelope_id(digest: bytes) -> str:
    """Return the last 16 bytes as a UUID of version 4."""
    text = digest.hex()
    return f"{text[32:40]}-{text[40:44]}-4{text[45:48]}-{_VARIANTS[text[48]]}{text[49:52]}-{text[52:]}"


def _authorizations(team: str, viewer: str, *, is_bot: bool) -> bytes:
    return (
        b'"authorizations":[{"enterprise_id":null,"team_id":"%b","user_id":"%b","is_bot":%b,'
        b'"is_enterprise_install":false}],'
    ) % (team.encode(), viewer.encode(), b"true" if is_bot else b"false")


def _context(source: Source, topic: str, event: AppEvent, event_id: bytes) -> bytes:
    """Return a ``Context`` without its prefix: opaque to apps."""
    place = b'","cid":"' + topic.encode() if topic.startswith(CONVERSATIONS) else b""
    about = b'{"et":"%b%b%b%b"}' % (event.type.encode(), source.context, event_id, place)
    return b2a_base64(about, newline=False).translate(_URL_SAFE).rstrip(b"=")


def read_context(text: str) -> Context | None:
    """Return what an ``event_context`` says, None if it is not one of ours."""
    body = text.removeprefix(_PREFIX)
    if body == text or len(text) > MAX_CONTEXT:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Context)
    except ValueError:
        return None


def _seconds(ts: Ts) -> int:
    return int(ts.partition(".")[0] or 0)
