"""Operations on single events and frames: which types there are, and one sent to one connection or app."""

from functools import cache, partial
from inspect import getdoc
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from tautwire.protocol.app_events import APP_EVENTS
from tautwire.protocol.correspondence import ONLY_EVENTS_API, ONLY_RTM
from tautwire.protocol.events import CATALOGUE
from tautwire.server.control.operation import Nothing, Result, controls_of, members, operation
from tautwire.server.services.administration.lookup import find_app
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.events import SENT, SENT_TO_APPS
from tautwire.server.services.workspace import Workspace

Kind = Literal["string", "number", "boolean", "list", "object"]
Door = Literal["rtm", "events_api"]


class EventField(msgspec.Struct, kw_only=True, frozen=True):
    """A field of an event, by its name on the wire; JSON of which kind it has, and whether every event has it."""

    name: str
    kind: Kind
    required: bool


class EventType(msgspec.Struct, kw_only=True, frozen=True):
    """A type of event, or a subtype of ``message``.

    ``sent`` says whether this server sends it by itself, ``only`` which API has it if only one of the two has.
    """

    type: str
    subtype: str | None
    about: str
    sent: bool
    only: Door | None
    fields: list[EventField]


class EventTypes(msgspec.Struct, kw_only=True):
    """All types of events, in the order of names."""

    types: list[EventType]


class Composed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event as RTM has it, for one connection by its number, or for an app by its id or name.

    Over RTM only ``type`` is looked at: clients must live with the rest. An app gets it in an envelope, by the way of
    the events of the log, with its order and retries, and whatever it subscribes to. It is kept in memory for that,
    until the app is done with it or the server stops. ``event_ts`` is now if there is none.
    """

    connection: int | None = None
    app: str | None = None
    event: dict[str, Any]


class Delivered(msgspec.Struct, kw_only=True):
    """Where an event went, the bytes of its frame or envelope, and its id (null over RTM, which has none)."""

    connection: int | None
    app: str | None
    bytes: int
    event_id: str | None


Reason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]


class Disconnect(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A Socket Mode connection, by its number, and the reason that its client gets.

    With ``warning`` and ``refresh_requested`` the connection gets no more events, and is closed ten seconds later. With
    the others it is closed at once.
    """

    connection: int
    reason: Reason = "warning"


class Disconnecting(msgspec.Struct, kw_only=True):
    """The connection, and the reason that its client got."""

    connection: int
    reason: Reason


@operation("event.types", Nothing, EventTypes, reads=True)
async def list_types(workspace: Workspace, args: Nothing) -> Result:
    """Return the types of events of both APIs with their fields, also those that this server does not send."""
    return {"types": _types()}


@operation("event.send", Composed, Delivered)
async def send(workspace: Workspace, args: Composed) -> Result:
    """Send an event to one connection or app, as if it had happened: it is not in the log, nothing else changes."""
    sender = controls_of(workspace).sender
    kind = args.event.get("type")
    if not isinstance(kind, str) or not kind:
        raise Refused("invalid_event", "the event has no `type`: give it one, such as `message`")
    if (args.connection is None) == (args.app is None):
        raise Refused("one_destination", "an event goes to one connection, or to an app: name one of them")
    if args.connection is not None:
        return (await sender.to_connection(args.connection, args.event))._asdict()
    app = await workspace.reader.read(partial(find_app, text=args.app or ""))
    return (await sender.to_app(app.id, args.event))._asdict()


@operation("disconnect.send", Disconnect, Disconnecting)
async def send_disconnect(workspace: Workspace, args: Disconnect) -> Result:
    """Send `disconnect` on one Socket Mode connection, and end it as the server does for that reason."""
    controls_of(workspace).sender.disconnect(args.connection, args.reason)
    return members(args)


@cache
def _types() -> list[EventType]:
    found = [_type(cls, kind, subtype) for (kind, subtype), cls in CATALOGUE.items()]
    found += [_type(cls, str(cls.__struct_config__.tag), None) for cls in APP_EVENTS]
    return sorted(found, key=lambda each: (each.type, each.subtype or ""))


def _type(cls: type[msgspec.Struct], kind: str, subtype: str | None) -> EventType:
    fields = [
        EventField(name=field.encode_name, kind=_kind(field.type), required=field.required)
        for field in msgspec.structs.fields(cls)
        if field.encode_name not in ("type", "subtype")
    ]
    about = " ".join((getdoc(cls) or "").split("\n\n")[0].split()).replace("``", "")
    sent = kind in SENT or kind in SENT_TO_APPS
    return EventType(type=kind, subtype=subtype, about=about, sent=sent, only=_only(kind), fields=fields)


def _only(kind: str) -> Door | None:
    if kind in ONLY_EVENTS_API:
        return "events_api"
    return "rtm" if kind in ONLY_RTM else None


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
