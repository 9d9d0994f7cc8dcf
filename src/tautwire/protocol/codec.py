"""Bytes to events and commands, and back. Nothing that comes from the wire makes these functions raise.

``decode_events`` is the client's, ``decode_command`` the server's, ``encode`` everybody's. Each decoder first tries the
one strict pass that fits nearly every frame, and looks closer only when that fails.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, TypeAlias, TypeVar, Union

import msgspec
from msgspec import DecodeError, Raw, Struct, ValidationError
from msgspec.json import Decoder

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

_NEVER_PLAIN: Final = (b'{"ok":', b'{"type":"message","subtype":')
"""How frames begin that the one pass would fail on; a hint that saves the microsecond which the failure costs."""

_MAX_FAULTS: Final = 20
"""How many wrong members of one event are taken out before it is given up; each costs a decoding."""

_FAULT_PATH: Final = re.compile(r" - at `\$(.*)`$")
_FAULT_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")

_UNREADABLE: Final = (DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for input that is wrong in whatever way."""


ServerFrame: TypeAlias = Event | Reply | Position
"""What one frame of a server says."""


def decode_events(frames: Iterable[bytes]) -> list[ServerFrame]:
    """Read frames of a server, in their order.

    A class is found by type and subtype, then by type alone, except that a message of an unknown subtype becomes an
    ``UnknownEvent``. An optional member of the wrong shape is taken for absent; where a member is needed, the event
    becomes a ``MalformedEvent``. A ``message`` with ``reply_to`` is a message (the replay of an earlier connection's),
    never an ack.
    """
    decode = _decode_plain_event
    events: list[ServerFrame] = []
    for raw in frames:
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
    such a message with the error of the list that fits. Source: rtm.md 4.1 on what clients are known to send.
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
    error: _ErrorWire | None = None


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
    kind = ""
    try:
        header = _decode_header(raw)
        if not header.type:
            return _decode_reply(header, raw)
        if not isinstance(header.type, str):
            raise ValidationError(f"Expected `str`, got `{type(header.type).__name__}` - at `$.type`")
        kind = header.type
        if kind == "pong":
            return _decode_pong(header, raw)
        subtype = header.subtype if isinstance(header.subtype, str) else None
        cls = _class_of(kind, subtype)
        return _decode_leniently(cls, raw) if cls else UnknownEvent(type=kind, subtype=subtype, raw=raw)
    except _UNREADABLE as error:
        return MalformedEvent(type=kind, reason=str(error), raw=raw)


def _class_of(kind: str, subtype: str | None) -> type[Event] | None:
    cls = CATALOGUE.get((kind, subtype))
    return cls if cls or kind == "message" else CATALOGUE.get((kind, None))


def _decode_reply(header: _Header, raw: bytes) -> Reply:
    if header.ok is None and header.reply_to is None:
        raise ValidationError("Neither an event (no `type`) nor a reply (no `reply_to`)")
    wire = _decode_leniently(_AckWire, raw)
    if wire.ok is False or wire.error is not None:
        error = wire.error or _ErrorWire()
        return AckError(wire.reply_to, error.code, error.msg)
    return Ack(wire.reply_to, wire.ts, wire.text)


def _decode_pong(header: _Header, raw: bytes) -> Pong:
    members = {name: value for name, value in _decode_members(raw).items() if name not in ("type", "reply_to")}
    return Pong(header.reply_to if type(header.reply_to) is int else None, members)


_T = TypeVar("_T", bound=Struct)


@cache
def _decoder_of(cls: type[Any]) -> Decoder[Any]:
    """Return the decoder of a class. It is not strict: SDKs have met numbers as digits and booleans as 0 and 1."""
    return Decoder(cls, strict=False)


def _decode_leniently(cls: type[_T], raw: bytes) -> _T:
    """Decode, taking out what has the wrong shape, innermost first, until the rest fits the class.

    Raises:
        ValidationError: the class cannot do without what is wrong.
    """
    decode: Callable[[bytes], _T] = _decoder_of(cls).decode
    try:
        return decode(raw)
    except ValidationError as error:
        first = error
    tree = msgspec.json.decode(raw)
    for _ in range(_MAX_FAULTS):
        try:
            return decode(_encode(tree))  # first of all as it is: a member given twice is only wrong the first time
        except ValidationError as error:
            if not _take_out(tree, str(error)):
                break
    raise first


def _take_out(tree: Any, fault: str) -> bool:
    """Remove from decoded JSON the place that msgspec's sentence ends with; tell whether there was one."""
    path = _FAULT_PATH.search(fault)
    steps: list[str | int] = [name or int(index) for name, index in _FAULT_STEP.findall(path[1])] if path else []
    if not steps:
        return False
    for step in steps[:-1]:
        tree = tree[step]
    del tree[steps[-1]]
    return True


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


def _read(members: dict[str, Raw], name: str, kind: Any) -> Any:
    """Return a member of a frame, None if it is absent or of another type."""
    try:
        return msgspec.json.decode(members[name], type=kind)
    except (KeyError, *_UNREADABLE):
        return None


def _read_ids(members: dict[str, Raw]) -> list[UserId]:
    ids = _read(members, "ids", list[Any]) or []
    return [UserId(user) for user in ids if isinstance(user, str)]
