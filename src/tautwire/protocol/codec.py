"""Bytes to events and commands, and back. Nothing that comes from the wire makes these functions raise.

``decode_events`` is the client's, ``decode_command`` the server's, ``encode`` is for both. Each decoder first tries the
one strict pass that fits nearly every frame, and looks closer only when that fails. What does not fit its class is read
once more by ``tautwire.protocol.lenient``.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, TypeAlias, TypeVar, Union

import msgspec
from msgspec import Raw, Struct, ValidationError
from msgspec.json import Decoder

from tautwire.protocol import lenient
from tautwire.protocol.events import CATALOGUE, Event, MalformedEvent, UnknownEvent
from tautwire.protocol.frames import (
    Ack,
    AckError,
    Command,
    FrameId,
    InvalidFrame,
    Message,
    PingCommand,
    PingMessage,
    Pong,
    Position,
    PresenceQuery,
    PresenceSub,
    Reply,
    Tickle,
    Typing,
    UnknownCommand,
)
from tautwire.protocol.ids import ChannelId, Ts, UserId

_MAX_SHOWN: Final = 40
"""Characters of a wrong value that an error repeats."""

_NEVER_PLAIN: Final = (b'{"ok":', b'{"type":"message","subtype":')
"""How frames begin that the one pass would fail on; a hint that saves half a microsecond, which the failure costs."""

_UNREADABLE: Final = lenient.UNREADABLE


ServerFrame: TypeAlias = Event | Reply | Position
"""What one frame of a server says."""


def decode_events(frames: Sequence[bytes]) -> list[ServerFrame]:
    """Read frames of a server, in their order.

    A class is found by type and subtype, then by type alone, except that a message of an unknown subtype becomes an
    ``UnknownEvent``. A ``message`` with ``reply_to`` is a message (the replay of an earlier connection's), never an
    ack.

    A frame that does not fit its class is read as far as it can be. A number where a text belongs is taken as it is
    written; half surrogates and bytes that are no UTF-8 become U+FFFD; any other member of the wrong shape is taken for
    absent. Where the class cannot do without it, it is empty: "", 0, False or an empty list. So every JSON object with
    a text as its ``type`` becomes an event, unless it is nested about a thousand levels deep. Everything else, replies
    left aside, becomes a ``MalformedEvent``.
    """
    decode = _decode_plain_event
    events: list[ServerFrame] = []
    if len(frames) > 1:
        with suppress(*_UNREADABLE):  # the loop below finds out what it is
            for event in map(decode, frames):  # mostly all are plain, and looking at each before takes a tenth longer
                events.append(event)  # noqa: PERF402 (those before the first that is not plain are to be kept)
    for raw in frames[len(events) :]:
        if not raw.startswith(_NEVER_PLAIN):
            try:
                events.append(decode(raw))
                continue
            except _UNREADABLE:
                pass  # the closer look below says what it is
        events.append(_decode_any_event(raw))
    return events


def decode_event(frame: bytes | str) -> ServerFrame:
    """Read one frame of a server; see ``decode_events``."""
    return decode_events((frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame,))[0]


def decode_command(data: bytes | memoryview) -> Command:
    """Read one frame of a client.

    Members that are missing, null or of the wrong type read as absent, a channel or text as empty: the session answers
    such a message with the error of the list that fits. Source: wire/frames.md#what-real-clients-send.
    """
    try:
        return _decode_plain_command(data)
    except _UNREADABLE:
        return _decode_any_command(bytes(data))


def encode(value: object) -> bytes:
    """Write an event, a frame, a reply, or plain data as JSON. An unknown or malformed event is written as it came."""
    match value:
        case Ack():
            return _encode(_AckWire(True, value.reply_to, value.ts, value.text))
        case AckError():
            return _encode(_AckWire(False, value.reply_to, error=_ErrorWire(value.code, value.msg)))
        case Pong():
            return value.to_bytes()
        case PingMessage():
            return value.to_json().encode()
        case UnknownEvent() | MalformedEvent():
            return value.raw
        case _:
            return _encode(value)


# --- events ---


class _Header(Struct):
    """What tells the class of a server's frame."""

    type: Any = None
    subtype: Any = None
    reply_to: Any = None
    ok: Any = None


class _ErrorWire(Struct):
    """The ``error`` member of a refusal; 0 and an empty text are values like any other."""

    code: int = 0
    msg: str = ""


class _AckWire(Struct, omit_defaults=True):
    """The frame of an ``Ack`` or ``AckError``."""

    ok: bool | None = None
    reply_to: int | None = None
    ts: Ts | None = None
    text: str | None = None
    error: _ErrorWire | str | None = None


def _plain_classes() -> tuple[type, ...]:
    """Return the classes that a type alone decides; ``MessageEvent`` is one because it refuses a subtype."""
    with_subtypes = {kind for kind, subtype in CATALOGUE if subtype is not None} - {"message"}
    return tuple(cls for (kind, subtype), cls in CATALOGUE.items() if subtype is None and kind not in with_subtypes)


_encode: Final = msgspec.json.Encoder().encode
_decode_plain_event: Final[Callable[[bytes], Event | Position]] = Decoder(
    Union[*_plain_classes(), Position], strict=False
).decode
_decode_header: Final = Decoder(_Header).decode
_decode_members: Final = Decoder(dict[str, Raw]).decode


def _decode_any_event(raw: bytes) -> Event | Reply:
    try:
        return _decode_by_header(_strictly, raw, raw)
    except _UNREADABLE as error:
        reason = str(error)
    for data in lenient.mended(raw):
        with suppress(*_UNREADABLE):
            return _decode_by_header(lenient.read, data, raw)
    return MalformedEvent(type="", reason=reason, raw=raw)


_T = TypeVar("_T", bound=Struct)


class _Reader(Protocol):
    """A way to read an object of a class: strictly or leniently. Raises one of ``_UNREADABLE``."""

    def __call__(self, cls: type[_T], data: bytes, /) -> _T: ...


def _strictly(cls: type[_T], data: bytes) -> _T:
    found: _T = lenient.decoder_of(cls).decode(data)
    return found


def _decode_by_header(read: _Reader, data: bytes, raw: bytes) -> Event | Reply:
    """Read a frame by what its header says; ``raw`` is how it came, which ``data`` may be mended from."""
    header = read(_Header, data)
    kind = header.type
    if not kind:
        return _decode_reply(read, header, data)
    if not isinstance(kind, str):
        raise ValidationError(f"Expected `str`, got `{type(kind).__name__}` - at `$.type`")
    if kind == "pong":
        return _decode_pong(header, data)
    subtype = header.subtype if isinstance(header.subtype, str) else None
    cls = _class_of(kind, subtype)
    return read(cls, data) if cls else UnknownEvent(type=kind, subtype=subtype, raw=raw)


def _class_of(kind: str, subtype: str | None) -> type[Event] | None:
    cls = CATALOGUE.get((kind, subtype))
    return cls if cls or kind == "message" else CATALOGUE.get((kind, None))


def _decode_reply(read: _Reader, header: _Header, data: bytes) -> Reply:
    if header.ok is None and header.reply_to is None:
        raise ValidationError("Neither an event (no `type`) nor a reply (no `reply_to`)")
    wire = read(_AckWire, data)
    match wire.error:
        case _ErrorWire(code, msg):
            return AckError(wire.reply_to, code, msg)
        case str(msg):  # as the Web API says it; there is no number then
            return AckError(wire.reply_to, 0, msg)
        case _:
            return AckError(wire.reply_to, 0, "") if wire.ok is False else Ack(wire.reply_to, wire.ts, wire.text)


def _decode_pong(header: _Header, data: bytes) -> Pong:
    members = {name: value for name, value in _decode_members(data).items() if name not in ("type", "reply_to")}
    return Pong(header.reply_to if type(header.reply_to) is int else None, members)


# --- commands ---

_decode_plain_command: Final[Callable[[bytes | memoryview], Command]] = Decoder(
    Message | Typing | PresenceSub | PresenceQuery | Tickle
).decode


def _decode_any_command(raw: bytes) -> Command:
    try:
        raw.decode()
        members = _decode_members(raw)
    except _UNREADABLE as error:
        return InvalidFrame(str(error), None)
    frame_id = _read(members, "id", FrameId)
    match _read(members, "type", str):
        case None:
            return InvalidFrame("no type", frame_id)
        case "message":
            if frame_id is None and members.get("id", b"null") != b"null":  # its ack could not say what it answers
                return InvalidFrame(f"id {_shown(members['id'])} is not an integer from 0 to 2**63-1", None)
            return Message(
                ChannelId(_read(members, "channel", str) or ""),
                _read(members, "text", str) or "",
                frame_id,
                _read(members, "thread_ts", Ts),
                _read(members, "reply_broadcast", bool),
            )
        case "typing" | "user_typing":
            return Typing(ChannelId(_read(members, "channel", str) or ""), frame_id, _read(members, "thread_ts", Ts))
        case "ping":
            return PingCommand(frame_id, {k: v for k, v in members.items() if k not in ("type", "id")})
        case "presence_sub":
            return PresenceSub(_read_ids(members), frame_id)
        case "presence_query":
            return PresenceQuery(_read_ids(members), frame_id)
        case "tickle":
            return Tickle(frame_id)
        case kind:
            return UnknownCommand(kind, frame_id)


def _shown(value: Raw) -> str:
    """Return the beginning of a JSON value for an error's text."""
    text = bytes(value).decode(errors="replace")
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def _read(members: dict[str, Raw], name: str, kind: Any) -> Any:
    """Return a member of a frame, None if it is absent or of another type."""
    try:
        return msgspec.json.decode(members[name], type=kind)
    except (KeyError, *_UNREADABLE):
        return None


def _read_ids(members: dict[str, Raw]) -> list[UserId]:
    ids = _read(members, "ids", list[Any]) or []
    return [UserId(user) for user in ids if isinstance(user, str)]
