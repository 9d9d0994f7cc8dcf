"""What all events have in common, and how a class is found for a frame.

The wire names of a class stand in its definition: the ``type`` is the tag, a subtype is a constant field. ``catalogue``
reads them off once all families are imported.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from tautwire.protocol.opendata import to_python


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A fact the server tells: a frame with a ``type``.

    A field without default is on every such frame; one that may be absent is None (or ``UNSET``, if its shape is open).
    Members that no field names are ignored when an event is decoded. Where a server sends null or another type than the
    field's, the field has its default, and is empty ("", 0, False, []) if it has none; see ``codec.decode_events``.
    """

    TYPE: ClassVar[str] = ""
    """The ``type`` on the wire."""

    SUBTYPE: ClassVar[str | None] = None
    """The ``subtype`` on the wire, None if frames of this class have none."""

    is_backfilled: ClassVar[bool] = False
    """Whether the client found it in a conversation's history after a gap, instead of being told. Never on the wire."""

    def plain(self, field: str) -> Any:
        """Return a field of open shape, such as ``blocks`` or ``attachments``, as lists and dicts; None if absent.

        Raises:
            AttributeError: the event has no such field.
        """
        value = getattr(self, field)
        return to_python(value) if isinstance(value, msgspec.Raw) or value is msgspec.UNSET else value


class UnknownEvent(Event, frozen=True, kw_only=True):
    """A frame of a type, or a message of a subtype, that no class is written for.

    A message with an unknown subtype is not a ``MessageEvent``: handlers take those for what a person or bot wrote.
    """

    type: str
    subtype: str | None = None
    raw: bytes


class MalformedEvent(Event, frozen=True, kw_only=True):
    """A frame that cannot be read: no JSON object with a text as its type, or one nested about a thousand levels deep.

    Handlers of ``"*"`` and ``"?"`` get it, and error handlers as an ``UnreadableFrame``.
    """

    type: str
    """Empty: a frame whose type can be read is some other event."""

    reason: str
    raw: bytes


def const(value: object) -> Any:
    """Declare a field that always has this value and is always written, though it has a default."""
    return msgspec.field(default_factory=lambda: value)


def catalogue(root: type[Event]) -> dict[tuple[str, str | None], type[Event]]:
    """Give every event class below ``root`` its TYPE and SUBTYPE, and return them all by these two."""
    found: dict[tuple[str, str | None], type[Event]] = {}
    for cls in root.__subclasses__():
        tag = cls.__struct_config__.tag
        if isinstance(tag, str):
            cls.TYPE, cls.SUBTYPE = tag, _constant_subtype(cls)
            found[cls.TYPE, cls.SUBTYPE] = cls
        found |= catalogue(cls)
    return found


def _constant_subtype(cls: type[Event]) -> str | None:
    for field in msgspec.structs.fields(cls):
        if field.name == "subtype" and field.default_factory is not msgspec.NODEFAULT:
            return str(field.default_factory())
    return None
