"""Events found in a history: the same as live ones, but marked ``is_backfilled``."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from tautwire.protocol.events import Event

E = TypeVar("E", bound=Event)


def mark(event: E) -> E:
    """Return the same event as one that is ``is_backfilled``.

    It is of a subclass made for that, so that no event carries a field for it, on the wire or in memory.
    """
    fields: dict[str, Any] = {name: getattr(event, name) for name in event.__struct_fields__}
    marked: E = _marked_class(type(event))(**fields)
    return marked


@cache
def _marked_class(cls: type[Event]) -> Any:
    return msgspec.defstruct(
        cls.__name__,
        [],
        bases=(cls,),
        namespace={
            "is_backfilled": True,
            "__module__": cls.__module__,
            "__doc__": cls.__doc__,
            "__reduce__": lambda self: (_remake, (cls, {name: getattr(self, name) for name in cls.__struct_fields__})),
        },
        frozen=True,
        kw_only=True,
        omit_defaults=True,
    )


def _remake(cls: type[Event], fields: Mapping[str, Any]) -> Event:
    """Make a marked event again from a pickle."""
    event: Event = _marked_class(cls)(**fields)
    return event
