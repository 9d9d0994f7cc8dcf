"""Operations on single events: which types there are, and one sent to one connection."""

from functools import cache
from inspect import getdoc
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from tautwire.protocol.events import CATALOGUE, Event
from tautwire.server.control.operation import Nothing, Result, controls_of, operation
from tautwire.server.services.administration.refusals import NotFound, Refused
from tautwire.server.services.events import SENT
from tautwire.server.services.workspace import Workspace

Kind = Literal["string", "number", "boolean", "list", "object"]


class EventField(msgspec.Struct, kw_only=True, frozen=True):
    """A field of an event, by its name on the wire; JSON of which kind it has, and whether every event has it."""

    name: str
    kind: Kind
    required: bool


class EventType(msgspec.Struct, kw_only=True, frozen=True):
    """A type of event, or a subtype of ``message``. ``sent`` says whether this server sends it by itself."""

    type: str
    subtype: str | None
    about: str
    sent: bool
    fields: list[EventField]


class EventTypes(msgspec.Struct, kw_only=True):
    """All types of events, in the order of names."""

    types: list[EventType]


class Composed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event for one RTM connection, by its number. Only ``type`` is looked at: clients must live with the rest."""

    connection: int
    event: dict[str, Any]


class Delivered(msgspec.Struct, kw_only=True):
    """The connection to which an event went, and the bytes of its frame."""

    connection: int
    bytes: int


@operation("event.types", Nothing, EventTypes)
async def list_types(workspace: Workspace, args: Nothing) -> Result:
    """Return the types of events of RTM with their fields, also those that this server does not send."""
    return {"types": _types()}


@operation("event.send", Composed, Delivered)
async def send(workspace: Workspace, args: Composed) -> Result:
    """Send an event to one RTM connection alone, as if it had happened: it is not in the log, nothing else changes."""
    controls = controls_of(workspace)
    kind = args.event.get("type")
    if not isinstance(kind, str) or not kind:
        raise Refused("invalid_event", "the event has no `type`: give it one, such as `message`")
    payload = msgspec.json.encode(args.event)
    outcome = controls.send(args.connection, payload)
    if outcome == "gone":
        raise NotFound(
            "connection_not_found", f"{args.connection} is no RTM connection that is open: see `connections`"
        )
    if outcome == "full":
        raise Refused("connection_is_slow", f"the connection {args.connection} does not read: too much waits for it")
    return {"connection": args.connection, "bytes": len(payload)}


@cache
def _types() -> list[EventType]:
    found = [_type(cls, kind, subtype) for (kind, subtype), cls in CATALOGUE.items()]
    return sorted(found, key=lambda each: (each.type, each.subtype or ""))


def _type(cls: type[Event], kind: str, subtype: str | None) -> EventType:
    fields = [
        EventField(name=field.encode_name, kind=_kind(field.type), required=field.required)
        for field in msgspec.structs.fields(cls)
        if field.encode_name not in ("type", "subtype")
    ]
    about = " ".join((getdoc(cls) or "").split("\n\n")[0].split()).replace("``", "")
    return EventType(type=kind, subtype=subtype, about=about, sent=kind in SENT, fields=fields)


_KINDS: Final[tuple[tuple[type, Kind], ...]] = (
    (bool, "boolean"),
    (str, "string"),
    (int, "number"),
    (float, "number"),
    (list, "list"),
    (tuple, "list"),
)


def _kind(found: Any) -> Kind:
    """Return the kind of JSON that a type stands for; ``object`` for what has members, and for what can be anything."""
    found = getattr(found, "__value__", found)  # an alias
    found = getattr(found, "__supertype__", found)  # a new type
    origin = get_origin(found)
    if origin is Annotated:
        return _kind(get_args(found)[0])
    if origin is Literal:
        return _kind(type(get_args(found)[0]))
    if origin in (Union, UnionType):
        kinds = {_kind(each) for each in get_args(found) if each not in (type(None), msgspec.UnsetType)}
        return kinds.pop() if len(kinds) == 1 else "object"
    known = origin or found
    return next((kind for cls, kind in _KINDS if isinstance(known, type) and issubclass(known, cls)), "object")
