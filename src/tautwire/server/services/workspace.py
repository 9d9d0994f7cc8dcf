"""A running workspace: what the doors and the services share.

``server.app`` opens the store, the log and the hub; the workspace makes the parts of the rules from them. A new part is
one more attribute here: doors, methods and the composition root stay as they are.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.hub.hub import Hub
from tautwire.server.log.entry import WORKSPACE, Entry
from tautwire.server.log.epochs import Epochs
from tautwire.server.log.tail import Tail
from tautwire.server.log.writer import Writer
from tautwire.server.services.access.identity import UMBRELLA, Identities
from tautwire.server.services.access.limits import Limits
from tautwire.server.services.access.tickets import Tickets
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.connected import Connected
from tautwire.server.services.controls import Controls
from tautwire.server.services.due import Due
from tautwire.server.services.files.intake import Files
from tautwire.server.services.interactivity.recent import Ephemerals, Recent
from tautwire.server.services.interactivity.requests import Requests
from tautwire.server.services.interactivity.triggers import Triggers
from tautwire.server.services.messaging.statuses import Statuses
from tautwire.server.services.news import News
from tautwire.server.services.people.presence import Presence
from tautwire.server.services.search.filling import Filling
from tautwire.server.services.status import Status
from tautwire.server.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Team:
    """The identity of the workspace on the wire."""

    id: str
    name: str
    domain: str
    icon: str = ""
    """The URL of a picture; empty for the default picture."""


class Workspace:
    """The shared parts of one workspace, for the whole run of the server.

    Args:
        identities: the tokens of the workspace, as they are at the head of ``tail``.
        schedule: posts the scheduled messages.
        streams: ends messages that grow no more.
        files: takes the bytes of files, and clears away what is not needed any more.
        status_ends: clears the statuses that end.
        away: users with a stored manual away.
        bots: users to whom auto-away does not apply.
    """

    def __init__(
        self,
        team: Team,
        settings: Settings,
        *,
        clock: Clock,
        writer: Writer,
        reader: Reader,
        identities: Identities,
        tail: Tail,
        epochs: Epochs,
        hub: Hub,
        counts: Counts,
        schedule: Due,
        streams: Due,
        files: Files,
        status_ends: Due,
        away: set[str],
        bots: set[str],
    ) -> None:
        self.team = team
        """As it is now; ``follow`` replaces it."""
        self.settings = settings
        self.clock = clock
        self.writer = writer
        self.reader = reader
        self.tail = tail
        self.epochs = epochs
        self.hub = hub
        self.counts = counts
        self.identities = identities
        self.schedule = schedule
        self.streams = streams
        self.files = files
        self.status_ends = status_ends
        self.statuses = Statuses(hub, clock)
        self.news = News()
        self.filling = Filling(writer, reader)
        """Enters the messages into the index of the search."""
        self.tickets = Tickets(team.id, clock, settings.ticket_lifetime, identities.find)
        # A key of its own: a ticket of one door is forged at the other.
        self.link_tickets = Tickets(team.id, clock, settings.ticket_lifetime, identities.find)
        """The tickets of Socket Mode."""
        self.presence = Presence(
            hub, clock, away=away, bots=bots, auto_away=settings.auto_away, grace=settings.presence_grace
        )
        self.calls = Limits(clock) if settings.rate_limits else None
        """Counts calls by user and method, on the loop; None without rate limits."""
        self.posts = Limits(clock) if settings.rate_limits else None
        """Counts posts by user and channel, in the writer's thread, where channels are known."""
        # One: there are two reader threads, and one of them stays free for short reads.
        self.long_reads = asyncio.Semaphore(1)
        """Held by a read of a long list."""
        self.controls: Controls | None = None
        """What the control API has besides the rules; None while it is off."""
        self.status: Callable[[], Status] | None = None
        """Tells how the server is; None where no operator can ask."""
        self.connected: Callable[[], Connected] | None = None
        """Tells who is connected, and how far behind; None where no operator can ask."""
        self.enforces_scopes = settings.enforce_scopes
        """Whether a call without the scope of its method is refused."""
        self.requests = Requests(reader)
        """What apps are asked when people act."""
        self.triggers = Triggers(team.id, clock)
        self.ephemerals = Ephemerals()
        self.chosen = Recent()
        """What people have chosen in messages, by user, channel and ts."""
        self.offered = Recent()
        """The options that apps gave for their menus, by user, place and element."""
        self.base_url = settings.public_url or ""
        """The URL of the server without a path, for the URLs that apps get; set when it listens."""

    def require_scope(self, app: str, scope: str, purpose: str) -> None:
        """Raise ``Refused`` (missing_scope) if scopes are enforced, and no token of an app has this one.

        Args:
            purpose: what it is needed for, for the text of the error.
        """
        if not self.enforces_scopes:
            return
        held = self.identities.installation(app).values()
        if not any(UMBRELLA in scopes or scope in scopes for scopes in held):
            raise Refused(
                "missing_scope",
                f"{purpose} needs the scope {scope}, which no token of the app {app} has: install the app with it",
            )

    def follow(self, entries: Sequence[Entry]) -> None:
        """Apply the entries of the log; a reader of the feed.

        An entry of kind ``room`` on the topic of the workspace has the new JSON of the team.
        """
        self.presence.follow(entries)
        self.news.follow(entries)
        self.ephemerals.follow(entries)
        self.filling.follow(entries)
        for entry in entries:
            if entry.kind == "room" and entry.topic == WORKSPACE:
                self.team = msgspec.json.decode(entry.payload, type=Team)
