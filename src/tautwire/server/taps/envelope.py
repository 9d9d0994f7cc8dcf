"""The envelope of an event, with ids that are the same each time it is made. Pure.

The ids come from the app, the position of the entry and the time of the event. So an event that is sent again, even by
another process after a crash, has the id it had first, and receivers can drop copies. The time is in them because a
position alone can be given twice, after a backup was restored. Source: wire/events-api.md#envelope.
"""

import hashlib
from base64 import b32encode, urlsafe_b64encode
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from tautwire.protocol.ids import Ts
from tautwire.server.taps.filter import Seen

VERIFICATION_TOKEN: Final = "retired"  # noqa: S105 - a public constant
"""``token`` of every envelope. It is deprecated: receivers check signatures, and in Socket Mode nothing."""


class Source(NamedTuple):
    """The app for which envelopes are made."""

    team: str
    app: str
    bot_user: str


class Envelope(NamedTuple):
    """An event on its way to an app."""

    id: str
    """The id of the event, ``Ev…``."""
    envelope_id: str
    """The id by which Socket Mode acknowledges it."""
    payload: bytes
    """The ``event_callback``: the payload in Socket Mode, the body over HTTP."""
    topic: str = ""
    """What the event is about: a conversation, a user or the workspace. Events of one topic have an order."""


def wrap(source: Source, position: int, topic: str, seen: Seen) -> Envelope:
    """Return the envelope of an event of the entry of a topic at ``position``."""
    digest = _digest(source, position, seen)
    event_id = f"Ev{b32encode(digest[:10]).decode()}"
    payload = (
        b'{"token":"%b","team_id":"%b","context_team_id":"%b","context_enterprise_id":null,"api_app_id":"%b","event":%b'
        b',"type":"event_callback","event_id":"%b","event_time":%d,"authorizations":[{"enterprise_id":null,'
        b'"team_id":"%b","user_id":"%b","is_bot":true,"is_enterprise_install":false}],'
        b'"is_ext_shared_channel":false,"event_context":"%b"}'
    ) % (
        VERIFICATION_TOKEN.encode(), source.team.encode(), source.team.encode(), source.app.encode(), seen.body,
        event_id.encode(), _seconds(seen.event_ts), source.team.encode(), source.bot_user.encode(),
        _context(source, seen, event_id),
    )  # fmt: skip
    return Envelope(event_id, str(UUID(bytes=digest[16:], version=4)), payload, topic)


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


def _digest(source: Source, position: int, seen: Seen) -> bytes:
    text = f"{source.team} {source.app} {position} {seen.ordinal} {seen.event_ts}"
    return hashlib.sha256(text.encode()).digest()


def _context(source: Source, seen: Seen, event_id: str) -> bytes:
    """Return what ``apps.event.authorizations.list`` is asked with: opaque to apps.

    The position is not in it: it would show how busy conversations are that the app cannot see.
    """
    about = {"et": seen.type, "tid": source.team, "aid": source.app, "eid": event_id}
    return b"4-" + urlsafe_b64encode(msgspec.json.encode(about)).rstrip(b"=")


def _seconds(ts: Ts) -> int:
    return int(ts.partition(".")[0] or 0)
