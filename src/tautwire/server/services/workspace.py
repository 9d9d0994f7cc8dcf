"""The parts of a running workspace that the doors and services share, in one plain bundle."""

from dataclasses import dataclass, field

from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.hub.hub import Hub
from tautwire.server.log.epochs import Epochs
from tautwire.server.log.tail import Tail
from tautwire.server.log.writer import Writer
from tautwire.server.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Team:
    """The workspace as clients know it."""

    id: str
    name: str
    domain: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a rule or a door may need; put together by ``server.app``."""

    team: Team
    settings: Settings
    clock: Clock
    writer: Writer
    reader: Reader
    tail: Tail
    epochs: Epochs
    hub: Hub
    counts: Counts = field(default_factory=Counts)
