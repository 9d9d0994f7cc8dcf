"""The parts of a running workspace that the doors and services share."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.hub.hub import Hub
from tautwire.server.log.entry import WORKSPACE, Entry
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
    icon: str = ""
    """The URL of a picture; empty for the default picture."""


class CurrentTeam:
    """The team, kept current by the log: an entry of kind ``room`` on the topic of the workspace has its new JSON."""

    def __init__(self, team: Team) -> None:
        self.team = team

    def follow(self, entries: Sequence[Entry]) -> None:
        """Apply the entries of the log; a reader of the feed."""
        for entry in entries:
            if entry.kind == "room" and entry.topic == WORKSPACE:
                self.team = msgspec.json.decode(entry.payload, type=Team)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The shared parts; ``server.app`` builds them."""

    current_team: CurrentTeam
    settings: Settings
    clock: Clock
    writer: Writer
    reader: Reader
    tail: Tail
    epochs: Epochs
    hub: Hub
    counts: Counts = field(default_factory=Counts)

    @property
    def team(self) -> Team:
        """The team as it is now."""
        return self.current_team.team
