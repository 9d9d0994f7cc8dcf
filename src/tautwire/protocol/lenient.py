"""The second reading of JSON that is nearly right: what can be read is read, what cannot is left out.

Used where the strict reading fails: by ``tautwire.protocol.codec`` for frames of a server, and for open data. Servers
of other makers send null for an empty text, a timestamp as a number, half of an emoji where a text was cut, bytes that
are no UTF-8. One odd member is no reason to lose the event it stands in.

Two things are mended. ``mended`` makes JSON of what is nearly JSON; ``read`` makes an object of JSON that does not fit
the class, member by member:

- A number where a text belongs is taken as it is written, for a ``Ts`` with all its digits.
- Any other member of the wrong shape is left out. So is an object that lacks what it cannot do without, unless the
  class around it cannot do without the object.
- What the class cannot do without is empty then: "", 0, False, an empty list, an object of such.

The cost is bounded, since a peer chooses what stands here: by the constants in length, in depth by the classes, whose
objects stand at most a few levels deep in each other.
"""

import json
import re
import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, UNSET, DecodeError, Raw, Struct, UnsetType, ValidationError
from msgspec.json import Decoder

from tautwire.protocol.ids import Ts

UNREADABLE: Final = (DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for input that is wrong in whatever way."""

MAX_SIZE: Final = 4 * 1024 * 1024
"""Bytes of JSON that are mended; a longer one is not. As long as a frame may be for our client."""

MAX_REPARSED: Final = 256 * 1024
"""Bytes of JSON that the standard library reads; it needs far more time and memory than msgspec."""

MAX_ITEMS: Final = 1_000
"""Items of a list that are read one by one; a longer list that does not fit is left out."""

_REPLACEMENT: Final = "\\ufffd"

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<alone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""One escape of a JSON string, so that a backslash that is escaped itself begins none."""

_NUMBER: Final = re.compile(rb"-?[0-9][0-9.eE+-]{0,40}")
_TS_NUMBER: Final = re.compile(r"([0-9]{1,10})(?:\.([0-9]+))?")

T = TypeVar("T", bound=Struct)


# --- text that is nearly JSON ---


def mended(data: bytes) -> Iterator[bytes]:
    """Yield JSON with its text mended, then the same as the standard library reads it.

    Bytes that are no UTF-8 and half surrogates become U+FFFD, and a byte order mark is taken away. The standard library
    also reads control characters in strings, and NaN and Infinity (as null); numbers stay as they are written.
    """
    if len(data) > MAX_SIZE:
        yield data
        return
    text = data.decode("utf-8-sig", errors="replace")
    if "\\u" in text:
        text = _ESCAPE.sub(_whole, text)
    yield text.encode()
    if len(data) > MAX_REPARSED:
        return
    try:
        value = json.loads(text, strict=False, parse_int=_number, parse_float=_number, parse_constant=_nothing)
    except (ValueError, RecursionError):
        return
    yield msgspec.json.encode(value)


def encoded(value: object) -> bytes:
    """Write plain data as JSON, such as an answer that the standard library read; half surrogates become U+FFFD."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _ESCAPE.sub(_whole, json.dumps(value)).encode()


def _whole(escape: re.Match[str]) -> str:
    return _REPLACEMENT if escape["alone"] else escape[0]


def _number(literal: str) -> Raw:
    return Raw(literal.encode())


def _nothing(_literal: str) -> None:
    return None


# --- JSON that does not fit its class ---


def read(cls: type[T], data: bytes | Raw) -> T:
    """Read as much of an object as can be read; see the module.

    Raises:
        DecodeError, UnicodeDecodeError, RecursionError: it is no JSON object, or nested beyond measure.
    """
    return _build(cls, data, is_needed=True)


def _build(cls: type[T], data: bytes | Raw, *, is_needed: bool) -> T:
    """Read an object member by member.

    Raises:
        ValidationError: a member is wrong that the class cannot do without, and the object is not needed itself.
    """
    form = _form_of(cls)
    members = form.decode(data)
    values: dict[str, Any] = {}
    for field in form.fields:
        raw = getattr(members, field.name)
        value = UNSET if raw is UNSET else field.read(raw)
        if value is not UNSET:
            values[field.name] = value
        elif field.is_required:
            if not is_needed:
                raise ValidationError(f"Object missing required field `{field.name}`")
            values[field.name] = field.empty()
    return cls(**values)


class _Field(NamedTuple):
    """A member of a class."""

    name: str
    is_required: bool
    hints: tuple[Any, ...]
    """The types it may have."""
    decode: Callable[[Raw], Any]

    def read(self, raw: Raw) -> Any:
        """Return the value of a member, ``UNSET`` if there is none to be had."""
        try:
            return self.decode(raw)
        except UNREADABLE:
            pass
        for hint in self.hints:
            try:
                value = _mend(hint, raw, is_needed=self.is_required)
            except UNREADABLE:
                continue
            if value is not UNSET:
                return value
        return UNSET

    def empty(self) -> Any:
        """Return what stands for a needed member that is not there."""
        if UnsetType in self.hints:
            return UNSET
        hint = self.hints[0]
        return read(hint, b"{}") if _is_object(hint) else (get_origin(hint) or _plain(hint))()


class _Form(NamedTuple):
    """How a class is read: its members as they came, and what becomes of each."""

    decode: Callable[[bytes | Raw], Struct]
    fields: tuple[_Field, ...]


@cache
def _form_of(cls: type[Struct]) -> _Form:
    hints = get_type_hints(cls, include_extras=True)
    fields = msgspec.structs.fields(cls)
    raw = msgspec.defstruct(
        cls.__name__,
        [(each.name, Raw | UnsetType, UNSET) for each in fields],
        rename={each.name: each.encode_name for each in fields},
    )
    return _Form(
        Decoder(raw).decode,
        tuple(
            _Field(each.name, _is_required(each), _types_in(hints[each.name]), decoder_of(hints[each.name]).decode)
            for each in fields
        ),
    )


def _is_required(field: msgspec.structs.FieldInfo) -> bool:
    return field.default is NODEFAULT and field.default_factory is NODEFAULT


@cache
def decoder_of(kind: Any) -> Decoder[Any]:
    """Return the decoder of a type. It is not strict: SDKs have met numbers as digits and booleans as 0 and 1."""
    return Decoder(kind, strict=False)


def _types_in(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _plain(hint: Any) -> Any:
    """Return the type behind a NewType."""
    return getattr(hint, "__supertype__", hint)


def _is_object(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Struct)


def _mend(hint: Any, raw: Raw, *, is_needed: bool) -> Any:
    """Make a value of a type from JSON that does not fit it; ``UNSET`` or an error of ``UNREADABLE`` if it cannot."""
    if _is_object(hint):
        return _build(hint, raw, is_needed=is_needed)
    if get_origin(hint) is list:
        return _mend_list(get_args(hint)[0], raw)
    if _plain(hint) is str and _NUMBER.fullmatch(bytes(raw)):
        literal = bytes(raw).decode()
        return _ts(literal) if hint is Ts else literal
    return UNSET


def _mend_list(hint: Any, raw: Raw) -> Any:
    """Read a list item by item, and leave out those that cannot be read."""
    if len(bytes(raw)) > MAX_REPARSED:
        return UNSET
    items: list[Raw] = msgspec.json.decode(raw, type=list[Raw])
    if len(items) > MAX_ITEMS:
        return UNSET
    field = _Field("", is_required=False, hints=(hint,), decode=decoder_of(hint).decode)
    return [value for value in (field.read(each) for each in items) if value is not UNSET]


def _ts(literal: str) -> str:
    """Write a number as a timestamp: what a sender's number lost are zeros only."""
    match = _TS_NUMBER.fullmatch(literal)
    return f"{match[1]:0>10}.{match[2] or '':0<6.6}" if match else literal
