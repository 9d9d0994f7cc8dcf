"""The envelope of an event, with ids that are the same each time it is made. Pure.

The ids come from the app, the position of the entry and the time of the event. So an event that is sent again, even by
another process after a crash, has the id it had first, and receivers can drop copies. The time is in them because a
position alone can be given twice, after a backup was restored. Source: wire/events-api.md#envelope.
"""

import hashlib
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from tautwire.protocol.ids import Ts
from tautwire.server.services.interactivity.payloads import VERIFICATION_TOKEN
from tautwire.server.services.interactivity.requests import Request
from tautwire.server.taps.filter import Seen

MAX_CONTEXT: Final = 1_000
"""Characters of an ``event_context``."""
_PREFIX: Final = "4-"


class Source(NamedTuple):
    """The app for which an envelope is made, and as whom it gets the event."""

    team: str
    app: str
    viewer: str
    """A user; empty for an event about the app itself."""
    is_bot: bool = True
    place: str = ""
    """The conversation of the event; empty if it is in none."""


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
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


def wrap(source: Source, position: int, seen: Seen) -> Envelope:
    """Return the envelope of an event of the entry at ``position``."""
    digest = _digest(source, position, seen)
    event_id = f"Ev{b32encode(digest[:10]).decode()}"
    payload = (
        b'{"token":"%b","team_id":"%b","context_team_id":"%b","context_enterprise_id":null,"api_app_id":"%b","event":%b'
        b',"type":"event_callback","event_id":"%b","event_time":%d%b'
        b',"is_ext_shared_channel":false,"event_context":"%b"}'
    ) % (
        VERIFICATION_TOKEN.encode(), source.team.encode(), source.team.encode(), source.app.encode(), seen.body,
        event_id.encode(), _seconds(seen.event_ts), _authorizations(source), _context(source, seen, event_id),
    )  # fmt: skip
    return Envelope(event_id, str(UUID(bytes=digest[16:], version=4)), payload)


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


def _digest(source: Source, position: int, seen: Seen) -> bytes:
    text = f"{source.team} {source.app} {position} {seen.ordinal} {seen.event_ts}"
    return hashlib.sha256(text.encode()).digest()


def _authorizations(source: Source) -> bytes:
    """Return the member of that name; there is none for an event about the app itself."""
    if not source.viewer:
        return b""
    return (
        b',"authorizations":[{"enterprise_id":null,"team_id":"%b","user_id":"%b","is_bot":%b,'
        b'"is_enterprise_install":false}]'
    ) % (source.team.encode(), source.viewer.encode(), b"true" if source.is_bot else b"false")


def _context(source: Source, seen: Seen, event_id: str) -> bytes:
    about = Context(seen.type, source.team, source.app, event_id, source.place)
    return _PREFIX.encode() + urlsafe_b64encode(msgspec.json.encode(about)).rstrip(b"=")


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
