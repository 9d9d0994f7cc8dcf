"""Back-fill: what a user says about it, is told of it, and how the events of it are marked.

The work is done elsewhere: ``client/backfill/filler`` decides when a channel is filled, ``client/backfill/history``
asks the server, ``client/backfill/channel`` puts both kinds of events into one order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tautwire.client.errors import BackfillIncomplete
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.events import Event
from tautwire.protocol.ids import ChannelId

if TYPE_CHECKING:
    from tautwire.client.delivery.delivery import Gap

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Which channels are filled from their history when the server does not resume, and how far that goes.

    Args:
        channels: their ids (no names).
        limit: messages per channel and gap; the newest ones win.
        timeout: seconds a filling may take in all, which is how long a live event may be held back for it.
        held: live events of a channel that may be held back; one more, and the filling of the channel is given up.

    Raises:
        ConfigError: something here makes no sense.
    """

    channels: Iterable[str]
    limit: int = 1_000
    timeout: float = 60.0
    held: int = 5_000

    def __post_init__(self) -> None:
        if isinstance(self.channels, str):
            raise ConfigError('channels is a list of ids, such as ["C024BE91L"]')
        object.__setattr__(self, "channels", tuple(dict.fromkeys(self.channels)))
        if not all(isinstance(each, str) and each[:1].isalpha() for each in self.channels):
            raise ConfigError("channels are given by id, such as C024BE91L, not by name")
        if self.limit < 1 or self.held < 1 or not self.timeout > 0:
            raise ConfigError("limit, held and timeout of a back-fill are greater than 0")


@dataclass(frozen=True, slots=True)
class Backfilled:
    """A filling is over, and its events are with the handlers; given to back-fill handlers."""

    gaps: tuple["Gap", ...]
    """What it was for: one gap, or several if the connection broke again before it was over."""
    ended: datetime
    """When it was over, in UTC."""
    counts: Mapping[ChannelId, int]
    """How many messages were found and delivered, by channel."""
    incomplete: tuple[BackfillIncomplete, ...] = ()
    """What is still missing; error handlers were told the same."""

    @property
    def is_complete(self) -> bool:
        """Whether every chosen channel was filled to the end."""
        return not self.incomplete


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
