"""The parts of a running workspace that the doors and services share."""

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
    """The identity of the workspace on the wire."""

    id: str
    name: str
    domain: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """The shared parts; ``server.app`` builds them."""

    team: Team
    settings: Settings
    clock: Clock
    writer: Writer
    reader: Reader
    tail: Tail
    epochs: Epochs
    hub: Hub
    counts: Counts = field(default_factory=Counts)
